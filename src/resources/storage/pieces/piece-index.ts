/** Which pieces the store holds and where: rebuilt from the logs at open, counted as it changes, never walked. */
import type { Account, Digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import type { LogFile } from './log-file.ts'
import { extentBytes, type RecordHeader } from './record.ts'

/** One held piece. Objects are replaced, not changed, when a version changes; place and root change in place. */
export interface PieceEntry {
  readonly pieceId: Digest
  readonly account: Account
  readonly size: number
  readonly seq: number
  log: number
  offset: number
  /** Unix ms before which the piece may not be dropped. */
  keepUntil: number
  /** Tree root, once it was worked out, and where its frame hashes stand. */
  root: Uint8Array | null
  rootsLog: number
  rootsOffset: number
  rootsSize: number
  /** A checksum did not match: the piece is not held any more, and may be put again. */
  damaged: boolean
}

export interface PieceIndex {
  readonly pieces: ReadonlyMap<Digest, PieceEntry>
  /** Bytes of pieces, as customers count them. */
  readonly usedBytes: number
  get(pieceId: Digest): PieceEntry | null
  of(account: Account): ReadonlySet<Digest>
  add(entry: PieceEntry): void
  remove(pieceId: Digest): void
  /** The same version now stands elsewhere. */
  move(entry: PieceEntry, log: number, offset: number): void
  setRoots(entry: PieceEntry, header: RecordHeader): void
  dropRoots(entry: PieceEntry): void
}

export function createPieceIndex(logs: ReadonlyMap<number, LogFile>): PieceIndex {
  const pieces = new Map<Digest, PieceEntry>()
  const accounts = new Map<Account, Set<Digest>>()
  const none: ReadonlySet<Digest> = new Set()
  let usedBytes = 0

  const count = (log: number, bytes: number): void => {
    const file = logs.get(log)
    if (file !== undefined) file.live += bytes
  }
  const countEntry = (entry: PieceEntry, sign: 1 | -1): void => {
    count(entry.log, sign * extentBytes('piece', entry.size))
    if (entry.root !== null) count(entry.rootsLog, sign * extentBytes('roots', entry.rootsSize))
    usedBytes += sign * entry.size
  }

  function remove(pieceId: Digest): void {
    const entry = pieces.get(pieceId)
    if (entry === undefined) return
    countEntry(entry, -1)
    pieces.delete(pieceId)
    const mine = accounts.get(entry.account)
    mine?.delete(pieceId)
    if (mine?.size === 0) accounts.delete(entry.account)
  }

  function dropRoots(entry: PieceEntry): void {
    if (entry.root !== null) count(entry.rootsLog, -extentBytes('roots', entry.rootsSize))
    entry.root = null
  }

  return {
    pieces,
    get usedBytes() {
      return usedBytes
    },
    get: (pieceId) => pieces.get(pieceId) ?? null,
    of: (account) => accounts.get(account) ?? none,
    add(entry) {
      remove(entry.pieceId)
      pieces.set(entry.pieceId, entry)
      const mine = accounts.get(entry.account)
      if (mine === undefined) accounts.set(entry.account, new Set([entry.pieceId]))
      else mine.add(entry.pieceId)
      countEntry(entry, 1)
    },
    remove,
    move(entry, log, offset) {
      assert(pieces.get(entry.pieceId) === entry, 'only a held version moves')
      const bytes = extentBytes('piece', entry.size)
      count(entry.log, -bytes)
      entry.log = log
      entry.offset = offset
      count(log, bytes)
    },
    dropRoots,
    setRoots(entry, header) {
      dropRoots(entry)
      entry.root = header.root
      entry.rootsLog = header.log
      entry.rootsOffset = header.offset
      entry.rootsSize = header.size
      count(header.log, extentBytes('roots', header.size))
    },
  }
}

/** Notes a tombstone in `log` that kills records of logs up to `upTo`. */
export function countTombstone(log: LogFile, upTo: number): void {
  log.tombstones += extentBytes('tombstone', 0)
  log.tombstonesUpTo = Math.max(log.tombstonesUpTo, upTo)
}

export const entryOf = (header: RecordHeader): PieceEntry => ({
  pieceId: header.pieceId,
  account: header.account,
  size: header.size,
  seq: header.seq,
  log: header.log,
  offset: header.offset,
  keepUntil: header.mark,
  root: null,
  rootsLog: 0,
  rootsOffset: 0,
  rootsSize: 0,
  damaged: false,
})

/**
 * Builds the index from the records of all logs. The newest version of a piece counts, and nothing that a newer tombstone
 * kills; of two copies of one version (an interrupted compaction) the one in the newer log counts. Returns the highest seq.
 */
export function replay(index: PieceIndex, logs: Iterable<{ log: LogFile; records: readonly RecordHeader[] }>): number {
  const killed = new Map<Digest, number>()
  const later: RecordHeader[] = []
  let highest = 0
  for (const { log, records } of logs) {
    for (const record of records) {
      highest = Math.max(highest, record.seq)
      const known = index.get(record.pieceId)
      switch (record.kind) {
        case 'piece': {
          const newer = known === null || record.seq > known.seq || (record.seq === known.seq && record.log >= known.log)
          if (newer && record.seq > (killed.get(record.pieceId) ?? -1)) index.add(entryOf(record))
          break
        }
        case 'tombstone':
          countTombstone(log, record.mark)
          killed.set(record.pieceId, Math.max(record.seq, killed.get(record.pieceId) ?? -1))
          if (known !== null && known.seq < record.seq) index.remove(record.pieceId)
          break
        case 'keep':
        case 'roots':
          // The piece itself may stand in a newer log, when compaction moved it.
          later.push(record)
      }
    }
  }
  for (const record of later) {
    const entry = index.get(record.pieceId)
    if (entry === null || entry.seq !== record.seq) continue
    if (record.kind === 'roots') index.setRoots(entry, record)
    else entry.keepUntil = Math.max(entry.keepUntil, record.mark)
  }
  return highest
}
