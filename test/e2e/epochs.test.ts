/** An epoch from evidence to money, on real processes; and what an operator gets when its customer is gone for good. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { assertBalanced, type Books, type Money, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const EPOCH_SECONDS = 20
/** Many epochs: a machine under load misses some, which costs time and no promise. */
const EPOCHS_MS = 240_000
const OBJECT_BYTES = 4 * 1024 * 1024

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
