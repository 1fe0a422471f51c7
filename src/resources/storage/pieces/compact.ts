/**
 * Gives space back: the live records of a mostly dead log are copied to the log that is being appended to, then the old
 * log goes. Nothing is remembered about how far it got: what was moved is no longer live in the old log, so a crash or a
 * pause costs the copy of one piece.
 */
import { isCairnError } from '../../../protocol/errors.ts'
import { type Allocator, append, type Core, failed, removeLog } from './core.ts'
import type { LogFile } from './log-file.ts'
import { countTombstone, type PieceEntry } from './piece-index.ts'
import { openReader } from './reader.ts'
import { CHUNK_BYTES, encodeHeader, encodeTrailer, extentBytes, HEADER_BYTES, NO_ROOT, type RecordHeader } from './record.ts'
import { readIndex, scanLog } from './recover.ts'

/** A log is worth compacting below this share of live bytes: space amplification stays under 2, write amplification too. */
const LIVE_SHARE_MIN = 0.5

const oldestBut = (core: Core, log: LogFile): number =>
  Math.min(Number.POSITIVE_INFINITY, ...[...core.logs.keys()].filter((number) => number !== log.number))

/** Whether a tombstone may still have something to kill in another log. */
const tombstoneNeeded = (core: Core, log: LogFile, upTo: number): boolean => oldestBut(core, log) <= upTo

/** Every restart leaves a short log; this many of them are worth merging. */
const SHORT_LOGS_MAX = 8
const SHORT_SHARE = 0.25

const neededBytes = (core: Core, log: LogFile): number =>
  log.live + (log.tombstones > 0 && tombstoneNeeded(core, log, log.tombstonesUpTo) ? log.tombstones : 0)

/** The closed log that is most worth compacting: the least live one, or the shortest of many short ones. */
export function worstLog(core: Core): LogFile | null {
  const closed = [...core.logs.values()].filter((log) => !core.open.has(log.number) && !core.removing.has(log.number))
  let worst: LogFile | null = null
  let least = LIVE_SHARE_MIN
  for (const log of closed) {
    const share = neededBytes(core, log) / Math.max(1, log.bytes)
    if (share < least) {
      worst = log
      least = share
    }
  }
  if (worst !== null) return worst
  const short = closed.filter((log) => log.bytes < core.logBytes * SHORT_SHARE).sort((a, b) => a.bytes - b.bytes)
  return short.length > SHORT_LOGS_MAX ? (short[0] ?? null) : null
}

/** Copies the live version of a piece to the end of the log. Returns what was written, or null when it is damaged or gone. */
async function copyPiece(core: Core, allocator: Allocator, entry: PieceEntry): Promise<RecordHeader | null> {
  const { format } = core
  const extent = await allocator.reserve(extentBytes('piece', entry.size))
  const reader = openReader(core, entry)
  const header: RecordHeader = {
    kind: 'piece',
    pieceId: entry.pieceId,
    account: entry.account,
    log: extent.log.number,
    offset: extent.offset,
    size: entry.size,
    seq: entry.seq,
    mark: entry.keepUntil,
    root: NO_ROOT,
    bodyCrc: 0,
  }
  let written: RecordHeader | null = null
  try {
    await extent.log.write(extent.offset, [encodeHeader({ ...header, seq: 0 }, format.salt, format.crc32)], true)
    const crcs = await reader.checksums()
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, entry.size))
    for (let at = 0; at < entry.size; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, entry.size - at))
      await reader.read(at, part)
      await extent.log.write(extent.offset + HEADER_BYTES + at, [part], false)
    }
    await extent.log.write(
      extent.offset + HEADER_BYTES + entry.size,
      [encodeTrailer({ ...header, crcs }, format.salt, format.crc32)],
      false,
    )
    await extent.log.sync()
    // A delete while we copied wrote a tombstone with a higher seq: it kills the copy as well.
    if (core.index.get(entry.pieceId) === entry && !entry.damaged) {
      core.index.move(entry, header.log, header.offset)
      if (entry.keepUntil > header.mark) await keep(core, allocator, entry)
    }
    written = header
  } catch (error) {
    if (!isCairnError(error, 'CORRUPT')) throw failed(core, error)
  } finally {
    extent.done(written)
    reader.close()
  }
  return written
}

async function keep(core: Core, allocator: Allocator, entry: PieceEntry): Promise<void> {
  const { pieceId, account, seq, keepUntil } = entry
  const { log } = await append(
    core,
    allocator,
    { kind: 'keep', pieceId, account, size: 0, seq, mark: keepUntil, root: NO_ROOT, bodyCrc: 0 },
    null,
  )
  await log.sync()
}

/** Copies one record if anything still needs it. Returns the bytes that were moved; `touched` gathers logs to be synced. */
async function moveRecord(core: Core, allocator: Allocator, from: LogFile, record: RecordHeader, touched: Set<LogFile>): Promise<number> {
  const entry = core.index.get(record.pieceId)
  const sameVersion = entry !== null && entry.seq === record.seq
  switch (record.kind) {
    case 'piece':
      if (!sameVersion || entry.log !== record.log || entry.offset !== record.offset) return 0
      if (entry.damaged || (await copyPiece(core, allocator, entry)) === null) {
        // Nothing readable is left of it; forgetting it lets the customer put it again.
        if (core.index.get(record.pieceId) === entry) core.index.remove(record.pieceId)
      }
      return extentBytes('piece', record.size)
    case 'roots': {
      if (!sameVersion || entry.rootsLog !== record.log || entry.rootsOffset !== record.offset) return 0
      const body = new Uint8Array(record.size)
      await from.readAt(record.offset + HEADER_BYTES, body)
      if (core.format.crc32(body, 0) !== record.bodyCrc) {
        // It can be worked out again from the piece.
        core.index.dropRoots(entry)
        core.rootless.add(entry.pieceId)
        return 0
      }
      const { log, record: moved } = await append(core, allocator, record, body)
      touched.add(log)
      if (core.index.get(record.pieceId) === entry) core.index.setRoots(entry, moved)
      return extentBytes('roots', record.size)
    }
    case 'tombstone':
    case 'keep': {
      const needed = record.kind === 'keep' ? sameVersion && entry.keepUntil === record.mark : tombstoneNeeded(core, from, record.mark)
      if (!needed) return 0
      const { log } = await append(core, allocator, record, null)
      touched.add(log)
      if (record.kind === 'tombstone') countTombstone(log, record.mark)
      return extentBytes(record.kind, 0)
    }
  }
}

/** Small records are moved last, since they would be moved again whenever the work is taken up again. */
const isSmall = (record: RecordHeader): boolean => record.kind === 'tombstone' || record.kind === 'keep'

async function moveRecords(core: Core, allocator: Allocator, log: LogFile, budgetBytes: number): Promise<{ moved: number; all: boolean }> {
  if (neededBytes(core, log) === 0) return { moved: 0, all: true }
  const records = (await readIndex(core.options.disk, log.number, core.format)) ?? (await scanLog(log, log.bytes, core.format)).records
  const touched = new Set<LogFile>()
  let moved = 0
  let all = true
  for (const record of [...records.filter((r) => !isSmall(r)), ...records.filter(isSmall)]) {
    if (moved >= budgetBytes || core.state !== 'open') {
      all = false
      break
    }
    moved += await moveRecord(core, allocator, log, record, touched)
  }
  // What was appended must be durable before the only other copy goes.
  for (const target of touched) await target.sync()
  return { moved, all }
}

export interface Compacted {
  /** Bytes that were copied. */
  readonly moved: number
  /** Bytes that the disk got back. */
  readonly freed: number
  /** False when the budget ended before the log did. */
  readonly done: boolean
}

/** Works on the worst log until about `budgetBytes` were copied. Throws `DISK`; the store is then failing. */
export async function compactSome(core: Core, allocator: Allocator, budgetBytes: number): Promise<Compacted> {
  const log = worstLog(core)
  if (log === null) return { moved: 0, freed: 0, done: true }
  const unpin = log.pin()
  try {
    const { moved, all } = await moveRecords(core, allocator, log, budgetBytes)
    if (!all || log.live > 0) return { moved, freed: 0, done: false }
    core.removing.add(log.number)
    unpin()
    await removeLog(core, log)
    return { moved, freed: log.bytes, done: true }
  } catch (error) {
    throw failed(core, error)
  } finally {
    unpin()
    core.removing.delete(log.number)
  }
}
