/** RFC 4648 §5 without padding, as WebAuthn and JSON Web Keys write bytes. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

export function toBase64Url(bytes: Uint8Array): string {
  let out = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3)
    const word = (a << 16) | (b << 8) | c
    const digits = Math.min(3, bytes.length - i) + 1
    for (let d = 0; d < digits; d += 1) out += ALPHABET[(word >> (18 - 6 * d)) & 63]
  }
  return out
}

/** The bytes, or null for text that is no such encoding, has padding, or sets bits beyond its last byte. */
export function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null
  const out = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (const character of text) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return null
    held = (held << 6) | value
    bits += 6
    if (bits < 8) continue
    bits -= 8
    out[at] = (held >> bits) & 0xff
    at += 1
    held &= (1 << bits) - 1
  }
  // A rest that is not zero would make two texts of one value.
  return held === 0 ? out : null
}
