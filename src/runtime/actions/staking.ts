/** Stake that answers for work, and votes. */
import type { NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** Bonds CAIRN (approved to Staking) as self stake. Errors: `NetworkNotActive`, `BelowMinimum`. */
export const bondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'bond', args: [p.net, p.amount] }, o)

/** Starts the thaw of self stake. Errors: `InsufficientStake`, `BelowMinimum`. */
export const unbondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'staking', function: 'unbond', args: [p.net, p.amount] }, o)
