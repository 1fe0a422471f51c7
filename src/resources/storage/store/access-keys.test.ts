import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { account } from '../../../protocol/ids.ts'
import { openDatabase } from '../../../runtime/real/index.ts'
import type { AccessKey } from '../object-store.ts'
import { openKeys, openKeyTable } from './access-keys.ts'

const root = await mkdtemp(join(tmpdir(), 'cairn-keys-'))
after(() => rm(root, { recursive: true }))

const keyNamed = (accessKey: string): AccessKey => ({
  accessKey,
  secretKey: 'secret',
  account: account('0x'.padEnd(42, '1')),
  buckets: null,
  prefix: '',
  permissions: ['read'],
  expires: null,
})

test('keys that another program adds are known at once, and those that it revokes are a moment later', () => {
  const path = join(root, 'gateway.db')
  const beside = openKeys(openDatabase(path))
  let now = 0
  const keys = openKeyTable(openDatabase(path), { monotonic: () => now })
  assert.equal(keys.find('a'), null)
  beside.add(keyNamed('a'))
  assert.deepEqual(keys.find('a'), keyNamed('a'))
  beside.add(keyNamed('b'))
  assert.deepEqual(keys.find('b'), keyNamed('b'))
  beside.revoke('a')
  now += 5
  assert.equal(keys.find('a'), null)
  assert.deepEqual(keys.find('b'), keyNamed('b'))
  keys.revoke('b')
  assert.equal(keys.find('b'), null, 'and those that this one revokes, at once')
})
