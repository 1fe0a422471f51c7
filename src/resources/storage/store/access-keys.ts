/** S3 access keys: scoped, expiring credentials under an account. Secrets stay in this gateway's database. */
import type { Account } from '../../../protocol/ids.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import type { Clock, Database, Random, SqlRow } from '../../../runtime/index.ts'
import type { AccessKey, AccessKeys } from '../object-store.ts'
import { openTables } from './tables.ts'

export interface KeyTable extends AccessKeys {
  add(key: AccessKey): void
  list(): readonly AccessKey[]
  /** False when there was none. */
  revoke(accessKey: string): boolean
}

const ALL: AccessKey['permissions'] = ['read', 'write', 'delete', 'list']
/** S3's own ids are 20 upper-case letters and digits, secrets 40 characters; clients check no more than that. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const ID_LENGTH = 20
const SECRET_BYTES = 30

/** New credentials: an id as clients expect it and a secret of 240 random bits. */
export function drawKey(random: Random): { accessKey: string; secretKey: string } {
  const letters = Array.from({ length: ID_LENGTH - 2 }, () => ALPHABET[random.below(ALPHABET.length)])
  const secret = btoa(String.fromCharCode(...random.bytes(SECRET_BYTES)))
  return { accessKey: `CK${letters.join('')}`, secretKey: secret.replaceAll('+', 'x').replaceAll('/', 'y') }
}

const keyOf = (row: SqlRow): AccessKey => ({
  accessKey: String(row['id']),
  secretKey: String(row['secret']),
  account: String(row['account']) as Account,
  buckets: row['buckets'] === null ? null : (JSON.parse(String(row['buckets'])) as string[]),
  prefix: String(row['prefix']),
  permissions: ALL.filter((permission) => String(row['permissions']).split(',').includes(permission)),
  expires: row['expires'] === null ? null : (Number(row['expires']) as UnixMs),
})

/**
 * Asking SQLite whether another process wrote takes a lock of the file, a twentieth of a small request. So it is asked once
 * in this time, in ms: less than a program that revoked a key needs to end, and so before anybody can know that it did.
 */
const LOOK_MS = 5

/**
 * Keys are few and asked for with every request, so they are held in memory and read again when another process changed them.
 * Without a clock that is looked at each time.
 */
export function openKeyTable(database: Database, clock: Pick<Clock, 'monotonic'> | null): KeyTable {
  const sql = {
    add: database.prepare('INSERT OR REPLACE INTO access_keys VALUES (?, ?, ?, ?, ?, ?, ?)'),
    all: database.prepare('SELECT * FROM access_keys ORDER BY id'),
    drop: database.prepare('DELETE FROM access_keys WHERE id = ?'),
    version: database.prepare('PRAGMA data_version'),
  }
  let keys = new Map<string, AccessKey>()
  let version = -1
  let looked = Number.NEGATIVE_INFINITY
  const refresh = (): void => {
    const now = Number(sql.version.get()?.['data_version'] ?? 0)
    if (now === version) return
    version = now
    keys = new Map(sql.all.all().map((row) => [String(row['id']), keyOf(row)]))
  }
  const reload = (): void => {
    version = -1
    refresh()
  }
  return {
    find(accessKey) {
      const known = keys.get(accessKey)
      const now = clock?.monotonic() ?? Number.POSITIVE_INFINITY
      if (known !== undefined && now - looked < LOOK_MS) return known
      refresh()
      looked = now
      return keys.get(accessKey) ?? null
    },
    add(key) {
      const buckets = key.buckets === null ? null : JSON.stringify(key.buckets)
      sql.add.run(key.accessKey, key.secretKey, key.account, buckets, key.prefix, key.permissions.join(','), key.expires)
      reload()
    },
    list() {
      refresh()
      return [...keys.values()]
    },
    revoke(accessKey) {
      const changed = sql.drop.run(accessKey).changes > 0
      reload()
      return changed
    },
  }
}

/** The keys of a gateway's database, for a program beside the gateway. */
export function openKeys(database: Database): KeyTable {
  openTables(database)
  return openKeyTable(database, null)
}
