/** Multipart uploads in progress. They are the gateway's own until completed, so the log does not carry them. */

import type { UnixMs } from '../../../protocol/units.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import { fromUtf8, utf8 } from '../../../std/bytes.ts'
import type { DigestKind } from '../kernel/kernel.ts'
import type { ObjectHeaders, PartInfo, UploadInfo } from '../object-store.ts'
import { type Checksums, type PartRecord, partSchema } from './records.ts'
import type { SegmentTable } from './segments.ts'

export interface Upload extends UploadInfo {
  readonly bucket: string
  readonly headers: ObjectHeaders
  readonly checksum: DigestKind | null
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
}

export interface UploadedPart extends PartInfo {
  readonly record: PartRecord
}

export interface Uploads {
  create(upload: Upload): void
  get(bucket: string, key: string, id: string): Upload | null
  /** Replaces a part of the same number; false when the upload has ended meanwhile. */
  putPart(id: string, part: UploadedPart): boolean
  parts(id: string, after: number, limit: number): readonly UploadedPart[]
  abort(id: string): void
  /** In order of key, then id; strictly after `after`, whose id '' skips every upload of its key. */
  list(bucket: string, prefix: string, after: { key: string; uploadId: string } | null, limit: number): readonly UploadInfo[]
  /** Uploads started before `time`, for cleaning up what clients forgot. */
  startedBefore(time: UnixMs, limit: number): readonly string[]
}

const uploadOf = (row: SqlRow): Upload => ({
  uploadId: String(row['id']),
  bucket: String(row['bucket']),
  key: fromUtf8(row['key'] as Uint8Array),
  started: Number(row['started']) as UnixMs,
  headers: JSON.parse(String(row['headers'])) as ObjectHeaders,
  checksum: row['checksum'] as DigestKind | null,
  checksumType: row['checksum_type'] as Upload['checksumType'],
})

const partOf = (row: SqlRow): UploadedPart => ({
  number: Number(row['number']),
  size: Number(row['size']),
  etag: String(row['etag']),
  modified: Number(row['modified']) as UnixMs,
  checksums: JSON.parse(String(row['checksums'])) as Checksums,
  record: partSchema.decode(row['record'] as Uint8Array),
})

export function openUploads(database: Database, segments: SegmentTable): Uploads {
  const sql = {
    create: database.prepare('INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)'),
    get: database.prepare('SELECT * FROM uploads WHERE id = ?'),
    part: database.prepare('SELECT * FROM upload_parts WHERE upload = ? AND number = ?'),
    putPart: database.prepare('INSERT OR REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?, ?, ?)'),
    parts: database.prepare('SELECT * FROM upload_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?'),
    dropParts: database.prepare('DELETE FROM upload_parts WHERE upload = ?'),
    drop: database.prepare('DELETE FROM uploads WHERE id = ?'),
    list: database.prepare(
      'SELECT * FROM uploads WHERE bucket = ? AND substr(key, 1, ?) = ? AND (key > ? OR (key = ? AND id > ?)) ORDER BY key, id LIMIT ?',
    ),
    old: database.prepare('SELECT id FROM uploads WHERE started < ? LIMIT ?'),
  }
  const release = (row: SqlRow): void => {
    for (const segment of partOf(row).record.segments) segments.release(segment.id)
  }
  return {
    create(upload) {
      const { uploadId, bucket, key, started, headers, checksum, checksumType } = upload
      sql.create.run(uploadId, bucket, utf8(key), started, JSON.stringify(headers), checksum, checksumType)
    },
    get(bucket, key, id) {
      const row = sql.get.get(id)
      if (row === null) return null
      const upload = uploadOf(row)
      return upload.bucket === bucket && upload.key === key ? upload : null
    },
    putPart: (id, part) =>
      database.transaction(() => {
        if (sql.get.get(id) === null) return false
        const old = sql.part.get(id, part.number)
        for (const segment of part.record.segments) if (!segments.keepStaged(segment.id)) segments.add(segment)
        const record = { ...part.record, segments: part.record.segments.map((segment) => ({ ...segment, pieces: [] })) }
        const { number, size, etag, modified, checksums } = part
        sql.putPart.run(id, number, size, etag, modified, JSON.stringify(checksums), partSchema.encode(record))
        if (old !== null) release(old)
        return true
      }),
    parts: (id, after, limit) => sql.parts.all(id, after, limit).map(partOf),
    abort: (id) =>
      database.transaction(() => {
        for (const row of sql.parts.all(id, 0, 10_000)) release(row)
        sql.dropParts.run(id)
        sql.drop.run(id)
      }),
    list(bucket, prefix, after, limit) {
      const start = utf8(prefix)
      const key = utf8(after?.key ?? '')
      // Ids are hexadecimal, so '~' sorts after all of them.
      const id = after === null ? '' : after.uploadId === '' ? '~' : after.uploadId
      return sql.list.all(bucket, start.length, start, key, key, id, limit).map(uploadOf)
    },
    startedBefore: (time, limit) => sql.old.all(time, limit).map((row) => String(row['id'])),
  }
}
