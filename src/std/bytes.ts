import { assert } from './assert.ts'

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
/** Value of each hexadecimal digit by its character code, −1 elsewhere: every id on a hot path passes through it. */
const NIBBLES = Int8Array.from({ length: 128 }, (_, code) => {
  const digit = String.fromCharCode(code)
  return /[0-9a-fA-F]/.test(digit) ? Number.parseInt(digit, 16) : -1
})
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** Lower-case hexadecimal without a prefix. */
export function toHex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += HEX[byte]
  return out
}

/** Bytes of a hexadecimal string, with or without `0x`; null when it is not one. */
export function fromHex(text: string): Uint8Array | null {
  const start = text.startsWith('0x') ? 2 : 0
  if (text.length % 2 !== 0) return null
  const out = new Uint8Array((text.length - start) / 2)
  for (let i = 0, at = start; i < out.length; i += 1, at += 2) {
    const high = NIBBLES[text.charCodeAt(at)] ?? -1
    const low = NIBBLES[text.charCodeAt(at + 1)] ?? -1
    if (high < 0 || low < 0) return null
    out[i] = high * 16 + low
  }
  return out
}

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** Text of UTF-8 bytes; throws a TypeError on malformed input. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes)

/** One new array holding all of `parts` in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Lexicographic order of bytes: the order in which everything that is folded into a root is sorted. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i += 1) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference < 0 ? -1 : 1
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compareBytes(a, b) === 0

/** `value` in big-endian order, exactly `length` bytes. */
export function bigEndian(value: bigint, length: number): Uint8Array {
  assert(value >= 0n && value >> BigInt(8 * length) === 0n, `${value} must fit ${length} bytes`)
  const out = new Uint8Array(length)
  let rest = value
  for (let i = length - 1; i >= 0; i -= 1) {
    out[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return out
}

/** The unsigned integer that `bytes` hold in big-endian order. */
export function fromBigEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}
