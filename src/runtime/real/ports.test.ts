import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isCairnError } from '../../protocol/errors.ts'
import { drawPorts } from './ports.ts'

const MODULE = fileURLToPath(new URL('ports.ts', import.meta.url))
const PROCESSES = 4
const EACH = 12
/** So few that draws that do not know of each other are bound to collide; above those that are drawn elsewhere. */
const range = { first: 32_010, last: 32_010 + 2 * PROCESSES * EACH - 1 }
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-ports-test-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const folderOf = async (name: string): Promise<string> => {
  const path = join(folder, name)
  await mkdir(path, { recursive: true })
  return path
}

test('many processes that draw at once never get the same port, and those of a deleted folder are drawn again', async () => {
  const drawn = await Promise.all(
    Array.from({ length: PROCESSES }, async (_, i) => {
      const options = JSON.stringify({ folder: await folderOf(`process ${i}`), count: EACH, range })
      const program = `import { drawPorts } from ${JSON.stringify(MODULE)}; console.log(JSON.stringify(await drawPorts(${options})))`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
      return JSON.parse(stdout) as number[]
    }),
  )
  const ports = drawn.flat()
  assert.equal(new Set(ports).size, PROCESSES * EACH)
  assert(ports.every((port) => port >= range.first && port <= range.last))
  const [first = []] = drawn
  const narrow = { first: Math.min(...first), last: Math.min(...first) }
  await assert.rejects(drawPorts({ folder: await folderOf('late'), count: 1, range: narrow }), (error) => isCairnError(error, 'CONFIG'))
  await rm(join(folder, 'process 0'), { recursive: true })
  assert.deepEqual(await drawPorts({ folder: await folderOf('late'), count: 1, range: narrow }), [narrow.first])
})

test('a port on which something listens is not drawn', async () => {
  const server = createServer()
  const port = range.last + 1
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  try {
    const options = { folder: await folderOf('other'), count: 1, range: { first: port, last: port } }
    await assert.rejects(drawPorts(options), (error) => isCairnError(error, 'CONFIG'))
  } finally {
    server.close()
  }
})
