import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { beginInPast, checkVerifiers } from './past.ts'
import type { Plan } from './plan.ts'

const WEEK = 7 * 86_400
const NOW = 2_950 * WEEK + 3 * 86_400
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-past-'))
  await mkdir(join(folder, 'chain'))
})
after(() => rm(folder, { recursive: true, force: true }))

const start = (net: number | null): Promise<number | null> => beginInPast(folder, { net } as Plan, NOW)
const lastRan = async (seconds: number): Promise<void> => {
  // A whole state that was written long before the last block.
  for (const [name, at] of [
    ['state.json', 0],
    ['blocks.jsonl', seconds],
  ] as const) {
    const path = join(folder, 'chain', name)
    await writeFile(path, '{}')
    await utimes(path, at, at)
  }
}

test('a new network begins in the week before, and forgets a setup that was interrupted', async () => {
  await writeFile(join(folder, 'setup.db'), 'half')
  assert.equal(await start(null), 2_950 * WEEK - 3_600)
  await assert.rejects(stat(join(folder, 'setup.db')), { code: 'ENOENT' })
})

test('a network whose set is still in force goes on in the present; one that slept for longer begins a week before again', async () => {
  for (const weeks of [0, 1, 2]) {
    await lastRan(NOW - weeks * WEEK)
    assert.equal(await start(2), null, `${weeks} weeks`)
  }
  await lastRan(NOW - 3 * WEEK)
  assert.equal(await start(2), 2_950 * WEEK - 3_600)
})

test('one verifier or at least four', () => {
  for (const count of [1, 4, 8]) checkVerifiers(count)
  for (const count of [0, 2, 3, 9])
    assert.throws(
      () => checkVerifiers(count),
      (error) => isCairnError(error, 'CONFIG'),
    )
})
