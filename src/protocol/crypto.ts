/**
 * The pure primitives everything else is built from. They are a value and not an import because Node's native ones are
 * several times faster than portable ones, and a browser or a reference check has only the portable ones. All are
 * deterministic; randomness comes from `Random`.
 */
export interface Crypto {
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  /** A SHA-256 over bytes that come one after the other, where the platform has one. */
  sha256Running?(): RunningHash
  /** EVM's Keccak-256. */
  keccak256(...parts: readonly Uint8Array[]): Uint8Array
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
  /** RFC 5869 with SHA-256. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  /** AES-256-GCM; the result is ciphertext ‖ 16-byte tag. `nonce` is 12 bytes. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array
  /** The plaintext, or null when the tag does not match. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null
  readonly secp256k1: SignatureScheme & {
    /** 20-byte address that signed `hash` (32 bytes) with the 65-byte r‖s‖v `signature`, or null. */
    recover(hash: Uint8Array, signature: Uint8Array): Uint8Array | null
    /** 20-byte address of a secret key. */
    address(secret: Uint8Array): Uint8Array
  }
  /** Signatures are 64-byte r‖s with low s over the 32-byte hash; public keys 64 bytes x‖y. */
  readonly p256: SignatureScheme
  /** RFC 8032; signs the message itself. Public keys 32 bytes. */
  readonly ed25519: SignatureScheme
}

export interface RunningHash {
  /** The bytes are hashed before this returns: their memory is free again. */
  update(bytes: Uint8Array): void
  /** Ends the hash. */
  digest(): Uint8Array
}

export interface SignatureScheme {
  publicKey(secret: Uint8Array): Uint8Array
  /** secp256k1: 65 bytes r‖s‖v, low s, v = 27 or 28, RFC 6979; public keys 64 bytes x‖y. p256 and ed25519: 64 bytes. */
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}
