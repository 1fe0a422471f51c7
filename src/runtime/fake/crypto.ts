import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Crypto } from '../../protocol/crypto.ts'
import { assert } from '../../std/assert.ts'
import { concat, equalBytes } from '../../std/bytes.ts'
import { p256 } from '../p256.ts'

const addressOf = (publicKey: Uint8Array): Uint8Array => keccak_256(publicKey).slice(12)
const checkCipher = (key: Uint8Array, nonce: Uint8Array): void =>
  assert(key.length === 32 && nonce.length === 12, 'AES-256-GCM takes a 32-byte key and a 12-byte nonce')

/** The 64-byte public key that made the 65-byte `signature` of `digest`, or null. */
function recoverKey(digest: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const v = signature[64]
  if (digest.length !== 32 || signature.length !== 65 || (v !== 27 && v !== 28)) return null
  // The library puts the recovery number first, the chain puts it last.
  const encoded = concat([Uint8Array.of(v - 27), signature.subarray(0, 64)])
  try {
    const parsed = secp256k1.Signature.fromBytes(encoded, 'recovered')
    return parsed.hasHighS() ? null : parsed.recoverPublicKey(digest).toBytes(false).slice(1)
  } catch {
    // r or s out of range, or r not on the curve: the peer's doing, so an answer and not an exception.
    return null
  }
}

const portableSecp256k1: Crypto['secp256k1'] = {
  publicKey: (secret) => secp256k1.getPublicKey(secret, false).slice(1),
  sign(secret, digest) {
    const signed = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' })
    return concat([signed.subarray(1), Uint8Array.of(27 + (signed[0] ?? 0))])
  },
  verify(key, digest, signature) {
    const signer = recoverKey(digest, signature)
    return signer !== null && equalBytes(signer, key)
  },
  recover(digest, signature) {
    const signer = recoverKey(digest, signature)
    return signer === null ? null : addressOf(signer)
  },
  address: (secret) => addressOf(secp256k1.getPublicKey(secret, false).subarray(1)),
}

const portableEd25519: Crypto['ed25519'] = {
  publicKey: (secret) => ed25519.getPublicKey(secret),
  sign: (secret, message) => ed25519.sign(message, secret),
  verify(key, message, signature) {
    if (key.length !== 32 || signature.length !== 64) return false
    try {
      return ed25519.verify(signature, message, key, { zip215: false })
    } catch {
      return false
    }
  },
}

/**
 * The same primitives in plain JavaScript: what a browser uses, and the reference that the native ones are held to. Some
 * ten times slower; results are equal byte for byte.
 */
export const portableCrypto: Crypto = {
  sha256: (...parts) => sha256(parts.length === 1 && parts[0] !== undefined ? parts[0] : concat(parts)),
  keccak256: (...parts) => keccak_256(parts.length === 1 && parts[0] !== undefined ? parts[0] : concat(parts)),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdf: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),
  seal(key, nonce, aad, plain) {
    checkCipher(key, nonce)
    return gcm(key, nonce, aad).encrypt(plain)
  },
  open(key, nonce, aad, sealed) {
    checkCipher(key, nonce)
    try {
      return gcm(key, nonce, aad).decrypt(sealed)
    } catch {
      return null
    }
  },
  secp256k1: portableSecp256k1,
  p256,
  ed25519: portableEd25519,
}
