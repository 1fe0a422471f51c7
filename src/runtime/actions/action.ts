/**
 * What people and roles do on chain, one action per call: parameters by name, the contract's own errors. Each is
 * simulated before it is sent; the outcome is that of `ChainSigner.send`. An action that must not happen twice takes a
 * `key`. `orThrow` turns a refusal into `REVERTED` for callers that cannot go on.
 */
import { CairnError } from '../../protocol/errors.ts'
import type { CallOutcome, ChainCall, ChainSigner } from '../chain.ts'

/** An action's options, the same for all. */
export interface ActionOptions {
  /** Two actions with one key are one intent, also over restarts. */
  readonly key?: string
  readonly deadlineMs?: number
}

/** The outcome when it was confirmed. Throws `REVERTED` with the custom error's name. */
export async function orThrow(call: string, outcome: Promise<CallOutcome>): Promise<CallOutcome & { is: 'confirmed' }> {
  const result = await outcome
  if (result.is === 'confirmed') return result
  throw new CairnError('REVERTED', { call, reason: result.error })
}

export function act(signer: ChainSigner, call: Omit<ChainCall, 'key'>, options: ActionOptions): Promise<CallOutcome> {
  return signer.send(options.key === undefined ? call : { ...call, key: options.key }, options.deadlineMs)
}
