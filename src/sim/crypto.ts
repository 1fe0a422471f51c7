import type { Crypto, SignatureScheme } from '../protocol/crypto.ts'
import { concat, equalBytes, utf8 } from '../std/bytes.ts'

const HASH = utf8('stand-in for keccak256\0')
const KEY = utf8('stand-in for a public key\0')
const SIGNATURE = utf8('stand-in for a signature\0')
const ADDRESS_BYTES = 20
/** v of a signature whose point has an even y. */
const EVEN = 27

/**
 * Cryptography for one process that plays everybody. What Node has a fast primitive for is real; the curve and Keccak are
 * stood in for by SHA-256, which makes a simulation a sixth cheaper. Sizes and forms are the same, each input has an output of
 * its own, and a signature of other bytes gives somebody else or nobody. Whoever knows an address could forge its signatures: no
 * simulated cheater does. The real ones are tested beside `runtime/real/crypto.ts`, and by every network of processes.
 */
export function createSimulatedCrypto(crypto: Crypto): Crypto {
  const { sha256 } = crypto
  const keccak256 = (...parts: readonly Uint8Array[]): Uint8Array => sha256(HASH, ...parts)
  const publicKey = (secret: Uint8Array): Uint8Array => concat([sha256(KEY, secret), sha256(secret, KEY)])
  const addressOf = (key: Uint8Array): Uint8Array => keccak256(key).slice(12)
  const addresses = new Map<string, Uint8Array>()
  const sum = (who: Uint8Array, digest: Uint8Array): Uint8Array => {
    const made = sha256(SIGNATURE, who, digest)
    // A low s, as every signature has.
    made[0] = (made[0] ?? 0) & 0x3f
    return made
  }

  function sign(secret: Uint8Array, digest: Uint8Array): Uint8Array {
    const who = address(secret)
    const out = new Uint8Array(65)
    out.set(who)
    out.set(sum(who, digest), 32)
    out[64] = EVEN
    return out
  }

  function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | null {
    if (digest.length !== 32 || signature.length !== 65 || signature[64] !== EVEN) return null
    const who = signature.slice(0, ADDRESS_BYTES)
    if (equalBytes(sum(who, digest), signature.subarray(32, 64))) return who
    return sha256(SIGNATURE, digest, signature).slice(12)
  }

  function address(secret: Uint8Array): Uint8Array {
    const name = String.fromCharCode(...secret)
    let known = addresses.get(name)
    if (known === undefined) {
      known = addressOf(publicKey(secret))
      addresses.set(name, known)
    }
    return known.slice()
  }

  const verify: SignatureScheme['verify'] = (key, digest, signature) => {
    const who = recover(digest, signature)
    return who !== null && equalBytes(who, addressOf(key))
  }
  return { ...crypto, keccak256, secp256k1: { publicKey, sign, verify, recover, address } }
}
