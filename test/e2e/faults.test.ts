/** Nodes that are killed: nothing acknowledged is lost, what is missing is rebuilt, and too little is said loudly. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNetwork, type TestNetwork, until } from './network.ts'
import { type Customer, createCustomer } from './objects.ts'

const EPOCH_SECONDS = 10
/** A piece counts as lost after three failed contacts over two epochs; then repair looks twice an epoch. */
const REPAIR_MS = 240_000
const LOAD_MS = 4_000
const OBJECT_BYTES = 600_000

describe('a network whose nodes are killed', () => {
  let network: TestNetwork
  let customer: Customer
  let written = 0

  before(async () => {
    network = await startNetwork({ epochSeconds: EPOCH_SECONDS })
    customer = await createCustomer(() => network.s3, 'faults')
    await customer.store('first', OBJECT_BYTES)
  })
  after(async () => {
    customer?.close()
    await network?.close()
  })

  /** Writes until told to stop; what fails was not acknowledged and need not be there. */
  async function load(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await customer.put(`object ${written++}`, OBJECT_BYTES + written)
      await sleep(20)
    }
  }

  async function underLoad(work: () => Promise<unknown>): Promise<void> {
    const stop = new AbortController()
    const loads = [load(stop.signal), load(stop.signal)]
    await sleep(LOAD_MS / 2)
    await work()
    await sleep(LOAD_MS / 2)
    stop.abort()
    await Promise.all(loads)
  }

  /** Segments with a piece on one of these devices, or with fewer than `least` pieces. */
  function unhealthy(devices: readonly string[], least: number): number {
    const db = new DatabaseSync(join(network.folder, 'gateway', 'state.db'), { readOnly: true })
    try {
      const dead = devices.map(() => '?').join(',')
      const sql = `SELECT count(*) AS n FROM segments s WHERE
        (SELECT count(DISTINCT shard) FROM pieces p WHERE p.segment = s.id AND p.device NOT IN (${dead})) < ?`
      return Number(db.prepare(sql).get(...devices, least)?.['n'])
    } finally {
      db.close()
    }
  }

  test('two of eight nodes killed during writes lose nothing that was acknowledged, and reads go on', async () => {
    await underLoad(() => network.kill('node 1', 'node 2'))
    assert(customer.acknowledged > 0)
    await customer.verify()
    // Six nodes are enough to acknowledge.
    await customer.store('after the loss', OBJECT_BYTES)
  })

  test('what the killed nodes held is rebuilt on the others by itself', async () => {
    const dead = [network.nodes[0]?.id ?? '', network.nodes[1]?.id ?? '']
    assert(unhealthy(dead, 8) > 0, 'something was lost with them')
    await until('every segment has all its pieces on living nodes', () => unhealthy(dead, 7) === 0, REPAIR_MS)
    await customer.verify()
  })

  test('with too few pieces left a read fails with 503 and names the segment', async () => {
    // Two nodes may hold four pieces, which is enough: where eight lie on six, some hold two.
    await network.kill('node 3', 'node 4', 'node 5', 'node 6', 'node 7')
    await assert.rejects(customer.get('first'), (error: unknown) => {
      assert(error instanceof Error && '$metadata' in error)
      const { httpStatusCode } = error.$metadata as { httpStatusCode: number }
      assert.equal(httpStatusCode, 503)
      assert.match(error.message, /segment 0/)
      return true
    })
  })

  test('nodes that come back count again', async () => {
    await Promise.all([1, 2, 3, 4, 5, 6, 7].map((index) => network.startNode(index)))
    await customer.verify()
    await customer.store('after the return', OBJECT_BYTES)
    await customer.verify()
  })

  test('all nodes killed at once right after acknowledged writes have everything when they return', async () => {
    for (let i = 0; i < 8; i += 1) await customer.store(`durable ${i}`, i * 50_000)
    await network.killAll()
    await network.resume()
    await customer.verify()
  })

  test('stopped and started on its folder, the network goes on with the same keys, addresses and objects', async () => {
    const earlier = { s3: network.s3, nodes: network.nodes.map((node) => node.id) }
    assert.equal(await network.stop(), 0)
    await network.resume()
    assert.deepEqual({ s3: network.s3, nodes: network.nodes.map((node) => node.id) }, earlier)
    await customer.verify()
    await customer.store('another', OBJECT_BYTES)
  })

  test('no daemon said that something broke inside it', () => {
    for (const party of ['gateway', 'verifier', ...network.nodes.map((_, i) => `node ${i + 1}` as const)] as const)
      assert.deepEqual(network.log(party, 'error', 'raw'), [], party)
  })
})
