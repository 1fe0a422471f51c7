/** What a passkey is challenged with to make its account act: PasskeyAccount.executeDigest, computed here. */
import { bigEndian, concat } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { type Account, type Address, bytesOf, digestOf, type Hex } from './ids.ts'
import { domainSeparator, EXECUTE, PASSKEY_MESSAGE, passkeyDomain, typedDataHash } from './typed-data.ts'

/** PasskeyAccount.Call. */
export interface AccountCall {
  readonly target: Address
  /** Wei of the native coin. */
  readonly value: bigint
  readonly data: Hex
}

/** PasskeyAccount.MAX_CALLS. */
export const ACCOUNT_CALLS_MAX = 16

/** Calls that one assertion makes an account perform, all or none. */
export interface Execution {
  readonly account: Account
  readonly calls: readonly AccountCall[]
  /** The account's current one. */
  readonly nonce: bigint
  /** Unix seconds. */
  readonly deadline: number
}

const word = (value: number | bigint): Uint8Array => bigEndian(BigInt(value), 32)

function encodeCall({ target, value, data }: AccountCall): Uint8Array {
  const bytes = bytesOf(data)
  return concat([new Uint8Array(12), bytesOf(target), word(value), word(96), word(bytes.length), bytes, new Uint8Array(-bytes.length & 31)])
}

/** abi.encode(calls): an offset, their number, where each begins after it, and they themselves. */
function encodeCalls(calls: readonly AccountCall[]): Uint8Array {
  const encoded = calls.map(encodeCall)
  let at = calls.length * 32
  const offsets = encoded.map((call) => {
    const offset = word(at)
    at += call.length
    return offset
  })
  return concat([word(32), word(calls.length), ...offsets, ...encoded])
}

/** The 32 bytes that the passkey signs as its challenge. */
export function executeHash(crypto: Crypto, chainId: number, { account, calls, nonce, deadline }: Execution): Uint8Array {
  const separator = domainSeparator(crypto, passkeyDomain(chainId, account))
  const content = digestOf(crypto.keccak256(encodeCalls(calls)))
  return typedDataHash(crypto, separator, EXECUTE, { calls: content, nonce, deadline })
}

/** The challenge by which the account says yes to somebody else's hash, such as a quote's (ERC-1271). */
export const messageHash = (crypto: Crypto, chainId: number, account: Account, hash: Uint8Array): Uint8Array =>
  typedDataHash(crypto, domainSeparator(crypto, passkeyDomain(chainId, account)), PASSKEY_MESSAGE, { hash: digestOf(hash) })
