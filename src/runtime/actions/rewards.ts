/** Pots, roots over what was earned, and claims. */
import type { Account, Address, Digest, Epoch, Hex, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** IRootPublisher.RootMessage. */
export interface RootMessage {
  readonly net: NetworkId
  readonly asset: Address
  readonly epoch: Epoch
  readonly attempt: number
  readonly setId: number
  readonly root: Digest
  readonly total: bigint
  readonly dataHash: Digest
}

/** Adds CAIRN or another asset (approved to RewardsDistributor) to a network's pot. */
export const fundPot = (signer: ChainSigner, p: { net: NetworkId; asset: Address; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'rewards', function: 'fund', args: [p.net, p.asset, p.amount] }, o)

/** Publishes a root that the network's verifier signed. Errors: `BadSignature`, `TooSoon`, `StaleEpoch`, `ExceedsFunding`. */
export const publishRoot = (signer: ChainSigner, p: { message: RootMessage; signatures: Hex }, o: ActionOptions = {}) =>
  act(signer, { contract: 'publisher', function: 'publish', args: [p.message, p.signatures] }, o)

/** Pays an owner what its leaf grants beyond what it got. Errors: `NotActive`, `BadProof`, `NothingToClaim`. */
export const claimReward = (
  signer: ChainSigner,
  p: { net: NetworkId; asset: Address; index: number; account: Account; cumulative: bigint; detailRoot: Digest; proof: readonly Digest[] },
  o: ActionOptions = {},
) => {
  const args = [p.net, p.asset, p.index, p.account, p.cumulative, p.detailRoot, p.proof]
  return act(signer, { contract: 'rewards', function: 'claim', args }, o)
}

/**
 * Where the signer's rewards go from a delay on: to any account, or to Staking, which shares CAIRN with the signer's
 * delegators. The delay keeps a stolen hot key from taking what was earned before.
 */
export const setPayout = (signer: ChainSigner, p: { to: Address | Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'rewards', function: 'setPayout', args: [p.to] }, o)
