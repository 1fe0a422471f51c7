/** What the gateway remembers about an object: the nouns of its metadata, and how they are written in the log. */
import { z } from 'zod'
import type { DeviceId, Digest } from '../../../protocol/ids.ts'
import { schema, wire } from '../../../protocol/schema.ts'
import { concat } from '../../../std/bytes.ts'
import type { DigestKind } from '../kernel/kernel.ts'

/** One shard of a segment, where it was put. */
const placed = z.strictObject({ shard: wire.uint(255), device: wire.deviceId, pieceId: wire.digest, root: wire.digest })
const segment = z.strictObject({
  /** Random; names the segment in the database and the log. */
  id: wire.digest,
  plainBytes: wire.uint(64 * 1024 * 1024),
  pieceBytes: wire.uint(2 ** 32),
  k: wire.uint(255),
  n: wire.uint(255),
  pieces: wire.list(placed, 255),
})
/** A run of segments encrypted under one random key. */
const part = z.strictObject({
  /** 16 bytes: in the AAD of every frame. */
  partId: wire.bytes(16, 16),
  /** The part's key sealed under the bucket key: nonce ‖ ciphertext ‖ tag. */
  wrappedKey: wire.bytes(60, 60),
  size: wire.uint(5 * 1024 ** 3),
  segments: wire.list(segment, 100_000),
})
const checksums = z.record(z.string().max(16), z.string().max(64))
/** `inline`: the sealed bytes of a small object; otherwise `parts`. */
const object = z.strictObject({
  size: wire.uint(),
  etag: wire.text(80),
  modified: wire.uint(),
  headers: z.record(z.string().max(200), z.string().max(4096)),
  checksums,
  checksumType: z.enum(['FULL_OBJECT', 'COMPOSITE']).nullable(),
  partSizes: wire.list(wire.uint(), 10_000),
  inline: z.strictObject({ partId: wire.bytes(16, 16), wrappedKey: wire.bytes(60, 60), sealed: wire.bytes(16, 8192) }).nullable(),
  parts: wire.list(part, 10_000),
})

export type PlacedPiece = { readonly shard: number; readonly device: DeviceId; readonly pieceId: Digest; readonly root: Digest }
export type SegmentRecord = z.output<typeof segment>
export type PartRecord = z.output<typeof part>
export type ObjectRecord = z.output<typeof object>
export type InlineRecord = NonNullable<ObjectRecord['inline']>
export type Checksums = Readonly<Partial<Record<DigestKind, string>>>

/** Largest single change: a 5 TiB object lists its segments; beyond it multipart objects are refused. */
const ENTRY_BYTES = 64 * 1024 * 1024

export const partSchema = schema('part record', ENTRY_BYTES, part)
export const objectSchema = schema('object record', ENTRY_BYTES, object)

/** One change of the metadata. A log of these rebuilds a gateway. */
export const changeSchema = schema(
  'metadata change',
  ENTRY_BYTES,
  z.discriminatedUnion('op', [
    z.strictObject({ op: z.literal('bucket'), name: wire.text(63), account: wire.account, created: wire.uint() }),
    z.strictObject({ op: z.literal('drop-bucket'), name: wire.text(63) }),
    z.strictObject({ op: z.literal('object'), bucket: wire.text(63), key: wire.text(1024), record: object }),
    z.strictObject({ op: z.literal('delete'), bucket: wire.text(63), key: wire.text(1024) }),
    /** Repair or exit moved shards of a segment. */
    z.strictObject({ op: z.literal('move'), segment: wire.digest, pieces: wire.list(placed, 255) }),
  ]),
)
export type Change = ReturnType<typeof changeSchema.decode>

const objectHead = schema(
  'metadata change',
  ENTRY_BYTES,
  z.strictObject({ op: z.literal('object'), bucket: wire.text(63), key: wire.text(1024), record: z.literal(0) }),
)

/**
 * The change that stores an object, around its record as `objectSchema` has encoded it: encoding is dear, and the table wants
 * the same bytes. In DAG-CBOR's order of keys, by length and then by bytes, the record is the last of the four, so
 * that it stands in the place of a number of one byte.
 */
export function encodeObjectChange(bucket: string, key: string, record: Uint8Array): Uint8Array {
  const head = objectHead.encode({ op: 'object', bucket, key, record: 0 })
  return concat([head.subarray(0, -1), record])
}
