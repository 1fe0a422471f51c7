import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptAt, roundSeconds } from './unpublished.ts'

test('attempts begin after none, one, three and seven rounds, so that a day of failing is a dozen of them', () => {
  const begins = [0, 5, 15, 35, 75].map((elapsed) => [attemptAt(elapsed - 1, 5), attemptAt(elapsed, 5)])
  assert.deepEqual(begins, [
    [0, 0],
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
  ])
  assert.ok(attemptAt(86_400, 5) < 16)
})

test('a round fits into the shortest epoch and is no longer than two minutes in the longest', () => {
  assert.deepEqual([10, 20, 60, 3600, 86_400].map(roundSeconds), [3, 5, 15, 120, 120])
})
