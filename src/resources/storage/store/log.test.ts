import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, createWorld, putOf } from './world.test-support.ts'

test('writers that come again and again share a batch, though they began apart, and one alone waits for nobody', async () => {
  const world = await createWorld()
  const gateway = await world.gateway()
  const { clock } = world
  const { objects, log } = gateway.store
  await clock.run(() => objects.createBucket(gateway.tenant, 'b'))
  const put = async (key: string): Promise<number> => {
    const began = clock.monotonic()
    assert.equal((await objects.put(putOf(gateway, key, bodyOf(world.bytes(100))))).is, 'stored')
    return clock.monotonic() - began
  }
  const rounds = 20
  const writers = Array.from({ length: 10 }, async (_, writer) => {
    await clock.sleep(writer)
    for (let round = 0; round < rounds; round += 1) await put(`${writer}/${round}`)
  })
  const before = log.position().number
  await clock.run(() => Promise.all(writers))
  const batches = log.position().number - before
  // Each would wait for a batch of its own, or half of them would for the other half, without gathering.
  assert.ok(batches <= rounds + 5, `${batches} batches of ${rounds} rounds`)

  const alone: number[] = []
  await clock.run(async () => {
    for (let i = 0; i < 20; i += 1) alone.push(await put(`alone ${i}`))
  })
  // What commits gather, a dial and three ways to a provider and back, of at most 5 ms each.
  assert.ok(Math.max(...alone.slice(1)) <= 45, `${alone}`)
  gateway.stop.abort()
})
