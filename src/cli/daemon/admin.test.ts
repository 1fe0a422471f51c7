import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFakeMetrics } from '../../runtime/fake/index.ts'
import { adminFile, adminPath, startAdmin } from './admin.ts'

test('the file that says where a daemon listens is replaced in one step, so that whoever reads it meanwhile gets the whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-admin-'))
  let port = 0
  const listen = async () => {
    port += 1
    return { address: '127.0.0.1', port, close: async () => undefined }
  }
  const options = { folder, role: 'gateway', http: { listen }, port: 0, metrics: createFakeMetrics(), ready: () => [] } as const
  const start = () => startAdmin({ ...options, status: async () => ({}) })
  try {
    await start()
    const reading = await open(adminPath(folder))
    const next = await start()
    assert.match(adminFile.parse(JSON.parse(await reading.readFile('utf8'))).url, /:1$/, 'not the second, nor half of it')
    await reading.close()
    await next.close()
    assert.deepEqual(await readdir(folder), [])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
