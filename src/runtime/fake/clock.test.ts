import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../std/prng.ts'
import { clockContract } from '../clock.contract.ts'
import { createFakeClock } from './clock.ts'

const contractClock = createFakeClock()
clockContract('simulated time', contractClock, contractClock.run)

const YEAR_MS = 365 * 86_400_000

test('a year passes in no time', async () => {
  const clock = createFakeClock()
  const before = clock.now()
  await clock.run(() => clock.sleep(YEAR_MS))
  assert.equal(clock.now() - before, YEAR_MS)
  assert.equal(clock.monotonic(), YEAR_MS)
})

/** Twenty workers that sleep and await at random; what they did, in order. */
async function transcript(seed: bigint): Promise<string[]> {
  const clock = createFakeClock()
  const prng = createPrng(seed)
  const done: string[] = []
  async function worker(name: number): Promise<void> {
    for (let i = 0; i < 10; i += 1) {
      await clock.sleep(prng.below(4))
      for (let hop = prng.below(5); hop > 0; hop -= 1) await null
      done.push(`${clock.monotonic()} ${name}`)
    }
  }
  await clock.run(async () => void (await Promise.all(Array.from({ length: 20 }, (_, name) => worker(name)))))
  return done
}

test('the same seed gives the same order of everything', async () => {
  assert.deepEqual(await transcript(3n), await transcript(3n))
  assert.notDeepEqual(await transcript(3n), await transcript(4n))
})

test('everything that one event sets in motion settles before the next event of the same moment', async () => {
  const clock = createFakeClock()
  const seen: string[] = []
  clock.after(5, async () => {
    for (let hop = 0; hop < 1000; hop += 1) await null
    seen.push('first, settled')
  })
  clock.after(5, () => seen.push('second'))
  await clock.runUntilIdle()
  assert.deepEqual(seen, ['first, settled', 'second'])
})

test('advancing stops exactly there and leaves what is later', async () => {
  const clock = createFakeClock()
  const fired: number[] = []
  for (const ms of [10, 20, 20.5]) clock.after(ms, () => fired.push(ms))
  await clock.advance(20)
  assert.deepEqual(fired, [10, 20])
  assert.equal(clock.monotonic(), 20)
  assert.equal(clock.pending, 1)
})

test('work that waits for nothing is an error and not a hang', async () => {
  const clock = createFakeClock()
  await assert.rejects(
    clock.run(() => new Promise(() => {})),
    /will never happen/,
  )
  const again = (): void => void clock.after(1, again)
  again()
  await assert.rejects(clock.runUntilIdle(100), /comes to rest/)
})

test('cancelled events are not kept', async () => {
  const clock = createFakeClock()
  for (let i = 0; i < 100_000; i += 1) clock.deadline('request', 30_000)[Symbol.dispose]()
  assert.equal(clock.pending, 0)
  await clock.runUntilIdle()
  assert.equal(clock.monotonic(), 0)
})

test('machines with wrong clocks still wait together', async () => {
  const clock = createFakeClock()
  const late = clock.skewed(-5000)
  await clock.run(() => late.sleep(100))
  assert.equal(late.now() + 5000, clock.now())
  assert.equal(late.monotonic(), 100)
})
