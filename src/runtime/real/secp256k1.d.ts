/** The part of the native `secp256k1` package that is used here; it ships no types. */
declare module 'secp256k1' {
  interface Secp256k1 {
    publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array
    /** Deterministic (RFC 6979), low s. */
    ecdsaSign(hash: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recid: number }
    /** Throws when no public key fits. Accepts high s. */
    ecdsaRecover(signature: Uint8Array, recid: number, hash: Uint8Array, compressed: boolean): Uint8Array
  }
  const secp256k1: Secp256k1
  export default secp256k1
}
