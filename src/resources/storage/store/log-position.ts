/** How far the metadata log has come, in the gateway's database: its batches, and who keeps the next one. */
import { type DeviceId, type Digest, deviceId, digest } from '../../../protocol/ids.ts'
import type { Database } from '../../../runtime/index.ts'

/** A place in the log: a batch, its last entry and its hash, and who keeps the batch after it; nobody: anybody may. */
export interface LogPosition {
  readonly number: number
  readonly last: number
  readonly hash: Digest
  readonly keepers: readonly DeviceId[]
}

export interface LogPositions {
  /** Null before the first batch. */
  newest(): LogPosition | null
  /** Adds a batch inside a transaction; `keepers`: null when it names nobody, and those before it stay. */
  add(batch: Pick<LogPosition, 'number' | 'last' | 'hash'> & { readonly first: number }, keepers: readonly DeviceId[] | null): void
}

/** Written with spaces between ids, which have none. */
const KEEPERS = 'log keepers'

export function openLogPositions(database: Database): LogPositions {
  const sql = {
    newest: database.prepare('SELECT number, last, hash FROM log_batches ORDER BY number DESC LIMIT 1'),
    add: database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)'),
    keepers: database.prepare(`SELECT value FROM facts WHERE name = '${KEEPERS}'`),
    name: database.prepare(`INSERT OR REPLACE INTO facts VALUES ('${KEEPERS}', ?)`),
  }
  return {
    newest() {
      const row = sql.newest.get()
      if (row === null) return null
      const named = String(sql.keepers.get()?.['value'] ?? '')
      const keepers = named === '' ? [] : named.split(' ').map(deviceId)
      return { number: Number(row['number']), last: Number(row['last']), hash: digest(String(row['hash'])), keepers }
    },
    add({ number, first, last, hash }, keepers) {
      sql.add.run(number, first, last, hash)
      if (keepers !== null) sql.name.run(keepers.join(' '))
    },
  }
}
