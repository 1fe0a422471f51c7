/** Deposits by signature, and accounts whose key is a passkey. */
import type { SessionGrant } from '../../protocol/deposits.ts'
import { type Account, type Address, address, type Digest, type Hex } from '../../protocol/ids.ts'
import type { Execution } from '../../protocol/passkey-account.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** v, r and s of an ECDSA signature. */
export interface SplitSignature {
  readonly v: number
  readonly r: Digest
  readonly s: Digest
}

/** IEscrow.Authorization: an ERC-3009 authorization of `from` to Escrow. Times in unix seconds. */
export interface DepositAuthorization extends SplitSignature {
  readonly from: Account
  readonly amount: bigint
  readonly validAfter: bigint
  readonly validBefore: bigint
}

/**
 * Sets an ERC-2612 allowance by its owner's signature; anyone may. `asset` is CAIRN or credits.
 * Errors: `ERC2612ExpiredSignature`, `ERC2612InvalidSigner`.
 */
export const permit = (
  signer: ChainSigner,
  p: { asset: 'token' | 'credits'; owner: Account; spender: Account | Address; amount: bigint; deadline: bigint } & SplitSignature,
  o: ActionOptions = {},
) => act(signer, { contract: p.asset, function: 'permit', args: [p.owner, p.spender, p.amount, p.deadline, p.v, p.r, p.s] }, o)

/** Moves tokens that their owner allowed the signer. Errors: `ERC20InsufficientAllowance`, `ERC20InsufficientBalance`. */
export const transferFrom = (signer: ChainSigner, p: { from: Account; to: Account; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'token', function: 'transferFrom', args: [p.from, p.to, p.amount] }, o)

/**
 * Deposits the signer's own money with the allowance given by its own signature: one transaction instead of two. A permit
 * that was submitted before has done its work, and its failure is ignored. Errors: `ERC20InsufficientAllowance`.
 */
export const depositWithPermit = (
  signer: ChainSigner,
  p: { asset: Address; amount: bigint; deadline: bigint } & SplitSignature,
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'depositWithPermit', args: [p.asset, p.amount, p.deadline, p.v, p.r, p.s] }, o)

/**
 * Deposits the money of `authorization.from`, and registers the session key that it grants. Anyone may submit it and
 * nobody can change it. Errors: `ERC3009InvalidAuthorizationTime`, `ERC3009UsedAuthorization`, `ERC3009InvalidSignature`,
 * `GrantNotForDepositor`, `BadSignature`.
 */
export const depositWithAuthorization = (
  signer: ChainSigner,
  p: { to: Account; asset: Address; authorization: DepositAuthorization; grant: SessionGrant },
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'depositWithAuthorization', args: [p.to, p.asset, p.authorization, p.grant] }, o)

/** Creates the account of a passkey, or finds it there; its address follows from the key. Errors: `BadKey`. */
export const createPasskeyAccount = (signer: ChainSigner, p: { x: Digest; y: Digest; rpIdHash: Digest }, o: ActionOptions = {}) =>
  act(signer, { contract: 'passkeys', function: 'create', args: [p.x, p.y, p.rpIdHash] }, o)

/**
 * Performs a passkey account's calls, all or none. Anyone may submit them; `assertion` is WebAuthn.WebAuthnAuth over their
 * hash. Errors: `TooManyCalls`, `BadNonce`, `Expired`, `BadSignature`, and those of the calls.
 */
export const executePasskey = (signer: ChainSigner, p: { execution: Execution; assertion: Hex }, o: ActionOptions = {}) => {
  const { account, calls, nonce, deadline } = p.execution
  return act(
    signer,
    { contract: 'passkeyAccount', at: address(account), function: 'execute', args: [calls, nonce, deadline, p.assertion] },
    o,
  )
}
