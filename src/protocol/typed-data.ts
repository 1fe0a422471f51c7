/**
 * Every EIP-712 type that somebody signs, in one place shared by signers, verifiers and contract tests. Hashing is our
 * own few lines on `Crypto`, since viem's encoder is built for wallets and costs a hundred times more per signature.
 */
import { assert } from '../std/assert.ts'
import { bigEndian, concat, utf8 } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { bytesOf, type Hex } from './ids.ts'

/** Members in signing order; only static types are used, so that encoding is concatenation. */
export interface TypedStruct {
  readonly name: string
  readonly members: readonly (readonly [name: string, type: StaticType])[]
}
export type StaticType = 'address' | 'bytes32' | 'uint8' | 'uint32' | 'uint40' | 'uint64' | 'uint96' | 'uint128' | 'uint256'
export type TypedValue = Readonly<Record<string, Hex | bigint | number>>

export interface Domain {
  readonly name: string
  readonly version: string
  readonly chainId: number
  /** Absent for what is only ever checked off chain. */
  readonly verifyingContract?: Hex
}

/** Escrow: cumulative promise of a payer to a payee. Amount in the asset's smallest unit (µcredits). */
export const VOUCHER: TypedStruct = {
  name: 'Voucher',
  members: [
    ['payer', 'address'],
    ['payee', 'address'],
    ['asset', 'address'],
    ['net', 'uint32'],
    ['channelId', 'uint64'],
    ['cumulative', 'uint128'],
  ],
}

/** Escrow.redeemProved: what a proved unit of a channel costs. */
export const RATE: TypedStruct = {
  name: 'Rate',
  members: [
    ['channel', 'bytes32'],
    ['unit', 'bytes32'],
    ['numerator', 'uint128'],
    ['denominator', 'uint128'],
  ],
}

/** RootPublisher and RootQuorum: a settled epoch's root, signed by the network's one verifier or by a quorum of several. */
export const ROOT: TypedStruct = {
  name: 'Root',
  members: [
    ['net', 'uint32'],
    ['asset', 'address'],
    ['epoch', 'uint32'],
    ['attempt', 'uint32'],
    ['setId', 'uint32'],
    ['root', 'bytes32'],
    ['total', 'uint128'],
    ['dataHash', 'bytes32'],
  ],
}

/** DeviceRegistry: the device's consent to an owner and a peer. */
export const REGISTER: TypedStruct = {
  name: 'Register',
  members: [
    ['net', 'uint32'],
    ['owner', 'address'],
    ['transportKey', 'bytes32'],
    ['deadline', 'uint40'],
    ['batch', 'bytes32'],
  ],
}

/** Market: what a provider offers one customer. Members in the order of IMarket.Quote. */
export const QUOTE: TypedStruct = {
  name: 'Quote',
  members: [
    ['provider', 'address'],
    ['customer', 'address'],
    ['net', 'uint32'],
    ['asset', 'address'],
    ['rate', 'uint96'],
    ['term', 'uint40'],
    ['notice', 'uint40'],
    ['spec', 'bytes32'],
    ['expiry', 'uint40'],
    ['nonce', 'uint256'],
  ],
}

/** ERC-2612, in the token's own domain: an allowance by signature. */
export const PERMIT: TypedStruct = {
  name: 'Permit',
  members: [
    ['owner', 'address'],
    ['spender', 'address'],
    ['value', 'uint256'],
    ['nonce', 'uint256'],
    ['deadline', 'uint256'],
  ],
}

/** ERC-3009, in the token's own domain: a transfer that only its receiver can carry out. */
export const RECEIVE_WITH_AUTHORIZATION: TypedStruct = {
  name: 'ReceiveWithAuthorization',
  members: [
    ['from', 'address'],
    ['to', 'address'],
    ['value', 'uint256'],
    ['validAfter', 'uint256'],
    ['validBefore', 'uint256'],
    ['nonce', 'bytes32'],
  ],
}

/** PasskeyAccount.execute; `calls` is the hash of their ABI encoding. */
export const EXECUTE: TypedStruct = {
  name: 'Execute',
  members: [
    ['calls', 'bytes32'],
    ['nonce', 'uint256'],
    ['deadline', 'uint40'],
  ],
}

/** PasskeyAccount.isValidSignature (ERC-1271): somebody else's hash in the account's own domain. */
export const PASSKEY_MESSAGE: TypedStruct = { name: 'Message', members: [['hash', 'bytes32']] }

/** A storage data set, co-signed by customer (session key) and provider (device's operator key). */
export const SET_HEAD: TypedStruct = {
  name: 'Head',
  members: [
    ['net', 'uint32'],
    ['setId', 'bytes32'],
    ['provider', 'address'],
    ['customer', 'address'],
    ['root', 'bytes32'],
    ['count', 'uint64'],
    ['totalBytes', 'uint64'],
    ['version', 'uint64'],
    ['expiresAt', 'uint40'],
  ],
}

/** DisputeManager: what a device signs of its work. Two with one (boot, sequence) that differ are evidence against it. */
export const RECEIPT: TypedStruct = {
  name: 'Receipt',
  members: [
    ['net', 'uint32'],
    ['deviceId', 'bytes32'],
    ['boot', 'bytes32'],
    ['sequence', 'uint64'],
    ['timestamp', 'uint40'],
    ['contentHash', 'bytes32'],
  ],
}

/** What a gateway's session key orders of a storage provider. `op` is ORDER_OP of the storage resource. */
export const STORAGE_ORDER: TypedStruct = {
  name: 'StorageOrder',
  members: [
    ['account', 'address'],
    ['device', 'bytes32'],
    ['op', 'uint8'],
    ['pieceId', 'bytes32'],
    ['maxBytes', 'uint64'],
    ['expiry', 'uint64'],
    ['serial', 'uint64'],
  ],
}

/** Off-chain domain of messages between storage peers of one chain. */
export const storageDomain = (chainId: number): Domain => ({ name: 'Cairn Storage', version: '1', chainId })
export const escrowDomain = (chainId: number, escrow: Hex): Domain => ({
  name: 'Cairn Escrow',
  version: '1',
  chainId,
  verifyingContract: escrow,
})
export const rootDomain = (chainId: number, publisher: Hex): Domain => ({
  name: 'Cairn RootPublisher',
  version: '1',
  chainId,
  verifyingContract: publisher,
})
export const registryDomain = (chainId: number, devices: Hex): Domain => ({
  name: 'Cairn DeviceRegistry',
  version: '1',
  chainId,
  verifyingContract: devices,
})
export const receiptDomain = (chainId: number, disputes: Hex): Domain => ({
  name: 'Cairn DisputeManager',
  version: '1',
  chainId,
  verifyingContract: disputes,
})
export const marketDomain = (chainId: number, market: Hex): Domain => ({
  name: 'Cairn Market',
  version: '1',
  chainId,
  verifyingContract: market,
})
/** Of CAIRN and of credits, for ERC-2612 and ERC-3009 alike; other tokens tell theirs by ERC-5267. */
export const tokenDomain = (chainId: number, asset: 'token' | 'credits', contract: Hex): Domain => ({
  name: asset === 'token' ? 'Cairn' : 'Cairn Credits',
  version: '1',
  chainId,
  verifyingContract: contract,
})
export const passkeyDomain = (chainId: number, account: Hex): Domain => ({
  name: 'Cairn PasskeyAccount',
  version: '1',
  chainId,
  verifyingContract: account,
})
/** Peers sign and check heads whatever contract judges them, so the domain names none; StorageProofs hashes them the same. */
export const headDomain = (chainId: number): Domain => ({ name: 'Cairn StorageProofs', version: '1', chainId })

const width: Readonly<Record<StaticType, number>> = {
  address: 20,
  bytes32: 32,
  uint8: 1,
  uint32: 4,
  uint40: 5,
  uint64: 8,
  uint96: 12,
  uint128: 16,
  uint256: 32,
}

function word(type: StaticType, value: Hex | bigint | number, name: string): Uint8Array {
  if (type === 'bytes32' || type === 'address') {
    assert(typeof value === 'string', `${name} is hexadecimal`)
    const bytes = bytesOf(value)
    assert(bytes.length === width[type], `${name} has ${width[type]} bytes`)
    return concat([new Uint8Array(32 - bytes.length), bytes])
  }
  assert(typeof value !== 'string', `${name} is an integer`)
  const integer = BigInt(value)
  assert(integer >> BigInt(8 * width[type]) === 0n, `${name} fits ${type}`)
  return bigEndian(integer, 32)
}

const typeString = (type: TypedStruct): string => `${type.name}(${type.members.map(([name, kind]) => `${kind} ${name}`).join(',')})`

/** EIP-712 domain separator. Compute once per domain and keep it. */
export function domainSeparator(crypto: Crypto, domain: Domain): Uint8Array {
  const contract = domain.verifyingContract
  const type = `EIP712Domain(string name,string version,uint256 chainId${contract === undefined ? '' : ',address verifyingContract'})`
  return crypto.keccak256(
    crypto.keccak256(utf8(type)),
    crypto.keccak256(utf8(domain.name)),
    crypto.keccak256(utf8(domain.version)),
    bigEndian(BigInt(domain.chainId), 32),
    ...(contract === undefined ? [] : [word('address', contract, 'verifyingContract')]),
  )
}

/** Of the structs above, each hashed once: it is a quarter of what hashing a small message costs. */
const typeHashes = new WeakMap<TypedStruct, Uint8Array>()

function typeHash(crypto: Crypto, type: TypedStruct): Uint8Array {
  const known = typeHashes.get(type)
  if (known !== undefined) return known
  const made = crypto.keccak256(utf8(typeString(type)))
  typeHashes.set(type, made)
  return made
}

/** The 32-byte hash that is signed: keccak256(0x1901 ‖ domain separator ‖ struct hash). */
export function typedDataHash(crypto: Crypto, separator: Uint8Array, type: TypedStruct, value: TypedValue): Uint8Array {
  const struct = crypto.keccak256(
    typeHash(crypto, type),
    ...type.members.map(([name, kind]) => {
      const member = value[name]
      assert(member !== undefined, `${type.name}.${name} is given`)
      return word(kind, member, name)
    }),
  )
  return crypto.keccak256(Uint8Array.of(0x19, 0x01), separator, struct)
}
