import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { diskContract } from '../disk.contract.ts'
import { openDisk } from './disk.ts'

const root = await mkdtemp(join(tmpdir(), 'cairn-disk-'))
after(() => rm(root, { recursive: true }))
let count = 0
const fresh = (): string => {
  count += 1
  return join(root, String(count))
}

diskContract('the file system', () => openDisk(fresh()))

test('a link inside the folder is not followed out of it', async () => {
  const folder = fresh()
  const disk = await openDisk(folder)
  const outside = join(root, 'outside')
  await writeFile(outside, 'private')
  await symlink(outside, join(folder, 'link'))
  await assert.rejects(disk.open('link'), (error) => isCairnError(error, 'DISK'))
  await assert.rejects(disk.read('link'), (error) => isCairnError(error, 'DISK'))
})

test('a device that is full says FULL, and how much was needed', async (t) => {
  // Linux gives ENOSPC for every write to /dev/full; a disk rooted at /dev reaches it without privileges.
  const device = await openDisk('/dev').catch(() => null)
  const file = await device?.open('full').catch(() => null)
  if (file === null || file === undefined) return t.skip('this system has no /dev/full')
  await assert.rejects(file.writeAt(0, [new Uint8Array(10)]), (error) => isCairnError(error, 'FULL') && error.data.needBytes === 10)
  await file.close()
})

test('a folder that cannot be made says DISK', async () => {
  const path = fresh()
  await writeFile(path, 'a file where the folder should be')
  await assert.rejects(openDisk(path), (error) => isCairnError(error, 'DISK'))
})

test('what a crash left of a replacement is neither listed nor in the way', async () => {
  const folder = fresh()
  const disk = await openDisk(folder)
  await writeFile(join(folder, 'state.replacing'), 'half')
  assert.deepEqual(await disk.list(''), [])
  await disk.replace('state', Uint8Array.of(1))
  assert.deepEqual(await disk.read('state'), Uint8Array.of(1))
})
