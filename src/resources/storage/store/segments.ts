/** Which pieces make a segment, where they are, and what each provider's manifest must say. Called inside transactions. */

import { type DeviceId, type Digest, deviceId, digest } from '../../../protocol/ids.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import type { ManifestEntry } from '../messages.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'

export interface SegmentTable {
  /** Registers a segment with one reference. Its pieces enter the next data sets. */
  add(segment: SegmentRecord): void
  addReference(id: Digest): void
  /** Registers a segment of an object that is still being written, so that data sets name its pieces meanwhile. */
  stage(segment: SegmentRecord): void
  /** The object is committed: a staged segment keeps its reference. False when it was not staged. */
  keepStaged(id: Digest): boolean
  /** The object will not be: drops those of `ids` (all, when null) that are still staged. */
  dropStaged(ids: readonly Digest[] | null): void
  /** Drops a reference; with the last one the pieces leave the manifests. */
  release(id: Digest): void
  get(id: Digest): SegmentRecord | null
  /** Replaces the pieces of some shards (repair, exit). */
  move(id: Digest, pieces: readonly PlacedPiece[]): void
  /** Segments in id order after `after`, for repair scans. */
  scan(after: string, limit: number): readonly SegmentRecord[]
  count(): number
  /** `device` does not have this piece that it should: it leaves the set, and its shard counts as missing. */
  forget(device: DeviceId, piece: Digest): void
  /** A piece that a provider keeps for this account and nothing here names: kept for 30 days, and not signed away before. */
  addOrphan(device: DeviceId, entry: ManifestEntry): void
  /** Notes orphans that are new at `now`, and drops those that were noted before `before` (both Unix ms): how many. */
  sweepOrphans(now: number, before: number): number
  /** Pieces of a log batch, replicated whole. */
  addBatchPiece(batch: number, device: DeviceId, piece: Digest, size: number, root: Digest): void
  /** The log up to `upTo` is covered by a snapshot: its pieces leave the manifests, and those of all snapshots but `keep`. */
  dropBatches(upTo: number, keep: number): void
  /** Copies of the log on a device that leaves: others keep them as well. */
  dropCopies(device: DeviceId): void
  /** Pieces on a device that its last co-signed data set does not name yet, and named ones that left. */
  unsigned(device: DeviceId): { adds: readonly ManifestEntry[]; removes: readonly Digest[] }
  markSigned(device: DeviceId, adds: readonly Digest[], removes: readonly Digest[]): void
  manifest(device: DeviceId): readonly ManifestEntry[]
  /** Devices that hold anything of this gateway's. */
  devices(): readonly DeviceId[]
}

const placedOf = (row: SqlRow): PlacedPiece => ({
  shard: Number(row['shard']),
  device: deviceId(String(row['device'])),
  pieceId: digest(String(row['id'])),
  root: digest(String(row['root'])),
})

const entryOf = (row: SqlRow): ManifestEntry => ({
  pieceId: digest(String(row['id'])),
  size: Number(row['size']),
  root: digest(String(row['root'])),
})

export function openSegmentTable(database: Database): SegmentTable {
  const sql = {
    addSegment: database.prepare('INSERT INTO segments VALUES (?, ?, ?, ?, ?, 1)'),
    addPiece: database.prepare('INSERT INTO pieces (id, segment, batch, shard, device, size, root) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    stage: database.prepare('INSERT INTO staged VALUES (?)'),
    unstage: database.prepare('DELETE FROM staged WHERE segment = ?'),
    staged: database.prepare('SELECT segment FROM staged'),
    reference: database.prepare('UPDATE segments SET refs = refs + ? WHERE id = ? RETURNING refs'),
    segment: database.prepare('SELECT * FROM segments WHERE id = ?'),
    pieces: database.prepare('SELECT id, shard, device, root FROM pieces WHERE segment = ? ORDER BY shard'),
    dropSegment: database.prepare('DELETE FROM segments WHERE id = ?'),
    shard: database.prepare('SELECT id, device, signed FROM pieces WHERE segment = ? AND shard = ?'),
    dropPiece: database.prepare('DELETE FROM pieces WHERE id = ?'),
    removal: database.prepare('INSERT OR IGNORE INTO removals VALUES (?, ?)'),
    scan: database.prepare('SELECT id FROM segments WHERE id > ? ORDER BY id LIMIT ?'),
    count: database.prepare('SELECT count(*) AS n FROM segments'),
    copies: database.prepare('SELECT id, device, signed FROM pieces WHERE device = ? AND segment IS NULL'),
    batches: database.prepare('SELECT id, device, signed FROM pieces WHERE batch <= ? AND batch <> ?'),
    adds: database.prepare('SELECT id, size, root FROM pieces WHERE device = ? AND signed = 0 ORDER BY id'),
    // A piece that found an owner meanwhile, or is gone, is no orphan any more.
    forgetOwned: database.prepare('DELETE FROM orphans WHERE piece NOT IN (SELECT id FROM pieces WHERE segment IS NULL AND batch IS NULL)'),
    noteOrphans: database.prepare('INSERT OR IGNORE INTO orphans SELECT id, ? FROM pieces WHERE segment IS NULL AND batch IS NULL'),
    oldOrphans: database.prepare('SELECT id, device, signed FROM pieces JOIN orphans ON piece = id WHERE since < ?'),
    dropOrphan: database.prepare('DELETE FROM orphans WHERE piece = ?'),
    removes: database.prepare('SELECT piece FROM removals WHERE device = ? ORDER BY piece'),
    sign: database.prepare('UPDATE pieces SET signed = 1 WHERE id = ? AND device = ?'),
    removed: database.prepare('DELETE FROM removals WHERE device = ? AND piece = ?'),
    manifest: database.prepare('SELECT id, size, root FROM pieces WHERE device = ? ORDER BY id'),
    devices: database.prepare(
      'SELECT DISTINCT device FROM pieces UNION SELECT DISTINCT device FROM removals UNION SELECT device FROM heads',
    ),
  }

  const drop = (row: SqlRow): void => {
    sql.dropPiece.run(row['id'] ?? null)
    if (Number(row['signed']) === 1) sql.removal.run(row['device'] ?? null, row['id'] ?? null)
  }

  const get = (id: Digest): SegmentRecord | null => {
    const row = sql.segment.get(id)
    if (row === null) return null
    return {
      id,
      plainBytes: Number(row['plain_bytes']),
      pieceBytes: Number(row['piece_bytes']),
      k: Number(row['k']),
      n: Number(row['n']),
      pieces: sql.pieces.all(id).map(placedOf),
    }
  }

  const release = (id: Digest): void => {
    const refs = Number(sql.reference.get(-1, id)?.['refs'] ?? -1)
    assert(refs >= 0, `segment ${id} has a reference to drop`)
    if (refs > 0) return
    for (const piece of database.prepare('SELECT id, device, signed FROM pieces WHERE segment = ?').all(id)) drop(piece)
    sql.dropSegment.run(id)
  }

  const place = (id: Digest, pieceBytes: number, piece: PlacedPiece): void => {
    sql.addPiece.run(piece.pieceId, id, null, piece.shard, piece.device, pieceBytes, piece.root)
  }

  const add = (segment: SegmentRecord): void => {
    sql.addSegment.run(segment.id, segment.plainBytes, segment.pieceBytes, segment.k, segment.n)
    for (const piece of segment.pieces) place(segment.id, segment.pieceBytes, piece)
  }

  return {
    add,
    stage(segment) {
      add(segment)
      sql.stage.run(segment.id)
    },
    keepStaged: (id) => sql.unstage.run(id).changes > 0,
    dropStaged(ids) {
      const staged = ids ?? sql.staged.all().map((row) => digest(String(row['segment'])))
      for (const id of staged) if (sql.unstage.run(id).changes > 0) release(id)
    },
    addReference(id) {
      assert(sql.reference.get(1, id) !== null, `segment ${id} is known when it is shared`)
    },
    release,
    get,
    move(id, pieces) {
      const row = sql.segment.get(id)
      if (row === null) return
      for (const piece of pieces) {
        const old = sql.shard.get(id, piece.shard)
        if (old !== null) drop(old)
        place(id, Number(row['piece_bytes']), piece)
      }
    },
    scan: (after, limit) =>
      sql.scan.all(after, limit).flatMap((row) => {
        const found = get(digest(String(row['id'])))
        return found === null ? [] : [found]
      }),
    count: () => Number(sql.count.get()?.['n'] ?? 0),
    forget(device, piece) {
      const row = database.prepare('SELECT id, device, signed FROM pieces WHERE id = ? AND device = ?').get(piece, device)
      if (row !== null) drop(row)
    },
    addOrphan(device, entry) {
      const known = database.prepare('SELECT id FROM pieces WHERE id = ?').get(entry.pieceId)
      if (known === null) sql.addPiece.run(entry.pieceId, null, null, 0, device, entry.size, entry.root)
      sql.sign.run(entry.pieceId, device)
    },
    sweepOrphans(now, before) {
      sql.forgetOwned.run()
      sql.noteOrphans.run(now)
      const old = sql.oldOrphans.all(before)
      for (const row of old) {
        drop(row)
        sql.dropOrphan.run(row['id'] ?? null)
      }
      return old.length
    },
    addBatchPiece(batch, device, piece, size, root) {
      sql.addPiece.run(piece, null, batch, 0, device, size, root)
    },
    dropCopies(device) {
      for (const row of sql.copies.all(device)) drop(row)
    },
    dropBatches(upTo, keep) {
      for (const row of sql.batches.all(upTo, keep)) drop(row)
    },
    unsigned: (device) => ({
      adds: sql.adds.all(device).map(entryOf),
      removes: sql.removes.all(device).map((row) => digest(String(row['piece']))),
    }),
    markSigned(device, adds, removes) {
      // What was dropped while the provider signed is in its set now, and must leave it again.
      for (const id of adds) if (sql.sign.run(id, device).changes === 0) sql.removal.run(device, id)
      for (const id of removes) sql.removed.run(device, id)
    },
    manifest: (device) => sql.manifest.all(device).map(entryOf),
    devices: () => sql.devices.all().map((row) => deviceId(String(row['device']))),
  }
}
