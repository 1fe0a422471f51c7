/**
 * How an object becomes pieces, in numbers (DESIGN §6). Object → parts (a multipart upload's, or one) → segments →
 * frames → stripes → pieces. Everything here is pure arithmetic on sizes.
 */
import { assert } from '../../std/assert.ts'

/** Ciphertext bytes of a full frame, tag included: one shard of a full stripe, and a whole number of tree leaves. */
export const FRAME_BYTES = 64 * 1024
/** AES-GCM tag. */
export const TAG_BYTES = 16
/** Plaintext bytes of a full frame. */
export const FRAME_PLAIN_BYTES = FRAME_BYTES - TAG_BYTES
/** Plaintext bytes of a full segment: S3 objects of 64 MiB are one segment. */
export const SEGMENT_PLAIN_BYTES = 64 * 1024 * 1024
/** Leaf of a piece's hash tree. */
export const LEAF_BYTES = 4096
/** Objects up to this size live in the metadata log and have no pieces. */
export const INLINE_BYTES = 4096
/** Shards of the last stripe are whole SIMD rows of the erasure kernel. */
export const SHARD_ALIGN = 64

/** The four numbers of a placement: need k, acknowledge at ack, repair below repairBelow, upload to n. */
export interface Redundancy {
  readonly k: number
  readonly ack: number
  readonly repairBelow: number
  readonly n: number
}

export const LOCAL_REDUNDANCY: Redundancy = { k: 4, ack: 6, repairBelow: 7, n: 8 }

/** Ciphertext bytes of a segment of `plain` bytes. */
export function cipherBytes(plain: number): number {
  assert(plain > 0 && plain <= SEGMENT_PLAIN_BYTES, 'a segment holds 1 byte to 64 MiB')
  return plain + Math.ceil(plain / FRAME_PLAIN_BYTES) * TAG_BYTES
}

/** Where a segment's stripes lie. All stripes but the last have shards of FRAME_BYTES; the last is zero-padded. */
export interface SegmentLayout {
  readonly plainBytes: number
  readonly cipherBytes: number
  readonly frames: number
  readonly stripes: number
  /** Shard size of the last stripe, a multiple of SHARD_ALIGN, at most FRAME_BYTES. */
  readonly lastShardBytes: number
  readonly pieceBytes: number
}

export function segmentLayout(plain: number, k: number): SegmentLayout {
  const cipher = cipherBytes(plain)
  const stripeBytes = k * FRAME_BYTES
  const stripes = Math.ceil(cipher / stripeBytes)
  const rest = cipher - (stripes - 1) * stripeBytes
  const lastShardBytes = Math.ceil(Math.ceil(rest / k) / SHARD_ALIGN) * SHARD_ALIGN
  return {
    plainBytes: plain,
    cipherBytes: cipher,
    frames: Math.ceil(plain / FRAME_PLAIN_BYTES),
    stripes,
    lastShardBytes,
    pieceBytes: (stripes - 1) * FRAME_BYTES + lastShardBytes,
  }
}

/** Shard size of stripe `index`. */
export const shardBytes = (layout: SegmentLayout, index: number): number =>
  index === layout.stripes - 1 ? layout.lastShardBytes : FRAME_BYTES

/** Plaintext bytes that stripe `index` carries. A frame never spans two stripes; in the last stripe it may span shards. */
export function stripePlainBytes(layout: SegmentLayout, index: number, k: number): number {
  const before = index * k * FRAME_PLAIN_BYTES
  return Math.min(layout.plainBytes - before, k * FRAME_PLAIN_BYTES)
}
