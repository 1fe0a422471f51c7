/** What the parts of the piece store share: the logs, the index, and the one place where a disk error ends everything. */
import { isCairnError } from '../../../protocol/errors.ts'
import type { Digest } from '../../../protocol/ids.ts'
import type { Clock, Disk, Log } from '../../../runtime/index.ts'
import { assert, present } from '../../../std/assert.ts'
import type { TreeHash } from '../piece-tree.ts'
import { createLogFile, type LogFile } from './log-file.ts'
import type { PieceEntry, PieceIndex } from './piece-index.ts'
import { encodeHeader, extentBytes, type RecordHeader } from './record.ts'
import { type Format, indexName, logName, writeIndex } from './recover.ts'

export interface PieceStoreOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  /** CRC-32 (ISO-HDLC); `compute.native.crc32`. */
  readonly crc32: Format['crc32']
  /** 8 secret bytes for a store that does not exist yet. */
  readonly salt: Uint8Array
  /** Bytes that the logs may take. */
  readonly quotaBytes: number
  /** Free bytes of the disk that stay free. */
  readonly reserveBytes: number
  /** A log is closed at this size; LOG_BYTES unless a test wants many small ones. */
  readonly logBytes?: number
  /** Called once, when the disk fails: the owner stops serving. */
  readonly onFailing: (error: unknown) => void
}

export interface Core {
  readonly options: PieceStoreOptions
  readonly format: Format
  /** Of piece trees, and of the 4 KiB leaves of one frame. */
  readonly hash: TreeHash
  readonly leavesOf: (frame: Uint8Array) => Uint8Array
  readonly logBytes: number
  readonly logs: Map<number, LogFile>
  readonly index: PieceIndex
  /** Records of logs that may still be written, for the index that is written when they close. */
  readonly open: Map<number, { records: RecordHeader[]; writers: number }>
  /** Logs on their way out. */
  readonly removing: Set<number>
  /** Commits under way, one per piece id. */
  readonly committing: Map<Digest, Promise<unknown>>
  /** Pieces whose root has not been worked out. */
  readonly rootless: Set<Digest>
  state: 'open' | 'failing' | 'closed'
  nextSeq: number
  /** Bytes that all logs take, with what is reserved. */
  diskBytes: number
}

/** An extent that was reserved in a log, which stays until `done`. */
export interface Extent {
  readonly log: LogFile
  readonly offset: number
  /** Ends the reservation. `record`: what now stands there, if anything. */
  done(record: RecordHeader | null): void
}

/** Marks the store as failing and tells its owner, when `error` is the disk's. Returns the error, to be thrown. */
export function failed(core: Core, error: unknown): unknown {
  if (isCairnError(error, 'DISK') && core.state === 'open') {
    core.state = 'failing'
    core.options.log.error('the disk is failing; the piece store stops', { why: error.message })
    core.options.onFailing(error)
  }
  return error
}

async function openLog(core: Core): Promise<LogFile> {
  const number = Math.max(0, ...core.logs.keys()) + 1
  const log = createLogFile(number, await core.options.disk.open(logName(number)), 0, core.logBytes)
  core.logs.set(number, log)
  core.open.set(number, { records: [], writers: 0 })
  return log
}

/** Closes logs that take no more appends and have no writer left: their index makes the next open fast. */
export async function sealLogs(core: Core): Promise<void> {
  for (const [number, { records, writers }] of core.open) {
    const log = present(core.logs.get(number), 'an open log is a log')
    if (!log.closed || writers > 0) continue
    core.open.delete(number)
    await log.sync()
    await writeIndex(core.options.disk, number, records, core.format)
  }
}

/** Reserves room for a record in the log that is being appended to, opening one when there is none. */
export function createAllocator(core: Core) {
  let active: LogFile | null = null
  let opening: Promise<LogFile> | null = null

  async function next(): Promise<LogFile> {
    opening ??= openLog(core).finally(() => {
      opening = null
    })
    active = await opening
    return active
  }

  return {
    async reserve(bytes: number): Promise<Extent> {
      for (let attempt = 0; ; attempt += 1) {
        // Each round opens a log of its own, which holds any record unless 64 others were faster each time.
        assert(attempt < 64, 'a new log has room')
        const log = active ?? (await next())
        const offset = log.reserve(bytes)
        if (offset === null) {
          log.close()
          if (active === log) active = null
          continue
        }
        if (log.bytes >= core.logBytes) log.close()
        core.diskBytes += bytes
        const unpin = log.pin()
        const open = present(core.open.get(log.number), 'a log that takes appends is open')
        open.writers += 1
        let held = true
        return {
          log,
          offset,
          done(record) {
            if (!held) return
            held = false
            open.writers -= 1
            if (record !== null) open.records.push(record)
            unpin()
          },
        }
      }
    },
    /** Ends the log that is being appended to. */
    close(): void {
      active?.close()
      active = null
    },
  }
}
export type Allocator = ReturnType<typeof createAllocator>

/** Appends a record that is a header and perhaps a body. Durable only after the log's next sync. */
export async function append(
  core: Core,
  allocator: Allocator,
  header: Omit<RecordHeader, 'log' | 'offset'>,
  body: Uint8Array | null,
): Promise<{ log: LogFile; record: RecordHeader }> {
  const bytes = extentBytes(header.kind, header.size)
  const extent = await allocator.reserve(bytes)
  let record: RecordHeader | null = { ...header, log: extent.log.number, offset: extent.offset }
  try {
    const head = encodeHeader(record, core.format.salt, core.format.crc32)
    await extent.log.write(extent.offset, body === null ? [head] : [head, body], true)
    return { log: extent.log, record }
  } catch (error) {
    record = null
    throw failed(core, error)
  } finally {
    extent.done(record)
  }
}

/** Removes a log that nothing points to any more, once nobody reads it. */
export async function removeLog(core: Core, log: LogFile): Promise<void> {
  assert(!core.open.has(log.number), 'a log that may be written stays')
  core.logs.delete(log.number)
  core.diskBytes -= log.bytes
  await log.release()
  // The index first: a log without one is scanned, an index without its log is litter.
  await core.options.disk.remove(indexName(log.number))
  await core.options.disk.remove(logName(log.number))
}

export const isHeld = (entry: PieceEntry | null): entry is PieceEntry => entry !== null && !entry.damaged
