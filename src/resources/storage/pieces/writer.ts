/** One piece on its way into the store: chunks go straight to their place in the log, checksummed and hashed as they pass. */
import type { Account, Digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import { type Allocator, append, type Core, type Extent, failed, isHeld } from './core.ts'
import { entryOf, type PieceEntry } from './piece-index.ts'
import { openReader } from './reader.ts'
import { CHUNK_BYTES, chunksOf, encodeHeader, encodeTrailer, extentBytes, HEADER_BYTES, NO_ROOT, type RecordHeader } from './record.ts'
import { appendRoots, gatherRoots } from './roots.ts'

export interface NewPiece {
  readonly pieceId: Digest
  readonly account: Account
  readonly size: number
  /** Unix ms before which the piece may not be dropped: its upload order's expiry. */
  readonly keepUntil: number
}

export type Committed =
  | { readonly is: 'stored' }
  /** A piece of this id with other bytes, size or owner is held; it was not touched. */
  | { readonly is: 'conflict' }
  /** The piece was held, and dropped while its bytes were compared: put it again. */
  | { readonly is: 'gone' }

export interface PieceWriter {
  /** The next chunks: CHUNK_BYTES each but the piece's last. The memory may be reused once it resolves. */
  write(chunks: Uint8Array): Promise<void>
  /** Resolves when the piece is durable and readable. All bytes must have been written. */
  commit(): Promise<Committed>
  /** Gives up; nothing of the piece is ever seen. Harmless after commit. */
  abort(): void
}

/** Where the next chunk lies, and its checksum; asserts that chunks are whole and in order. */
function createProgress(core: Core, size: number, chunkTaken: (chunk: Uint8Array) => void = () => {}) {
  const crcs = new Uint32Array(chunksOf(size))
  let chunks = 0

  function takeOne(chunk: Uint8Array): void {
    assert(
      chunks < crcs.length && chunk.length === Math.min(CHUNK_BYTES, size - chunks * CHUNK_BYTES),
      'chunks are whole and within the size',
    )
    crcs[chunks] = core.format.crc32(chunk, 0)
    chunkTaken(chunk)
    chunks += 1
  }

  return {
    crcs,
    get complete() {
      return chunks === crcs.length
    },
    /** Takes whole chunks; gives where in the piece they begin. */
    take(bytes: Uint8Array): number {
      const start = chunks * CHUNK_BYTES
      assert(bytes.length > 0, 'a write has bytes')
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) takeOne(bytes.subarray(at, at + CHUNK_BYTES))
      return start
    },
  }
}

const sameCrcs = (a: Uint32Array, b: Uint32Array): boolean => a.length === b.length && a.every((crc, i) => crc === b[i])

/** Lets `piece` be kept for as long as the later of two upload orders says, durably. */
async function extendKeep(core: Core, allocator: Allocator, entry: PieceEntry, keepUntil: number): Promise<void> {
  if (keepUntil <= entry.keepUntil) return
  entry.keepUntil = keepUntil
  const { pieceId, account, seq } = entry
  const header = { kind: 'keep', pieceId, account, size: 0, seq, mark: keepUntil, root: NO_ROOT, bodyCrc: 0 } as const
  const { log } = await append(core, allocator, header, null)
  await log.sync()
}

/** What a second put of a held piece comes to: fine when it is the same piece. */
async function settleHeld(core: Core, allocator: Allocator, held: PieceEntry, piece: NewPiece, crcs: Uint32Array): Promise<Committed> {
  if (held.account !== piece.account || held.size !== piece.size) return { is: 'conflict' }
  const reader = openReader(core, held)
  try {
    if (!sameCrcs(await reader.checksums(), crcs)) return { is: 'conflict' }
  } finally {
    reader.close()
  }
  // Nothing may be awaited between this look and the extension, or the piece could be dropped in between.
  if (core.index.get(piece.pieceId) !== held) return { is: 'gone' }
  await extendKeep(core, allocator, held, piece.keepUntil)
  return { is: 'stored' }
}

/** A writer that keeps nothing: the piece is held, and its bytes are only compared with what is. */
export function createComparer(core: Core, allocator: Allocator, held: PieceEntry, piece: NewPiece): PieceWriter {
  const progress = createProgress(core, piece.size)
  return {
    async write(chunks) {
      progress.take(chunks)
    },
    commit: () => settleHeld(core, allocator, held, piece, progress.crcs),
    abort() {},
  }
}

/** A writer for a piece that is not held. `placed` once its room is reserved, `done` once when it ends in any way. */
export function createWriter(core: Core, allocator: Allocator, piece: NewPiece, on: { placed(): void; done(): void }): PieceWriter {
  // A chunk of the log is a frame of the tree.
  const gathered = gatherRoots(core, piece.size)
  const progress = createProgress(core, piece.size, gathered.add)
  let extent: Extent | null = null
  let state: 'writing' | 'done' = 'writing'

  function finish(record: RecordHeader | null): void {
    if (state === 'done') return
    state = 'done'
    extent?.done(record)
    on.done()
  }

  async function place(): Promise<{ at: Extent; head: Uint8Array | null }> {
    if (extent !== null) return { at: extent, head: null }
    const at = await allocator.reserve(extentBytes('piece', piece.size))
    extent = at
    on.placed()
    return { at, head: encodeHeader(headerOf(piece, at, 0), core.format.salt, core.format.crc32) }
  }

  async function commitNew(at: Extent): Promise<Committed> {
    const seq = core.nextSeq
    core.nextSeq += 1
    const record = headerOf(piece, at, seq)
    let rooted: { record: RecordHeader }
    try {
      const trailer = encodeTrailer({ ...record, crcs: progress.crcs }, core.format.salt, core.format.crc32)
      await at.log.write(at.offset + HEADER_BYTES + piece.size, [trailer], false)
      // Usually in the same log, so that one fsync is for both. Should it be lost, the root is worked out again.
      rooted = await appendRoots(core, allocator, { ...piece, seq }, gathered.roots())
      await at.log.sync()
    } catch (error) {
      finish(null)
      throw failed(core, error)
    }
    const entry = entryOf(record)
    core.index.add(entry)
    core.index.setRoots(entry, rooted.record)
    finish(record)
    return { is: 'stored' }
  }

  return {
    async write(chunks) {
      assert(state === 'writing', 'a writer is used until it is done')
      const start = progress.take(chunks)
      try {
        const { at, head } = await place()
        if (head !== null) await at.log.write(at.offset, [head, chunks], true)
        else await at.log.write(at.offset + HEADER_BYTES + start, [chunks], false)
      } catch (error) {
        finish(null)
        throw failed(core, error)
      }
    },
    async commit() {
      assert(state === 'writing' && progress.complete && extent !== null, 'a piece is committed once, with all its bytes')
      const at: Extent = extent
      // One commit per id at a time, so that the first one wins and the next one finds it.
      const before = core.committing.get(piece.pieceId)
      const mine = (async (): Promise<Committed> => {
        await before?.catch(() => {})
        const held = core.index.get(piece.pieceId)
        if (isHeld(held)) {
          finish(null)
          return settleHeld(core, allocator, held, piece, progress.crcs)
        }
        return commitNew(at)
      })()
      core.committing.set(piece.pieceId, mine)
      try {
        return await mine
      } finally {
        if (core.committing.get(piece.pieceId) === mine) core.committing.delete(piece.pieceId)
      }
    },
    abort: () => finish(null),
  }
}

const headerOf = (piece: NewPiece, at: Extent, seq: number): RecordHeader => ({
  kind: 'piece',
  pieceId: piece.pieceId,
  account: piece.account,
  log: at.log.number,
  offset: at.offset,
  size: piece.size,
  seq,
  mark: piece.keepUntil,
  root: NO_ROOT,
  bodyCrc: 0,
})
