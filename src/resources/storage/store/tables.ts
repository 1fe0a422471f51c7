import { CairnError } from '../../../protocol/errors.ts'
import type { Database } from '../../../runtime/index.ts'

/**
 * Format 1 of a gateway's metadata. Keys are BLOBs of UTF-8, so that SQLite's order is S3's order. A segment counts its
 * references, because a copy shares segments; a piece belongs to one segment or to one batch of the log.
 */
const FORMAT_1 = `
CREATE TABLE buckets (name TEXT PRIMARY KEY, account TEXT NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
  bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
  record BLOB NOT NULL, PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
  id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, started INTEGER NOT NULL, headers TEXT NOT NULL,
  checksum TEXT, checksum_type TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_key ON uploads (bucket, key, id);
CREATE TABLE upload_parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
  checksums TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
  id TEXT PRIMARY KEY, plain_bytes INTEGER NOT NULL, piece_bytes INTEGER NOT NULL, k INTEGER NOT NULL, n INTEGER NOT NULL,
  refs INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pieces (
  id TEXT PRIMARY KEY, segment TEXT, batch INTEGER, shard INTEGER NOT NULL, device TEXT NOT NULL, size INTEGER NOT NULL,
  root TEXT NOT NULL, signed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX pieces_by_segment ON pieces (segment, shard);
CREATE INDEX pieces_by_batch ON pieces (batch);
CREATE INDEX pieces_by_device ON pieces (device, signed);
CREATE TABLE staged (segment TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE removals (device TEXT NOT NULL, piece TEXT NOT NULL, PRIMARY KEY (device, piece)) STRICT, WITHOUT ROWID;
CREATE TABLE log (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE log_batches (
  number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE heads (
  device TEXT PRIMARY KEY, version TEXT NOT NULL, expires INTEGER NOT NULL, mine BLOB NOT NULL, theirs BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE access_keys (
  id TEXT PRIMARY KEY, secret TEXT NOT NULL, account TEXT NOT NULL, buckets TEXT, prefix TEXT NOT NULL,
  permissions TEXT NOT NULL, expires INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO facts VALUES ('format', '1');
`

/** Added to format 1 without a new one: versions before them do not look at them. */
export const SIGNED_HEADS = 'CREATE TABLE IF NOT EXISTS signed_heads (device TEXT PRIMARY KEY, claim BLOB NOT NULL) STRICT, WITHOUT ROWID'
const ORPHANS = 'CREATE TABLE IF NOT EXISTS orphans (piece TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID'

/** Creates the tables of an empty database; refuses one written by another version. */
export function openTables(database: Database): void {
  openFormat(database)
  database.exec(ORPHANS)
  database.exec(SIGNED_HEADS)
}

function openFormat(database: Database): void {
  const known = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'facts'").get()
  if (Number(known?.['n'] ?? 0) === 0) {
    database.transaction(() => database.exec(FORMAT_1))
    return
  }
  const format = database.prepare("SELECT value FROM facts WHERE name = 'format'").get()?.['value']
  if (format !== '1') {
    throw new CairnError('DATA_FOLDER', {
      path: 'gateway database',
      why: `it has format ${String(format)}, this version reads format 1`,
      fix: 'start the version that wrote it, or recover into a new folder with `cairn storage recover`',
    })
  }
}
