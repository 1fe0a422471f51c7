/** S3 multipart uploads over the same pipeline: a part is a part record of its own, completing only joins them. */
import { concat, fromHex, toHex } from '../../../std/bytes.ts'
import { combineCrc } from '../../../std/crc-combine.ts'
import type { DigestKind } from '../kernel/kernel.ts'
import type { ObjectStore, PartInfo } from '../object-store.ts'
import { bucketOf, infoOf, type StoreParts, stagingOf } from './parts.ts'
import { storeBody } from './put.ts'
import type { ObjectRecord } from './records.ts'
import type { Upload, UploadedPart } from './uploads.ts'

/** S3: every part but the last is at least this. */
const PART_BYTES_MIN = 5 * 1024 * 1024
const PARTS_MAX = 10_000

type Multipart = Pick<ObjectStore, 'createUpload' | 'putPart' | 'listParts' | 'completeUpload' | 'abortUpload' | 'listUploads'>

const partInfo = ({ number, etag, size, modified, checksums }: UploadedPart): PartInfo => ({ number, etag, size, modified, checksums })

export function createMultipart(parts: StoreParts): Multipart {
  const { at, uploads } = parts
  return {
    async createUpload({ tenant, bucket, key, headers, checksum, checksumType }) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      const uploadId = toHex(at.random.bytes(16))
      uploads.create({ uploadId, bucket, key, started: at.clock.now(), headers, checksum, checksumType })
      return { is: 'created', uploadId }
    },
    async putPart({ tenant, bucket, key, uploadId, part, body, checksum, signal }) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      if (uploads.get(bucket, key, uploadId) === null) return { is: 'no-upload' }
      const staging = stagingOf(parts)
      const stored = await storeBody(parts, parts.keyring, { bucket, source: body, checksum, inlineAllowed: false, staging }, signal)
      if (stored.is === 'bad-body') return { is: 'bad-body', code: stored.code, why: stored.why }
      const { size, md5: etag, checksums, part: record } = stored.body
      if (record === null) return { is: 'bad-body', code: 'InvalidRequest', why: 'a part has a body' }
      const uploaded: UploadedPart = { number: part, etag, size, modified: at.clock.now(), checksums, record }
      if (uploads.putPart(uploadId, uploaded)) return { is: 'stored', part: partInfo(uploaded) }
      staging.drop(record.segments)
      return { is: 'no-upload' }
    },
    async listParts(tenant, bucket, key, uploadId, after, limit) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      if (uploads.get(bucket, key, uploadId) === null) return { is: 'no-upload' }
      const found = uploads.parts(uploadId, after, limit + 1)
      return { is: 'parts', parts: found.slice(0, limit).map(partInfo), truncated: found.length > limit }
    },
    completeUpload: (request) => complete(parts, request),
    async abortUpload(tenant, bucket, key, uploadId) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      if (uploads.get(bucket, key, uploadId) === null) return { is: 'no-upload' }
      uploads.abort(uploadId)
      return { is: 'aborted' }
    },
    async listUploads(tenant, bucket, prefix, after, limit) {
      if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
      const found = uploads.list(bucket, prefix, after, limit + 1)
      return { is: 'uploads', uploads: found.slice(0, limit), truncated: found.length > limit }
    },
  }
}

/** Chosen parts in the client's order, or what is wrong with its list. */
function choose(
  known: readonly UploadedPart[],
  wanted: CompleteRequest['parts'],
): { readonly chosen: readonly UploadedPart[] } | { readonly is: 'invalid-part' | 'too-small'; readonly part: number } {
  const byNumber = new Map(known.map((part) => [part.number, part]))
  const chosen: UploadedPart[] = []
  let before = 0
  for (const want of wanted) {
    const part = byNumber.get(want.number)
    const sums = Object.entries(want.checksums) as readonly [DigestKind, string][]
    const right = part !== undefined && part.etag === want.etag && sums.every(([kind, value]) => (part.checksums[kind] ?? value) === value)
    if (!right || want.number <= before) return { is: 'invalid-part', part: want.number }
    if (part.size < PART_BYTES_MIN && chosen.length < wanted.length - 1) return { is: 'too-small', part: want.number }
    before = want.number
    chosen.push(part)
  }
  return chosen.length === 0 ? { is: 'invalid-part', part: 0 } : { chosen }
}

type CompleteRequest = Parameters<ObjectStore['completeUpload']>[0]

async function complete(parts: StoreParts, request: CompleteRequest): ReturnType<ObjectStore['completeUpload']> {
  const { tenant, bucket, key, uploadId, conditions } = request
  if (bucketOf(parts, tenant, bucket) === null) return { is: 'no-bucket' }
  const upload = parts.uploads.get(bucket, key, uploadId)
  if (upload === null) return { is: 'no-upload' }
  const picked = choose(parts.uploads.parts(uploadId, 0, PARTS_MAX), request.parts)
  if ('is' in picked) return picked
  const record = await joined(parts, upload, picked.chosen)
  if (request.size !== null && request.size !== record.size) {
    return { is: 'bad-body', code: 'InvalidRequest', why: `the parts have ${record.size} bytes, the client expects ${request.size}` }
  }
  const known = request.checksum === null ? undefined : record.checksums[request.checksum.kind]
  if (request.checksum !== null && known !== undefined && known.split('-')[0] !== request.checksum.value.split('-')[0]) {
    return { is: 'bad-body', code: 'BadDigest', why: `the object's ${request.checksum.kind} is ${known}` }
  }
  const commit = { bucket, key, record, conditions, shared: false, upload: uploadId }
  const outcome = await parts.committer.commit(commit, parts.sync)
  if (outcome === 'stored') return { is: 'stored', info: infoOf(bucket, key, record) }
  // A part was uploaded again while this one waited for its turn.
  return outcome === 'gone' ? { is: 'invalid-part', part: picked.chosen[0]?.number ?? 0 } : { is: outcome }
}

async function digestOfAll(parts: StoreParts, kind: DigestKind, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  const digester = parts.at.kernel.digester([kind])
  await digester.updateBytes(concat(pieces))
  return (await digester.finish()).get(kind) ?? new Uint8Array()
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** The checksum of the whole: of the parts' checksums (COMPOSITE), or the one that the joined bytes have (FULL_OBJECT, CRCs only). */
async function checksumOf(
  parts: StoreParts,
  upload: Upload,
  chosen: readonly UploadedPart[],
): Promise<Pick<ObjectRecord, 'checksums' | 'checksumType'>> {
  const kind = upload.checksum
  const own = kind === null ? [] : chosen.flatMap((part) => part.checksums[kind] ?? [])
  if (kind === null || own.length !== chosen.length) return { checksums: {}, checksumType: null }
  const raw = own.map(fromBase64)
  if (upload.checksumType !== 'FULL_OBJECT') {
    const digest = await digestOfAll(parts, kind, raw)
    return { checksums: { [kind]: `${toBase64(digest)}-${chosen.length}` }, checksumType: 'COMPOSITE' }
  }
  if (kind !== 'crc32' && kind !== 'crc32c' && kind !== 'crc64nvme') return { checksums: {}, checksumType: null }
  const whole = raw.reduce((sum, next, i) => combineCrc(kind, sum, next, chosen[i]?.size ?? 0))
  return { checksums: { [kind]: toBase64(whole) }, checksumType: 'FULL_OBJECT' }
}

async function joined(parts: StoreParts, upload: Upload, chosen: readonly UploadedPart[]): Promise<ObjectRecord> {
  const etags = chosen.map((part) => fromHex(part.etag) ?? new Uint8Array())
  const md5 = await digestOfAll(parts, 'md5', etags)
  return {
    size: chosen.reduce((sum, part) => sum + part.size, 0),
    etag: `${toHex(md5)}-${chosen.length}`,
    modified: parts.at.clock.now(),
    headers: { ...upload.headers },
    ...(await checksumOf(parts, upload, chosen)),
    partSizes: chosen.map((part) => part.size),
    inline: null,
    parts: chosen.map((part) => part.record),
  }
}
