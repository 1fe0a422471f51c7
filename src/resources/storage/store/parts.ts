/** What the parts of the object store share, and the few questions all of them ask. */
import type { UnixMs } from '../../../protocol/units.ts'
import type { Database } from '../../../runtime/index.ts'
import type { ObjectInfo, Tenant } from '../object-store.ts'
import type { Committer } from './committer.ts'
import type { StoreContext } from './context.ts'
import type { Orders } from './exchange.ts'
import type { GetParts } from './get.ts'
import type { Keyring } from './keys.ts'
import type { LogShipper } from './log.ts'
import type { Bucket, Metadata } from './metadata.ts'
import type { Providers } from './providers.ts'
import type { Staging, StoredBody } from './put.ts'
import type { ObjectRecord } from './records.ts'
import type { Uploads } from './uploads.ts'

export interface StoreParts {
  readonly at: StoreContext
  readonly providers: Providers
  readonly orders: Orders
  readonly keyring: Keyring
  readonly database: Database
  readonly metadata: Metadata
  readonly uploads: Uploads
  readonly committer: Committer
  readonly log: LogShipper
  readonly reading: GetParts
  readonly sync: boolean
}

/** A tenant sees only its own account's buckets. */
export function bucketOf(parts: StoreParts, tenant: Tenant, name: string): Bucket | null {
  const bucket = parts.metadata.bucket(name)
  return bucket !== null && bucket.account === tenant.account ? bucket : null
}

export const infoOf = (bucket: string, key: string, record: ObjectRecord): ObjectInfo => ({
  bucket,
  key,
  size: record.size,
  etag: record.etag,
  modified: record.modified as UnixMs,
  headers: record.headers,
  checksums: record.checksums,
  checksumType: record.checksumType,
  parts: Math.max(1, record.partSizes.length),
})

export function recordOf(parts: StoreParts, request: { headers: Readonly<Record<string, string>> }, body: StoredBody): ObjectRecord {
  const kept = body.part === null ? [] : [body.part]
  const checksumType = Object.keys(body.checksums).length > 0 ? 'FULL_OBJECT' : null
  const { size, md5: etag, inline } = body
  const modified = parts.at.clock.now()
  return {
    size,
    etag,
    modified,
    headers: { ...request.headers },
    checksums: { ...body.checksums },
    checksumType,
    partSizes: [],
    inline,
    parts: kept,
  }
}

/** Staging over the segment table, each step durable on its own. */
export const stagingOf = (parts: StoreParts): Staging => ({
  stage: (segment) => parts.database.transaction(() => parts.metadata.segments.stage(segment)),
  drop: (segments) => parts.database.transaction(() => parts.metadata.segments.dropStaged(segments.map((segment) => segment.id))),
})
