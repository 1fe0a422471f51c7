/** `cairn key`: scoped, expiring S3 credentials. They live in the gateway's database, which a running gateway reads again. */
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { account as accountOf } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import { drawKey, type KeyTable, openKeys } from '../../resources/storage/gateway.ts'
import { createClock, createRandom, openDatabase } from '../../runtime/real/index.ts'
import { gatewayConfig, readConfig } from '../config.ts'
import { type Exit, parseDuration, print, printJson, table } from './output.ts'
import { findPlace, gatewayOf } from './place.ts'

const ALL = ['read', 'write', 'delete', 'list'] as const
type Permission = (typeof ALL)[number]

export interface KeyOptions {
  readonly data?: string
  readonly json: boolean
}

export interface CreateKeyOptions extends KeyOptions {
  readonly bucket: readonly string[]
  readonly prefix: string
  readonly allow: string
  readonly expires?: string
}

/** Opens the table of the gateway that the folder has, and closes it again. */
async function withKeys<T>(data: string | undefined, work: (keys: KeyTable, account: string) => T): Promise<T> {
  const folder = gatewayOf(await findPlace(data))
  const config = await readConfig(folder, gatewayConfig)
  const database = openDatabase(join(folder, 'state.db'))
  try {
    return work(openKeys(database), config.account)
  } finally {
    database.close()
  }
}

export function permissionsOf(text: string): readonly Permission[] {
  const asked = text.split(',').map((word) => word.trim())
  const unknown = asked.find((word) => !ALL.some((permission) => permission === word))
  if (unknown !== undefined) {
    throw new CairnError('CONFIG', {
      what: '--allow',
      why: `there is no permission ${JSON.stringify(unknown)}`,
      fix: `choose from ${ALL.join(', ')}`,
    })
  }
  return ALL.filter((permission) => asked.includes(permission))
}

export function expiryOf(text: string | undefined, now: UnixMs): UnixMs | null {
  if (text === undefined) return null
  const seconds = parseDuration(text)
  if (seconds === null)
    throw new CairnError('CONFIG', { what: '--expires', why: `${JSON.stringify(text)} is no duration`, fix: 'write 30m, 12h, 7d or 4w' })
  return (now + seconds * 1000) as UnixMs
}

export async function createKey(options: CreateKeyOptions): Promise<Exit> {
  const permissions = permissionsOf(options.allow)
  const expires = expiryOf(options.expires, createClock().now())
  const buckets = options.bucket.length === 0 ? null : [...options.bucket]
  const key = await withKeys(options.data, (keys, account) => {
    const drawn = { ...drawKey(createRandom()), account: accountOf(account), buckets, prefix: options.prefix, permissions, expires }
    keys.add(drawn)
    return drawn
  })
  if (options.json) printJson(key)
  else {
    print(`access key  ${key.accessKey}`)
    print(`secret key  ${key.secretKey}   (shown this once)`)
    print(
      `may         ${permissions.join(', ')} in ${buckets === null ? 'every bucket' : buckets.join(', ')}${key.prefix === '' ? '' : ` under ${key.prefix}`}`,
    )
    print(`expires     ${expires === null ? 'never' : new Date(expires).toISOString()}`)
  }
  return 0
}

export async function listKeys(options: KeyOptions): Promise<Exit> {
  const keys = await withKeys(options.data, (table_) => table_.list())
  const shown = keys.map(({ secretKey: _, ...rest }) => rest)
  if (options.json) printJson(shown)
  else {
    const rows = shown.map((key) => [
      key.accessKey,
      key.buckets === null ? 'all' : key.buckets.join(' '),
      key.prefix === '' ? '-' : key.prefix,
      key.permissions.join(','),
      key.expires === null ? 'never' : new Date(key.expires).toISOString(),
    ])
    print(table(['access key', 'buckets', 'prefix', 'may', 'expires'], rows))
  }
  return 0
}

export async function revokeKey(accessKey: string, options: KeyOptions): Promise<Exit> {
  const revoked = await withKeys(options.data, (keys) => keys.revoke(accessKey))
  if (!revoked) throw new CairnError('NOT_FOUND', { what: 'access key', id: accessKey })
  if (options.json) printJson({ accessKey, revoked })
  else print(`${accessKey} no longer works`)
  return 0
}
