/**
 * Nodes that are paid for bytes which they no longer have, or that do not answer, among honest ones: real processes whose
 * disks are damaged under them. Each is unpaid within the epochs that theory predicts, with a reason that can be read.
 */
import assert from 'node:assert/strict'
import { open, readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { networkId } from '../../src/protocol/ids.ts'
import { PPM } from '../../src/protocol/units.ts'
import { type Books, openBooks } from './books.ts'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const NET = networkId(2)
const EPOCH_SECONDS = 20
const SETTLE_MS = 240_000
/** Half of the bytes pass eight challenges once in 256 epochs: four are one in four billion. */
const EPOCHS_TO_CATCH = 4
const FLIP_EVERY = 1024

type Row = Awaited<ReturnType<Books['settlement']>>['scores'][number]

describe('cheaters among the nodes', () => {
  let network: TestNetwork
  let books: Books
  let customer: Customer

  before(async () => {
    network = await startNetwork({ nodes: 6, epochSeconds: EPOCH_SECONDS })
    books = await openBooks(network)
    customer = await createCustomer(() => network.s3, 'cheaters')
    for (let i = 0; i < 12; i += 1) await customer.store(`object ${i}`, 1_500_000)
  })
  after(async () => {
    customer?.close()
    await books?.close()
    await network?.close()
  })

  const settlements = async () => {
    const roots = books.index.view.roots(NET)
    return Promise.all(roots.map((root) => books.settlement(root.dataHash)))
  }
  const lines = async (index: number, from: number) => {
    const id = network.nodes[index - 1]?.id
    const all = (await settlements()).filter(({ epoch }) => epoch > from)
    return all.flatMap(({ scores }) => scores.filter((row) => row.subject === id))
  }
  const piecesOf = async (index: number): Promise<readonly string[]> => {
    const folder = join(network.folder, 'nodes', String(index), 'pieces')
    const names = await readdir(folder, { recursive: true })
    const sizes = await Promise.all(names.map(async (name) => [join(folder, name), (await stat(join(folder, name))).size] as const))
    return sizes.filter(([, size]) => size > 100_000).map(([path]) => path)
  }

  test('honest nodes are paid in full', async () => {
    const all = network.nodes.map((_, i) => i + 1)
    await until(
      'a full score of everyone',
      async () => (await Promise.all(all.map((i) => lines(i, 0)))).every((rows) => rows.some((row) => row.score === PPM)),
      SETTLE_MS,
    )
  })

  test('one that deleted half, one whose bytes rotted and one that says nothing are unpaid with a reason', async () => {
    const [deleted, rotten, silent] = [1, 2, 3]
    await network.kill('node 1', 'node 2')
    for (const path of await piecesOf(deleted)) await truncate(path, Math.floor((await stat(path)).size / 2))
    for (const path of await piecesOf(rotten)) await flip(path)
    await Promise.all([network.startNode(deleted), network.startNode(rotten)])
    network.pause(`node ${silent}`)
    // The epoch in which they were away says nothing of what they are.
    const from = Math.floor(Date.now() / 1000 / EPOCH_SECONDS)
    for (const index of [deleted, rotten, silent]) {
      const caught = await until(
        `node ${index} is caught`,
        async () => {
          const rows: readonly Row[] = await lines(index, from)
          const first = rows.findIndex((row) => row.score < PPM)
          if (first >= 0) return { row: rows[first], epochs: first + 1 }
          assert(rows.length < EPOCHS_TO_CATCH, 'it is caught within the epochs that theory predicts')
          return null
        },
        SETTLE_MS,
      )
      assert.equal(caught.row?.score, 0, 'its only set failed, so it is unpaid')
      const codes = caught.row.reasons.map((reason) => reason.code)
      assert(codes.length > 0 && codes.every((code) => code !== ''), `node ${index}: ${codes.join()}`)
      const expected = index === silent ? /silence|nothing-claimed/ : /refused-lost|wrong-leaf|silence/
      assert.match(codes.join(), expected, `node ${index}`)
    }
    network.resumePaused(`node ${silent}`)
  })

  test('honest ones are paid on beside them', async () => {
    const last = (await settlements()).at(-1)
    assert(last !== undefined)
    for (const index of [4, 5, 6]) {
      const id = network.nodes[index - 1]?.id
      const paid: Row | undefined = last.scores.find(({ subject }) => subject === id)
      assert.equal(paid?.score, PPM, `node ${index}: ${inspect(paid)}`)
    }
  })
})

/** Changes one byte in every kilobyte, so that no leaf is what it was. */
async function flip(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    const { size } = await file.stat()
    for (let at = 500; at < size; at += FLIP_EVERY) {
      await file.read(byte, 0, 1, at)
      byte.writeUInt8(byte.readUInt8(0) ^ 0xff)
      await file.write(byte, 0, 1, at)
    }
  } finally {
    await file.close()
  }
}
