import { equalBytes } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { bytesOf, type DeviceId, digestOf, type Hex } from './ids.ts'

/** ERC-7913 signer bytes of a device: a 20-byte address (secp256k1), or a 64-byte x ‖ y (P-256), as in DeviceKeys.sol. */
export type SignerKind =
  | { readonly is: 'secp256k1'; readonly address: Uint8Array }
  | { readonly is: 'p256'; readonly key: Uint8Array }
  | { readonly is: 'unknown' }

export function signerKind(signer: Hex): SignerKind {
  const bytes = bytesOf(signer)
  if (bytes.length === 20) return { is: 'secp256k1', address: bytes }
  if (bytes.length === 64) return { is: 'p256', key: bytes }
  return { is: 'unknown' }
}

/** Whether the device with these signer bytes signed `hash` (32 bytes). Never throws on bad input. */
export function verifyDevice(crypto: Crypto, signer: Hex, hash: Uint8Array, signature: Uint8Array): boolean {
  const kind = signerKind(signer)
  switch (kind.is) {
    case 'secp256k1': {
      const by = signature.length === 65 ? crypto.secp256k1.recover(hash, signature) : null
      return by !== null && equalBytes(by, kind.address)
    }
    case 'p256':
      return signature.length === 64 && crypto.p256.verify(kind.key, hash, signature)
    case 'unknown':
      return false
  }
}

/** Id of a device: keccak256 of its signer bytes, as in DeviceRegistry.sol. */
export const deviceIdOf = (crypto: Crypto, signer: Hex): DeviceId => digestOf(crypto.keccak256(bytesOf(signer))) as string as DeviceId
