import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyError } from '../object-store.ts'
import { bodyOf, createWorld, named, putOf, readAll } from './world.test-support.ts'

const STRIPE = 4 * (65536 - 16)

async function ready(options: Parameters<typeof createWorld>[0] = {}) {
  const world = await createWorld(options)
  const gateway = await world.gateway()
  await world.clock.run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  return { world, gateway, objects: gateway.store.objects, run: <T>(work: () => Promise<T>) => world.clock.run(work) }
}

test('objects of every size around a boundary come back as they were put, whole and in part', async () => {
  const { world, gateway, objects, run } = await ready()
  const sizes = [0, 1, 4096, 4097, 65519, 65520, 65521, STRIPE - 1, STRIPE, STRIPE + 1, 3 * STRIPE + 5000]
  await run(async () => {
    for (const size of sizes) {
      const bytes = world.bytes(size)
      assert.equal((await objects.put(putOf(gateway, `k${size}`, bodyOf(bytes)))).is, 'stored')
      assert.deepEqual(await readAll(gateway, `k${size}`), bytes, `${size} bytes`)
      for (const [from, to] of [
        [0, 0],
        [Math.floor(size / 2), null],
        [Math.max(0, size - 2), size + 10],
      ] as const) {
        if (from >= size) continue
        assert.deepEqual(await readAll(gateway, `k${size}`, { from, to }), bytes.subarray(from, to === null ? size : to + 1))
      }
    }
  })
  assert.equal(gateway.used.size, 0)
  gateway.stop.abort()
})

test('a read gives what was written, copied or deleted last, however often it was read before', async () => {
  const { world, gateway, objects, run } = await ready()
  const { tenant } = gateway
  const one = { bucket: 'b', key: 'k' }
  await run(async () => {
    for (const size of [10, 10, 5000, 4096]) {
      const bytes = world.bytes(size)
      await objects.put(putOf(gateway, 'k', bodyOf(bytes)))
      for (let i = 0; i < 3; i += 1) assert.deepEqual(await readAll(gateway, 'k'), bytes)
      assert.deepEqual(await readAll(gateway, 'k', { from: 3, to: 6 }), bytes.subarray(3, 7))
    }
    const other = world.bytes(20)
    await objects.put(putOf(gateway, 'other', bodyOf(other)))
    await objects.createBucket(tenant, 'c')
    await objects.copy({ tenant, from: { bucket: 'b', key: 'other' }, to: one, headers: null, admit: () => true })
    assert.deepEqual(await readAll(gateway, 'k'), other)
    await objects.copy({ tenant, from: one, to: { bucket: 'c', key: 'k' }, headers: null, admit: () => true })
    await objects.delete(tenant, 'b', ['k'])
    assert.equal(await readAll(gateway, 'k'), 'no-key')
    const moved = await objects.get({ tenant, bucket: 'c', key: 'k', range: null, admit: () => true, signal: gateway.stop.signal })
    assert.ok(moved.is === 'open')
    assert.deepEqual(moved.bytes, other)
  })
  gateway.stop.abort()
})

test('a body that breaks off leaves neither an object nor a slab', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(2 * STRIPE)
  let reads = 0
  const body = bodyOf(bytes, {
    async read(target) {
      reads += 1
      if (reads > 3) throw new BodyError('IncompleteBody', 'the client left')
      target.fill(1)
      return target.length
    },
  })
  const outcome = await run(() => objects.put(putOf(gateway, 'k', body)))
  assert.equal(outcome.is, 'bad-body')
  assert.equal(await run(() => readAll(gateway, 'k')), 'no-key')
  assert.deepEqual([gateway.used.size, gateway.store.metadata.segments.count()], [0, 0])
  gateway.stop.abort()
})

test('two dead providers of eight do not stop a write; three do, and nothing is left behind', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(STRIPE + 1)
  for (const node of world.nodes.slice(0, 2)) node.cut()
  assert.equal((await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))).is, 'stored')
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  world.nodes[2]?.cut()
  const before = named(gateway)
  await assert.rejects(
    run(() => objects.put(putOf(gateway, 'l', bodyOf(bytes)))),
    { code: 'NO_PROVIDERS', message: /; \d × dialling it did not finish/ },
  )
  assert.equal(await run(() => readAll(gateway, 'l')), 'no-key')
  assert.deepEqual(named(gateway), before)
  assert.equal(gateway.used.size, 0)
  gateway.stop.abort()
})

test('a provider that serves wrong bytes is found and blamed, and nobody else is', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(3 * STRIPE)
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  const segment = gateway.store.metadata.segments.scan('', 1)[0]
  const liar = world.nodes.find((node) => node.id === segment?.pieces[1]?.device)
  assert.ok(liar)
  liar.fault.corrupt = true
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  assert.deepEqual(new Set(gateway.blamed.map((piece) => piece.device)), new Set([liar.id]))
  assert.equal(gateway.used.size, 0)
  gateway.stop.abort()
})

test('two providers that hang do not hold up a read', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(2 * STRIPE)
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  const pieces = gateway.store.metadata.segments.scan('', 1)[0]?.pieces ?? []
  for (const node of world.nodes) if (pieces.slice(0, 2).some((piece) => piece.device === node.id)) node.fault.deaf = true
  const began = world.clock.monotonic()
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  assert.ok(world.clock.monotonic() - began < 2_000, `it took ${world.clock.monotonic() - began} ms`)
  assert.equal(gateway.used.size, 0)
  gateway.stop.abort()
})

test('a provider whose read was hedged away is slow and not failing: it does not rest, and is read from last', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(2 * STRIPE)
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  const [first] = gateway.store.metadata.segments.scan('', 1)[0]?.pieces ?? []
  const node = world.nodes.find(({ id }) => id === first?.device)
  assert.ok(node)
  node.fault.slowMs = 1_500
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  const { providers } = gateway.store
  assert.deepEqual([providers.slow(node.id), providers.reachable(node.id), providers.trouble(node.id)], [true, true, null])
  assert.ok(providers.candidates().some(({ device }) => device === node.id))
  const began = world.clock.monotonic()
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  assert.ok(world.clock.monotonic() - began < 150, 'the others are asked first, so nobody is waited for')
  await world.clock.advance(31_000)
  assert.equal(providers.slow(node.id), false)
  gateway.stop.abort()
})

test('the log goes to others when those that it prefers are full', async () => {
  const { world, gateway, objects, run } = await ready({ nodes: 12 })
  await run(() => objects.put(putOf(gateway, 'a', bodyOf(world.bytes(1000)))))
  const used = await run(() => Promise.all(world.nodes.map(async ({ provider }) => (await provider.status()).usedBytes)))
  const preferred = world.nodes.filter((_, i) => (used[i] ?? 0) > 0)
  assert.ok(preferred.length >= 6, `${preferred.length} keep the log so far`)
  for (const node of preferred.slice(0, 4)) node.fault.full = true
  const bytes = world.bytes(1000)
  assert.equal((await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))).is, 'stored')
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  gateway.stop.abort()
})

test('where everybody rests after a failure, a write asks again instead of giving up', async () => {
  const { world, gateway, objects, run } = await ready()
  const { providers } = gateway.store
  for (const { id } of world.nodes) providers.bad(id, new Error('too busy a moment ago'))
  assert.equal(providers.candidates().length, 0)
  const bytes = world.bytes(STRIPE)
  const done = await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  assert.equal(done.is, 'stored')
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  gateway.stop.abort()
})

test('a provider that hangs is slow to a read, and found to fail when it is asked by itself', async () => {
  const { world, gateway, objects, run } = await ready()
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(world.bytes(STRIPE)))))
  const [first] = gateway.store.metadata.segments.scan('', 1)[0]?.pieces ?? []
  const node = world.nodes.find(({ id }) => id === first?.device)
  assert.ok(node)
  node.fault.deaf = true
  assert.deepEqual(await run(() => readAll(gateway, 'k')), world.bytes(STRIPE))
  assert.equal(gateway.store.providers.trouble(node.id), null)
  await run(() => gateway.store.providers.probe(new AbortController().signal))
  assert.match(gateway.store.providers.trouble(node.id) ?? '', /did not finish/)
  gateway.stop.abort()
})

test('four providers are enough to read, three are not, and the error says which segment', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(STRIPE)
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  for (const node of world.nodes.slice(0, 4)) node.cut()
  assert.deepEqual(await run(() => readAll(gateway, 'k')), bytes)
  world.nodes[4]?.cut()
  await assert.rejects(
    run(() => readAll(gateway, 'k')),
    { code: 'SEGMENT_LOST' },
  )
  assert.equal(gateway.used.size, 0)
  gateway.stop.abort()
})

test('more slow customers than there are slabs, on both sides, hold up nobody', async () => {
  const { world, gateway, objects, run } = await ready()
  const bytes = world.bytes(4 * STRIPE)
  await run(() => objects.put(putOf(gateway, 'k', bodyOf(bytes))))
  const never = new Promise<never>(() => undefined)
  const { tenant } = gateway
  for (let i = 0; i < 40; i += 1) {
    const { signal } = new AbortController()
    const opened = await run(() => objects.get({ tenant, bucket: 'b', key: 'k', range: null, admit: () => true, signal }))
    assert.equal(opened.is, 'open')
    // This customer takes nothing of what is written to it, ever.
    if (opened.is === 'open') void opened.send({ write: () => never })
    // And this one sends one byte and no more.
    let sent = 0
    const stuck = bodyOf(bytes, { read: () => (sent++ === 0 ? Promise.resolve(1) : never) })
    void objects.put(putOf(gateway, `stuck ${i}`, stuck))
  }
  assert.equal((await run(() => objects.put(putOf(gateway, 'other', bodyOf(bytes))))).is, 'stored')
  assert.deepEqual(await run(() => readAll(gateway, 'other')), bytes)
  gateway.stop.abort()
})
