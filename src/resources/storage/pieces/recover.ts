/**
 * Reads a log back. A log that was closed in order has an index beside it and is not scanned; any other one is read whole,
 * because what was not acknowledged before a crash may be there in part.
 */
import type { Disk } from '../../../runtime/index.ts'
import type { LogFile } from './log-file.ts'
import {
  ALIGN,
  CHUNK_BYTES,
  type Crc32,
  decodeHeader,
  decodeTrailer,
  encodeHeader,
  extentBytes,
  HEADER_BYTES,
  type RecordHeader,
  trailerBytes,
} from './record.ts'

export interface Format {
  readonly salt: Uint8Array
  readonly crc32: Crc32
}

/** How much of a damaged log is searched at a time for the next whole record. */
const SEARCH_BYTES = 1024 * 1024
/** No record's body is larger: a piece of 1 TiB is the wire's limit (messages.ts). */
const SIZE_MAX = 2 ** 40

export const logName = (number: number): string => `pieces/${number.toString(16).padStart(8, '0')}.log`
export const indexName = (number: number): string => `pieces/${number.toString(16).padStart(8, '0')}.index`

/** Writes the index of a closed log, which makes it unnecessary to scan it ever again. */
export async function writeIndex(disk: Disk, number: number, records: readonly RecordHeader[], { salt, crc32 }: Format): Promise<void> {
  const bytes = new Uint8Array(records.length * HEADER_BYTES + 8)
  records.forEach((record, i) => {
    bytes.set(encodeHeader(record, salt, crc32), i * HEADER_BYTES)
  })
  const end = new DataView(bytes.buffer, records.length * HEADER_BYTES)
  end.setUint32(0, records.length)
  end.setUint32(4, crc32(bytes.subarray(0, bytes.length - 4), 0))
  await disk.replace(indexName(number), bytes)
}

/** The records of a closed log, or null when it has no index or a damaged one. */
export async function readIndex(disk: Disk, number: number, { salt, crc32 }: Format): Promise<readonly RecordHeader[] | null> {
  const bytes = await disk.read(indexName(number))
  if (bytes === null || bytes.length < 8 || (bytes.length - 8) % HEADER_BYTES !== 0) return null
  const count = (bytes.length - 8) / HEADER_BYTES
  const end = new DataView(bytes.buffer, bytes.byteOffset + count * HEADER_BYTES)
  if (end.getUint32(0) !== count || end.getUint32(4) !== crc32(bytes.subarray(0, bytes.length - 4), 0)) return null
  const records: RecordHeader[] = []
  for (let i = 0; i < count; i += 1) {
    const row = bytes.subarray(i * HEADER_BYTES, (i + 1) * HEADER_BYTES)
    const record = decodeHeader(row, { log: number, offset: null }, salt, crc32)
    if (record === null) return null
    records.push(record)
  }
  return records
}

/** Whether every byte of a piece's body has its checksum. Reads it whole, chunk by chunk. */
async function bodyIsWhole(log: LogFile, at: number, size: number, crcs: Uint32Array, crc32: Crc32, scratch: Uint8Array): Promise<boolean> {
  for (let chunk = 0; chunk < crcs.length; chunk += 1) {
    const start = chunk * CHUNK_BYTES
    const target = scratch.subarray(0, Math.min(CHUNK_BYTES, size - start))
    if ((await log.readAt(at + start, target)) !== target.length) return false
    if (crc32(target, 0) !== crcs[chunk]) return false
  }
  return true
}

/** The record that `header` begins, if all of it is there; a piece with the version that its footer names. */
async function complete(log: LogFile, header: RecordHeader, { salt, crc32 }: Format, scratch: Uint8Array): Promise<RecordHeader | null> {
  const body = header.offset + HEADER_BYTES
  switch (header.kind) {
    case 'tombstone':
    case 'keep':
      return header
    case 'roots': {
      const bytes = new Uint8Array(header.size)
      const whole = (await log.readAt(body, bytes)) === bytes.length && crc32(bytes, 0) === header.bodyCrc
      return whole ? header : null
    }
    case 'piece': {
      const bytes = new Uint8Array(trailerBytes(header.size))
      if ((await log.readAt(body + header.size, bytes)) !== bytes.length) return null
      const trailer = decodeTrailer(bytes, header, salt, crc32)
      if (trailer === null || !(await bodyIsWhole(log, body, header.size, trailer.crcs, crc32, scratch))) return null
      return { ...header, seq: trailer.seq }
    }
  }
}

/** Offset of the next header at or after `from` that names this log and its own place, or null. */
async function search(log: LogFile, from: number, size: number, { salt, crc32 }: Format): Promise<number | null> {
  const bytes = new Uint8Array(SEARCH_BYTES + HEADER_BYTES)
  for (let base = from; base < size; base += SEARCH_BYTES) {
    const length = await log.readAt(base, bytes)
    for (let at = 0; at < SEARCH_BYTES && at + HEADER_BYTES <= length; at += ALIGN) {
      const row = bytes.subarray(at, at + HEADER_BYTES)
      if (decodeHeader(row, { log: log.number, offset: base + at }, salt, crc32) !== null) return base + at
    }
  }
  return null
}

export interface Scan {
  readonly records: readonly RecordHeader[]
  /** End of the last whole record: what follows is torn and may be cut off. */
  readonly end: number
  /** Records that were begun and never finished, or have rotted. */
  readonly torn: number
}

/** Reads every record of a log of `size` bytes. What is not whole is skipped: it was never acknowledged, or it rotted. */
export async function scanLog(log: LogFile, size: number, format: Format): Promise<Scan> {
  const records: RecordHeader[] = []
  const scratch = new Uint8Array(CHUNK_BYTES)
  const bytes = new Uint8Array(HEADER_BYTES)
  let torn = 0
  let end = 0
  let at = 0
  while (at + HEADER_BYTES <= size) {
    const length = await log.readAt(at, bytes)
    const header = length === HEADER_BYTES ? decodeHeader(bytes, { log: log.number, offset: at }, format.salt, format.crc32) : null
    if (header === null || header.size > SIZE_MAX) {
      const next = await search(log, at + ALIGN, size, format)
      torn += 1
      if (next === null) break
      at = next
      continue
    }
    const record = await complete(log, header, format, scratch)
    at += extentBytes(header.kind, header.size)
    if (record === null) torn += 1
    else {
      records.push(record)
      end = at
    }
  }
  return { records, end, torn }
}
