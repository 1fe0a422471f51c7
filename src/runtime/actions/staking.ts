/**
 * Stake that answers for work, and votes. CAIRN to be staked is approved to Staking first. Amounts are CAIRN wei; a
 * week is ⌊unix seconds / 604 800⌋, the bucket in which thawing stake matures; a nonce numbers an operator's pools.
 */
import type { Account, Address, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** A pool of delegated stake; the nonce moves on when a slash wipes one out. */
export interface PoolId {
  readonly operator: Account
  readonly net: NetworkId
  readonly nonce: number
}

/** Bonds CAIRN as self stake. Errors: `ZeroAmount`, `Paused`, `NetworkNotActive`, `BelowMinimum`. */
export const bondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'bond', args: [p.net, p.amount] }, o)

/** Bonds the signer's CAIRN as an operator's self stake: a gift, only the operator can unbond it. Errors as `bondStake`. */
export const bondStakeFor = (signer: ChainSigner, p: { operator: Account; net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'bondFor', args: [p.operator, p.net, p.amount] }, o)

/** Starts the thaw of self stake. Errors: `ZeroAmount`, `InsufficientStake`, `BelowMinimum`. */
export const unbondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'unbond', args: [p.net, p.amount] }, o)

/** Pays out the signer's matured self stake of a week. Errors: `NotMatured`, `NothingToWithdraw`. */
export const withdrawStake = (signer: ChainSigner, p: { net: NetworkId; week: number }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'withdrawSelf', args: [p.net, p.week] }, o)

/**
 * Delegates to an operator's current pool, for at least `minShares` of it.
 * Errors: `BelowMinimum` (1 CAIRN), `Paused`, `NetworkNotActive`, `OverDelegated`, `SlippageExceeded`.
 */
export const delegateStake = (
  signer: ChainSigner,
  p: { operator: Account; net: NetworkId; amount: bigint; minShares: bigint },
  o: ActionOptions = {},
) => act(signer, { contract: 'staking', function: 'delegateTo', args: [p.operator, p.net, p.amount, p.minShares] }, o)

/** Starts the thaw of shares of a pool, closed networks included. Errors: `ZeroAmount`, `InsufficientShares`. */
export const undelegateStake = (signer: ChainSigner, p: { pool: PoolId; shares: bigint }, o: ActionOptions = {}) => {
  const { operator, net, nonce } = p.pool
  return act(signer, { contract: 'staking', function: 'undelegate', args: [operator, net, nonce, p.shares] }, o)
}

/** Pays out the signer's part of a pool's matured bucket. Errors: `NotMatured`, `NothingToWithdraw`. */
export const withdrawDelegation = (signer: ChainSigner, p: { pool: PoolId; week: number }, o: ActionOptions = {}) => {
  const { operator, net, nonce } = p.pool
  return act(signer, { contract: 'staking', function: 'withdrawDelegated', args: [operator, net, nonce, p.week] }, o)
}

/**
 * Gives CAIRN (approved to Staking) to an operator and its delegators, by active stake and less the operator's cut; the
 * delegators' part unlocks over seven days. Errors: `ZeroAmount`.
 */
export const addStakeRewards = (signer: ChainSigner, p: { operator: Account; net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'addRewards', args: [p.operator, p.net, p.amount] }, o)

/** Sets the signer's cut of its delegators' rewards; a higher one counts after the network's thaw. Errors: `CutTooHigh`. */
export const setOperatorCut = (signer: ChainSigner, p: { net: NetworkId; bps: number }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'setCut', args: [p.net, p.bps] }, o)

/** Books the votes that an account has for a position, after a slash or a reward moved its worth. Anybody may, for anybody. */
export const syncVotes = (signer: ChainSigner, p: { account: Account; pool: PoolId }, o: ActionOptions = {}) => {
  const { operator, net, nonce } = p.pool
  return act(signer, { contract: 'staking', function: 'syncVotes', args: [p.account, operator, net, nonce] }, o)
}

/** Lets another account cast the signer's votes, its own account to take them back. From the next block on. */
export const delegateVotes = (signer: ChainSigner, p: { to: Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'delegate', args: [p.to] }, o)

/** Burns what slashes left owed by an operator and its delegators. Errors: `NothingOwed`, `WindowExhausted`. */
export const collectOwed = (signer: ChainSigner, p: { operator: Account; net: NetworkId }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'collectOwed', args: [p.operator, p.net] }, o)

/** Burns what slashes left owed by an operator alone. Errors: `NothingOwed`, `WindowExhausted`. */
export const collectOwedBySelf = (signer: ChainSigner, p: { operator: Account; net: NetworkId }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'collectOwedBySelf', args: [p.operator, p.net] }, o)

/** Names another slasher, in power ten weeks later. Errors: `NotAuthority`. */
export const proposeSlasher = (signer: ChainSigner, p: { next: Address }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'proposeSlasher', args: [p.next] }, o)

/** Puts the proposed slasher in power. Anybody. Errors: `NothingProposed`, `TooEarly`. */
export const applySlasher = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'applySlasher', args: [] }, o)
