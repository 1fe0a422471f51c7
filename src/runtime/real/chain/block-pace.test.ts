import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBlockPace } from './block-pace.ts'

const POLL_MS = 400

/** Follows blocks that come at `due(1)`, `due(2)`, … milliseconds: how often it asked, and how late it saw each. */
function follow(due: (block: number) => number, blocks: number, random = 0.5): { asked: number; late: number[] } {
  const pace = createBlockPace(POLL_MS, () => random)
  const late: number[] = []
  let now = 0
  let asked = 0
  let next = 1
  while (next <= blocks) {
    asked += 1
    const before = next
    for (; due(next) <= now; next += 1) {
      late.push(now - due(next))
      pace.seen(Math.floor(due(next) / 1_000))
    }
    now += next === before ? pace.untilRetry() : pace.untilDue()
  }
  return { asked, late }
}

test('blocks of an even pace are seen within an eighth of it, at no more than three looks each', () => {
  for (const every of [1_000, 1_500, 2_000]) {
    for (const random of [0, 0.5, 0.99]) {
      const { asked, late } = follow((block) => 137 + block * every, 300, random)
      const settled = late.slice(30)
      assert.ok(
        settled.every((ms) => ms <= every / 8),
        `${Math.max(...settled)} ms late at ${every}`,
      )
      assert.ok(asked < 300 * 3, `${asked} looks for 300 blocks`)
    }
  }
})

test('a slow chain is asked at least every five intervals', () => {
  const pace = createBlockPace(POLL_MS, () => 0.5)
  for (let i = 0; i < 10; i += 1) pace.seen(12 * i)
  assert.equal(pace.untilDue(), 5 * POLL_MS)
})

test('a chain of unknown pace, one too fast for its timestamps and one that has stopped are asked evenly', () => {
  const pace = createBlockPace(POLL_MS, () => 0.5)
  assert.equal(pace.untilRetry(), POLL_MS)
  for (let i = 0; i < 20; i += 1) pace.seen(Math.floor(i / 4))
  assert.equal(pace.untilDue(), POLL_MS)
  for (let i = 5; i < 30; i += 1) pace.seen(i)
  const waits = Array.from({ length: 6 }, () => pace.untilRetry())
  assert.deepEqual(waits, [100, 100, 100, POLL_MS, POLL_MS, POLL_MS])
})

test('neither a clock that was moved nor a reorg changes the pace, and a new pace is taken on', () => {
  const pace = createBlockPace(POLL_MS, () => 0.5)
  for (let i = 0; i < 16; i += 1) pace.seen(i)
  pace.seen(100_000)
  pace.seen(99_990)
  pace.seen(99_991)
  assert.equal(pace.untilDue(), 900)
  for (let i = 0; i < 16; i += 1) pace.seen(100_000 + 2 * i)
  assert.equal(pace.untilDue(), 1_800)
})
