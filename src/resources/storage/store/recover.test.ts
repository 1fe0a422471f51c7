import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adoptManifest, dropOldOrphans, readManifest } from './adopt.ts'
import { concludeRecovery, recover } from './recover.ts'
import { takeSnapshot } from './snapshot.ts'
import { syncAll } from './sync.ts'
import { bodyOf, createWorld, type Gateway, type Node, putOf, readAll } from './world.test-support.ts'

const never = new AbortController().signal
const patient = { progress: () => undefined, patienceMs: 10_000, allowLoss: false }

async function ready() {
  const world = await createWorld()
  const gateway = await world.gateway()
  const run = <T>(work: () => Promise<T>): Promise<T> => world.clock.run(work)
  const put = (key: string, size: number) => run(() => gateway.store.objects.put(putOf(gateway, key, bodyOf(world.bytes(size)))))
  const without = async (nodes: readonly Node[], work: () => Promise<unknown>): Promise<void> => {
    for (const node of nodes) node.cut()
    await work()
    for (const node of nodes) node.heal()
    await world.clock.advance(20_000)
  }
  await run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  await put('first', 100)
  /** The gateway and its folder are gone; another begins with nothing. */
  const replaced = async (life: number): Promise<Gateway> => {
    gateway.stop.abort()
    return world.gateway({ life })
  }
  return { world, gateway, run, put, without, replaced }
}

test('a log whose end only silent providers keep is not taken for shorter than it is', async () => {
  const { world, run, put, without, replaced } = await ready()
  const [late, holders] = [world.nodes.slice(0, 2), world.nodes.slice(2)]
  await without(late, () => put('last', 200))
  const again = await replaced(1)
  for (const node of holders) node.cut()
  await assert.rejects(
    run(() => recover(again.store, null, patient, never)),
    (error: Error & { code?: string }) => error.code === 'INCOMPLETE' && /6 of 8 do not answer/.test(error.message),
  )
  for (const node of holders) node.heal()
  await world.clock.advance(20_000)
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual([report.objects, report.shortened], [2, null])
  assert.deepEqual(await run(() => readAll(again, 'last')), world.bytes(200))
  again.stop.abort()
})

test('what may be lost is said when it is given up', async () => {
  const { world, run, put, without, replaced } = await ready()
  await without(world.nodes.slice(0, 2), () => put('last', 200))
  const again = await replaced(1)
  for (const node of world.nodes.slice(2)) node.cut()
  const report = await run(() => recover(again.store, null, { ...patient, allowLoss: true }, never))
  assert.equal(report.objects, 1)
  assert.match(report.shortened ?? '', /may be with those that do not answer/)
  again.stop.abort()
})

test('after a loss that was accepted the log goes on beside what the silent ones keep, and is recovered with it', async () => {
  const { world, run, put, without, replaced } = await ready()
  await without(world.nodes.slice(0, 2), () => put('given up', 200))
  const again = await replaced(1)
  for (const node of world.nodes.slice(2)) node.cut()
  const report = await run(() => recover(again.store, null, { ...patient, allowLoss: true }, never))
  concludeRecovery(again.store, report)
  again.stop.abort()
  for (const node of world.nodes) node.heal()
  await world.clock.advance(20_000)
  const second = await world.gateway({ life: 2, database: again.database })
  for (const size of [11, 12, 13]) {
    const stored = await run(() => second.store.objects.put(putOf(second, `new ${size}`, bodyOf(world.bytes(size)))))
    assert.equal(stored.is, 'stored')
  }
  second.stop.abort()
  const third = await world.gateway({ life: 3 })
  const told = await run(() => recover(third.store, null, patient, never))
  assert.deepEqual([told.objects, told.shortened], [4, null])
  assert.equal(await run(() => readAll(third, 'given up')), 'no-key')
  for (const size of [11, 12, 13]) assert.deepEqual(await run(() => readAll(third, `new ${size}`)), world.bytes(size))
  third.stop.abort()
})

test('a log with a hole in it is refused although most providers answer', async () => {
  const { world, run, put, without, replaced } = await ready()
  const [a, b] = [world.nodes.slice(0, 2), world.nodes.slice(2, 4)]
  await without(a, () => put('hole', 200))
  await without(b, () => put('after', 300))
  const again = await replaced(1)
  for (const node of world.nodes.slice(2)) node.cut()
  await assert.rejects(
    run(() => recover(again.store, null, patient, never)),
    /batch \d+ is with no provider that answers, while batch \d+ is there/,
  )
  again.stop.abort()
})

test('silence of fewer than acknowledge a write does not stop a recovery', async () => {
  const { world, run, put, replaced } = await ready()
  await put('last', 200)
  const again = await replaced(1)
  for (const node of world.nodes.slice(0, 5)) node.cut()
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual([report.objects, report.shortened], [2, null])
  again.stop.abort()
})

test('providers that have left the network are not waited for, however many they are', async () => {
  const { world, run, put, replaced } = await ready()
  await put('last', 200)
  const again = await replaced(1)
  for (const [i, node] of world.nodes.slice(0, 6).entries()) {
    node.cut()
    const row = world.rows[i]
    assert.ok(row)
    world.rows[i] = { ...row, status: 'retired' }
  }
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual([report.objects, report.shortened, report.silent], [2, null, 0])
  again.stop.abort()
})

test('providers that begin to answer while there is patience are waited for', async () => {
  const { world, run, put, without, replaced } = await ready()
  await without(world.nodes.slice(0, 2), () => put('last', 200))
  const again = await replaced(1)
  for (const node of world.nodes.slice(2)) node.cut()
  const outcome = run(async () => {
    const report = recover(again.store, null, patient, never)
    await world.clock.sleep(5_000)
    for (const node of world.nodes) node.heal()
    return report
  })
  assert.equal((await outcome).objects, 2)
  again.stop.abort()
})

test('a recovery that was cut off goes on where it was, once, and with the same snapshot only', async () => {
  const { world, gateway, run, put, replaced } = await ready()
  const publish = async (pointer: Parameters<typeof world.point>[0]): Promise<boolean> => {
    world.point(pointer)
    return true
  }
  assert.equal(await run(() => takeSnapshot(gateway.store, null, publish, never)), true)
  for (let n = 0; n < 6; n += 1) await put(`after ${n}`, 100 + n)
  const pointer = world.pointer()
  const again = await replaced(1)
  const stop = new AbortController()
  const cut = { ...patient, progress: (_: string, part?: number) => void (part === 3 && stop.abort()) }
  await assert.rejects(run(() => recover(again.store, pointer, cut, stop.signal)))
  const { objects } = again.store.metadata.stats()
  assert.ok(objects >= 3 && objects < 7, `${objects} objects when it was cut off`)
  const moved = pointer === null ? null : { ...pointer, digest: `0x${'11'.repeat(32)}` as typeof pointer.digest }
  await assert.rejects(
    run(() => recover(again.store, moved, patient, never)),
    /the pointer on chain has moved/,
  )
  const report = await run(() => recover(again.store, pointer, patient, never))
  assert.equal(report.objects, 7)
  for (let n = 0; n < 6; n += 1) assert.deepEqual(await run(() => readAll(again, `after ${n}`)), world.bytes(100 + n))
  concludeRecovery(again.store, report)
  await assert.rejects(
    run(() => recover(again.store, pointer, patient, never)),
    /has metadata already/,
  )
  again.stop.abort()
})

test('nothing under a mnemonic is said to be nothing, and not recovered as an empty gateway', async () => {
  const { run, replaced } = await ready()
  const again = await replaced(1)
  const empty = await run(() =>
    recover({ ...again.store, keyring: { ...again.store.keyring, logName: new Uint8Array(32) } }, null, patient, never),
  ).catch((error: unknown) => String(error))
  assert.match(String(empty), /is it the right mnemonic/)
  again.stop.abort()
})

test('what nobody names after a recovery is kept for 30 days, then leaves the sets, and named pieces stay', async () => {
  const { world, gateway, run, put, replaced } = await ready()
  await put('kept', 400_000)
  await put('unknown', 300_000)
  await world.clock.advance(3_000)
  await run(() => syncAll(gateway.store))
  const unknown = gateway.store.metadata.object('b', 'unknown')?.parts.flatMap((part) => part.segments) ?? []
  const lostPieces = new Set(
    unknown.flatMap(({ id }) => gateway.store.metadata.segments.get(id)?.pieces.map((piece) => piece.pieceId) ?? []),
  )
  assert.equal(lostPieces.size, 8)
  const again = await replaced(1)
  await run(() => recover(again.store, null, patient, never))
  // As if it had been part of an upload that was never completed, which no log knows.
  again.database.transaction(() => {
    for (const piece of lostPieces) again.database.prepare('DELETE FROM pieces WHERE id = ?').run(piece)
    again.database.prepare("DELETE FROM objects WHERE key = CAST('unknown' AS BLOB)").run()
  })
  for (const node of world.nodes) await run(() => adoptManifest(again.store, node.id))
  const later = (days: number) => {
    const clock = { ...world.clock, now: () => (world.clock.now() + days * 86_400_000) as ReturnType<typeof world.clock.now> }
    return dropOldOrphans({ ...again.store, at: { ...again.store.at, clock } })
  }
  const held = async (): Promise<number> => {
    const lists = await Promise.all(world.nodes.map((node) => readManifest(again.store, node.id)))
    return lists.flatMap(({ entries }) => entries).filter(({ pieceId }) => lostPieces.has(pieceId)).length
  }
  assert.deepEqual([later(0), later(29)], [0, 0])
  assert.equal(await run(held), 8)
  assert.equal(later(31), 8)
  assert.equal(later(31), 0)
  assert.equal(await run(async () => (await syncAll(again.store)).signed), 8)
  assert.equal(await run(held), 0)
  assert.deepEqual(await run(() => readAll(again, 'kept')), world.bytes(400_000))
  again.stop.abort()
})

test('a gateway never puts its snapshot over one that another gateway took', async () => {
  const { world, gateway, run } = await ready()
  const publish = async (pointer: Parameters<typeof world.point>[0]): Promise<boolean> => {
    world.point(pointer)
    return true
  }
  await run(() => takeSnapshot(gateway.store, null, publish, never))
  gateway.stop.abort()
  const stranger = await world.gateway({ life: 1, storageRoot: new Uint8Array(32).fill(9) })
  await run(() => stranger.store.objects.createBucket(stranger.tenant, 'c'))
  await run(() => stranger.store.objects.put({ ...putOf(stranger, 'x', bodyOf(world.bytes(5))), bucket: 'c' }))
  const before = world.pointer()
  await assert.rejects(
    run(() => takeSnapshot(stranger.store, world.pointer(), publish, never)),
    /was taken by another gateway/,
  )
  assert.deepEqual(world.pointer(), before)
  stranger.stop.abort()
})
