import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { keccak_256 } from '@noble/hashes/sha3.js'
import native from 'secp256k1'
import type { Crypto, RunningHash, SignatureScheme } from '../../protocol/crypto.ts'
import { assert } from '../../std/assert.ts'
import { compareBytes, concat, equalBytes } from '../../std/bytes.ts'
import { createP256 } from './p256.ts'

/** Below this many bytes one copy and one call beat the set-up of a streaming hash (measured: about 4 KiB). */
const ONE_SHOT_BYTES = 4096
/** Parsed keys kept per scheme. A verifier meets some hundred peers in an epoch; a parsed key takes about 1 KiB. */
const KEYS_KEPT = 1024
const TAG_BYTES = 16
/** Half of the order of secp256k1 (SEC 2 §2.4.1), the highest s of a signature that is in its one allowed form (EIP-2). */
const SECP256K1_HALF_ORDER = Uint8Array.from(Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex'))
/** What stands before the 32 raw bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410 §7, §4). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** A Buffer is a Uint8Array with other methods; callers get the plain kind, over the same memory. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

const SHA256_BYTES = 32

/**
 * By way of text with one character for each byte: a Buffer from Node has memory outside of the heap, whose making and
 * collection cost twice what hashing two nodes of a tree does (measured: 0.9 µs instead of 2.0 µs).
 */
function sha256Once(bytes: Uint8Array): Uint8Array {
  const text = hash('sha256', bytes, 'binary')
  const out = new Uint8Array(SHA256_BYTES)
  for (let i = 0; i < SHA256_BYTES; i += 1) out[i] = text.charCodeAt(i)
  return out
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const only = parts.length === 1 ? parts[0] : length <= ONE_SHOT_BYTES ? concat(parts) : undefined
  if (only !== undefined) return sha256Once(only)
  const state = createHash('sha256')
  for (const part of parts) state.update(part)
  return plain(state.digest())
}

/** HMAC's block and pads (RFC 2104). */
const BLOCK_BYTES = 64
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/**
 * Two one-shot hashes for short data: Node's `createHmac` builds a key object each time, which costs several times more
 * than the hashing (measured: a fifth of a signed request).
 */
function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length > ONE_SHOT_BYTES) return plain(createHmac('sha256', key).update(data).digest())
  const short = key.length > BLOCK_BYTES ? sha256(key) : key
  const inner = new Uint8Array(BLOCK_BYTES + data.length).fill(INNER_PAD, 0, BLOCK_BYTES)
  const outer = new Uint8Array(BLOCK_BYTES + 32).fill(OUTER_PAD, 0, BLOCK_BYTES)
  for (let i = 0; i < short.length; i += 1) {
    inner[i] = INNER_PAD ^ (short[i] ?? 0)
    outer[i] = OUTER_PAD ^ (short[i] ?? 0)
  }
  inner.set(data, BLOCK_BYTES)
  outer.set(sha256(inner), BLOCK_BYTES)
  return sha256(outer)
}

function sha256Running(): RunningHash {
  const state = createHash('sha256')
  return { update: (bytes) => void state.update(bytes), digest: () => plain(state.digest()) }
}

function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only !== undefined) return keccak_256(only)
  const state = keccak_256.create()
  for (const part of parts) state.update(part)
  return state.digest()
}

function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
  assert(key.length === 32 && nonce.length === 12, 'AES-256-GCM takes a 32-byte key and a 12-byte nonce')
  // Given raw bytes, Node first throws and catches a TypeError with its stack: 35 µs, most of what a small text costs.
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), nonce)
  cipher.setAAD(aad)
  const sealed = new Uint8Array(text.length + TAG_BYTES)
  sealed.set(cipher.update(text), 0)
  cipher.final()
  sealed.set(cipher.getAuthTag(), text.length)
  return sealed
}

function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  assert(key.length === 32 && nonce.length === 12, 'AES-256-GCM takes a 32-byte key and a 12-byte nonce')
  if (sealed.length < TAG_BYTES) return null
  const length = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(length))
  const text = plain(decipher.update(sealed.subarray(0, length)))
  try {
    decipher.final()
  } catch {
    return null
  }
  return text
}

/** Remembers what `make` built for the last `KEYS_KEPT` byte strings, forgetting the oldest. */
function remembered<T>(make: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const kept = new Map<string, T>()
  return (bytes) => {
    // Kept under a hash, so that no secret lingers as text on the heap.
    const name = hash('sha256', bytes, 'base64')
    const known = kept.get(name)
    if (known !== undefined) return known
    const made = make(bytes)
    if (kept.size >= KEYS_KEPT) for (const oldest of kept.keys()) if (kept.delete(oldest)) break
    kept.set(name, made)
    return made
  }
}

function createEd25519(): SignatureScheme {
  const secretKey = remembered<KeyObject>((secret) => {
    assert(secret.length === 32, 'an Ed25519 secret is 32 bytes')
    return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, secret]), format: 'der', type: 'pkcs8' })
  })
  const publicKey = remembered<KeyObject>((key) =>
    createPublicKey({ key: Buffer.concat([ED25519_SPKI, key]), format: 'der', type: 'spki' }),
  )
  return {
    publicKey: (secret) =>
      Uint8Array.from(createPublicKey(secretKey(secret)).export({ format: 'der', type: 'spki' }).subarray(ED25519_SPKI.length)),
    sign: (secret, message) => plain(sign(null, message, secretKey(secret))),
    verify(key, message, signature) {
      if (key.length !== 32 || signature.length !== 64) return false
      return verify(null, message, publicKey(key), signature)
    },
  }
}

/** The 64-byte public key that made the 65-byte `signature` of `digest`, or null. */
function recoverKey(digest: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const v = signature[64]
  if (digest.length !== 32 || signature.length !== 65 || (v !== 27 && v !== 28)) return null
  if (compareBytes(signature.subarray(32, 64), SECP256K1_HALF_ORDER) > 0) return null
  try {
    return native.ecdsaRecover(signature.subarray(0, 64), v - 27, digest, false).subarray(1)
  } catch {
    // r or s out of range, or r not on the curve: the peer's doing, so an answer and not an exception.
    return null
  }
}

function createSecp256k1(): Crypto['secp256k1'] {
  const publicKey = remembered((secret: Uint8Array) => native.publicKeyCreate(secret, false).slice(1))
  const addressOf = remembered((key: Uint8Array) => keccak256(key).slice(12))
  return {
    publicKey: (secret) => Uint8Array.from(publicKey(secret)),
    sign(secret, digest) {
      const { signature, recid } = native.ecdsaSign(digest, secret)
      const out = new Uint8Array(65)
      out.set(signature)
      out[64] = 27 + recid
      return out
    },
    verify(key, digest, signature) {
      // Recovering costs the same as verifying and also pins v, so that there is one valid form of a signature.
      const signer = recoverKey(digest, signature)
      return signer !== null && equalBytes(signer, key)
    },
    recover(digest, signature) {
      const signer = recoverKey(digest, signature)
      return signer === null ? null : keccak256(signer).slice(12)
    },
    address: (secret) => Uint8Array.from(addressOf(publicKey(secret))),
  }
}

/** Node's and libsecp256k1's native primitives. Parsed keys are cached, which is why this is built and not a constant. */
export function createCrypto(): Crypto {
  return {
    sha256,
    keccak256,
    sha256Running,
    hmacSha256,
    hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
    seal,
    open,
    secp256k1: createSecp256k1(),
    p256: createP256(hmacSha256),
    ed25519: createEd25519(),
  }
}
