import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isCairnError } from '../protocol/errors.ts'
import { claim } from './claim.ts'

const MODULE = fileURLToPath(new URL('./claim.ts', import.meta.url))
/** Claims the file named by its argument once a line comes in, says how that went, and holds it until its input ends. */
const PROGRAM = `
import { claim } from ${JSON.stringify(MODULE)}
process.stdin.once('data', async () => console.log((await claim(process.argv[1])).is))
console.log('ready')`

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-claim-'))
})
after(() => rm(folder, { recursive: true }))

/** The id of a process that has ended. */
const gone = (): number => spawnSync(process.execPath, ['--version']).pid

test('a claim is held until it is released, and names its process', async () => {
  const path = join(folder, 'one')
  const first = await claim(path)
  assert.deepEqual(await claim(path), { is: 'held', pid: process.pid })
  assert.equal(await readFile(path, 'utf8'), String(process.pid))
  assert.ok(first.is === 'ours')
  await first.release()
  const again = await claim(path)
  assert.ok(again.is === 'ours')
  await again.release()
  assert.deepEqual(await readdir(folder), [])
})

test('what a process left that is gone, or that had our id before us, is taken over', async () => {
  for (const left of [String(gone()), String(process.pid), '', 'no number']) {
    const path = join(folder, 'left')
    await writeFile(path, left)
    const taken = await claim(path)
    assert.ok(taken.is === 'ours', `after ${JSON.stringify(left)}`)
    assert.equal(await readFile(path, 'utf8'), String(process.pid))
    await taken.release()
  }
  assert.deepEqual(await readdir(folder), [])
})

test('where nothing can be written is said', async () => {
  await assert.rejects(claim(join(folder, 'none', 'one')), (error) => isCairnError(error, 'DATA_FOLDER'))
})

test('of processes that take over at the same moment one gets it', async () => {
  const path = join(folder, 'raced')
  await writeFile(path, String(gone()))
  const racers = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, path], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  try {
    const lines = racers.map((racer) => racer.stdout.setEncoding('utf8')[Symbol.asyncIterator]())
    await Promise.all(lines.map((line) => line.next()))
    for (const racer of racers) racer.stdin.write('go\n')
    const said = await Promise.all(lines.map(async (line) => String((await line.next()).value).trim()))
    assert.deepEqual(said.sort(), ['held', 'held', 'held', 'ours'])
  } finally {
    await Promise.all(racers.map((racer) => new Promise((done) => racer.once('close', done).stdin.end())))
  }
})
