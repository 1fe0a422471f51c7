/** An epoch from evidence to money, on real processes; and what an operator gets when its customer is gone for good. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { bundleSchema } from '../../src/resources/evidence.ts'
import { observationSchema, type StorageObservation } from '../../src/resources/storage/index.ts'
import { assertBalanced, type Books, type Money, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const EPOCH_SECONDS = 20
/** Many epochs: a machine under load misses some, which costs time and no promise. */
const EPOCHS_MS = 240_000
const OBJECT_BYTES = 4 * 1024 * 1024

/** Every read that is part of a published epoch's evidence. */
async function observations(network: TestNetwork, books: Books): Promise<readonly StorageObservation[]> {
  const settled = await Promise.all(books.index.view.roots(NET).map((root) => books.settlement(root.dataHash)))
  const names = new Set(settled.flatMap(({ bundles }) => bundles))
  const bundles = await Promise.all(
    [...names].map((name) => readFile(join(network.folder, 'verifier', 'evidence', name.slice(2, 4), name.slice(2)))),
  )
  return bundles
    .flatMap((bytes) => bundleSchema.decode(bytes).subjects)
    .flatMap((subject) => (subject.observations ?? []).map(({ bytes }) => observationSchema.decode(bytes)))
}

describe('epochs of a network', () => {
  let network: TestNetwork
  let books: Books
  let customer: Customer
  let initial: Money

  before(async () => {
    network = await startNetwork({ nodes: 4, epochSeconds: EPOCH_SECONDS })
    books = await openBooks(network)
    initial = await books.money()
    customer = await createCustomer(() => network.s3, 'epochs')
  })
  after(async () => {
    customer?.close()
    await books?.close()
    await network?.close()
  })

  test('a settled epoch is published, becomes active and pays every node its voucher and its reward', async () => {
    for (let i = 0; i < 4; i += 1) await customer.store(`object ${i}`, OBJECT_BYTES)
    const money = await until(
      'every operator redeemed and claimed',
      async () => {
        const now = await books.money()
        const all = [...now.redeemed.values(), ...now.claimed.values()]
        return all.every((amount) => amount > 0n) ? now : null
      },
      EPOCHS_MS,
    )
    assertBalanced(money, initial)
    const signed = await books.signed()
    for (const [operator, redeemed] of money.redeemed) assert(redeemed <= (signed.get(operator) ?? 0n), 'nothing is redeemed unsigned')
    for (const root of books.index.view.roots(NET)) assert(root.state === 'active' || root.state === 'pending')
  })

  test('verifiers read what providers keep, with the customer’s orders, and find it served', async () => {
    const kinds = await until(
      'reads of a published epoch',
      async () => {
        const seen = await observations(network, books)
        return seen.length >= 8 ? seen.map(({ is }) => is) : null
      },
      EPOCHS_MS,
    )
    assert(kinds.includes('served'), kinds.join())
    assert(!kinds.includes('corrupt') && !kinds.includes('refused'), kinds.join())
    for (const root of books.index.view.roots(NET)) {
      const codes = (await books.settlement(root.dataHash)).scores.flatMap(({ reasons }) => reasons.map(({ code }) => code))
      assert(!codes.includes('unretrievable'), codes.join())
    }
  })

  test('an auditor recomputes every published epoch from its evidence', async () => {
    const outcomes = await until('an audit', () => books.auditAll(), EPOCHS_MS)
    assert(outcomes.length > 0)
    for (const outcome of outcomes) assert(outcome.equal, inspect(outcome))
  })

  test('operators of a gateway that vanished are paid for what its channel proved', async () => {
    const last = await books.signed()
    // Nothing starts it again: the folder's configuration is gone with its machine.
    await network.loseGateway()
    const money = await until(
      'proved usage is paid beyond the last voucher',
      async () => {
        const now = await books.money()
        return [...now.redeemed].every(([operator, redeemed]) => redeemed > (last.get(operator) ?? 0n)) ? now : null
      },
      EPOCHS_MS,
    )
    assertBalanced(money, initial)
  })
})
