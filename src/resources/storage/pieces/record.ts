/**
 * What stands in a piece log. Every record begins on a 64-byte boundary with a header that names itself: its log, its
 * own offset and the store's secret salt, so that neither a misdirected write nor a customer's bytes pass for a record.
 *
 *   piece      header ‖ body ‖ CRC-32 of each 64 KiB chunk ‖ footer        the footer is what makes it exist
 *   roots      header (piece root) ‖ hash of each 64 KiB frame's subtree   CRC-32 of the body in the header
 *   tombstone  header                                                      kills every older version of its piece
 *   keep       header                                                      a later upload order protects the piece longer
 */
import { type Account, bytesOf, type Digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import { toHex } from '../../../std/bytes.ts'
import { FRAME_BYTES } from '../layout.ts'

export type Crc32 = (bytes: Uint8Array, crc: number) => number

/** Header and footer of one piece may be read in one sector each; both are whole multiples of ALIGN. */
export const ALIGN = 64
export const HEADER_BYTES = 192
export const FOOTER_BYTES = 64
export const SALT_BYTES = 8
/** Unit of checksums and of reads: one frame of the pipeline, so that a stripe's read is checked without reading more. */
export const CHUNK_BYTES = FRAME_BYTES

const HEADER_MAGIC = 0x4341524e
const FOOTER_MAGIC = 0x4e524143
const KINDS = ['piece', 'tombstone', 'roots', 'keep'] as const
export type RecordKind = (typeof KINDS)[number]

/** The header in memory. Also the row of a sealed log's index, where a piece's `seq` is known. */
export interface RecordHeader {
  readonly kind: RecordKind
  readonly pieceId: Digest
  readonly account: Account
  readonly log: number
  readonly offset: number
  /** Bytes of the body: of the piece, of the frame hashes, or 0. */
  readonly size: number
  /**
   * Order of versions of one piece, over all logs. A piece gets it when it commits, so its header carries 0; the other
   * kinds name the version that they are about, a tombstone its own.
   */
  readonly seq: number
  /** piece, keep: Unix ms before which it may not be dropped. tombstone: the log it was first written to. Else 0. */
  readonly mark: number
  /** 32 bytes: the piece root in `roots`, zero elsewhere. */
  readonly root: Uint8Array
  /** CRC-32 of the body of `roots`; 0 elsewhere. */
  readonly bodyCrc: number
}

export const NO_ROOT: Uint8Array = new Uint8Array(32)

export const chunksOf = (size: number): number => Math.ceil(size / CHUNK_BYTES)
const align = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN
/** Bytes of the checksum table and footer that follow a piece's body, up to the next record. */
export const trailerBytes = (size: number): number => align(size + 4 * chunksOf(size) + FOOTER_BYTES) - size
/** Bytes from a record's header to the next record. */
export const extentBytes = (kind: RecordKind, size: number): number =>
  HEADER_BYTES + (kind === 'piece' ? size + trailerBytes(size) : align(size))

export function encodeHeader(header: RecordHeader, salt: Uint8Array, crc32: Crc32): Uint8Array {
  assert(header.root.length === 32 && salt.length === SALT_BYTES, 'roots are 32 bytes, salts 8')
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, HEADER_MAGIC)
  view.setUint8(4, KINDS.indexOf(header.kind) + 1)
  bytes.set(salt, 8)
  bytes.set(bytesOf(header.pieceId), 16)
  bytes.set(bytesOf(header.account), 48)
  view.setUint32(68, header.log)
  view.setBigUint64(72, BigInt(header.size))
  view.setBigUint64(80, BigInt(header.seq))
  view.setBigUint64(88, BigInt(header.mark))
  view.setBigUint64(96, BigInt(header.offset))
  bytes.set(header.root, 104)
  view.setUint32(136, header.bodyCrc)
  view.setUint32(HEADER_BYTES - 4, crc32(bytes.subarray(0, HEADER_BYTES - 4), 0))
  return bytes
}

/** The header in `bytes`, or null when that is not one of this store's records at this place. */
export function decodeHeader(
  bytes: Uint8Array,
  at: { readonly log: number; readonly offset: number | null },
  salt: Uint8Array,
  crc32: Crc32,
): RecordHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < HEADER_BYTES || view.getUint32(0) !== HEADER_MAGIC) return null
  const kind = KINDS[view.getUint8(4) - 1]
  if (kind === undefined || view.getUint32(HEADER_BYTES - 4) !== crc32(bytes.subarray(0, HEADER_BYTES - 4), 0)) return null
  for (let i = 0; i < SALT_BYTES; i += 1) if (bytes[8 + i] !== salt[i]) return null
  const offset = Number(view.getBigUint64(96))
  if (view.getUint32(68) !== at.log || (at.offset !== null && offset !== at.offset)) return null
  return {
    kind,
    pieceId: `0x${toHex(bytes.subarray(16, 48))}` as Digest,
    account: `0x${toHex(bytes.subarray(48, 68))}` as Account,
    log: at.log,
    offset,
    size: Number(view.getBigUint64(72)),
    seq: Number(view.getBigUint64(80)),
    mark: Number(view.getBigUint64(88)),
    root: bytes.slice(104, 136),
    bodyCrc: view.getUint32(136),
  }
}

/** Checksum table and footer of a committed piece, padded to the next record. */
export function encodeTrailer(
  piece: { readonly size: number; readonly offset: number; readonly seq: number; readonly crcs: Uint32Array },
  salt: Uint8Array,
  crc32: Crc32,
): Uint8Array {
  assert(piece.crcs.length === chunksOf(piece.size), 'every chunk has a checksum')
  const table = 4 * piece.crcs.length
  const bytes = new Uint8Array(trailerBytes(piece.size))
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < piece.crcs.length; i += 1) view.setUint32(4 * i, piece.crcs[i] ?? 0)
  view.setUint32(table, FOOTER_MAGIC)
  bytes.set(salt, table + 8)
  view.setBigUint64(table + 16, BigInt(piece.seq))
  view.setBigUint64(table + 24, BigInt(piece.size))
  view.setBigUint64(table + 32, BigInt(piece.offset))
  view.setUint32(table + FOOTER_BYTES - 4, crc32(bytes.subarray(0, table + FOOTER_BYTES - 4), 0))
  return bytes
}

/** The version and chunk checksums of the piece at `offset`, or null when it was never committed whole. */
export function decodeTrailer(
  bytes: Uint8Array,
  piece: { readonly size: number; readonly offset: number },
  salt: Uint8Array,
  crc32: Crc32,
): { readonly seq: number; readonly crcs: Uint32Array } | null {
  const crcs = new Uint32Array(chunksOf(piece.size))
  const table = 4 * crcs.length
  if (bytes.length < table + FOOTER_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(table) !== FOOTER_MAGIC) return null
  if (view.getUint32(table + FOOTER_BYTES - 4) !== crc32(bytes.subarray(0, table + FOOTER_BYTES - 4), 0)) return null
  for (let i = 0; i < SALT_BYTES; i += 1) if (bytes[table + 8 + i] !== salt[i]) return null
  if (Number(view.getBigUint64(table + 24)) !== piece.size || Number(view.getBigUint64(table + 32)) !== piece.offset) return null
  for (let i = 0; i < crcs.length; i += 1) crcs[i] = view.getUint32(4 * i)
  return { seq: Number(view.getBigUint64(table + 16)), crcs }
}
