/** The provider's pieces: a log-structured store (DESIGN §6). What `commit` acknowledged survives a crash, whole or not at all. */
import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import type { Account, Digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import { fromHex, fromUtf8, toHex, utf8 } from '../../../std/bytes.ts'
import { leafHashes, type TreeHash } from '../piece-tree.ts'
import { type Compacted, compactSome } from './compact.ts'
import { append, type Core, createAllocator, failed, isHeld, type PieceStoreOptions, sealLogs } from './core.ts'
import { createLogFile, LOG_BYTES, type LogFile } from './log-file.ts'
import { countTombstone, createPieceIndex, type PieceEntry, replay } from './piece-index.ts'
import { openReader, type PieceReader } from './reader.ts'
import { CHUNK_BYTES, extentBytes, NO_ROOT, type RecordHeader, SALT_BYTES } from './record.ts'
import { type Format, logName, readIndex, scanLog, writeIndex } from './recover.ts'
import { createRoots, type Roots } from './roots.ts'
import { createComparer, createWriter, type NewPiece, type PieceWriter } from './writer.ts'

/** Pieces that may be on their way in at once: each may pin a chunk in memory and an extent on the disk. */
const WRITERS_MAX = 1024
/** The disk's free space is asked for this often at most; what was promised since is counted. */
const FREE_SPACE_MS = 1000
const SALT_FILE = 'pieces/store.json'

export interface PieceStat {
  readonly size: number
  readonly account: Account
  /** Null until it was worked out. */
  readonly root: Uint8Array | null
  readonly keepUntil: number
}

export type Begun =
  | { readonly is: 'writer'; readonly writer: PieceWriter }
  /** Refused before a byte was taken. */
  | { readonly is: 'full' | 'busy' | 'failing' | 'conflict' }

export interface PieceStore extends Roots {
  readonly state: Core['state']
  /** Bytes of pieces. */
  readonly usedBytes: number
  /** Bytes that the logs take on the disk, deleted pieces that were not compacted yet included. */
  readonly diskBytes: number
  readonly count: number
  /** Room for a new piece. */
  freeBytes(): Promise<number>
  /** Takes a piece of `size` > 0 bytes in. Also for one that is held: then the bytes are compared. */
  begin(piece: NewPiece): Promise<Begun>
  stat(pieceId: Digest): PieceStat | null
  /** Opens a held piece for reading; the caller closes it. */
  open(pieceId: Digest): PieceReader | null
  /** Forgets pieces, durably. Those that are not held are skipped. */
  delete(pieceIds: readonly Digest[]): Promise<void>
  /** Ids of the account's held pieces. A live view: copy before awaiting. */
  of(account: Account): ReadonlySet<Digest>
  /** All held pieces. A live view. */
  all(): Iterable<Digest>
  /** Copies at most about `budgetBytes` to give dead space back. */
  compact(budgetBytes: number): Promise<Compacted>
  /** Reads about `budgetBytes` of pieces in id order after `after` against their checksums. `next` null: all were seen. */
  scrub(after: Digest | null, budgetBytes: number): Promise<{ readonly next: Digest | null; readonly damaged: readonly Digest[] }>
  /** Waits for writers, writes indexes and closes the files. */
  close(): Promise<void>
}

async function readSalt(options: PieceStoreOptions): Promise<Uint8Array> {
  const bytes = await options.disk.read(SALT_FILE)
  if (bytes === null) {
    assert(options.salt.length === SALT_BYTES, 'a salt is 8 bytes')
    await options.disk.replace(SALT_FILE, utf8(JSON.stringify({ format: 1, salt: toHex(options.salt) })))
    return options.salt
  }
  const match = /^\{"format":(\d+),"salt":"([0-9a-f]{16})"\}$/.exec(fromUtf8(bytes))
  const salt = fromHex(match?.[2] ?? '')
  if (match?.[1] !== '1' || salt === null) {
    const fix = 'start it with the version that wrote it'
    throw new CairnError('DATA_FOLDER', { path: SALT_FILE, why: 'the piece store has another format', fix })
  }
  return salt
}

/** Opens every log of an earlier run; those that were not closed in order are read whole, cut and closed now. */
async function recoverLogs(core: Core): Promise<void> {
  const { disk, log: diary } = core.options
  const found: { log: LogFile; records: readonly RecordHeader[] }[] = []
  for (const name of await disk.list('pieces')) {
    const match = /^([0-9a-f]{8})\.log$/.exec(name)
    if (match === null) continue
    const number = Number.parseInt(match[1] ?? '', 16)
    const file = await disk.open(logName(number))
    const size = await file.size()
    const indexed = await readIndex(disk, number, core.format)
    let log = createLogFile(number, file, size, core.logBytes)
    let records = indexed
    if (records === null) {
      const scan = await scanLog(log, size, core.format)
      records = scan.records
      if (scan.torn > 0) diary.warn('a log ended in the middle of a record', { log: number, torn: scan.torn, cut: size - scan.end })
      if (scan.end < size) await file.truncate(scan.end)
      await file.sync()
      await writeIndex(disk, number, records, core.format)
      log = createLogFile(number, file, scan.end, core.logBytes)
    }
    log.close()
    core.logs.set(number, log)
    core.diskBytes += log.bytes
    found.push({ log, records })
  }
  found.sort((a, b) => a.log.number - b.log.number)
  core.nextSeq = replay(core.index, found) + 1
  for (const entry of core.index.pieces.values()) if (entry.root === null) core.rootless.add(entry.pieceId)
}

function createSpace(core: Core) {
  const { disk, clock, quotaBytes, reserveBytes } = core.options
  let asking: Promise<void> | null = null
  let asked = Number.NEGATIVE_INFINITY
  let free = 0
  let diskBytesThen = 0

  async function ask(): Promise<void> {
    diskBytesThen = core.diskBytes
    free = await disk.freeBytes()
    asked = clock.monotonic()
  }

  return async (): Promise<number> => {
    if (clock.monotonic() - asked >= FREE_SPACE_MS) {
      asking ??= ask().finally(() => {
        asking = null
      })
      await asking
    }
    const taken = Math.max(0, core.diskBytes - diskBytesThen)
    return Math.max(0, Math.min(quotaBytes - core.diskBytes, free - taken - reserveBytes))
  }
}

async function readBack(core: Core, entry: PieceEntry, buffer: Uint8Array): Promise<boolean> {
  const reader = openReader(core, entry)
  try {
    for (let at = 0; at < entry.size; at += CHUNK_BYTES) await reader.read(at, buffer.subarray(0, Math.min(CHUNK_BYTES, entry.size - at)))
    return true
  } catch (error) {
    if (isCairnError(error, 'CORRUPT')) return false
    throw failed(core, error)
  } finally {
    reader.close()
  }
}

/** Opens the store in the folder `pieces` of the disk. Throws `DISK` or `DATA_FOLDER`. */
export async function openPieceStore(
  options: PieceStoreOptions,
  hash: TreeHash,
  leavesOf: Core['leavesOf'] = (frame) => leafHashes(hash, frame),
): Promise<PieceStore> {
  const logs: Core['logs'] = new Map()
  const format: Format = { salt: await readSalt(options), crc32: options.crc32 }
  const core: Core = {
    options,
    format,
    hash,
    leavesOf,
    logBytes: options.logBytes ?? LOG_BYTES,
    logs,
    index: createPieceIndex(logs),
    open: new Map(),
    removing: new Set(),
    committing: new Map(),
    rootless: new Set(),
    state: 'open',
    nextSeq: 1,
    diskBytes: 0,
  }
  await recoverLogs(core)
  const allocator = createAllocator(core)
  const roots = createRoots(core, allocator)
  const space = createSpace(core)
  let writers = 0
  let promised = 0
  let idle: (() => void) | null = null

  async function admit(piece: NewPiece): Promise<Begun> {
    const bytes = extentBytes('piece', piece.size)
    const room = await space()
    // From here to the promise nothing is awaited, so that puts that come together cannot take the same room.
    if (core.state !== 'open') return { is: 'failing' }
    if (writers >= WRITERS_MAX) return { is: 'busy' }
    if (room < promised + bytes) return { is: 'full' }
    writers += 1
    promised += bytes
    let counted = true
    // Once its extent is reserved, a piece is counted in diskBytes.
    const placed = (): void => {
      if (counted) promised -= bytes
      counted = false
    }
    const done = (): void => {
      placed()
      writers -= 1
      if (writers === 0) idle?.()
    }
    return { is: 'writer', writer: createWriter(core, allocator, piece, { placed, done }) }
  }

  async function remove(pieceIds: readonly Digest[]): Promise<void> {
    // They are gone for everybody before the first wait: whoever puts one again from here on writes a newer version.
    const gone = pieceIds.flatMap((pieceId) => {
      const entry = core.index.get(pieceId)
      if (entry === null) return []
      core.index.remove(pieceId)
      core.nextSeq += 1
      return [{ entry, seq: core.nextSeq - 1 }]
    })
    const touched = new Set<LogFile>()
    for (const { entry, seq } of gone) {
      // It kills what stands in logs up to the newest one there is, or the next one if that is where it goes.
      const mark = Math.max(0, ...logs.keys()) + 1
      const { pieceId, account } = entry
      const header = { kind: 'tombstone', pieceId, account, size: 0, seq, mark, root: NO_ROOT, bodyCrc: 0 } as const
      const { log } = await append(core, allocator, header, null)
      countTombstone(log, mark)
      touched.add(log)
    }
    try {
      for (const log of touched) await log.sync()
    } catch (error) {
      throw failed(core, error)
    }
  }

  let compacting: Promise<Compacted> | null = null
  async function compact(budgetBytes: number): Promise<Compacted> {
    if (core.state !== 'open') return { moved: 0, freed: 0, done: true }
    try {
      await sealLogs(core)
    } catch (error) {
      // Without an index the log is scanned at the next open, and compaction may make the room that is missing.
      if (!isCairnError(error, 'FULL')) throw failed(core, error)
    }
    return compactSome(core, allocator, budgetBytes)
  }

  return {
    ...roots,
    get state() {
      return core.state
    },
    get usedBytes() {
      return core.index.usedBytes
    },
    get diskBytes() {
      return core.diskBytes
    },
    get count() {
      return core.index.pieces.size
    },
    freeBytes: space,
    async begin(piece) {
      assert(piece.size > 0, 'a piece has bytes')
      if (core.state !== 'open') return { is: 'failing' }
      const held = core.index.get(piece.pieceId)
      if (isHeld(held)) {
        if (held.account !== piece.account || held.size !== piece.size) return { is: 'conflict' }
        return { is: 'writer', writer: createComparer(core, allocator, held, piece) }
      }
      try {
        return await admit(piece)
      } catch (error) {
        throw failed(core, error)
      }
    },
    stat(pieceId) {
      const entry = core.index.get(pieceId)
      return isHeld(entry) ? entry : null
    },
    open(pieceId) {
      const entry = core.index.get(pieceId)
      return isHeld(entry) ? openReader(core, entry) : null
    },
    delete: remove,
    of: core.index.of,
    all: () => core.index.pieces.keys(),
    compact(budgetBytes) {
      // One at a time: two would move the same records.
      compacting ??= compact(budgetBytes).finally(() => {
        compacting = null
      })
      return compacting
    },
    async scrub(after, budgetBytes) {
      // Sorted once per call: a scrub reads far more than this costs.
      const ids = [...core.index.pieces.keys()].filter((id) => after === null || id > after).sort()
      const buffer = new Uint8Array(CHUNK_BYTES)
      const damaged: Digest[] = []
      let read = 0
      for (const [i, id] of ids.entries()) {
        const entry = core.index.get(id)
        if (isHeld(entry)) {
          if (!(await readBack(core, entry, buffer))) damaged.push(id)
          read += entry.size
        }
        if (read >= budgetBytes) return { next: i + 1 < ids.length ? id : null, damaged }
      }
      return { next: null, damaged }
    },
    async close() {
      if (core.state === 'closed') return
      const wasOpen = core.state === 'open'
      core.state = 'closed'
      await compacting?.catch(() => {})
      if (writers > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve
        })
      }
      allocator.close()
      if (wasOpen) await sealLogs(core)
      for (const log of logs.values()) await log.release()
    },
  }
}
