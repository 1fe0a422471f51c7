/** Pots, roots over what was earned, and claims. */
import type { Account, Address, Digest, Hex, NetworkId } from '../../protocol/ids.ts'
import type { RootMessage } from '../../protocol/roots.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** Adds CAIRN or another asset (approved to RewardsDistributor) to a network's pot. */
export const fundPot = (signer: ChainSigner, p: { net: NetworkId; asset: Address; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'rewards', function: 'fund', args: [p.net, p.asset, p.amount] }, o)

/** Publishes a root that the network's verifier signed. Errors: `BadSignature`, `TooSoon`, `StaleEpoch`, `ExceedsFunding`. */
export const publishRoot = (signer: ChainSigner, p: { message: RootMessage; signatures: Hex }, o: ActionOptions = {}) =>
  act(signer, { contract: 'publisher', function: 'publish', args: [p.message, p.signatures] }, o)

/**
 * Publishes a root that more than two thirds of the set in force signed; anyone may. `signatures` are 65 bytes (r, s, v)
 * each, by ascending signer. Errors: `NotVerified`, `UnknownSet`, `BadSignature`, `NotAscending`, `NotMember`, `NoQuorum`,
 * and of the pot `NotPublisher`, `EpochNotOver`, `TooSoon`, `StaleEpoch`, `ExceedsFunding`, `NonMonotonic`, `SlotBusy`.
 */
export const publishQuorumRoot = (signer: ChainSigner, p: { message: RootMessage; signatures: Hex }, o: ActionOptions = {}) =>
  act(signer, { contract: 'quorum', function: 'publish', args: [p.message, p.signatures] }, o)

/**
 * Puts a verifier into next week's set with its stake of now, or brings its weight there up to date; anyone may.
 * Errors: `NotEligible` (not enough stake in `verifierNet`), `SetIsFull` (of 32 larger ones).
 */
export const nominateVerifier = (signer: ChainSigner, p: { verifierNet: NetworkId; operator: Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'quorum', function: 'nominate', args: [p.verifierNet, p.operator] }, o)

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
