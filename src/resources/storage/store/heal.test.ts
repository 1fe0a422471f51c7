import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '../../../protocol/ids.ts'
import { headHasher } from '../data-set.ts'
import { recover } from './recover.ts'
import { repairAll } from './repair.ts'
import { keepSignedHead, signedHeadOf } from './signed-heads.ts'
import { takeSnapshot } from './snapshot.ts'
import { syncAll } from './sync.ts'
import { bodyOf, createWorld, crypto, type Gateway, keyOf, named, putOf, readAll } from './world.test-support.ts'

const STRIPE = 4 * (65536 - 16)
const never = new AbortController().signal
const patient = { progress: () => undefined, patienceMs: 10_000, allowLoss: false }

async function ready() {
  const world = await createWorld()
  const gateway = await world.gateway()
  const run = <T>(work: () => Promise<T>): Promise<T> => world.clock.run(work)
  const put = (key: string, bytes: Uint8Array, on: Gateway = gateway) => run(() => on.store.objects.put(putOf(on, key, bodyOf(bytes))))
  await run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  const firstSegment = () => {
    const segment = gateway.store.metadata.segments.scan('', 1)[0]
    assert.ok(segment)
    return segment
  }
  const nodeOf = (device: string | undefined) => {
    const node = world.nodes.find((one) => one.id === device)
    assert.ok(node)
    return node
  }
  return { world, gateway, run, put, firstSegment, nodeOf }
}

test('a batch of the log that reached too few providers is taken by all of them later', async () => {
  const { world, gateway, run, put } = await ready()
  for (const node of world.nodes.slice(0, 3)) node.cut()
  await assert.rejects(put('a', world.bytes(10)), { code: 'NOT_DURABLE' })
  for (const node of world.nodes) node.heal()
  await world.clock.advance(20_000)
  assert.equal((await put('b', world.bytes(20))).is, 'stored')
  assert.deepEqual(await run(() => readAll(gateway, 'a')), world.bytes(10))
  gateway.stop.abort()
})

test('an empty gateway is rebuilt from the snapshot and what came after, small objects too', async () => {
  const { world, gateway, run, put } = await ready()
  const sizes = [1, 4096, 4097, STRIPE + 1]
  for (const size of sizes) await put(`before ${size}`, world.bytes(size))
  const publish = async (pointer: Parameters<typeof world.point>[0]): Promise<boolean> => {
    world.point(pointer)
    return true
  }
  assert.equal(await run(() => takeSnapshot(gateway.store, null, publish, never)), true)
  for (const size of sizes) await put(`after ${size}`, world.bytes(size))
  await run(() => gateway.store.objects.delete(gateway.tenant, 'b', ['before 1']))
  await world.clock.advance(5_000)
  gateway.stop.abort()

  const stranger = await world.gateway({ storageRoot: keyOf('another').secret, life: 1 })
  await assert.rejects(
    run(() => recover(stranger.store, world.pointer(), patient, never)),
    { code: 'NOT_FOUND' },
  )
  stranger.stop.abort()
  const again = await world.gateway({ life: 2 })
  const report = await run(() => recover(again.store, world.pointer(), patient, never))
  assert.deepEqual([report.buckets, report.objects, report.snapshot], [1, 2 * sizes.length - 1, 1n])
  for (const when of ['before', 'after'])
    for (const size of sizes) {
      const got = await run(() => readAll(again, `${when} ${size}`))
      assert.deepEqual(got, when === 'before' && size === 1 ? 'no-key' : world.bytes(size), `${when} ${size}`)
    }
  assert.deepEqual([again.used.size, gateway.used.size], [0, 0])
  again.stop.abort()
})

test('repair replaces a wrong piece, whatever else is healthy, and passes over a source that hangs', async () => {
  const { world, gateway, run, put, firstSegment, nodeOf } = await ready()
  const bytes = world.bytes(2 * STRIPE)
  await put('k', bytes)
  const [first, second] = firstSegment().pieces
  const liar = nodeOf(first?.device)
  liar.fault.corrupt = true
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  assert.ok(first && gateway.corrupt.has(first.pieceId))
  liar.fault.corrupt = false
  nodeOf(second?.device).fault.deaf = true
  const report = await run(() => repairAll(gateway.store, gateway.corrupt, never))
  assert.equal(report.repaired, 1)
  const after = firstSegment().pieces
  assert.deepEqual([after.length, new Set(after.map((piece) => piece.device)).size], [8, 8])
  assert.notEqual(after[0]?.pieceId, first.pieceId)
  assert.deepEqual([gateway.corrupt.size, gateway.used.size], [0, 0])
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  gateway.stop.abort()
})

test('the pieces of lost providers go to those that are left, two on one when there are no others', async () => {
  const { world, gateway, run, put, firstSegment, nodeOf } = await ready()
  const bytes = world.bytes(2 * STRIPE)
  await put('k', bytes)
  const gone = firstSegment().pieces.slice(0, 2)
  for (const { device } of gone) {
    nodeOf(device).fault.deaf = true
    for (let contact = 0; contact < 3; contact += 1) gateway.store.providers.bad(device, new Error('no answer'))
  }
  await world.clock.advance(3 * 60_000)
  const report = await run(() => repairAll(gateway.store, gateway.corrupt, never))
  assert.equal(report.repaired, 1)
  const { pieces } = firstSegment()
  const devices = new Set(pieces.map((piece) => piece.device))
  assert.deepEqual([new Set(pieces.map((piece) => piece.shard)).size, devices.size], [8, 6])
  for (const { device } of gone) assert.ok(!devices.has(device))
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  gateway.stop.abort()
})

test('a piece dropped while its provider signs for it leaves the set with the next', async () => {
  const { world, gateway, run, put } = await ready()
  await put('k', world.bytes(STRIPE))
  await world.clock.advance(3_000)
  await run(async () => {
    const signing = syncAll(gateway.store)
    await gateway.store.objects.delete(gateway.tenant, 'b', ['k'])
    assert.equal((await signing).signed, 8)
  })
  const second = await run(() => syncAll(gateway.store))
  assert.deepEqual([second.signed, second.failed], [8, 0])
  const orphans = gateway.database.prepare('SELECT count(*) AS n FROM pieces WHERE segment IS NULL AND batch IS NULL').get()
  assert.equal(orphans?.['n'], 0)
  gateway.stop.abort()
})

test('a set whose signature was lost on its way is agreed on again', async () => {
  const { world, gateway, run, put } = await ready()
  await put('k', world.bytes(STRIPE))
  const [node] = world.nodes
  assert.ok(node)
  node.fault.losesSigned = 1
  assert.equal((await run(() => syncAll(gateway.store))).failed, 1)
  await put('l', world.bytes(STRIPE))
  for (let turn = 0; turn < 3; turn += 1) {
    await world.clock.advance(20_000)
    await run(() => syncAll(gateway.store))
  }
  assert.deepEqual(gateway.store.metadata.segments.unsigned(node.id).adds, [])
  assert.ok(named(gateway).some((line) => line.startsWith(node.id)))
  gateway.stop.abort()
})

test('a gateway with another key signs every set anew, once, and so it does when an operator’s key is no longer one', async () => {
  const { world, gateway, run, put } = await ready()
  await put('k', world.bytes(STRIPE))
  const sync = async (by: Gateway) => (await run(() => syncAll(by.store))).signed
  assert.deepEqual([await sync(gateway), await sync(gateway)], [8, 0])
  gateway.stop.abort()
  const other = keyOf('another key of the account')
  world.sessions.add(address(other.account))
  const renewed = await world.gateway({ database: gateway.database, sessionKey: other.secret, life: 1 })
  assert.deepEqual([await sync(renewed), await sync(renewed)], [8, 0])
  const [node] = world.nodes
  assert.ok(node)
  const claim = signedHeadOf(renewed.database, node.id)
  assert.ok(claim)
  const hash = headHasher(crypto, world.chain.chainId)(claim.head)
  assert.deepEqual(claim.customerSignature, crypto.secp256k1.sign(other.secret, hash))
  const gone = keyOf('a key that its operator gave up')
  keepSignedHead(renewed.database, node.id, { ...claim, providerSignature: crypto.secp256k1.sign(gone.secret, hash) })
  await sync(renewed)
  assert.equal(signedHeadOf(renewed.database, node.id)?.head.version, claim.head.version + 1n)
  renewed.stop.abort()
})

test('a provider can make this gateway forget its own pieces only', async () => {
  const { world, gateway, put, firstSegment } = await ready()
  await put('k', world.bytes(STRIPE))
  const [mine, other] = firstSegment().pieces
  assert.ok(mine && other)
  gateway.database.transaction(() => gateway.store.metadata.segments.forget(mine.device, other.pieceId))
  assert.equal(firstSegment().pieces.length, 8)
  gateway.database.transaction(() => gateway.store.metadata.segments.forget(mine.device, mine.pieceId))
  assert.equal(firstSegment().pieces.length, 7)
  gateway.stop.abort()
})

test('a snapshot whose pointer was confirmed after all can be recovered from, and its predecessor is let go', async () => {
  const { world, gateway, run, put } = await ready()
  await put('k', world.bytes(10))
  const late = async (pointer: Parameters<typeof world.point>[0]): Promise<boolean> => {
    world.point(pointer)
    throw new Error('no answer of the chain in time')
  }
  await assert.rejects(run(() => takeSnapshot(gateway.store, null, late, never)))
  const kept = named(gateway)
  await put('l', world.bytes(20))
  const unused = (): never => assert.fail('it is on chain already')
  assert.equal(await run(() => takeSnapshot(gateway.store, world.pointer(), unused, never)), true)
  assert.ok(kept.filter((line) => named(gateway).includes(line)).length >= 12, 'the snapshot and its head are named')
  gateway.stop.abort()
  const again = await world.gateway({ life: 1 })
  const report = await run(() => recover(again.store, world.pointer(), patient, never))
  assert.deepEqual([report.snapshot, report.objects], [1n, 2])
  again.stop.abort()
})

test('a snapshot whose pointer was refused leaves nothing behind', async () => {
  const { world, gateway, run, put } = await ready()
  await put('k', world.bytes(10))
  // The last copies of its log batch come after the acknowledgement.
  await world.clock.advance(3_000)
  const before = named(gateway)
  assert.equal(await run(() => takeSnapshot(gateway.store, null, async () => false, never)), false)
  assert.deepEqual(named(gateway), before)
  gateway.stop.abort()
})
