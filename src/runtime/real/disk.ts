import { constants, type FileHandle, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CairnError, isCairnError } from '../../protocol/errors.ts'
import { assert } from '../../std/assert.ts'
import { checkPath, isReplacement, REPLACEMENT } from '../disk-path.ts'
import type { Disk, DiskFile } from '../index.ts'
import { codeOf } from './errno.ts'

/** Buffers that one `pwritev` takes: IOV_MAX on Linux and macOS. */
const PARTS_PER_WRITE = 1024

async function freeBytesOf(folder: string): Promise<number> {
  const stats = await statfs(folder)
  return stats.bavail * stats.bsize
}

/** Runs one operation of the file system; its failures come out as `FULL` and `DISK`. */
async function guarded<T>(root: string, path: string, needBytes: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    if (isCairnError(error) || code === '' || code.startsWith('ERR_')) throw error
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      const freeBytes = await freeBytesOf(root).catch(() => 0)
      throw new CairnError('FULL', { path, freeBytes, needBytes }, { cause: error })
    }
    throw new CairnError('DISK', { path, why: error instanceof Error ? error.message : code }, { cause: error })
  }
}

/** Makes the names inside `folder` durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates `folder` and its missing parents, each made durable in the one above it. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

/** Opens `full` for reading and writing, and says whether it had to be created. Never follows a link out of the folder. */
async function openOrCreate(full: string): Promise<{ handle: FileHandle; created: boolean }> {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW
  try {
    return { handle: await open(full, flags), created: false }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  await makeFolder(dirname(full))
  return { handle: await open(full, flags | constants.O_CREAT, 0o600), created: true }
}

async function readFully(handle: FileHandle, offset: number, target: Uint8Array): Promise<number> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Writes all of `parts`; the kernel may take fewer bytes than it was given. */
async function writeFully(handle: FileHandle, offset: number, parts: readonly Uint8Array[]): Promise<void> {
  let rest = parts.filter((part) => part.length > 0)
  let at = offset
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest.slice(0, PARTS_PER_WRITE), at)
    at += bytesWritten
    let taken = bytesWritten
    let whole = 0
    for (const part of rest) {
      if (part.length > taken) break
      taken -= part.length
      whole += 1
    }
    rest = rest.slice(whole)
    const cut = rest[0]
    if (taken > 0 && cut !== undefined) rest[0] = cut.subarray(taken)
  }
}

const sum = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0)

interface OpenedFile {
  readonly root: string
  readonly path: string
  readonly handle: FileHandle
  readonly created: boolean
}

function createFile({ root, path, handle, created }: OpenedFile): DiskFile {
  let nameIsDurable = !created
  // After a failed fsync the kernel may have dropped the dirty pages and report success next time (the "fsyncgate" of
  // PostgreSQL, 2018). Nothing that this file says afterwards can be believed.
  let broken: unknown = null
  const run = <T>(needBytes: number, work: () => Promise<T>): Promise<T> => {
    if (broken !== null) return Promise.reject(new CairnError('DISK', { path, why: 'an earlier sync failed' }, { cause: broken }))
    return guarded(root, path, needBytes, work)
  }
  return {
    size: () => run(0, async () => (await handle.stat()).size),
    readAt: (offset, target) => run(0, () => readFully(handle, offset, target)),
    writeAt: (offset, parts) => run(sum(parts), () => writeFully(handle, offset, parts)),
    sync: () =>
      run(0, async () => {
        try {
          await handle.datasync()
          if (!nameIsDurable) await syncFolder(dirname(join(root, path)))
          nameIsDurable = true
        } catch (error) {
          broken = error
          throw new CairnError('DISK', { path, why: error instanceof Error ? error.message : 'sync failed' }, { cause: error })
        }
      }),
    truncate: (size) => run(0, () => handle.truncate(size)),
    close: () => guarded(root, path, 0, () => handle.close()),
  }
}

async function replaceFile(full: string, bytes: Uint8Array): Promise<void> {
  const temporary = full + REPLACEMENT
  await makeFolder(dirname(full))
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600)
  try {
    await writeFully(handle, 0, [bytes])
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, full)
  await syncFolder(dirname(full))
}

async function readWhole(full: string): Promise<Uint8Array | null> {
  let handle: FileHandle
  try {
    handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    const target = new Uint8Array((await handle.stat()).size)
    return target.subarray(0, await readFully(handle, 0, target))
  } finally {
    await handle.close()
  }
}

/** Opens `root` as a disk, creating the folder. Throws `DISK` when it cannot be used, `FULL` when there is no room. */
export async function openDisk(root: string): Promise<Disk> {
  assert(root !== '', 'a disk has a folder')
  await guarded(root, root, 0, () => makeFolder(root))
  // One replacement of a path at a time: they share a temporary name, so that a crash leaves at most one behind.
  const replacing = new Map<string, Promise<void>>()

  async function replace(path: string, bytes: Uint8Array): Promise<void> {
    const mine = (replacing.get(path) ?? Promise.resolve())
      .catch(() => {})
      .then(() => guarded(root, path, bytes.length, () => replaceFile(join(root, path), bytes)))
    replacing.set(path, mine)
    try {
      await mine
    } finally {
      if (replacing.get(path) === mine) replacing.delete(path)
    }
  }

  return {
    async open(path) {
      checkPath(path)
      return createFile({ root, path, ...(await guarded(root, path, 0, () => openOrCreate(join(root, path)))) })
    },
    list: (folder) =>
      guarded(root, folder, 0, async () => {
        if (folder !== '') checkPath(folder)
        try {
          return (await readdir(join(root, folder))).filter((name) => !isReplacement(name)).sort()
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return []
          throw error
        }
      }),
    remove: (path) =>
      guarded(root, path, 0, async () => {
        const full = join(root, checkPath(path))
        await rm(full, { recursive: true, force: true })
        await syncFolder(dirname(full)).catch((error) => {
          if (codeOf(error) !== 'ENOENT') throw error
        })
      }),
    replace: async (path, bytes) => replace(checkPath(path), bytes),
    read: async (path) => guarded(root, path, 0, () => readWhole(join(root, checkPath(path)))),
    freeBytes: () => guarded(root, root, 0, () => freeBytesOf(root)),
  }
}
