/** The gateway's object store: what doors call, put together from the pipeline and the metadata. */

import type { Database } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { fromUtf8, utf8 } from '../../../std/bytes.ts'
import type { Conditions, ObjectStore, PutRequest } from '../object-store.ts'
import { createCommitter } from './committer.ts'
import type { StoreContext } from './context.ts'
import { createOrders, manageOrder, receiveReply, sendRequest } from './exchange.ts'
import { type GetParts, openObject, resolveRange } from './get.ts'
import { createKeyring, unwrapKey, wrapKey } from './keys.ts'
import { createLogShipper } from './log.ts'
import { list, openMetadata } from './metadata.ts'
import { createMultipart } from './multipart.ts'
import { bucketOf, infoOf, recordOf, type StoreParts, stagingOf } from './parts.ts'
import { createProviders } from './providers.ts'
import { storeBody } from './put.ts'
import type { ObjectRecord, PlacedPiece, SegmentRecord } from './records.ts'
import { openUploads } from './uploads.ts'

export interface StoreOptions {
  /** Wait for the log with every object, not only small ones: a gateway whose disk is lost then loses nothing. */
  readonly sync: boolean
  onCorrupt(segment: SegmentRecord, piece: PlacedPiece): void
}

/** Everything that the store's other tenants (repair, settlement, recovery, CLI) work with. */
export interface Store extends StoreParts {
  readonly objects: ObjectStore
  run(signal: AbortSignal): Promise<void>
}

export function openStore(at: StoreContext, database: Database, options: StoreOptions): Store {
  const metadata = openMetadata(database)
  const keyring = createKeyring(at.crypto, at.storageRoot)
  const orders = createOrders(at)
  const providers = createProviders(at, async (device, signal) => {
    const io = await providers.open(device, signal)
    try {
      await sendRequest(io, { op: 'stat', order: manageOrder(orders, device), pieces: [] })
      await receiveReply(at.clock, io, 'stat')
      await io.end()
    } catch (error) {
      io.abort(error)
      throw error
    }
  })
  const writing = { at, providers, orders }
  const log = createLogShipper(writing, keyring, database, metadata)
  const reading: GetParts = {
    ...writing,
    keyring,
    opened: new WeakMap(),
    onCorrupt: options.onCorrupt,
    segment: (id) => metadata.segments.get(id),
  }
  const uploads = openUploads(database, metadata.segments)
  const committer = createCommitter(at.clock, metadata, log)
  const parts: StoreParts = { ...writing, keyring, database, metadata, uploads, committer, log, reading, sync: options.sync }
  return {
    ...parts,
    objects: createObjects(parts),
    run(signal) {
      // Nobody writes yet: what is staged belongs to writes that a crash ended. Not where the tables are opened, which
      // others do beside a running gateway.
      database.transaction(() => metadata.segments.dropStaged(null))
      return log.run(signal)
    },
  }
}

function createObjects(parts: StoreParts): ObjectStore {
  const { metadata, at } = parts
  return {
    async digest(kinds, bytes) {
      const digester = at.kernel.digester(kinds)
      await digester.updateBytes(bytes)
      return digester.finish()
    },
    async createBucket(tenant, name) {
      const existing = metadata.bucket(name)
      if (existing !== null) return { is: 'exists', mine: existing.account === tenant.account }
      const made = metadata.createBucket({ name, account: tenant.account, created: at.clock.now() })
      return made ? { is: 'created' } : { is: 'exists', mine: true }
    },
    async deleteBucket(tenant, name) {
      return bucketOf(parts, tenant, name) === null ? { is: 'no-bucket' } : { is: metadata.dropBucket(name) }
    },
    listBuckets: async (tenant) => metadata.buckets(tenant.account).map(({ name, created }) => ({ name, created })),
    headBucket: async (tenant, name) => bucketOf(parts, tenant, name) !== null,
    put: (request) => put(parts, request),
    async head(tenant, bucket, key) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      const record = metadata.object(bucket, key)
      return record === null ? { is: 'no-key' } : { is: 'found', info: infoOf(bucket, key, record) }
    },
    async get({ tenant, bucket, key, range, admit, signal }) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      const record = metadata.object(bucket, key)
      if (record === null) return { is: 'no-key' }
      const info = infoOf(bucket, key, record)
      if (!admit(info)) return { is: 'not-admitted', info }
      const resolved = resolveRange(range, record.size)
      if (resolved === null) return { is: 'bad-range', size: record.size }
      return openObject(parts.reading, info, record, resolved, signal)
    },
    async delete(tenant, bucket, keys) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      metadata.remove(bucket, keys)
      return { is: 'deleted' }
    },
    async copy({ tenant, from, to, headers, admit }) {
      if (bucketOf(parts, tenant, from.bucket) === null || bucketOf(parts, tenant, to.bucket) === null) return { is: 'no-bucket' }
      const source = metadata.object(from.bucket, from.key)
      if (source === null) return { is: 'no-key' }
      if (!admit(infoOf(from.bucket, from.key, source))) return { is: 'precondition-failed' }
      const moved = rewrapped(parts, source, from.bucket, to.bucket)
      const record = { ...moved, modified: at.clock.now(), headers: headers === null ? source.headers : { ...headers } }
      const outcome = await parts.committer.commit(
        { bucket: to.bucket, key: to.key, record, conditions: {}, shared: true },
        parts.sync || record.inline !== null,
      )
      if (outcome === 'stored') return { is: 'stored', info: infoOf(to.bucket, to.key, record) }
      // The source was deleted or replaced while this copy waited for its turn.
      return outcome === 'gone' ? { is: 'no-key' } : { is: 'no-bucket' }
    },
    async list({ tenant, bucket, prefix, delimiter, after, limit }) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      if (limit === 0) return { is: 'page', objects: [], prefixes: [], truncated: false, last: after }
      const page = list(metadata, bucket, utf8(prefix), utf8(delimiter), utf8(after), limit)
      const objects = page.rows.map((row) => infoOf(bucket, fromUtf8(row.key), row.record))
      return { is: 'page', objects, prefixes: page.prefixes.map(fromUtf8), truncated: page.truncated, last: fromUtf8(page.last) }
    },
    ...createMultipart(parts),
  }
}

/** The same segments under another bucket's key: bytes stay where they are. */
function rewrapped(parts: StoreParts, record: ObjectRecord, from: string, to: string): ObjectRecord {
  if (from === to) return record
  const { crypto, random } = parts.at
  const again = <P extends { partId: Uint8Array; wrappedKey: Uint8Array }>(part: P): P => {
    const key = unwrapKey(crypto, parts.keyring.bucket(from), part.partId, part.wrappedKey)
    return { ...part, wrappedKey: wrapKey(crypto, random, parts.keyring.bucket(to), part.partId, key) }
  }
  return { ...record, inline: record.inline === null ? null : again(record.inline), parts: record.parts.map(again) }
}

const preconditionFails = (conditions: Conditions, etag: string | null): boolean =>
  (conditions.ifNoneMatch !== undefined && etag !== null && conditions.ifNoneMatch.some((tag) => tag === '*' || tag === etag)) ||
  (conditions.ifMatch !== undefined && (etag === null || !conditions.ifMatch.some((tag) => tag === '*' || tag === etag)))

async function put(parts: StoreParts, request: PutRequest): ReturnType<ObjectStore['put']> {
  const { tenant, bucket, key, body, conditions, signal } = request
  if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
  const conditional = conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined
  if (conditional && preconditionFails(conditions, parts.metadata.object(bucket, key)?.etag ?? null)) return { is: 'precondition-failed' }
  const staging = stagingOf(parts)
  const stored = await storeBody(
    parts,
    parts.keyring,
    { bucket, source: body, checksum: request.checksum, inlineAllowed: true, staging },
    signal,
  )
  if (stored.is === 'bad-body') return stored
  const record = recordOf(parts, request, stored.body)
  const outcome = await parts.committer.commit({ bucket, key, record, conditions, shared: false }, parts.sync || record.inline !== null)
  assert(outcome !== 'gone', 'a new object shares nothing')
  if (outcome !== 'stored') staging.drop(record.parts.flatMap((part) => part.segments))
  switch (outcome) {
    case 'stored':
      return { is: 'stored', info: infoOf(bucket, key, record) }
    case 'no-bucket':
      return { is: 'no-bucket' }
    case 'no-upload':
      return { is: 'no-upload' }
    case 'precondition-failed':
      return { is: 'precondition-failed' }
  }
}
