/**
 * A snapshot is the shortest log that makes the same metadata: one change for each bucket and object, stored through
 * the pipeline like any object. Its head (where its pieces are, and which batch of the log it covers) is kept whole by
 * `ack` providers, and its hash on chain. It may be fuzzy: changes made meanwhile are in later batches and redo the rest.
 */
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { bytesOf, type DeviceId, type Digest, digest, digestOf } from '../../../protocol/ids.ts'
import { schema, wire } from '../../../protocol/schema.ts'
import { bigEndian, concat, utf8 } from '../../../std/bytes.ts'
import { SEGMENT_PLAIN_BYTES } from '../layout.ts'
import type { Keyring } from './keys.ts'
import { replicate } from './log.ts'
import type { StoreParts } from './parts.ts'
import { changeSchema, type PartRecord, partSchema, type SegmentRecord } from './records.ts'
import { writeSegment } from './writer.ts'

/** Rows read between two breaths. */
const PAGE = 500

export const snapshotHead = schema(
  'snapshot head',
  64 * 1024 * 1024,
  z.strictObject({
    seq: wire.bigint(64),
    /** Last batch of the log that the snapshot covers, its last entry and its hash. */
    batch: wire.uint(),
    last: wire.uint(),
    hash: wire.digest,
    /** The key of `part`; the head as a whole is sealed. */
    key: wire.bytes(32, 32),
    part: wire.bytes(1, 64 * 1024 * 1024),
  }),
)

/** Where the head of snapshot `seq` is on `device`: recovery derives it from the seed and the chain alone. */
export const snapshotPiece = (crypto: StoreParts['at']['crypto'], keyring: Keyring, seq: bigint, device: DeviceId): Digest =>
  digestOf(crypto.sha256(keyring.logName, utf8('snapshot'), bigEndian(seq, 8), bytesOf(device)))

/** Every change that makes the metadata, in an order in which it can be applied. */
async function* changes(parts: StoreParts): AsyncGenerator<Uint8Array> {
  const { metadata, at } = parts
  for (const bucket of metadata.buckets(at.account)) {
    const { name, account, created } = bucket
    yield changeSchema.encode({ op: 'bucket', name, account, created })
    for (let after: Uint8Array = new Uint8Array(); ; ) {
      const page = metadata.range(name, after, false, PAGE)
      for (const row of page) {
        after = row.key
        const record = {
          ...row.record,
          parts: row.record.parts.map((part) => ({ ...part, segments: part.segments.map((s) => metadata.segments.get(s.id) ?? s) })),
        }
        yield changeSchema.encode({ op: 'object', bucket: name, key: new TextDecoder().decode(row.key), record })
      }
      if (page.length < PAGE) break
      await at.clock.sleep(0)
    }
  }
}

/** Changes as one stream: each is preceded by its length, u32 big-endian. */
async function* stream(parts: StoreParts): AsyncGenerator<Uint8Array> {
  for await (const change of changes(parts)) yield concat([bigEndian(BigInt(change.length), 4), change])
}

/** The changes of a snapshot's bytes. */
export function* parseStream(bytes: Uint8Array): Generator<ReturnType<typeof changeSchema.decode>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at)
    yield changeSchema.decode(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
}

async function storeStream(parts: StoreParts, key: Uint8Array, signal: AbortSignal): Promise<PartRecord> {
  const { at } = parts
  const partId = at.random.bytes(16)
  const segments: SegmentRecord[] = []
  let size = 0
  const flush = async (chunks: Uint8Array[]): Promise<void> => {
    const bytes = concat(chunks)
    let read = 0
    const source = {
      plainBytes: bytes.length,
      async fill(target: Uint8Array) {
        target.set(bytes.subarray(read, read + target.length))
        read += target.length
      },
      digest: async () => undefined,
    }
    segments.push(await writeSegment(parts, source, { key, partId, segment: segments.length, firstFrame: 0 }, signal))
    size += bytes.length
  }
  let chunks: Uint8Array[] = []
  let held = 0
  for await (const chunk of stream(parts)) {
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + SEGMENT_PLAIN_BYTES - held)
      chunks.push(part)
      held += part.length
      from += part.length
      if (held < SEGMENT_PLAIN_BYTES) continue
      await flush(chunks)
      chunks = []
      held = 0
    }
  }
  if (held > 0) await flush(chunks)
  return { partId, wrappedKey: new Uint8Array(60), size, segments }
}

export interface Pointer {
  readonly digest: Digest
  readonly seq: bigint
}

/** A snapshot whose pieces are kept, and whose pointer may or may not be on chain. */
const pendingSchema = z.object({ seq: z.string(), digest: z.string(), batch: z.number(), last: z.number(), segments: z.array(z.string()) })
/** The last one that is on chain. `seq` was not written by the first versions. */
const knownSchema = z.object({ seq: z.string().optional(), batch: z.number(), segments: z.array(z.string()) })
type Pending = z.output<typeof pendingSchema>
const PENDING = 'snapshot pending'

/**
 * Takes a snapshot when the log has grown since the last one. `publish` puts its hash on chain: true when that is
 * confirmed, false when it was refused; when it throws, nobody knows, and the same snapshot is published again at the next
 * call. Until then both it and the one before are kept, since either may be the one that a recovery asks for.
 */
export async function takeSnapshot(
  parts: StoreParts,
  last: Pointer | null,
  publish: (pointer: Pointer) => Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  const waiting = fact(parts, PENDING)
  if (waiting === null) mustBeOurs(parts, last)
  const pending = waiting === null ? await prepare(parts, last, signal) : pendingSchema.parse(JSON.parse(waiting))
  if (pending === null) return false
  const seq = BigInt(pending.seq)
  const there = last?.seq === seq && last.digest === pending.digest
  if (there || (await publish({ digest: digest(pending.digest), seq }))) {
    settle(parts, pending)
    return true
  }
  parts.database.transaction(() => {
    for (const id of pending.segments) parts.metadata.segments.release(digest(id))
    parts.metadata.segments.dropBatches(-Number(seq), -Number(seq) - 1)
    dropFact(parts, PENDING)
  })
  return false
}

/**
 * A pointer that this gateway did not set is another's: a snapshot over it would hide what that one stored. It happens when
 * two gateways run on one account, or when one was started in an empty folder instead of being recovered.
 */
function mustBeOurs(parts: StoreParts, last: Pointer | null): void {
  const { seq, unnumbered } = known(parts)
  if (last === null || unnumbered || (seq !== null && last.seq <= seq)) return
  throw new CairnError('CONFIG', {
    what: `the pointer of account ${parts.at.account}`,
    why: `snapshot ${last.seq} on chain was taken by another gateway; this one took ${seq ?? 'none'}`,
    fix: 'run one gateway on an account; rebuild a lost one with `cairn storage recover`',
  })
}

/** Stores a snapshot and its head, and names their pieces, before anything points to them. */
async function prepare(parts: StoreParts, last: Pointer | null, signal: AbortSignal): Promise<Pending | null> {
  const { at, metadata, database, log, keyring } = parts
  const position = log.position()
  if (position.number === known(parts).batch) return null
  // A number is used for one attempt only: its pieces may lie on providers already, with other bytes.
  const tried = BigInt(fact(parts, 'snapshot tried') ?? '0')
  const seq = ((last?.seq ?? 0n) > tried ? (last?.seq ?? 0n) : tried) + 1n
  setFact(parts, 'snapshot tried', seq.toString())
  const key = at.random.bytes(32)
  const part = await storeStream(parts, key, signal)
  const { number: batch, last: lastEntry, hash } = position
  const head = snapshotHead.encode({ seq, batch, last: lastEntry, hash, key, part: partSchema.encode(part) })
  const nonce = at.random.bytes(12)
  const sealed = concat([nonce, at.crypto.seal(keyring.log, nonce, utf8('snapshot'), head)])
  const { kept, rest } = await replicate(parts, sealed, (device) => snapshotPiece(at.crypto, keyring, seq, device), signal)
  const root = await at.kernel.root(await at.kernel.leavesOf(sealed))
  const copies = [...kept, ...(await rest)]
  const pending = {
    seq: seq.toString(),
    digest: digestOf(at.crypto.sha256(sealed)),
    batch,
    last: lastEntry,
    segments: part.segments.map((segment) => segment.id),
  }
  database.transaction(() => {
    for (const segment of part.segments) metadata.segments.add(segment)
    for (const copy of copies) metadata.segments.addBatchPiece(-Number(seq), copy.device, copy.pieceId, sealed.length, root)
    setFact(parts, PENDING, JSON.stringify(pending))
  })
  return pending
}

/** The pointer is on chain: the snapshot before and the log that this one covers are done with. */
function settle(parts: StoreParts, { seq, batch, last, segments }: Pending): void {
  const { metadata, database } = parts
  database.transaction(() => {
    metadata.segments.dropBatches(batch, -Number(seq))
    for (const id of known(parts).segments) metadata.segments.release(digest(id))
    database.prepare('DELETE FROM log WHERE seq <= ?').run(last)
    database.prepare('DELETE FROM log_batches WHERE number < ?').run(batch)
    rememberSnapshot(parts, { batch, segments, seq })
    dropFact(parts, PENDING)
  })
  parts.at.log.info('took a snapshot of the metadata', { seq: BigInt(seq), batch })
}

/** The last snapshot that is on chain. */
function known(parts: StoreParts): {
  readonly batch: number
  readonly segments: readonly string[]
  readonly seq: bigint | null
  /** It was taken by a version that did not write down which one it was. */
  readonly unnumbered: boolean
} {
  const value = fact(parts, 'snapshot')
  if (value === null) return { batch: 0, segments: [], seq: null, unnumbered: false }
  const { batch, segments, seq } = knownSchema.parse(JSON.parse(value))
  return { batch, segments, seq: seq === undefined ? null : BigInt(seq), unnumbered: seq === undefined }
}

/** The snapshot that is on chain now, inside a transaction. */
export const rememberSnapshot = (parts: StoreParts, snapshot: { batch: number; segments: readonly string[]; seq: string }): void =>
  setFact(parts, 'snapshot', JSON.stringify(snapshot))

export const dropFact = (parts: Pick<StoreParts, 'database'>, name: string): void => {
  parts.database.prepare('DELETE FROM facts WHERE name = ?').run(name)
}

export function fact(parts: Pick<StoreParts, 'database'>, name: string): string | null {
  const row = parts.database.prepare('SELECT value FROM facts WHERE name = ?').get(name)
  return row === null ? null : String(row['value'])
}

export function setFact(parts: Pick<StoreParts, 'database'>, name: string, value: string): void {
  parts.database.prepare('INSERT OR REPLACE INTO facts VALUES (?, ?)').run(name, value)
}
