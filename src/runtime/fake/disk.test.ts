import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isCairnError } from '../../protocol/errors.ts'
import { createPrng } from '../../std/prng.ts'
import { diskContract } from '../disk.contract.ts'
import { createFakeClock } from './clock.ts'
import { createFakeDisk } from './disk.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

diskContract('the simulated disk', async () => createFakeDisk({ prng: createPrng(1n) }))

/** A file of ones that is durable, then three writes of twos that are not, then a crash. */
async function crashed(seed: bigint): Promise<Uint8Array | null> {
  const disk = createFakeDisk({ prng: createPrng(seed) })
  const file = await disk.open('log')
  await file.writeAt(0, [filled(4096, 1)])
  await file.sync()
  await file.writeAt(0, [filled(2048, 2)])
  await file.writeAt(3000, [filled(2000, 2)])
  await file.truncate(4500)
  disk.crash()
  await assert.rejects(file.readAt(0, new Uint8Array(1)), (error) => isCairnError(error, 'DISK'))
  return disk.read('log')
}

test('a crash keeps what was synced and whole sectors of what was not', async () => {
  const outcomes = new Set<string>()
  for (let seed = 0n; seed < 200n; seed += 1n) {
    const left = await crashed(seed)
    assert.ok(left !== null && left.length >= 4096 && left.length <= 5000)
    // Between the two writes nothing changed, so nothing may have been lost there.
    assert.deepEqual(left.subarray(2048, 3000), filled(952, 1))
    for (let sector = 0; sector < 2048; sector += 512) {
      const values: Set<number> = new Set(left.subarray(sector, sector + 512))
      assert.equal(values.size, 1, 'a sector is old or new, never a mixture')
    }
    outcomes.add(`${left.length}:${left[0]}:${left[1024]}:${left[2047]}:${left[3000]}:${left.at(-1)}`)
  }
  // Dropped, whole, prefixes, holes, the later write without the earlier: a policy that tears nothing gives few.
  assert.ok(outcomes.size > 20, `only ${outcomes.size} different outcomes`)
})

test('equal seeds lose equal bytes', async () => {
  for (const seed of [7n, 8n]) assert.deepEqual(await crashed(seed), await crashed(seed))
})

test('a file whose name was never synced may be gone after a crash, a synced one never', async () => {
  let gone = 0
  for (let seed = 0n; seed < 40n; seed += 1n) {
    const disk = createFakeDisk({ prng: createPrng(seed) })
    await (await disk.open('unsynced')).writeAt(0, [filled(1, 1)])
    const file = await disk.open('synced')
    await file.sync()
    await disk.replace('replaced', filled(3, 3))
    disk.crash()
    if ((await disk.read('unsynced')) === null) gone += 1
    assert.notEqual(await disk.read('synced'), null)
    assert.deepEqual(await disk.read('replaced'), filled(3, 3))
  }
  assert.ok(gone > 0 && gone < 40)
})

test('a sync covers what was written before it was called, not what came while it waited', async () => {
  const clock = createFakeClock()
  const delay = (operation: string): Promise<void> => (operation === 'sync' ? clock.sleep(10) : Promise.resolve())
  let lost = 0
  for (let seed = 0n; seed < 20n; seed += 1n) {
    const disk = createFakeDisk({ prng: createPrng(seed), delay })
    const file = await disk.open('log')
    await file.writeAt(0, [filled(512, 1)])
    await clock.run(async () => {
      const synced = file.sync()
      await file.writeAt(512, [filled(512, 2)])
      await synced
    })
    disk.crash()
    const left = await disk.read('log')
    assert.deepEqual(left?.subarray(0, 512), filled(512, 1))
    if (left?.length === 512) lost += 1
  }
  assert.ok(lost > 0)
})

test('a crash in the middle of a write leaves a part of it on the disk', async () => {
  const clock = createFakeClock()
  const parts = new Set<number>()
  for (let seed = 0n; seed < 40n; seed += 1n) {
    const disk = createFakeDisk({ prng: createPrng(seed), delay: () => clock.sleep(5) })
    const file = await clock.run(() => disk.open('log'))
    await clock.run(() => file.sync())
    const write = file.writeAt(0, [filled(2048, 1)])
    write.catch(() => {})
    disk.crash()
    await assert.rejects(
      clock.run(() => write),
      (error) => isCairnError(error, 'DISK'),
    )
    parts.add((await clock.run(() => disk.read('log')))?.length ?? -1)
  }
  assert.ok(parts.has(0) && parts.has(2048) && parts.size > 2)
})

test('asked failures come out as the codes that the real disk gives, and heal', async () => {
  const disk = createFakeDisk({ prng: createPrng(1n) })
  const file = await disk.open('log')
  const write = (): Promise<void> => file.writeAt(0, [filled(8, 1)])
  await write()
  disk.fail({ kind: 'readonly' })
  await assert.rejects(write(), (error) => isCairnError(error, 'DISK'))
  assert.equal(await file.readAt(0, filled(8, 0)), 8)
  disk.fail({ kind: 'full' })
  await assert.rejects(write(), (error) => isCairnError(error, 'FULL'))
  disk.fail({ kind: 'io', on: ['write'], after: 1 })
  await write()
  await assert.rejects(write(), (error) => isCairnError(error, 'DISK'))
  disk.heal()
  await write()
  disk.fail({ kind: 'io', on: ['sync'] })
  await assert.rejects(file.sync(), (error) => isCairnError(error, 'DISK'))
  disk.heal()
  await assert.rejects(write(), (error) => isCairnError(error, 'DISK'), 'after a failed sync nothing can be believed')
})

test('rot changes bytes and tells nobody', async () => {
  const disk = createFakeDisk({ prng: createPrng(1n) })
  await disk.replace('piece', filled(4, 8))
  disk.rot('piece', 1, 2)
  assert.deepEqual(await disk.read('piece'), Uint8Array.of(8, 9, 9, 8))
})

test('a disk of a given size takes no byte more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), fc.nat(1000), async (offset, length) => {
      const disk = createFakeDisk({ prng: createPrng(1n), capacityBytes: 1000 })
      const file = await disk.open('log')
      const fits = length === 0 || offset + length <= 1000
      const write = file.writeAt(offset, [filled(length, 1)])
      if (fits) await write
      else await assert.rejects(write, (error) => isCairnError(error, 'FULL'))
      assert.equal(await disk.freeBytes(), fits && length > 0 ? 1000 - offset - length : 1000)
    }),
    { numRuns: 50 },
  )
})
