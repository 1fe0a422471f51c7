import type { Addresses, CallOutcome, ChainCall, ChainSigner } from '../../chain.ts'
import { encodeCall, targetOf } from './contracts.ts'
import type { TxQueue } from './tx-queue.ts'

/** Some ten blocks of the local chain, a few of a public one. */
const SEND_MS = 60_000

/** Calls of the contracts at `addresses` through an account's queue. */
export function createSigner(queue: TxQueue, addresses: Addresses): ChainSigner {
  return {
    account: queue.account,
    // Not just `return`: a call that cannot be encoded rejects like every other failure.
    async send(call: ChainCall, deadlineMs: number = SEND_MS): Promise<CallOutcome> {
      const data = encodeCall(call)
      const label = `${call.contract}.${call.function}`
      return queue.submit({ to: targetOf(call, addresses), data, label, ...(call.key === undefined ? {} : { key: call.key }) }, deadlineMs)
    },
  }
}
