/** One append-only file of the piece store: extents are reserved, written in any order, and made durable together. */
import type { DiskFile } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { ALIGN } from './record.ts'

/** A log is closed for appends at this size, so that compaction moves a bounded amount at a time. */
export const LOG_BYTES = 256 * 1024 * 1024

export interface LogFile {
  readonly number: number
  /** End of the last reserved extent. */
  readonly bytes: number
  /** Bytes of records that the index still points to. Kept by the index. */
  live: number
  /** Bytes of tombstones, and the newest log whose records they may kill: they must outlive those. */
  tombstones: number
  tombstonesUpTo: number
  /** True once nothing may be appended any more. */
  readonly closed: boolean
  /** Reserves the next `bytes`; null when the log is closed or full. */
  reserve(bytes: number): number | null
  /** Writes inside a reserved extent. `header` when the parts begin with the record's header. */
  write(offset: number, parts: readonly Uint8Array[], header: boolean): Promise<void>
  /** Everything written before the call is durable once it resolves. Calls at one time share one fsync. */
  sync(): Promise<void>
  readAt(offset: number, target: Uint8Array): Promise<number>
  /** Takes no more appends; what is reserved may still be written. */
  close(): void
  /** Keeps the file open for a reader or writer until the result is called. */
  pin(): () => void
  /** Resolves when no pin is left, and closes the file. */
  release(): Promise<void>
}

export function createLogFile(number: number, file: DiskFile, size: number, logBytes: number): LogFile {
  let end = Math.ceil(size / ALIGN) * ALIGN
  let closed = false
  let pins = 0
  let unpinned: (() => void) | null = null
  let running: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | null = null
  const headers = new Set<Promise<void>>()

  async function flush(): Promise<void> {
    await running.catch(() => {})
    waiting = null
    running = (async () => {
      // The log is scanned from header to header: one that is still on its way could hide all that follows it.
      await Promise.allSettled(headers)
      await file.sync()
    })()
    return running
  }

  return {
    number,
    live: 0,
    tombstones: 0,
    tombstonesUpTo: 0,
    get bytes() {
      return end
    },
    get closed() {
      return closed
    },
    reserve(bytes) {
      assert(bytes % ALIGN === 0, 'extents are aligned')
      // A piece larger than a whole log gets a log of its own.
      if (closed || (end > 0 && end + bytes > logBytes)) return null
      const offset = end
      end += bytes
      return offset
    },
    async write(offset, parts, header) {
      const work = file.writeAt(offset, parts)
      if (header) {
        headers.add(work)
        const done = (): boolean => headers.delete(work)
        work.then(done, done)
      }
      try {
        await work
      } catch (error) {
        // The extent is now a hole of unknown content: nothing should be appended behind it.
        closed = true
        throw error
      }
    },
    sync() {
      waiting ??= flush()
      return waiting
    },
    readAt: (offset, target) => file.readAt(offset, target),
    close() {
      closed = true
    },
    pin() {
      pins += 1
      let held = true
      return () => {
        if (!held) return
        held = false
        pins -= 1
        if (pins === 0) unpinned?.()
      }
    },
    async release() {
      closed = true
      if (pins > 0) {
        await new Promise<void>((resolve) => {
          unpinned = resolve
        })
      }
      await file.close()
    },
  }
}
