/** Deposits into Escrow by a signature alone: what the owner of the money signs, whoever submits it. */
import { bigEndian, concat } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { type Account, type Address, bytesOf, type Digest, digestOf } from './ids.ts'

/** IEscrow.SessionGrant: a session key that a deposit registers; an all-zero key registers nothing. */
export interface SessionGrant {
  readonly key: Address
  readonly scope: number
  /** In base units of the deposited asset. */
  readonly limit: bigint
  /** Unix seconds. */
  readonly until: number
  /** Tells deposits apart that are alike in all else. */
  readonly salt: Digest
}

/** Bits of the nonce that stay zero, so that tokens with keyed sequential nonces (192-bit key, 64-bit sequence) take it too. */
const SEQUENCE_BYTES = 8

const padded = (id: Address | Account): Uint8Array => concat([new Uint8Array(12), bytesOf(id)])
const word = (value: number | bigint): Uint8Array => bigEndian(BigInt(value), 32)

/**
 * The ERC-3009 nonce that binds a deposit to its receiver, its asset and its grant (EscrowChecks.authorizationNonce):
 * whoever submits the signature can change none of them.
 */
export function authorizationNonce(crypto: Crypto, to: Account, asset: Address, grant: SessionGrant): Digest {
  const { key, scope, limit, until, salt } = grant
  const hash = crypto.keccak256(padded(to), padded(asset), padded(key), word(scope), word(limit), word(until), bytesOf(salt))
  return digestOf(hash.slice().fill(0, 32 - SEQUENCE_BYTES))
}
