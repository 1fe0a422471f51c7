import type { Brand } from '../std/brand.ts'
import { fromHex, toHex } from '../std/bytes.ts'

/** Ids are lower-case hexadecimal with `0x`, so that equal ids are equal strings and sort as their bytes do. */
export type Hex = `0x${string}`

/** EVM account: 20 bytes. Operators, customers and verifiers are accounts. */
export type Account = Brand<Hex, 'Account'>
/** EVM address of a contract or of a session key: 20 bytes. */
export type Address = Brand<Hex, 'Address'>
/** 32 bytes: a hash, a root, a digest. */
export type Digest = Brand<Hex, 'Digest'>
/** libp2p Ed25519 peer id in its text form (`12D3KooW…`). */
export type PeerId = Brand<string, 'PeerId'>
/** keccak256 of a device's ERC-7913 signer bytes: 32 bytes. */
export type DeviceId = Brand<Hex, 'DeviceId'>
/** What a resource scores: a device id, or a node's device id. */
export type SubjectId = DeviceId
/** Id of an on-chain network (market). */
export type NetworkId = Brand<number, 'NetworkId'>
/** Accounting period: ⌊unix seconds / epochLength⌋. */
export type Epoch = Brand<number, 'Epoch'>
/** Content id of evidence: CIDv1 text (base32). */
export type Cid = Brand<string, 'Cid'>
/** 32 random bytes that nobody chose, from which challenges and orders of choice are drawn. */
export type Seed = Brand<Uint8Array, 'Seed'>
/** Name of a versioned protocol between peers, e.g. `/cairn/storage/1`. */
export type ProtocolId = `/cairn/${string}/${number}`

/** How ids are written; most of those that pass here already are. */
const CANONICAL = /^0x[0-9a-f]*$/

function fixed(text: string, bytes: number): Hex | null {
  if (text.length === 2 + 2 * bytes && CANONICAL.test(text)) return text as Hex
  const decoded = fromHex(text)
  return decoded !== null && decoded.length === bytes ? (`0x${toHex(decoded)}` as Hex) : null
}

function parse<T extends Hex>(text: string, bytes: number, what: string): T {
  const hex = fixed(text, bytes)
  if (hex === null) throw new TypeError(`${what} must be ${bytes} bytes of hexadecimal, not ${JSON.stringify(text.slice(0, 80))}`)
  return hex as T
}

export const account = (text: string): Account => parse<Account>(text, 20, 'an account')
export const address = (text: string): Address => parse<Address>(text, 20, 'an address')
export const digest = (text: string): Digest => parse<Digest>(text, 32, 'a digest')
export const deviceId = (text: string): DeviceId => parse<DeviceId>(text, 32, 'a device id')

/** The digest whose bytes these are. */
export const digestOf = (bytes: Uint8Array): Digest => digest(`0x${toHex(bytes)}`)
/** The bytes of any hexadecimal id. */
export function bytesOf(id: Hex): Uint8Array {
  const bytes = fromHex(id)
  if (bytes === null) throw new TypeError(`not hexadecimal: ${id}`)
  return bytes
}

export function networkId(value: number): NetworkId {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new TypeError(`a network id is a uint32, not ${value}`)
  return value as NetworkId
}

export function epoch(value: number): Epoch {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new TypeError(`an epoch is a uint32, not ${value}`)
  return value as Epoch
}
