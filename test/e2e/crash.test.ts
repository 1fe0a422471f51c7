/**
 * Crash suite: rounds of `kill -9` of gateway, verifier and chain, one or several at a time, at moments drawn from a
 * seed, while objects are written. `CAIRN_E2E=long` runs 300 rounds; `CAIRN_SEED=…` draws the same moments again.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { createPrng } from '../../src/std/prng.ts'
import { assertBalanced, type Books, type Money, openBooks } from './books.ts'
import { type Party, startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const LONG = process.env.CAIRN_E2E === 'long'
const ROUNDS = LONG ? 300 : 20
/** The rounds end early, but not before half of them are done, when the machine is too busy for all. */
const ROUNDS_MS = LONG ? 3_600_000 : 120_000
const ROUNDS_LEAST = ROUNDS / 2
const EPOCH_SECONDS = 20
const ROUND_MS = 3_000
const SETTLE_MS = 240_000
const SUBJECTS: readonly Party[] = ['gateway', 'verifier', 'chain']
const seed = process.env.CAIRN_SEED ?? String(Date.now())

describe(`a network whose parties are killed at random moments (CAIRN_SEED=${seed})`, () => {
  const random = createPrng(BigInt(seed))
  let network: TestNetwork
  let books: Books
  let customer: Customer
  let initial: Money

  before(async () => {
    network = await startNetwork({ nodes: 4, epochSeconds: EPOCH_SECONDS })
    books = await openBooks(network)
    initial = await books.money()
    customer = await createCustomer(() => network.s3, 'crash')
  })
  after(async () => {
    customer?.close()
    await books?.close()
    await network?.close()
  })

  async function load(lane: number, stop: AbortSignal): Promise<void> {
    // Few keys, so that objects are replaced as well; sizes on both sides of what lies in the metadata log.
    for (let i = 0; !stop.aborted; i += 1) {
      const taken = await customer.put(`lane ${lane}/${i % 40}`, i % 3 === 0 ? 300_000 : 1000 + lane)
      await sleep(taken ? 20 : 200)
    }
  }

  /** One, two or all three, each at a moment of its own. */
  async function killSome(): Promise<void> {
    const first = random.below(SUBJECTS.length)
    const count = 1 + random.below(SUBJECTS.length)
    const parties = Array.from({ length: count }, (_, i) => SUBJECTS[(first + i) % SUBJECTS.length] as Party)
    const together = random.below(2) === 0
    const moments = parties.map(() => random.below(ROUND_MS))
    await Promise.all(
      parties.map(async (party, i) => {
        await sleep(together ? (moments[0] ?? 0) : (moments[i] ?? 0))
        await network.kill(party)
      }),
    )
  }

  test('after every round each acknowledged object is there and the books balance to the unit', async () => {
    const began = Date.now()
    let done = 0
    while (done < ROUNDS && (done < ROUNDS_LEAST || Date.now() - began < ROUNDS_MS)) {
      const stop = new AbortController()
      const loads = [0, 1].map((lane) => load(lane, stop.signal))
      await Promise.all([killSome(), sleep(ROUND_MS)])
      stop.abort()
      await Promise.all(loads)
      await customer.verify()
      assertBalanced(await books.money(), initial)
      done += 1
    }
    assert(customer.acknowledged > 0)
  })

  test('then epochs settle again; none was paid twice and no voucher lost or paid twice', async () => {
    const paid = await until(
      'every operator redeemed and claimed',
      async () => {
        const now = await books.money()
        return [...now.redeemed.values(), ...now.claimed.values()].every((amount) => amount > 0n) ? now : null
      },
      SETTLE_MS,
    )
    assertBalanced(paid, initial)
    const signed = await books.signed()
    for (const [operator, redeemed] of paid.redeemed) assert(redeemed <= (signed.get(operator) ?? 0n), 'nothing is redeemed unsigned')
    const later = await until(
      'what was signed is redeemed',
      async () => {
        const now = await books.money()
        return [...signed].every(([operator, amount]) => ((now.redeemed as ReadonlyMap<string, bigint>).get(operator) ?? 0n) >= amount)
          ? now
          : null
      },
      SETTLE_MS,
    )
    assertBalanced(later, initial)
    const roots = books.index.view.roots(NET)
    const epochs = roots.map((root) => root.epoch)
    assert.deepEqual(
      epochs,
      [...new Set(epochs)].sort((a, b) => a - b),
      'each epoch once, in order',
    )
    const outcomes = await until('an audit', () => books.auditAll(), SETTLE_MS)
    for (const outcome of outcomes) assert(outcome.equal, inspect(outcome))
  })
})
