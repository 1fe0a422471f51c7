/**
 * The gateway's metadata: buckets, objects and uploads. Each method is one transaction that also appends to the log,
 * so that what a customer was told and what a recovery reads can never differ.
 */

import type { Account } from '../../../protocol/ids.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import { compareBytes, utf8 } from '../../../std/bytes.ts'
import type { Conditions } from '../object-store.ts'
import {
  type Change,
  changeSchema,
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
  const append = (change: Change): void => {
    sql.append.run(lastSeq() + 1, changeSchema.encode(change))
  }
  const recordOf = (row: SqlRow | null): ObjectRecord | null => (row === null ? null : objectSchema.decode(row['record'] as Uint8Array))
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

  const commitOne = (commit: ObjectCommit): CommitOutcome => {
    if (sql.bucket.get(commit.bucket) === null) return 'no-bucket'
    if (commit.upload !== undefined && sql.upload.get(commit.upload) === null) return 'no-upload'
    const key = utf8(commit.key)
    const old = recordOf(sql.object.get(commit.bucket, key))
    if (!admitted(commit.conditions, old?.etag ?? null)) return 'precondition-failed'
    const borrowed = commit.shared || commit.upload !== undefined
    const record = borrowed ? withPlaces(commit.record) : commit.record
    if (record === null) return 'gone'
    for (const segment of segmentsOf(record.parts)) {
      if (borrowed) segments.addReference(segment.id)
      else if (!segments.keepStaged(segment.id)) segments.add(segment)
    }
    sql.put.run(commit.bucket, key, record.size, record.etag, record.modified, objectSchema.encode(withoutPieces(record)))
    append({ op: 'object', bucket: commit.bucket, key: commit.key, record })
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
      const row = sql.bucket.get(name)
      return row === null ? null : bucketOf(row)
    },
    buckets: (account) => sql.buckets.all(account).map(bucketOf),
    createBucket: (bucket) =>
      database.transaction(() => {
        const made = sql.addBucket.run(bucket.name, bucket.account, bucket.created).changes > 0
        if (made) append({ op: 'bucket', name: bucket.name, account: bucket.account, created: bucket.created })
        return made
      }),
    dropBucket: (name) =>
      database.transaction(() => {
        if (sql.bucket.get(name) === null) return 'no-bucket'
        if (sql.anyObject.get(name) !== null || sql.anyUpload.get(name) !== null) return 'not-empty'
        sql.dropBucket.run(name)
        append({ op: 'drop-bucket', name })
        return 'deleted'
      }),
    object: (bucket, key) => recordOf(sql.object.get(bucket, utf8(key))),
    commit: (batch) => database.transaction(() => batch.map(commitOne)),
    remove: (bucket, keys) =>
      database.transaction(() => {
        for (const key of keys) {
          const old = recordOf(sql.object.get(bucket, utf8(key)))
          if (old === null) continue
          sql.remove.run(bucket, utf8(key))
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
        append({ op: 'move', segment, pieces: [...pieces] })
      }),
    change: (work) => database.transaction(() => work(append)),
    lastSeq,
    apply(change) {
      switch (change.op) {
        case 'bucket':
          sql.addBucket.run(change.name, change.account, change.created)
          return
        case 'drop-bucket':
          sql.dropBucket.run(change.name)
          return
        case 'object': {
          const key = utf8(change.key)
          const old = recordOf(sql.object.get(change.bucket, key))
          for (const segment of segmentsOf(change.record.parts)) {
            if (segments.get(segment.id) === null) segments.add(segment)
            else segments.addReference(segment.id)
          }
          const { size, etag, modified } = change.record
          sql.put.run(change.bucket, key, size, etag, modified, objectSchema.encode(withoutPieces(change.record)))
          if (old !== null) releaseParts(old.parts)
          return
        }
        case 'delete': {
          const key = utf8(change.key)
          const old = recordOf(sql.object.get(change.bucket, key))
          sql.remove.run(change.bucket, key)
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
