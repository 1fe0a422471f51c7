/** The last data set that each provider co-signed with this gateway. */
import type { DeviceId } from '../../../protocol/ids.ts'
import type { StoreParts } from './parts.ts'

export function lastHead(parts: Pick<StoreParts, 'database'>, device: DeviceId): { version: bigint; expiresAt: number } | null {
  const row = parts.database.prepare('SELECT version, expires FROM heads WHERE device = ?').get(device)
  return row === null ? null : { version: BigInt(String(row['version'])), expiresAt: Number(row['expires']) }
}

export function saveHead(
  parts: Pick<StoreParts, 'database'>,
  device: DeviceId,
  head: { version: bigint; expiresAt: number },
  mine: Uint8Array,
  theirs: Uint8Array,
): void {
  const sql = parts.database.prepare('INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)')
  sql.run(device, head.version.toString(), head.expiresAt, mine, theirs)
}
