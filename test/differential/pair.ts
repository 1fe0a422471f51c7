/** The contracts and their model, given the same calls at the same seconds. */
import assert from 'node:assert/strict'
import { account } from '../../src/protocol/ids.ts'
import type { ChainCall } from '../../src/runtime/chain.ts'
import { createFakeChain, type FakeChain } from '../../src/runtime/fake/chain/index.ts'
import { createRandom } from '../../src/runtime/real/index.ts'
import { accountAt, CONFIG, type Contracts, clock, crypto } from './contracts.ts'

export interface Pair {
  readonly model: FakeChain
  /** Second of the last block; moved on to let time pass. */
  at: number
  /** Runs a call on both, a second later, and compares whether it was refused; the contracts' custom error, or null. */
  both(sender: string, call: ChainCall): Promise<string | null>
}

export async function openPair(contracts: Contracts): Promise<Pair> {
  const model = createFakeChain({
    clock,
    crypto,
    random: createRandom(),
    config: { ...CONFIG, deployer: accountAt(0), guardian: accountAt(0) },
    chainId: contracts.chainId,
    addresses: contracts.addresses,
    blockSeconds: 0,
    genesis: contracts.genesis,
  })
  const pair: Pair = {
    model,
    at: await contracts.now(),
    async both(sender, call) {
      pair.at += 1
      const real = await contracts.run(sender, call, pair.at)
      const modelled = model.execute(account(sender), call, pair.at)
      const described = `${call.contract}.${call.function}(${call.args.map(String).join(', ')})`
      // By name, but for what the compiler and OpenZeppelin refuse by themselves.
      assert.equal(modelled.is === 'done' ? null : modelled.error, real, described)
      return real
    },
  }
  return pair
}
