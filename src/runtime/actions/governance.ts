/** Decisions of those who stake: proposed, voted on, queued in the Timelock and executed; and the guardian's pause. */
import type { Account, Digest, Hex } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** One call that the Timelock shall make. */
export interface ProposedCall {
  readonly target: Hex
  /** Native coins in wei. */
  readonly value: bigint
  readonly calldata: Hex
}

/** What identifies a proposal on chain: its calls and the keccak-256 of its description. */
export interface ProposalContent {
  readonly calls: readonly ProposedCall[]
  readonly descriptionHash: Digest
}

/** IGovernor's VoteType. */
export const VOTE = { against: 0, for: 1, abstain: 2 } as const

const lists = (calls: readonly ProposedCall[]): readonly unknown[] => [
  calls.map((call) => call.target),
  calls.map((call) => call.value),
  calls.map((call) => call.calldata),
]

/**
 * Puts calls to the vote, which opens two days later. A description that ends in `#proposer=0x…` binds it to that account.
 * Errors: `GovernorInsufficientProposerVotes`, `GovernorInvalidProposalLength`, `GovernorRestrictedProposer`,
 * `GovernorUnexpectedProposalState` for one that is there already.
 */
export const propose = (signer: ChainSigner, p: { calls: readonly ProposedCall[]; description: string }, o: ActionOptions = {}) =>
  act(signer, { contract: 'governor', function: 'propose', args: [...lists(p.calls), p.description] }, o)

/** Casts the votes that the signer had when the vote opened. Errors: `GovernorUnexpectedProposalState`, `GovernorAlreadyCastVote`. */
export const castVote = (signer: ChainSigner, p: { proposal: bigint; support: keyof typeof VOTE; reason: string }, o: ActionOptions = {}) =>
  act(signer, { contract: 'governor', function: 'castVoteWithReason', args: [p.proposal, VOTE[p.support], p.reason] }, o)

/** Hands what passed to the Timelock. Anybody. Errors: `GovernorUnexpectedProposalState`. */
export const queueProposal = (signer: ChainSigner, p: ProposalContent, o: ActionOptions = {}) =>
  act(signer, { contract: 'governor', function: 'queue', args: [...lists(p.calls), p.descriptionHash] }, o)

/** Makes the calls of a proposal whose delay is over. Anybody. Errors: `TimelockUnexpectedOperationState`, those of the calls. */
export const executeProposal = (signer: ChainSigner, p: ProposalContent, o: ActionOptions = {}) =>
  act(signer, { contract: 'governor', function: 'execute', args: [...lists(p.calls), p.descriptionHash] }, o)

/** Withdraws the signer's proposal while its vote has not opened. Errors: `GovernorUnableToCancel`. */
export const cancelProposal = (signer: ChainSigner, p: ProposalContent, o: ActionOptions = {}) =>
  act(signer, { contract: 'governor', function: 'cancel', args: [...lists(p.calls), p.descriptionHash] }, o)

/**
 * Stops new commitments until `until` (unix seconds, at most seven days ahead); exits never stop. By the guardian.
 * Errors: `NotGuardian`, `PauseTooLong`, `PausedRecently` (30 days).
 */
export const pauseCommitments = (signer: ChainSigner, p: { until: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'timelock', function: 'pause', args: [p.until] }, o)

/** Ends the pause. By the guardian or governance. Errors: `NotGuardian`, `NotPaused`. */
export const unpauseCommitments = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'timelock', function: 'unpause', args: [] }, o)

/** Names another guardian; zero for nobody. By the Timelock itself. Errors: `NotGovernance`. */
export const setGuardian = (signer: ChainSigner, p: { next: Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'timelock', function: 'setGuardian', args: [p.next] }, o)
