/**
 * The last head of each provider as both signed it, whole: what a demand on chain takes. Kept beside `heads`, which the
 * gateway itself works with; read by commands while the gateway runs.
 */
import { type DeviceId, type Digest, deviceId } from '../../../protocol/ids.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import { utf8 } from '../../../std/bytes.ts'
import { claimSchema, type StorageClaim } from '../messages.ts'
import { segmentsOf } from './metadata.ts'
import { objectSchema } from './records.ts'
import { SIGNED_HEADS } from './tables.ts'

export function keepSignedHead(database: Database, device: DeviceId, claim: StorageClaim): void {
  database.prepare('INSERT OR REPLACE INTO signed_heads VALUES (?, ?)').run(device, claimSchema.encode(claim))
}

/** The last head that this provider and this gateway both signed. */
export function signedHeadOf(database: Database, device: DeviceId): StorageClaim | null {
  const row = database.prepare('SELECT claim FROM signed_heads WHERE device = ?').get(device)
  return row === null ? null : claimSchema.decode(blobOf(row, 'claim'))
}

export interface SignedHeads {
  /** By device. */
  readonly heads: ReadonlyMap<DeviceId, StorageClaim>
  /** Devices that hold pieces of an object; null when there is no such object. */
  devicesOf(bucket: string, key: string): readonly DeviceId[] | null
}

/** Reads a gateway's database. Rows are small: one for each provider. */
export function openSignedHeads(database: Database): SignedHeads {
  database.exec(SIGNED_HEADS)
  const rows = database.prepare('SELECT device, claim FROM signed_heads ORDER BY device').all()
  const object = database.prepare('SELECT record FROM objects WHERE bucket = ? AND key = ?')
  const devices = database.prepare('SELECT DISTINCT device FROM pieces WHERE segment = ? ORDER BY device')
  return {
    heads: new Map(rows.map((row) => [deviceId(String(row['device'])), claimSchema.decode(blobOf(row, 'claim'))])),
    devicesOf(bucket, key) {
      const row = object.get(bucket, utf8(key))
      if (row === null) return null
      const segments = segmentsOf(objectSchema.decode(blobOf(row, 'record')).parts).map((segment): Digest => segment.id)
      const found = segments.flatMap((id) => devices.all(id).map((held) => deviceId(String(held['device']))))
      return [...new Set(found)]
    },
  }
}

function blobOf(row: SqlRow, column: string): Uint8Array {
  const value = row[column]
  if (value instanceof Uint8Array) return value
  throw new TypeError(`${column} holds bytes`)
}
