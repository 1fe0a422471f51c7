/**
 * Roots that more than two thirds of four verifiers sign, on real processes: with all of them, with one killed, with a liar
 * in its place, and with too few.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { type Books, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const EPOCH_SECONDS = 12
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const LIAR = fileURLToPath(new URL('./liar.ts', import.meta.url))
/** Of the verifiers' network: what its stake answers with for two roots in one slot. */
const FAULT_PENALTY = 100n * 10n ** 18n
/** Many epochs: a machine under load misses some, which costs time and no promise. */
const EPOCHS_MS = 240_000

describe('roots signed by a quorum of four verifiers', () => {
  let network: TestNetwork
  let books: Books
  let customer: Customer

  before(async () => {
    // Two payees, so that a lie about one of them is another root.
    network = await startNetwork({ nodes: 2, epochSeconds: EPOCH_SECONDS, verifiers: 4 })
    books = await openBooks(network)
    customer = await createCustomer(() => network.s3, 'quorum')
    for (let i = 0; i < 2; i += 1) await customer.store(`object ${i}`, 500_000)
  })
  after(async () => {
    customer?.close()
    await books?.close()
    await network?.close()
  })

  const roots = () => books.index.view.roots(NET)
  /** The epoch that runs now, which nobody can have settled yet. */
  const running = (): number => Math.floor(Date.now() / 1000 / EPOCH_SECONDS)
  const rootSince = (epoch: number) =>
    until(`a root of epoch ${epoch} or later`, () => roots().find((root) => root.epoch >= epoch) ?? null, EPOCHS_MS)
  /** What the three that stay honest said of another's signature. */
  const accused = (): readonly Record<string, unknown>[] =>
    network.log('verifier', 'error').filter((line) => String(line['message']).startsWith('a verifier signed another root'))

  test('all four together pay epochs: roots become active and operators collect', async () => {
    await until('an active root', () => roots().some((root) => root.state === 'active'), EPOCHS_MS)
    assert.deepEqual(accused(), [], 'honest verifiers sign the same')
  })

  test('one that is killed keeps no epoch from being paid', async () => {
    const from = running()
    await network.park('verifier 4')
    await rootSince(from)
  })

  test('a liar in its place is named with what it changed, and the root that stands is the honest one', async () => {
    const hurt = network.nodes[0]?.id ?? ''
    await network.impersonate('verifier 4', LIAR, { CAIRN_HURT: hurt })
    const line = await until('a signature of another root', () => accused()[0] ?? null, EPOCHS_MS)
    assert.equal(line['verifier'], network.verifiers[3]?.account, inspect(line))
    assert.deepEqual([line['differs'], line['where']], ['score', hurt], inspect(line))
    const root = await rootSince(Number(line['epoch']))
    const { scores } = await books.settlement(root.dataHash)
    assert(
      scores.every((row) => row.score > 0),
      inspect(scores),
    )
    for (const outcome of await until('an audit', () => books.auditAll(), EPOCHS_MS)) assert(outcome.equal, inspect(outcome))
    const told = spawnSync(process.execPath, [MAIN, 'audit', String(root.epoch), '--json', '--data', network.folder], { encoding: 'utf8' })
    assert.equal(told.status, 0, told.stdout + told.stderr)
  })

  test('its two faces are seen by who compares, kept, and cost it the penalty by one command', async () => {
    const twice = (line: Record<string, unknown>) => String(line['message']).startsWith('a verifier signed two roots')
    await until('both of its roots', () => network.log('verifier', 'error').find(twice) ?? null, EPOCHS_MS)
    const cairn = (...args: readonly string[]) => {
      const ran = spawnSync(process.execPath, [MAIN, 'verifier', 'equivocation', ...args, '--json', '--data', network.folder], {
        encoding: 'utf8',
      })
      assert.notEqual(ran.status, 2, ran.stdout + ran.stderr)
      return { status: ran.status, said: JSON.parse(ran.stdout) }
    }
    const liar = network.verifiers[3]?.account
    const [kept] = cairn('list').said
    assert.deepEqual([kept.verifier, kept.slashed, kept.signed.length], [liar, null, 2])
    // One of them: by now there may be more, and a week takes a tenth of a stake at most.
    const file = join(network.folder, 'two.json')
    await writeFile(file, JSON.stringify(kept.signed))
    const submitted = cairn('submit', file, '--as', 'verifier:2', '--yes')
    assert.deepEqual([submitted.status, submitted.said.verifiers, submitted.said.reporter], [0, [liar], network.verifiers[1]?.account])
    assert.equal(BigInt(submitted.said.slashed), FAULT_PENALTY)
    const judged = cairn('list').said.find(
      (row: { epoch: number; attempt: number }) => row.epoch === kept.epoch && row.attempt === kept.attempt,
    )
    assert.equal(BigInt(judged.slashed), FAULT_PENALTY)
    assert.equal(cairn('submit', file, '--yes').status, 1, 'nobody pays twice for one slot')
  })

  test('two honest ones of four publish nothing, and everything goes on when a third returns', async () => {
    const from = running()
    await network.park('verifier 2')
    await sleep(2.5 * EPOCH_SECONDS * 1000)
    assert(
      roots().every((root) => root.epoch < from),
      'half of the set is no quorum',
    )
    await network.unpark('verifier 2')
    await rootSince(from)
    for (const outcome of await until('an audit', () => books.auditAll(), EPOCHS_MS)) assert(outcome.equal, inspect(outcome))
  })
})
