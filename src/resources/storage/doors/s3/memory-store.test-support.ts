/** An ObjectStore in memory, for the door's tests only: the semantics that the interface promises, nothing durable. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { UnixMs } from '../../../../protocol/units.ts'
import { compareBytes, concat, utf8 } from '../../../../std/bytes.ts'
import type { DigestKind } from '../../kernel/kernel.ts'
import type { BodySource, ObjectInfo, ObjectStore, PartInfo, RangeRequest, Refused } from '../../object-store.ts'

interface Stored {
  readonly info: ObjectInfo
  readonly bytes: Uint8Array
}

interface Upload {
  readonly bucket: string
  readonly key: string
  readonly started: UnixMs
  readonly headers: Readonly<Record<string, string>>
  readonly checksum: DigestKind | null
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
  readonly parts: Map<number, { readonly part: PartInfo; readonly bytes: Uint8Array }>
}

interface Bucket {
  readonly account: string
  readonly created: UnixMs
  readonly objects: Map<string, Stored>
}

const CRC32C = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  return c >>> 0
})
const CRC64 = BigUint64Array.from({ length: 256 }, (_, n) => {
  let c = BigInt(n)
  for (let k = 0; k < 8; k += 1) c = c & 1n ? (c >> 1n) ^ 0x9a6c9329ac4bc9b5n : c >> 1n
  return c
})

function big(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i += 1) out[i] = Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn)
  return out
}

export function digestOf(kind: DigestKind, bytes: Uint8Array): Uint8Array {
  if (kind === 'crc32') return big(BigInt(crc32(bytes)), 4)
  if (kind === 'crc32c') {
    let c = 0xffffffff
    for (const byte of bytes) c = ((CRC32C[(c ^ byte) & 0xff] ?? 0) ^ (c >>> 8)) >>> 0
    return big(BigInt((c ^ 0xffffffff) >>> 0), 4)
  }
  if (kind === 'crc64nvme') {
    let c = 0xffffffffffffffffn
    for (const byte of bytes) c = (CRC64[Number((c ^ BigInt(byte)) & 0xffn)] ?? 0n) ^ (c >> 8n)
    return big(c ^ 0xffffffffffffffffn, 8)
  }
  return new Uint8Array(createHash(kind).update(bytes).digest())
}

export const base64Of = (kind: DigestKind, bytes: Uint8Array): string => Buffer.from(digestOf(kind, bytes)).toString('base64')
const md5 = (bytes: Uint8Array): string => Buffer.from(digestOf('md5', bytes)).toString('hex')
const byteOrder = (a: string, b: string): number => compareBytes(utf8(a), utf8(b))

async function readBody(body: BodySource): Promise<{ bytes: Uint8Array } | Refused> {
  const parts: Uint8Array[] = []
  for (;;) {
    const target = new Uint8Array(65_536)
    const count = await body.read(target)
    if (count === 0) break
    parts.push(target.subarray(0, count))
  }
  const bytes = concat(parts)
  const kinds = new Set<DigestKind>([...body.digests, 'md5'])
  const verdict = body.check(new Map([...kinds].map((kind) => [kind, digestOf(kind, bytes)])))
  return verdict.ok ? { bytes } : { is: 'bad-body', code: verdict.code, why: verdict.why }
}

function resolveRange(range: RangeRequest | null, size: number): [number, number] | null {
  if (range === null) return [0, size]
  if ('last' in range) return range.last === 0 || size === 0 ? null : [Math.max(0, size - range.last), size]
  return range.from >= size ? null : [range.from, Math.min(size, (range.to ?? size - 1) + 1)]
}

export interface MemoryStore extends ObjectStore {
  /** What is stored, for assertions. */
  readonly buckets: ReadonlyMap<string, Bucket>
  readonly uploads: ReadonlyMap<string, Upload>
}

const PART_MIN = 5 * 1024 * 1024

/** `now` gives modification times. `partMin` lets tests use small parts. */
export function memoryStore(now: () => UnixMs, partMin = PART_MIN): MemoryStore {
  const buckets = new Map<string, Bucket>()
  const uploads = new Map<string, Upload>()
  let serial = 0

  const objectOf = (bucket: string, key: string): Stored | { is: 'no-bucket' } | { is: 'no-key' } => {
    const found = buckets.get(bucket)
    if (found === undefined) return { is: 'no-bucket' }
    return found.objects.get(key) ?? { is: 'no-key' }
  }
  const uploadOf = (bucket: string, key: string, id: string): Upload | null => {
    const found = uploads.get(id)
    return found !== undefined && found.bucket === bucket && found.key === key ? found : null
  }
  const blocked = (at: Bucket, key: string, conditions: { ifMatch?: readonly string[]; ifNoneMatch?: readonly string[] }): boolean => {
    const etag = at.objects.get(key)?.info.etag
    if (conditions.ifNoneMatch !== undefined && etag !== undefined) {
      if (conditions.ifNoneMatch.includes('*') || conditions.ifNoneMatch.includes(etag)) return true
    }
    return (
      conditions.ifMatch !== undefined && (etag === undefined || !(conditions.ifMatch.includes('*') || conditions.ifMatch.includes(etag)))
    )
  }
  const missing = (found: Stored | { is: 'no-bucket' } | { is: 'no-key' }): found is { is: 'no-bucket' } | { is: 'no-key' } => 'is' in found

  return {
    buckets,
    uploads,
    digest: async (kinds, bytes) => new Map(kinds.map((kind) => [kind, digestOf(kind, bytes)])),
    async createBucket(tenant, bucket) {
      const found = buckets.get(bucket)
      if (found !== undefined) return { is: 'exists', mine: found.account === tenant.account }
      buckets.set(bucket, { account: tenant.account, created: now(), objects: new Map() })
      return { is: 'created' }
    },
    async deleteBucket(_tenant, bucket) {
      const found = buckets.get(bucket)
      if (found === undefined) return { is: 'no-bucket' }
      if (found.objects.size > 0) return { is: 'not-empty' }
      buckets.delete(bucket)
      return { is: 'deleted' }
    },
    listBuckets: async (tenant) =>
      [...buckets]
        .filter(([, b]) => b.account === tenant.account)
        .map(([name, b]) => ({ name, created: b.created }))
        .sort((a, b) => byteOrder(a.name, b.name)),
    headBucket: async (_tenant, bucket) => buckets.has(bucket),
    async put({ bucket, key, headers, body, checksum, conditions }) {
      const at = buckets.get(bucket)
      if (at === undefined) return { is: 'no-bucket' }
      if (blocked(at, key, conditions)) return { is: 'precondition-failed' }
      const read = await readBody(body)
      if ('is' in read) return read
      const { bytes } = read
      const checksums = checksum === null ? {} : { [checksum]: base64Of(checksum, bytes) }
      const info: ObjectInfo = {
        bucket,
        key,
        size: bytes.length,
        etag: md5(bytes),
        modified: now(),
        headers,
        checksums,
        checksumType: checksum === null ? null : 'FULL_OBJECT',
        parts: 1,
      }
      at.objects.set(key, { info, bytes })
      return { is: 'stored', info }
    },
    async head(_tenant, bucket, key) {
      const found = objectOf(bucket, key)
      return missing(found) ? found : { is: 'found', info: found.info }
    },
    async get({ bucket, key, range, admit }) {
      const found = objectOf(bucket, key)
      if (missing(found)) return found
      if (!admit(found.info)) return { is: 'not-admitted', info: found.info }
      const resolved = resolveRange(range, found.info.size)
      if (resolved === null) return { is: 'bad-range', size: found.info.size }
      const [start, end] = resolved
      return {
        is: 'open',
        bytes: null,
        info: found.info,
        start,
        end,
        async send(sink) {
          for (let at = start; at < end; at += 262_144) await sink.write(found.bytes.subarray(at, Math.min(end, at + 262_144)))
        },
        abandon() {},
      }
    },
    async delete(_tenant, bucket, keys) {
      const at = buckets.get(bucket)
      if (at === undefined) return { is: 'no-bucket' }
      for (const key of keys) at.objects.delete(key)
      return { is: 'deleted' }
    },
    async copy({ from, to, headers, admit }) {
      const found = objectOf(from.bucket, from.key)
      if (missing(found)) return found
      const at = buckets.get(to.bucket)
      if (at === undefined) return { is: 'no-bucket' }
      if (!admit(found.info)) return { is: 'precondition-failed' }
      const info = { ...found.info, bucket: to.bucket, key: to.key, modified: now(), headers: headers ?? found.info.headers }
      at.objects.set(to.key, { info, bytes: found.bytes })
      return { is: 'stored', info }
    },
    async list({ bucket, prefix, delimiter, after, limit }) {
      const at = buckets.get(bucket)
      if (at === undefined) return { is: 'no-bucket' }
      const objects: ObjectInfo[] = []
      const prefixes: string[] = []
      let last = ''
      const skip = delimiter !== '' && after.startsWith(prefix) && after.endsWith(delimiter) && after.length > prefix.length ? after : null
      for (const key of [...at.objects.keys()].sort(byteOrder)) {
        if (!key.startsWith(prefix) || byteOrder(key, after) <= 0 || (skip !== null && key.startsWith(skip))) continue
        const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
        const rolled = cut < 0 ? null : key.slice(0, cut + delimiter.length)
        if (rolled !== null && rolled === prefixes.at(-1)) continue
        if (objects.length + prefixes.length === limit) return { is: 'page', objects, prefixes, truncated: true, last }
        last = rolled ?? key
        const info = at.objects.get(key)?.info
        if (rolled !== null) prefixes.push(rolled)
        else if (info !== undefined) objects.push(info)
      }
      return { is: 'page', objects, prefixes, truncated: false, last }
    },
    async createUpload({ bucket, key, headers, checksum, checksumType }) {
      if (!buckets.has(bucket)) return { is: 'no-bucket' }
      serial += 1
      const uploadId = `upload-${serial}`
      uploads.set(uploadId, { bucket, key, headers, checksum, checksumType, started: now(), parts: new Map() })
      return { is: 'created', uploadId }
    },
    async putPart({ bucket, key, uploadId, part: number, body, checksum }) {
      const upload = uploadOf(bucket, key, uploadId)
      if (upload === null) return { is: 'no-upload' }
      const read = await readBody(body)
      if ('is' in read) return read
      const kind = checksum ?? upload.checksum
      const checksums = kind === null ? {} : { [kind]: base64Of(kind, read.bytes) }
      const part: PartInfo = { number, etag: md5(read.bytes), size: read.bytes.length, modified: now(), checksums }
      upload.parts.set(number, { part, bytes: read.bytes })
      return { is: 'stored', part }
    },
    async listParts(_tenant, bucket, key, uploadId, after, limit) {
      const upload = uploadOf(bucket, key, uploadId)
      if (upload === null) return { is: 'no-upload' }
      const parts = [...upload.parts.values()].map(({ part }) => part).filter(({ number }) => number > after)
      parts.sort((a, b) => a.number - b.number)
      return { is: 'parts', parts: parts.slice(0, limit), truncated: parts.length > limit }
    },
    async completeUpload({ bucket, key, uploadId, parts, checksum, size, conditions }) {
      const upload = uploadOf(bucket, key, uploadId)
      const at = buckets.get(bucket)
      if (upload === null || at === undefined) return { is: 'no-upload' }
      if (blocked(at, key, conditions)) return { is: 'precondition-failed' }
      const chosen: { part: PartInfo; bytes: Uint8Array }[] = []
      for (const [i, named] of parts.entries()) {
        const found = upload.parts.get(named.number)
        if (found === undefined || found.part.etag !== named.etag) return { is: 'invalid-part', part: named.number }
        for (const [kind, value] of Object.entries(named.checksums)) {
          if (Object.entries(found.part.checksums).some(([k, v]) => k === kind && v !== value))
            return { is: 'invalid-part', part: named.number }
        }
        if (i < parts.length - 1 && found.bytes.length < partMin) return { is: 'too-small', part: named.number }
        chosen.push(found)
      }
      const bytes = concat(chosen.map((part) => part.bytes))
      if (size !== null && size !== bytes.length) return { is: 'bad-body', code: 'InvalidRequest', why: 'the object has another size' }
      const md5s = concat(chosen.map((part) => Uint8Array.from(Buffer.from(part.part.etag, 'hex'))))
      const kind = upload.checksum
      let checksums: Partial<Record<DigestKind, string>> = {}
      if (kind !== null && upload.checksumType === 'FULL_OBJECT') checksums = { [kind]: base64Of(kind, bytes) }
      else if (kind !== null) {
        const each = concat(chosen.map((part) => Uint8Array.from(Buffer.from(part.part.checksums[kind] ?? '', 'base64'))))
        checksums = { [kind]: `${base64Of(kind, each)}-${chosen.length}` }
      }
      if (checksum !== null && checksums[checksum.kind] !== checksum.value)
        return { is: 'bad-body', code: 'BadDigest', why: 'the checksum differs' }
      const info: ObjectInfo = {
        bucket,
        key,
        size: bytes.length,
        etag: `${md5(md5s)}-${chosen.length}`,
        modified: now(),
        headers: upload.headers,
        checksums,
        checksumType: upload.checksumType,
        parts: chosen.length,
      }
      at.objects.set(key, { info, bytes })
      uploads.delete(uploadId)
      return { is: 'stored', info }
    },
    async abortUpload(_tenant, bucket, key, uploadId) {
      if (uploadOf(bucket, key, uploadId) === null) return { is: 'no-upload' }
      uploads.delete(uploadId)
      return { is: 'aborted' }
    },
    async listUploads(_tenant, bucket, prefix, after, limit) {
      if (!buckets.has(bucket)) return { is: 'no-bucket' }
      const all = [...uploads].filter(([, u]) => u.bucket === bucket && u.key.startsWith(prefix))
      const sorted = all.map(([uploadId, u]) => ({ uploadId, key: u.key, started: u.started }))
      sorted.sort((a, b) => byteOrder(a.key, b.key) || byteOrder(a.uploadId, b.uploadId))
      const rest = sorted.filter((u) => {
        if (after === null) return true
        const order = byteOrder(u.key, after.key)
        return order > 0 || (order === 0 && after.uploadId !== '' && byteOrder(u.uploadId, after.uploadId) > 0)
      })
      return { is: 'uploads', uploads: rest.slice(0, limit), truncated: rest.length > limit }
    },
  }
}
