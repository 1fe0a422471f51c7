import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLogPositions } from './log-position.ts'
import { recover } from './recover.ts'
import { takeSnapshot } from './snapshot.ts'
import { bodyOf, createWorld, putOf, readAll } from './world.test-support.ts'

const never = new AbortController().signal
const patient = { progress: () => undefined, patienceMs: 10_000, allowLoss: false }

/** A network in which most nodes have nothing to do with the log of this gateway. */
async function ready() {
  const world = await createWorld({ nodes: 26 })
  const gateway = await world.gateway()
  const run = <T>(work: () => Promise<T>): Promise<T> => world.clock.run(work)
  const put = (key: string, size: number) => run(() => gateway.store.objects.put(putOf(gateway, key, bodyOf(world.bytes(size)))))
  await run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  await put('first', 100)
  const keepers = () => new Set(openLogPositions(gateway.database).newest()?.keepers ?? [])
  const named = (is: boolean) => world.nodes.filter((node) => keepers().has(node.id) === is)
  const replaced = async () => {
    gateway.stop.abort()
    return world.gateway({ life: 1 })
  }
  return { world, gateway, run, put, keepers, named, replaced }
}

test('where the log ends is told by those whom its last batch named, however many others are gone', async () => {
  const { world, run, put, keepers, named, replaced } = await ready()
  await put('last', 200)
  assert.equal(keepers().size, 16)
  const others = named(false)
  assert.equal(others.length, 10)
  for (const node of others) node.cut()
  const again = await replaced()
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual([report.objects, report.shortened, report.silent], [2, null, 0])
  assert.deepEqual(await run(() => readAll(again, 'last')), world.bytes(200))
  again.stop.abort()
})

test('silence of as many of them as acknowledge a write stops a recovery', async () => {
  const { run, put, named, replaced } = await ready()
  await put('last', 200)
  const cut = named(true).slice(0, 6)
  const again = await replaced()
  for (const node of cut) node.cut()
  await assert.rejects(
    run(() => recover(again.store, null, patient, never)),
    (error: Error & { code?: string }) => error.code === 'INCOMPLETE' && /6 of 16 do not answer/.test(error.message),
  )
  cut[0]?.heal()
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual([report.objects, report.silent], [2, 5])
  again.stop.abort()
})

test('a snapshot names them as well, so that a recovery from it alone asks the same', async () => {
  const { world, gateway, run, put, keepers, named, replaced } = await ready()
  await put('last', 200)
  const publish = async (pointer: Parameters<typeof world.point>[0]): Promise<boolean> => {
    world.point(pointer)
    return true
  }
  assert.equal(await run(() => takeSnapshot(gateway.store, null, publish, never)), true)
  const before = keepers()
  const others = named(false)
  const again = await replaced()
  for (const node of others) node.cut()
  const report = await run(() => recover(again.store, world.pointer(), patient, never))
  assert.deepEqual([report.objects, report.shortened], [2, null])
  assert.deepEqual(new Set(openLogPositions(again.database).newest()?.keepers), before)
  again.stop.abort()
})

test('who takes no pieces any more is named no more, a few at a time', async () => {
  const { gateway, put, keepers, named } = await ready()
  const before = keepers()
  const gone = named(true).slice(0, 5)
  const fails = (count: number): void => {
    for (const { id } of gone.slice(0, count)) for (let i = 0; i < 5; i += 1) gateway.store.providers.bad(id, new Error('no answer'))
  }
  fails(4)
  for (const size of [11, 12, 13]) await put(`${size}`, size)
  assert.deepEqual(keepers(), before, 'four of sixteen may be away')
  fails(5)
  for (const size of [21, 22]) await put(`${size}`, size)
  assert.equal(keepers().size, 16)
  for (const { id } of gone) assert.ok(!keepers().has(id))
})

test('when too few of them are left the log goes to others after a while, and is recovered from there', async () => {
  const { world, run, put, keepers, named, replaced } = await ready()
  await put('before', 200)
  const gone = named(true).slice(0, 11)
  for (const node of gone) node.cut()
  await assert.rejects(put('refused', 300), { code: 'NOT_DURABLE' })
  await world.clock.advance(40_000)
  assert.equal((await put('after', 400)).is, 'stored')
  for (const node of gone) assert.ok(!keepers().has(node.id), 'the next batch is theirs no more')
  const again = await replaced()
  const report = await run(() => recover(again.store, null, patient, never))
  assert.deepEqual(await run(() => readAll(again, 'after')), world.bytes(400))
  assert.equal(report.shortened, null)
  again.stop.abort()
})
