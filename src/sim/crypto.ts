import type { Crypto } from '../protocol/crypto.ts'

/** Signatures of a few epochs of the largest network that is simulated. */
const RECOVERED_KEPT = 200_000

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/**
 * The same cryptography, for one process that plays everybody: verifiers, gateway and auditor all check the signatures of
 * one epoch, and what recovering gives depends on nothing but its input.
 */
export function createSharedCrypto(crypto: Crypto): Crypto {
  const recovered = new Map<string, Uint8Array | null>()
  return {
    ...crypto,
    secp256k1: {
      ...crypto.secp256k1,
      recover(digest, signature) {
        const name = `${textOf(digest)} ${textOf(signature)}`
        const known = recovered.get(name)
        if (known !== undefined) return known
        const made = crypto.secp256k1.recover(digest, signature)
        if (recovered.size >= RECOVERED_KEPT) recovered.clear()
        recovered.set(name, made)
        return made
      },
    },
  }
}
