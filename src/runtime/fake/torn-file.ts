import { assert } from '../../std/assert.ts'
import type { Prng } from '../../std/prng.ts'

/** What disks write as one: a sector is old or new, never a mixture. */
const SECTOR_BYTES = 512

/** One change that is not durable yet, with what it takes to undo it. */
interface Change {
  readonly offset: number
  readonly sizeBefore: number
  /** The bytes that were there, up to the end of the file. */
  readonly before: Uint8Array
  /** The bytes that were written, or null for a truncation to `offset`. */
  readonly written: Uint8Array | null
}

/** The bytes of one file, and which of its changes a crash may still take back. */
export interface TornFile {
  readonly size: number
  read(offset: number, target: Uint8Array): number
  write(offset: number, parts: readonly Uint8Array[]): void
  truncate(size: number): void
  /** How many changes were made so far, ever. */
  mark(): number
  /** Makes the changes before `mark` durable. */
  settle(mark: number): void
  /** Takes each unsettled change back in whole, in part, or not: by sector, and regardless of their order. */
  crash(prng: Prng): void
  rot(offset: number, length: number): void
}

/** Bytes that grow by doubling; everything behind `size` is zero. */
function createContent() {
  let memory = new Uint8Array(0)
  let size = 0
  return {
    get size() {
      return size
    },
    view: (from: number, to: number): Uint8Array => memory.subarray(Math.min(from, size), Math.min(to, size)),
    put(offset: number, bytes: Uint8Array): void {
      const end = offset + bytes.length
      if (end > memory.length) {
        const grown = new Uint8Array(Math.max(end, 2 * memory.length, SECTOR_BYTES))
        grown.set(memory.subarray(0, size))
        memory = grown
      }
      memory.set(bytes, offset)
      size = Math.max(size, end)
    },
    cut(to: number): void {
      memory.fill(0, to, size)
      size = Math.min(size, to)
    },
  }
}

type Content = ReturnType<typeof createContent>

function undo(content: Content, change: Change): void {
  content.cut(change.sizeBefore)
  // Nothing was there: putting nothing behind the end would still lengthen the file.
  if (change.before.length > 0) content.put(change.offset, change.before)
}

/** Cuts or lengthens with zeroes. */
function resize(content: Content, size: number): void {
  if (size > content.size) content.put(size, new Uint8Array(0))
  else content.cut(size)
}

/** Writes a random part of the change: a prefix that ends at a sector, or any set of its sectors. */
function redoPart(content: Content, offset: number, written: Uint8Array, prng: Prng): void {
  const firstCut = SECTOR_BYTES - (offset % SECTOR_BYTES)
  const cuts: number[] = [0]
  for (let cut = firstCut; cut < written.length; cut += SECTOR_BYTES) cuts.push(cut)
  cuts.push(written.length)
  const prefix = prng.below(2) === 0 ? prng.below(cuts.length) : null
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const kept = prefix === null ? prng.below(2) === 0 : i < prefix
    if (kept) content.put(offset + (cuts[i] as number), written.subarray(cuts[i], cuts[i + 1]))
  }
}

/** Does `change` again as far as the draw says: whole, in part, or not at all. */
function redo(content: Content, change: Change, prng: Prng): void {
  const fate = prng.below(3)
  if (fate === 0) return
  if (change.written === null) resize(content, change.offset)
  else if (fate === 1) content.put(change.offset, change.written)
  else redoPart(content, change.offset, change.written, prng)
}

/** An empty file. */
export function createTornFile(): TornFile {
  const content = createContent()
  let changes: Change[] = []
  let settled = 0

  /** Remembers what `[offset, end)` holds now, to undo what is about to be `written` there. */
  function remember(offset: number, end: number, written: Uint8Array | null): void {
    changes.push({ offset, sizeBefore: content.size, before: content.view(offset, end).slice(), written })
  }

  return {
    get size() {
      return content.size
    },
    read(offset, target) {
      const found = content.view(offset, offset + target.length)
      target.set(found)
      return found.length
    },
    write(offset, parts) {
      let at = offset
      for (const part of parts) {
        if (part.length === 0) continue
        // A copy: the caller may reuse its memory before the crash that asks for it.
        const written = part.slice()
        remember(at, at + written.length, written)
        content.put(at, written)
        at += written.length
      }
    },
    truncate(size) {
      remember(size, content.size, null)
      resize(content, size)
    },
    mark: () => settled + changes.length,
    settle(mark) {
      if (mark <= settled) return
      changes = changes.slice(mark - settled)
      settled = mark
    },
    crash(prng) {
      for (const change of changes.toReversed()) undo(content, change)
      for (const change of changes) redo(content, change, prng)
      settled += changes.length
      changes = []
    },
    rot(offset, length) {
      const bytes = content.view(offset, offset + length)
      assert(bytes.length === length, 'only bytes that exist can rot')
      for (let i = 0; i < length; i += 1) bytes[i] = (bytes[i] as number) ^ 1
    },
  }
}
