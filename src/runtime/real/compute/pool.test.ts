import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { isCairnError } from '../../../protocol/errors.ts'
import { program } from './faulty.fixture.ts'
import { createCompute } from './pool.ts'

const compute = (reason: unknown): boolean => isCairnError(reason, 'COMPUTE')

test('a job that throws fails alone', async () => {
  const threads = createCompute(1)
  const lanes = await threads.load(program, { broken: false })
  const [thrown, added] = await Promise.allSettled([lanes.run({ do: 'throw' }), lanes.run({ do: 'add', a: 2, b: 3 })])
  assert.ok(thrown?.status === 'rejected' && compute(thrown.reason))
  assert.match(String(thrown.reason), /thrown on purpose/)
  assert.deepEqual(added, { status: 'fulfilled', value: 5 })
  await threads.close()
})

test('a thread that dies rejects its jobs and is replaced', async () => {
  const threads = createCompute(1)
  const lanes = await threads.load(program, { broken: false })
  assert.equal(await lanes.run({ do: 'count' }, 0), 1)
  const jobs = await Promise.allSettled([lanes.run({ do: 'die' }), lanes.run({ do: 'count' }), lanes.run({ do: 'add', a: 1, b: 1 })])
  assert.ok(jobs[0]?.status === 'rejected' && compute(jobs[0].reason))
  assert.deepEqual(jobs[2], { status: 'fulfilled', value: 2 }, 'a job that was not yet sent goes to the new thread')
  assert.equal(await lanes.run({ do: 'count' }, 0), 1, 'a new thread starts anew')
  await threads.close()
})

test('a thread that keeps dying is given up', async () => {
  const threads = createCompute(1)
  const lanes = await threads.load(program, { broken: false })
  for (let i = 0; i < 5; i += 1) await assert.rejects(lanes.run({ do: 'die' }), compute)
  await assert.rejects(lanes.run({ do: 'add', a: 1, b: 1 }), compute)
  await threads.close()
})

test('jobs for one lane run in the order of the calls', async () => {
  const threads = createCompute(2)
  const lanes = await threads.load(program, { broken: false })
  const counts = await Promise.all(Array.from({ length: 100 }, () => lanes.run({ do: 'count' }, 1)))
  assert.deepEqual(
    counts,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
  await threads.close()
})

test('a program that does not start refuses to load', async () => {
  const threads = createCompute(2)
  await assert.rejects(threads.load(program, { broken: true }), /never starts/)
  await threads.close()
})

test('close lets running jobs finish and refuses new ones', async () => {
  const threads = createCompute(1)
  const lanes = await threads.load(program, { broken: false })
  const running = lanes.run({ do: 'add', a: 4, b: 4 })
  const closed = threads.close()
  assert.equal(await running, 8)
  await closed
  await assert.rejects(lanes.run({ do: 'add', a: 1, b: 1 }), (reason) => isCairnError(reason, 'ABORTED'))
})

test('idle threads do not keep the process alive, running jobs do', async () => {
  const code = `
    import { createCompute } from ${JSON.stringify(new URL('./pool.ts', import.meta.url).href)}
    import { program } from ${JSON.stringify(new URL('./faulty.fixture.ts', import.meta.url).href)}
    const lanes = await createCompute(2).load(program, { broken: false })
    console.log(await lanes.run({ do: 'add', a: 20, b: 22 }))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 })
  assert.equal(stdout.trim(), '42')
})
