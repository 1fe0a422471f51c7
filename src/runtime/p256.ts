import { p256 as curve } from '@noble/curves/nist.js'
import type { SignatureScheme } from '../protocol/crypto.ts'

/**
 * ECDSA over P-256 on a given 32-byte hash, as the chain's P256VERIFY precompile (RIP-7212) and contracts check it, in
 * portable code: for the fake runtime and browsers, and what the real runtime's is compared with.
 * Nonces are RFC 6979, so a signature is a function of its inputs. High s is refused: a signature has one form only.
 */
export const p256: SignatureScheme = {
  publicKey: (secret) => curve.getPublicKey(secret, false).slice(1),
  sign: (secret, hash) => curve.sign(hash, secret, { prehash: false, lowS: true }),
  verify(publicKey, hash, signature) {
    if (publicKey.length !== 64 || hash.length !== 32 || signature.length !== 64) return false
    const encoded = new Uint8Array(65)
    encoded[0] = 4
    encoded.set(publicKey, 1)
    try {
      return curve.verify(signature, hash, encoded, { prehash: false, lowS: true })
    } catch {
      // A point off the curve or a scalar out of range comes from the peer: an answer, not an exception.
      return false
    }
  },
}
