/** Reads of one piece. No byte leaves without its chunk's checksum having matched in this very read. */
import { CairnError } from '../../../protocol/errors.ts'
import { assert, present } from '../../../std/assert.ts'
import { type Core, failed } from './core.ts'
import type { PieceEntry } from './piece-index.ts'
import { CHUNK_BYTES, decodeTrailer, HEADER_BYTES, trailerBytes } from './record.ts'

export interface PieceReader {
  readonly size: number
  /**
   * Fills `target` from `offset`, within the piece. Aligned to CHUNK_BYTES nothing is copied or read twice. Throws
   * `CORRUPT` when a checksum does not match (the piece then counts as lost), `DISK` when the disk fails.
   */
  read(offset: number, target: Uint8Array): Promise<void>
  /** Checksum of each chunk. */
  checksums(): Promise<Uint32Array>
  /** Lets the log go; must be called. */
  close(): void
}

export function openReader(core: Core, entry: PieceEntry): PieceReader {
  const log = present(core.logs.get(entry.log), 'a held piece lies in a log')
  const unpin = log.pin()
  // Compaction may move the entry while this reader goes on reading the old place, which its pin keeps.
  const { offset: at, size } = entry
  const body = at + HEADER_BYTES
  let table: Uint32Array | null = null

  function corrupt(why: string): CairnError {
    entry.damaged = true
    core.options.log.error('a piece is damaged', { piece: entry.pieceId, log: log.number, why })
    return new CairnError('CORRUPT', { what: `piece ${entry.pieceId}`, why })
  }

  async function fill(offset: number, target: Uint8Array): Promise<void> {
    let length: number
    try {
      length = await log.readAt(offset, target)
    } catch (error) {
      throw failed(core, error)
    }
    if (length !== target.length) throw corrupt('the log ends early')
  }

  async function checksums(): Promise<Uint32Array> {
    if (table !== null) return table
    const bytes = new Uint8Array(trailerBytes(size))
    await fill(body + size, bytes)
    const trailer = decodeTrailer(bytes, { size, offset: at }, core.format.salt, core.format.crc32)
    if (trailer === null) throw corrupt('its checksums do not match their own')
    table = trailer.crcs
    return table
  }

  async function readChunk(chunk: number, target: Uint8Array): Promise<void> {
    const crcs = await checksums()
    await fill(body + chunk * CHUNK_BYTES, target)
    if (core.format.crc32(target, 0) !== crcs[chunk]) throw corrupt(`chunk ${chunk} does not match its checksum`)
  }

  return {
    size,
    checksums,
    async read(offset, target) {
      assert(offset >= 0 && offset + target.length <= size, 'a read stays within its piece')
      let done = 0
      while (done < target.length) {
        const chunk = Math.floor((offset + done) / CHUNK_BYTES)
        const inside = offset + done - chunk * CHUNK_BYTES
        const length = Math.min(CHUNK_BYTES, size - chunk * CHUNK_BYTES)
        if (inside === 0 && target.length - done >= length) {
          await readChunk(chunk, target.subarray(done, done + length))
          done += length
          continue
        }
        const scratch = new Uint8Array(length)
        await readChunk(chunk, scratch)
        const part = scratch.subarray(inside, inside + target.length - done)
        target.set(part, done)
        done += part.length
      }
    },
    close: unpin,
  }
}
