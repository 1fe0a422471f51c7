/**
 * The gateway's metadata: buckets, objects and uploads. Each method is one transaction that also appends to the log,
 * so that what a customer was told and what a recovery reads can never differ.
 */

import type { Account } from '../../../protocol/ids.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import { compareBytes, utf8 } from '../../../std/bytes.ts'
import { Recent } from '../../../std/recent.ts'
import type { Conditions } from '../object-store.ts'
import {
  type Change,
  changeSchema,
  encodeObjectChange,
  type ObjectRecord,
  objectSchema,
  type PartRecord,
  type PlacedPiece,
  partSchema,
  type SegmentRecord,
} from './records.ts'
import { openSegmentTable, type SegmentTable } from './segments.ts'
import { openTables } from './tables.ts'

export interface Bucket {
  readonly name: string
  readonly account: Account
  readonly created: UnixMs
}

/** Weight of the records that are held decoded: several thousand small objects, beside the gateway's 350 MiB. */
const HELD_BYTES = 32 * 1024 * 1024
/** Records longer than this are read each time: their objects are so large that it does not matter. */
const HELD_RECORD_BYTES = 16 * 1024
/** What a decoded record takes beside the bytes in it, about. */
const HELD_OVERHEAD = 1024
/** Buckets held; when there are more they are read again. */
const HELD_BUCKETS = 1024

export interface ObjectRow {
  readonly key: Uint8Array
  readonly record: ObjectRecord
}

export interface ObjectCommit {
  readonly bucket: string
  readonly key: string
  readonly record: ObjectRecord
  readonly conditions: Conditions
  /** Segments that the record shares with a stored object instead of bringing them. */
  readonly shared: boolean
  /** Ends this upload in the same transaction; parts it does not use are dropped. */
  readonly upload?: string
}
/** `gone`: a segment that the record shares is not there any more, since its object or part was replaced meanwhile. */
export type CommitOutcome = 'stored' | 'no-bucket' | 'no-upload' | 'precondition-failed' | 'gone'

export interface Metadata {
  readonly segments: SegmentTable
  bucket(name: string): Bucket | null
  buckets(account: Account): readonly Bucket[]
  createBucket(bucket: Bucket): boolean
  dropBucket(name: string): 'deleted' | 'no-bucket' | 'not-empty'
  /** Called outside of transactions. The same value until the object changes. */
  object(bucket: string, key: string): ObjectRecord | null
  /** Many commits in one durable transaction (group commit); one outcome each. */
  commit(batch: readonly ObjectCommit[]): readonly CommitOutcome[]
  remove(bucket: string, keys: readonly string[]): void
  /** Rows in key order, key > after (≥ when `inclusive`), at most `limit`. */
  range(bucket: string, after: Uint8Array, inclusive: boolean, limit: number): readonly ObjectRow[]
  /** Records pieces moved by repair or exit. */
  move(segment: SegmentRecord['id'], pieces: readonly PlacedPiece[]): void
  /** Runs `work` in one transaction with the log at hand. */
  change<T>(work: (append: (change: Change) => void) => T): T
  /** Redoes a change from a snapshot or the log, inside a transaction, without logging it again. */
  apply(change: Change): void
  /** Sequence number of the last log entry. */
  lastSeq(): number
  stats(): { buckets: number; objects: number; bytes: number; segments: number }
}

const etagMatches = (wanted: readonly string[], etag: string | null): boolean =>
  etag !== null && wanted.some((tag) => tag === '*' || tag === etag)

function admitted(conditions: Conditions, etag: string | null): boolean {
  if (conditions.ifMatch !== undefined && !etagMatches(conditions.ifMatch, etag)) return false
  return conditions.ifNoneMatch === undefined || !etagMatches(conditions.ifNoneMatch, etag)
}

/** A record as the objects table keeps it: piece locations live in the pieces table only, since repair moves them. */
const withoutPieces = (record: ObjectRecord): ObjectRecord => ({
  ...record,
  parts: record.parts.map((part) => ({ ...part, segments: part.segments.map((segment) => ({ ...segment, pieces: [] })) })),
})

export const segmentsOf = (parts: readonly PartRecord[]): readonly SegmentRecord[] => parts.flatMap((part) => part.segments)

/** No bucket's name has a slash. */
const nameOf = (bucket: string, key: string): string => `${bucket}/${key}`

export function openMetadata(database: Database): Metadata {
  openTables(database)
  const segments = openSegmentTable(database)
  const sql = {
    bucket: database.prepare('SELECT * FROM buckets WHERE name = ?'),
    buckets: database.prepare('SELECT * FROM buckets WHERE account = ? ORDER BY name'),
    addBucket: database.prepare('INSERT OR IGNORE INTO buckets VALUES (?, ?, ?)'),
    dropBucket: database.prepare('DELETE FROM buckets WHERE name = ?'),
    anyObject: database.prepare('SELECT 1 AS one FROM objects WHERE bucket = ? LIMIT 1'),
    anyUpload: database.prepare('SELECT 1 AS one FROM uploads WHERE bucket = ? LIMIT 1'),
    object: database.prepare('SELECT record FROM objects WHERE bucket = ? AND key = ?'),
    put: database.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM objects WHERE bucket = ? AND key = ?'),
    after: database.prepare('SELECT key, record FROM objects WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?'),
    from: database.prepare('SELECT key, record FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?'),
    append: database.prepare('INSERT INTO log (seq, entry) VALUES (?, ?)'),
    lastEntry: database.prepare('SELECT max(seq) AS seq FROM log'),
    lastBatch: database.prepare('SELECT max(last) AS seq FROM log_batches'),
    upload: database.prepare('SELECT id FROM uploads WHERE id = ?'),
    dropUpload: database.prepare('DELETE FROM uploads WHERE id = ?'),
    parts: database.prepare('SELECT record FROM upload_parts WHERE upload = ?'),
    dropParts: database.prepare('DELETE FROM upload_parts WHERE upload = ?'),
    totals: database.prepare('SELECT (SELECT count(*) FROM buckets) AS b, count(*) AS o, coalesce(sum(size), 0) AS s FROM objects'),
  }

  const bucketOf = (row: SqlRow): Bucket => ({
    name: String(row['name']),
    account: String(row['account']) as Account,
    created: Number(row['created']) as UnixMs,
  })
  const lastSeq = (): number => Math.max(Number(sql.lastEntry.get()?.['seq'] ?? 0), Number(sql.lastBatch.get()?.['seq'] ?? 0))
  // Entries leave the table once a snapshot covers them, so the next number follows from the batches as well.
  /** For one transaction, in which nobody else appends. */
  const entryAppender = (): ((entry: Uint8Array) => void) => {
    let seq: number | null = null
    return (entry) => {
      seq = (seq ?? lastSeq()) + 1
      sql.append.run(seq, entry)
    }
  }
  const appender = (): ((change: Change) => void) => {
    const append = entryAppender()
    return (change) => append(changeSchema.encode(change))
  }
  const recordOf = (row: SqlRow | null): ObjectRecord | null => (row === null ? null : objectSchema.decode(row['record'] as Uint8Array))
  /**
   * Records as they are in the table, so that most reads ask nobody. Whatever writes a row forgets its record first, and
   * nothing is put here inside of a transaction: one that is rolled back leaves what was, or nothing. No other process
   * writes these tables while this one has them open for writing.
   */
  const held = new Recent<{ readonly record: ObjectRecord; readonly weight: number }>(HELD_BYTES, ({ weight }) => weight)
  const heldBuckets = new Map<string, Bucket>()
  /** Gives the row's record as it was written. */
  const putRow = (bucket: string, key: string, record: ObjectRecord): Uint8Array => {
    held.delete(nameOf(bucket, key))
    const bytes = objectSchema.encode(withoutPieces(record))
    sql.put.run(bucket, utf8(key), record.size, record.etag, record.modified, bytes)
    return bytes
  }
  const removeRow = (bucket: string, key: string): void => {
    held.delete(nameOf(bucket, key))
    sql.remove.run(bucket, utf8(key))
  }
  const dropBucketRow = (name: string): void => {
    heldBuckets.delete(name)
    sql.dropBucket.run(name)
  }
  /** What is stored now, from inside of a transaction. */
  const storedNow = (bucket: string, key: string): ObjectRecord | null =>
    held.get(nameOf(bucket, key))?.record ?? recordOf(sql.object.get(bucket, utf8(key)))

  const releaseParts = (parts: readonly PartRecord[]): void => {
    for (const segment of segmentsOf(parts)) segments.release(segment.id)
  }

  /** The record with the places that its pieces have now, or null when a segment is gone. */
  const withPlaces = (record: ObjectRecord): ObjectRecord | null => {
    let gone = false
    const placed = (segment: SegmentRecord): SegmentRecord => {
      const now = segments.get(segment.id)
      gone ||= now === null
      return now ?? segment
    }
    const parts = record.parts.map((part) => ({ ...part, segments: part.segments.map(placed) }))
    return gone ? null : { ...record, parts }
  }

  const commitOne = (commit: ObjectCommit, append: (entry: Uint8Array) => void): CommitOutcome => {
    if (!heldBuckets.has(commit.bucket) && sql.bucket.get(commit.bucket) === null) return 'no-bucket'
    if (commit.upload !== undefined && sql.upload.get(commit.upload) === null) return 'no-upload'
    const old = storedNow(commit.bucket, commit.key)
    if (!admitted(commit.conditions, old?.etag ?? null)) return 'precondition-failed'
    const borrowed = commit.shared || commit.upload !== undefined
    const record = borrowed ? withPlaces(commit.record) : commit.record
    if (record === null) return 'gone'
    for (const segment of segmentsOf(record.parts)) {
      if (borrowed) segments.addReference(segment.id)
      else if (!segments.keepStaged(segment.id)) segments.add(segment)
    }
    const row = putRow(commit.bucket, commit.key, record)
    // The log also says where the pieces are; an object without any is in it as it is in the table.
    if (record.parts.length === 0) append(encodeObjectChange(commit.bucket, commit.key, row))
    else append(changeSchema.encode({ op: 'object', bucket: commit.bucket, key: commit.key, record }))
    if (commit.upload !== undefined) {
      for (const row of sql.parts.all(commit.upload)) releaseParts(objectPartOf(row))
      sql.dropParts.run(commit.upload)
      sql.dropUpload.run(commit.upload)
    }
    if (old !== null) releaseParts(old.parts)
    return 'stored'
  }

  return {
    segments,
    bucket(name) {
      const known = heldBuckets.get(name)
      if (known !== undefined) return known
      const row = sql.bucket.get(name)
      if (row === null) return null
      if (heldBuckets.size >= HELD_BUCKETS) heldBuckets.clear()
      const bucket = bucketOf(row)
      heldBuckets.set(name, bucket)
      return bucket
    },
    buckets: (account) => sql.buckets.all(account).map(bucketOf),
    createBucket: (bucket) =>
      database.transaction(() => {
        const made = sql.addBucket.run(bucket.name, bucket.account, bucket.created).changes > 0
        if (made) appender()({ op: 'bucket', name: bucket.name, account: bucket.account, created: bucket.created })
        return made
      }),
    dropBucket: (name) =>
      database.transaction(() => {
        if (sql.bucket.get(name) === null) return 'no-bucket'
        if (sql.anyObject.get(name) !== null || sql.anyUpload.get(name) !== null) return 'not-empty'
        dropBucketRow(name)
        appender()({ op: 'drop-bucket', name })
        return 'deleted'
      }),
    object(bucket, key) {
      const name = nameOf(bucket, key)
      const known = held.get(name)
      if (known !== undefined) return known.record
      const row = sql.object.get(bucket, utf8(key))
      if (row === null) return null
      const bytes = row['record'] as Uint8Array
      const record = objectSchema.decode(bytes)
      // Twice, because who reads may keep the object's bytes beside its record.
      if (bytes.length <= HELD_RECORD_BYTES) held.set(name, { record, weight: HELD_OVERHEAD + 2 * bytes.length })
      return record
    },
    commit: (batch) =>
      database.transaction(() => {
        const append = entryAppender()
        return batch.map((commit) => commitOne(commit, append))
      }),
    remove: (bucket, keys) =>
      database.transaction(() => {
        const append = appender()
        for (const key of keys) {
          const old = storedNow(bucket, key)
          if (old === null) continue
          removeRow(bucket, key)
          releaseParts(old.parts)
          append({ op: 'delete', bucket, key })
        }
      }),
    range: (bucket, after, inclusive, limit) =>
      (inclusive ? sql.from : sql.after)
        .all(bucket, after, limit)
        .map((row) => ({ key: row['key'] as Uint8Array, record: objectSchema.decode(row['record'] as Uint8Array) })),
    move: (segment, pieces) =>
      database.transaction(() => {
        segments.move(segment, pieces)
        appender()({ op: 'move', segment, pieces: [...pieces] })
      }),
    change: (work) => database.transaction(() => work(appender())),
    lastSeq,
    apply(change) {
      switch (change.op) {
        case 'bucket':
          sql.addBucket.run(change.name, change.account, change.created)
          return
        case 'drop-bucket':
          dropBucketRow(change.name)
          return
        case 'object': {
          const old = storedNow(change.bucket, change.key)
          for (const segment of segmentsOf(change.record.parts)) {
            if (segments.get(segment.id) === null) segments.add(segment)
            else segments.addReference(segment.id)
          }
          putRow(change.bucket, change.key, change.record)
          if (old !== null) releaseParts(old.parts)
          return
        }
        case 'delete': {
          const old = storedNow(change.bucket, change.key)
          removeRow(change.bucket, change.key)
          if (old !== null) releaseParts(old.parts)
          return
        }
        case 'move':
          segments.move(change.segment, change.pieces)
      }
    },
    stats() {
      const row = sql.totals.get()
      return { buckets: Number(row?.['b']), objects: Number(row?.['o']), bytes: Number(row?.['s']), segments: segments.count() }
    },
  }
}

const objectPartOf = (row: SqlRow): readonly PartRecord[] => [partSchema.decode(row['record'] as Uint8Array)]

/** The smallest key after every key that starts with `prefix`; null when there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | null {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1
  if (end === 0) return null
  const out = prefix.slice(0, end)
  out[end - 1] = (out[end - 1] as number) + 1
  return out
}

export interface Listing {
  readonly rows: readonly ObjectRow[]
  readonly prefixes: readonly Uint8Array[]
  readonly truncated: boolean
  readonly last: Uint8Array
}

/** Rows read from the database at a time while listing. */
const LIST_BATCH = 1000

/** S3's listing: keys and common prefixes together in order, at most `limit` of them, skipping over what a prefix hides. */
export function list(
  metadata: Metadata,
  bucket: string,
  prefix: Uint8Array,
  delimiter: Uint8Array,
  after: Uint8Array,
  limit: number,
): Listing {
  const rows: ObjectRow[] = []
  const prefixes: Uint8Array[] = []
  let cursor = compareBytes(after, prefix) < 0 ? prefix : after
  let inclusive = compareBytes(after, prefix) < 0
  let last = after
  if (delimiter.length > 0) {
    const hidden = commonPrefix(after, prefix, delimiter)
    if (hidden !== null && compareBytes(hidden, after) === 0) {
      cursor = afterPrefix(hidden) ?? after
      inclusive = true
    }
  }
  for (;;) {
    const batch = metadata.range(bucket, cursor, inclusive, Math.min(LIST_BATCH, limit - rows.length - prefixes.length + 1))
    let skipped = false
    for (const row of batch) {
      if (!startsWith(row.key, prefix)) return { rows, prefixes, truncated: false, last }
      if (rows.length + prefixes.length >= limit) return { rows, prefixes, truncated: true, last }
      const common = delimiter.length === 0 ? null : commonPrefix(row.key, prefix, delimiter)
      if (common === null) {
        rows.push(row)
        last = row.key
        cursor = row.key
        inclusive = false
        continue
      }
      prefixes.push(common)
      last = common
      const next = afterPrefix(common)
      if (next === null) return { rows, prefixes, truncated: false, last }
      cursor = next
      inclusive = true
      skipped = true
      break
    }
    if (!skipped && batch.length === 0) return { rows, prefixes, truncated: false, last }
  }
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && compareBytes(key.subarray(0, prefix.length), prefix) === 0
}

/** The key up to and with the first delimiter after `prefix`, or null. */
function commonPrefix(key: Uint8Array, prefix: Uint8Array, delimiter: Uint8Array): Uint8Array | null {
  if (!startsWith(key, prefix)) return null
  for (let at = prefix.length; at + delimiter.length <= key.length; at += 1) {
    if (compareBytes(key.subarray(at, at + delimiter.length), delimiter) === 0) return key.slice(0, at + delimiter.length)
  }
  return null
}
