import { base58btc } from 'multiformats/bases/base58'
import { concat } from '../std/bytes.ts'
import type { PeerId } from './ids.ts'

/** libp2p's `PublicKey` protobuf of an Ed25519 key up to the 32 raw bytes: Type = 1 (Ed25519), Data of 32 bytes (peer-ids.md). */
const PUBLIC_KEY_PREFIX = Uint8Array.of(0x08, 0x01, 0x12, 0x20)
/** An identity multihash (code 0) of those 36 bytes: keys this short are not hashed but carried (peer-ids.md). */
const MULTIHASH_PREFIX = Uint8Array.of(0x00, 0x24, ...PUBLIC_KEY_PREFIX)
/** Every Ed25519 peer id has this length, because its leading bytes are fixed. */
const TEXT_LENGTH = 52

/** The peer id (`12D3KooW…`) of a 32-byte Ed25519 public key, after libp2p's "Peer Ids and Keys" specification. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== 32) throw new TypeError(`an Ed25519 public key is 32 bytes, not ${publicKey.length}`)
  return base58btc.baseEncode(concat([MULTIHASH_PREFIX, publicKey])) as PeerId
}

/** The 32-byte Ed25519 public key that `peer` is. */
export function publicKeyOf(peer: PeerId): Uint8Array {
  const key = decodePeerId(peer)
  if (key === null) throw new TypeError(`not an Ed25519 peer id: ${JSON.stringify(peer.slice(0, 80))}`)
  return key
}

/** `text` as a peer id. Throws a TypeError when it is not the base58btc text of an Ed25519 peer id. */
export function peerId(text: string): PeerId {
  if (decodePeerId(text) === null) throw new TypeError(`not an Ed25519 peer id: ${JSON.stringify(text.slice(0, 80))}`)
  return text as PeerId
}

/** libp2p's protobuf of a 32-byte Ed25519 public key (36 bytes), as certificates and signed records carry it. */
export const encodePublicKey = (publicKey: Uint8Array): Uint8Array => concat([PUBLIC_KEY_PREFIX, publicKey])

/** The 32 bytes of a protobuf that `encodePublicKey` made, or null; other key types are not Cairn's. */
export const decodePublicKey = (bytes: Uint8Array): Uint8Array | null => after(bytes, PUBLIC_KEY_PREFIX)

function decodePeerId(text: string): Uint8Array | null {
  // The length is checked first: decoding base58 takes time quadratic in it.
  if (text.length !== TEXT_LENGTH) return null
  try {
    return after(base58btc.baseDecode(text), MULTIHASH_PREFIX)
  } catch {
    return null
  }
}

function after(bytes: Uint8Array, prefix: Uint8Array): Uint8Array | null {
  if (bytes.length !== prefix.length + 32) return null
  for (let i = 0; i < prefix.length; i += 1) if (bytes[i] !== prefix[i]) return null
  return bytes.slice(prefix.length)
}
