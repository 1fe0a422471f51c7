/** New CAIRN for networks' pots, and which networks get it. A period is a day since Escrow's genesis. */
import type { Address, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** Adds networks' protocol fees of yesterday to what the matched part is shared by. Errors: `PeriodOpen`, `PeriodIsClosed`. */
export const countFees = (signer: ChainSigner, p: { period: number; nets: readonly NetworkId[] }, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'countFees', args: [p.period, p.nets] }, o)

/** Fixes a period's rate of matching. Errors: `PeriodOpen`, `PeriodLapsed`, `StillCounting`, `PeriodIsClosed`, `PriceInvalid`. */
export const closePeriod = (signer: ChainSigner, p: { period: number }, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'closePeriod', args: [p.period] }, o)

/**
 * Mints a network's budget of a period into its pot, as far as the pot has room; the rest stays claimable for 56 periods.
 * Errors: `PeriodOpen`, `PeriodLapsed`, `NetworkNotActive`, `NothingToMint`.
 */
export const claimEmission = (signer: ChainSigner, p: { net: NetworkId; period: number }, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'claimEmission', args: [p.net, p.period] }, o)

/** Mints from the reserve what Credits lacks to pay every holder in full. Errors: `PriceInvalid`, `NothingToMint`. */
export const fillTopUp = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'fillTopUp', args: [] }, o)

/** Names another weights contract, applicable from 14 to 28 days later. By the Timelock. Errors: `NotAuthority`, `ZeroAddress`. */
export const proposeWeights = (signer: ChainSigner, p: { next: Address }, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'proposeWeights', args: [p.next] }, o)

/** Withdraws the proposed weights contract. By the Timelock. Errors: `NotAuthority`, `NoProposal`. */
export const cancelWeights = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'cancelWeights', args: [] }, o)

/** Puts the proposed weights in force from the next period on. Errors: `NoProposal`, `TooEarly`, `Lapsed`. */
export const applyWeights = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'emissions', function: 'applyWeights', args: [] }, o)

/**
 * Sets networks' shares of the base, in basis points from the next period on. By the Timelock.
 * Errors: `NotAuthority`, `LengthsDiffer`, `ShareTooHigh` (4000 each), `SumTooHigh`.
 */
export const setWeights = (signer: ChainSigner, p: { shares: readonly { net: NetworkId; bps: number }[] }, o: ActionOptions = {}) => {
  const args = [p.shares.map((share) => share.net), p.shares.map((share) => share.bps)]
  return act(signer, { contract: 'weights', function: 'set', args }, o)
}
