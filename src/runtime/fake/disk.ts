import { CairnError } from '../../protocol/errors.ts'
import { assert } from '../../std/assert.ts'
import type { Prng } from '../../std/prng.ts'
import { checkPath } from '../disk-path.ts'
import type { Disk, DiskFile } from '../index.ts'
import { createTornFile, type TornFile } from './torn-file.ts'

export type DiskOperation = 'open' | 'read' | 'write' | 'sync' | 'remove'

/** What goes wrong. `readonly` lets reads pass; `io` and `full` hit what `on` names, by default every write and sync. */
export type DiskFailure =
  | { readonly kind: 'io'; readonly on?: readonly DiskOperation[]; readonly path?: string; readonly after?: number }
  | { readonly kind: 'readonly' }
  | { readonly kind: 'full' }

export interface FakeDiskOptions {
  /** Decides what a crash leaves; the same seed leaves the same. */
  readonly prng: Prng
  readonly capacityBytes?: number
  /** Awaited before each operation takes effect: a simulated disk's time, through the simulated clock. */
  readonly delay?: (operation: DiskOperation, bytes: number) => Promise<void>
}

export interface FakeDisk extends Disk {
  /** Power loss: whatever was not synced survives whole, in part, or not at all. Files opened before it are dead. */
  crash(): void
  /** Makes operations fail until `heal`. */
  fail(failure: DiskFailure): void
  heal(): void
  /** Flips one bit of every byte in the range, as a rotting medium does: no operation reports it. */
  rot(path: string, offset: number, length: number): void
}

interface Entry {
  readonly file: TornFile
  /** False until the name itself was made durable by a sync: a crash before that can lose the whole file. */
  named: boolean
}

interface State {
  readonly options: Required<Pick<FakeDiskOptions, 'prng' | 'capacityBytes' | 'delay'>>
  readonly files: Map<string, Entry>
  failure: DiskFailure | null
  /** Counts crashes, so that a file opened before one knows that its process is gone. */
  life: number
}

const CAPACITY_BYTES = 2 ** 40

function usedBytes(state: State): number {
  let used = 0
  for (const { file } of state.files.values()) used += file.size
  return used
}

function failIfAsked(state: State, operation: DiskOperation, path: string): void {
  const failure = state.failure
  if (failure === null || operation === 'open') return
  const changes = operation !== 'read'
  switch (failure.kind) {
    case 'readonly':
      if (changes) throw new CairnError('DISK', { path, why: 'EROFS: read-only file system' })
      return
    case 'full':
      if (operation === 'write') throw new CairnError('FULL', { path, freeBytes: 0, needBytes: 1 })
      return
    case 'io': {
      const hit = failure.on === undefined ? changes : failure.on.includes(operation)
      if (!hit || (failure.path !== undefined && failure.path !== path)) return
      const after = failure.after ?? 0
      if (after > 0) state.failure = { ...failure, after: after - 1 }
      else throw new CairnError('DISK', { path, why: 'EIO: i/o error' })
    }
  }
}

/** One operation: its time passes, then it fails as asked or takes effect all at once. */
async function operate<T>(state: State, operation: DiskOperation, path: string, bytes: number, effect: () => T): Promise<T> {
  const life = state.life
  await state.options.delay(operation, bytes)
  if (life !== state.life) throw new CairnError('DISK', { path, why: 'the machine crashed' })
  failIfAsked(state, operation, path)
  return effect()
}

/** A write begins at once and takes its time, so that a crash in the middle finds a part of it on the disk. */
async function operateAtOnce(state: State, path: string, bytes: number, effect: () => void): Promise<void> {
  const life = state.life
  failIfAsked(state, 'write', path)
  effect()
  await state.options.delay('write', bytes)
  if (life !== state.life) throw new CairnError('DISK', { path, why: 'the machine crashed' })
}

const sum = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0)

function needRoom(state: State, path: string, growth: number): void {
  const freeBytes = state.options.capacityBytes - usedBytes(state)
  if (growth > freeBytes) throw new CairnError('FULL', { path, freeBytes: Math.max(0, freeBytes), needBytes: growth })
}

function openEntry(state: State, path: string): Entry {
  const known = state.files.get(path)
  if (known !== undefined) return known
  const entry = { file: createTornFile(), named: false }
  state.files.set(path, entry)
  return entry
}

function createFile(state: State, path: string, entry: Entry): DiskFile {
  const life = state.life
  const { file } = entry
  let closed = false
  let broken = false
  function check(): void {
    assert(!closed, `${path} is used while open`)
    if (broken) throw new CairnError('DISK', { path, why: 'an earlier sync failed' })
    if (life !== state.life) throw new CairnError('DISK', { path, why: 'the machine crashed' })
  }
  async function run<T>(operation: DiskOperation, bytes: number, effect: () => T): Promise<T> {
    check()
    return operate(state, operation, path, bytes, effect)
  }
  return {
    size: () => run('read', 0, () => file.size),
    readAt: (offset, target) => run('read', target.length, () => file.read(offset, target)),
    async writeAt(offset, parts) {
      check()
      const bytes = sum(parts)
      return operateAtOnce(state, path, bytes, () => {
        needRoom(state, path, Math.max(0, offset + bytes - file.size))
        file.write(offset, parts)
      })
    },
    async sync() {
      // What was written before the call is what it makes durable, not what arrives while it waits.
      const mark = file.mark()
      try {
        await run('sync', 0, () => {
          file.settle(mark)
          entry.named = true
        })
      } catch (error) {
        broken = true
        throw error
      }
    },
    async truncate(size) {
      check()
      return operateAtOnce(state, path, 0, () => file.truncate(size))
    },
    async close() {
      closed = true
    },
  }
}

function replaced(bytes: Uint8Array): Entry {
  const file = createTornFile()
  file.write(0, [bytes])
  file.settle(file.mark())
  return { file, named: true }
}

function readEntry(entry: Entry | undefined): Uint8Array | null {
  if (entry === undefined) return null
  const target = new Uint8Array(entry.file.size)
  entry.file.read(0, target)
  return target
}

/** Names directly inside `folder`, of files and of folders that hold some. */
function namesIn(files: Iterable<string>, folder: string): string[] {
  const prefix = folder === '' ? '' : `${folder}/`
  const names = new Set<string>()
  for (const path of files) if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0] ?? '')
  return [...names].sort()
}

function removeUnder(files: Map<string, Entry>, path: string): void {
  for (const name of [...files.keys()]) if (name === path || name.startsWith(`${path}/`)) files.delete(name)
}

function crash(state: State): void {
  state.life += 1
  const { prng } = state.options
  // In order of name: a Map's order would depend on who opened what first.
  for (const [path, entry] of [...state.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!entry.named && prng.below(2) === 0) state.files.delete(path)
    else entry.file.crash(prng)
    entry.named = true
  }
}

/** A disk in memory that loses what a real one may lose. */
export function createFakeDisk({ prng, capacityBytes = CAPACITY_BYTES, delay = async () => {} }: FakeDiskOptions): FakeDisk {
  const state: State = { options: { prng, capacityBytes, delay }, files: new Map(), failure: null, life: 0 }
  const { files } = state
  return {
    open: async (path) => operate(state, 'open', checkPath(path), 0, () => createFile(state, path, openEntry(state, path))),
    async list(folder) {
      if (folder !== '') checkPath(folder)
      return operate(state, 'read', folder, 0, () => namesIn(files.keys(), folder))
    },
    remove: async (path) => operate(state, 'remove', checkPath(path), 0, () => removeUnder(files, path)),
    replace: async (path, bytes) => {
      const copy = bytes.slice()
      return operate(state, 'write', checkPath(path), bytes.length, () => {
        needRoom(state, path, bytes.length)
        files.set(path, replaced(copy))
      })
    },
    read: async (path) => operate(state, 'read', checkPath(path), 0, () => readEntry(files.get(path))),
    freeBytes: async () => operate(state, 'read', '', 0, () => Math.max(0, capacityBytes - usedBytes(state))),
    crash: () => crash(state),
    fail(failure) {
      state.failure = failure
    },
    heal() {
      state.failure = null
    },
    rot(path, offset, length) {
      const entry = files.get(path)
      assert(entry !== undefined, `${path} is a file that can rot`)
      entry.file.rot(offset, length)
    },
  }
}
