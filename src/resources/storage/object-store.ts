/**
 * What the customer doors of storage (S3 first) ask of the gateway's object store. Doors know a protocol and no pieces;
 * the store knows pieces and no protocol. Outcomes that a customer causes are unions; the world's failures are thrown.
 */
import type { Account } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Sink } from '../../runtime/index.ts'
import type { DigestKind } from './kernel/kernel.ts'

/** A body on its way in. */
export interface BodySource {
  /** Declared length of the decoded body, or null when the client did not say. */
  readonly length: number | null
  /** Which digests of the body the store must compute (MD5 is always computed, for the ETag). */
  readonly digests: readonly DigestKind[]
  /** Fills as much of `target` as is at hand, at least one byte; 0 at the end. Throws BodyError when the client lied. */
  read(target: Uint8Array): Promise<number>
  /** Called once after the end with what was computed; a reason refuses the object before anything is committed. */
  check(computed: ReadonlyMap<DigestKind, Uint8Array>): BodyVerdict
}

export type BodyVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'BadDigest' | 'XAmzContentSHA256Mismatch' | 'InvalidRequest'; readonly why: string }

/** Thrown by `BodySource.read`; the door turns it into its protocol's error. */
export class BodyError extends Error {
  override readonly name = 'BodyError'
  readonly code: 'IncompleteBody' | 'SignatureDoesNotMatch' | 'InvalidRequest' | 'EntityTooLarge'
  constructor(code: BodyError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Who is asking: an access key's account and what the key may do. Checked by the door before any call here. */
export interface Tenant {
  readonly account: Account
  readonly accessKey: string
}

/** Headers that a customer gave and gets back. Names lower case: content-type, cache-control, x-amz-meta-…. ≤ 2 KiB of x-amz-meta. */
export type ObjectHeaders = Readonly<Record<string, string>>

export interface ObjectInfo {
  readonly bucket: string
  readonly key: string
  readonly size: number
  /** Without quotes: MD5 in hex, or `<md5>-<parts>` of a multipart object. */
  readonly etag: string
  readonly modified: UnixMs
  readonly headers: ObjectHeaders
  /** Additional checksums kept with the object, base64, e.g. { crc64nvme: '…' }, with type FULL_OBJECT or COMPOSITE. */
  readonly checksums: Readonly<Partial<Record<DigestKind, string>>>
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
  /** Number of parts; 1 for a simple object. */
  readonly parts: number
}

/** RFC 9110 preconditions, already parsed. ETags without quotes; `*` allowed. Dates in ms. */
export interface Conditions {
  readonly ifMatch?: readonly string[]
  readonly ifNoneMatch?: readonly string[]
  readonly ifModifiedSince?: UnixMs
  readonly ifUnmodifiedSince?: UnixMs
}

export type Missing = { readonly is: 'no-bucket' } | { readonly is: 'no-key' } | { readonly is: 'no-upload' }
export type Refused = { readonly is: 'precondition-failed' } | { readonly is: 'bad-body'; readonly code: string; readonly why: string }

export interface PutRequest {
  readonly tenant: Tenant
  readonly bucket: string
  readonly key: string
  readonly headers: ObjectHeaders
  readonly body: BodySource
  /** The additional checksum to keep with the object (or part) and give back; always among `body.digests`. */
  readonly checksum: DigestKind | null
  /** ifMatch / ifNoneMatch `*`, checked again inside the commit. */
  readonly conditions: Conditions
  readonly signal: AbortSignal
}

/** An open read: its first bytes have been fetched and authenticated, so a loss is known before the status line is sent. */
export interface OpenObject {
  readonly is: 'open'
  readonly info: ObjectInfo
  /** Byte range that will be written: [start, end). */
  readonly start: number
  readonly end: number
  /** These bytes where they are at hand already, not to be written to; who takes them need not send. */
  readonly bytes: Uint8Array | null
  /** Writes exactly end − start authenticated bytes, or throws. */
  send(sink: Sink): Promise<void>
  /** Gives up the read without sending. */
  abandon(): void
}

/** A requested range as HTTP means it: first‥last inclusive, an open end, or the last n bytes. */
export type RangeRequest = { readonly from: number; readonly to: number | null } | { readonly last: number }

export interface ListRequest {
  readonly tenant: Tenant
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  /** Strictly after this key (marker, start-after or continuation), and after all that it rolls up when it is a common prefix. */
  readonly after: string
  /** ≤ 1000. */
  readonly limit: number
}

export interface ListPage {
  readonly is: 'page'
  readonly objects: readonly ObjectInfo[]
  readonly prefixes: readonly string[]
  readonly truncated: boolean
  /** Last key or prefix returned: the next request's `after`. */
  readonly last: string
}

export interface UploadInfo {
  readonly uploadId: string
  readonly key: string
  readonly started: UnixMs
}

export interface PartInfo {
  readonly number: number
  readonly etag: string
  readonly size: number
  readonly modified: UnixMs
  readonly checksums: Readonly<Partial<Record<DigestKind, string>>>
}

export interface ObjectStore {
  /** Digests of a small body that a door consumed itself (XML), computed where the store's own are. */
  digest(kinds: readonly DigestKind[], bytes: Uint8Array): Promise<ReadonlyMap<DigestKind, Uint8Array>>

  createBucket(tenant: Tenant, bucket: string): Promise<{ is: 'created' } | { is: 'exists'; mine: boolean }>
  deleteBucket(tenant: Tenant, bucket: string): Promise<{ is: 'deleted' } | { is: 'no-bucket' } | { is: 'not-empty' }>
  listBuckets(tenant: Tenant): Promise<readonly { name: string; created: UnixMs }[]>
  headBucket(tenant: Tenant, bucket: string): Promise<boolean>

  /** Resolves only when the object is durable (DESIGN §6): `ack` providers have fsynced and the metadata is committed. */
  put(request: PutRequest): Promise<{ is: 'stored'; info: ObjectInfo } | Missing | Refused>
  head(tenant: Tenant, bucket: string, key: string): Promise<{ is: 'found'; info: ObjectInfo } | Missing>
  /** `part` reads one part of a multipart object. Conditions are the door's to check with `head`-like info given to `admit`. */
  get(request: {
    tenant: Tenant
    bucket: string
    key: string
    range: RangeRequest | null
    /** Called with the object's info before anything is fetched; false ends with `not-admitted` (304, 412). */
    admit(info: ObjectInfo): boolean
    signal: AbortSignal
  }): Promise<OpenObject | Missing | { is: 'not-admitted'; info: ObjectInfo } | { is: 'bad-range'; size: number }>
  /** Deleting what is not there succeeds, as in S3. */
  delete(tenant: Tenant, bucket: string, keys: readonly string[]): Promise<{ is: 'deleted' } | { is: 'no-bucket' }>
  /** Without moving bytes. `headers` null keeps the source's. Conditions apply to the source. */
  copy(request: {
    tenant: Tenant
    from: { bucket: string; key: string }
    to: { bucket: string; key: string }
    headers: ObjectHeaders | null
    admit(source: ObjectInfo): boolean
  }): Promise<{ is: 'stored'; info: ObjectInfo } | Missing | Refused>
  list(request: ListRequest): Promise<ListPage | { is: 'no-bucket' }>

  createUpload(request: {
    tenant: Tenant
    bucket: string
    key: string
    headers: ObjectHeaders
    checksum: DigestKind | null
    checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
  }): Promise<{ is: 'created'; uploadId: string } | Missing>
  putPart(
    request: Omit<PutRequest, 'headers' | 'conditions'> & { uploadId: string; part: number },
  ): Promise<{ is: 'stored'; part: PartInfo } | Missing | Refused>
  listParts(
    tenant: Tenant,
    bucket: string,
    key: string,
    uploadId: string,
    after: number,
    limit: number,
  ): Promise<{ is: 'parts'; parts: readonly PartInfo[]; truncated: boolean } | Missing>
  /** `parts` as the client listed them, ascending; an ETag or checksum that is not the part's is `invalid-part`. Parts but the last must be ≥ 5 MiB (`too-small`). */
  completeUpload(request: {
    tenant: Tenant
    bucket: string
    key: string
    uploadId: string
    parts: readonly { number: number; etag: string; checksums: Readonly<Partial<Record<DigestKind, string>>> }[]
    /** The whole object's checksum as the client knows it (`bad-body` BadDigest when it is another), or null. */
    checksum: { kind: DigestKind; value: string } | null
    /** The whole object's size as the client knows it (`bad-body` InvalidRequest when it is another), or null. */
    size: number | null
    conditions: Conditions
  }): Promise<
    { is: 'stored'; info: ObjectInfo } | Missing | Refused | { is: 'invalid-part'; part: number } | { is: 'too-small'; part: number }
  >
  abortUpload(tenant: Tenant, bucket: string, key: string, uploadId: string): Promise<{ is: 'aborted' } | Missing>
  /** In order of key, then of upload id; strictly after `after`. An upload id of '' there skips every upload of the key. */
  listUploads(
    tenant: Tenant,
    bucket: string,
    prefix: string,
    after: { key: string; uploadId: string } | null,
    limit: number,
  ): Promise<{ is: 'uploads'; uploads: readonly UploadInfo[]; truncated: boolean } | { is: 'no-bucket' }>
}

/** Access keys as the door needs them: scoped, expiring credentials under an account. */
export interface AccessKeys {
  find(accessKey: string): AccessKey | null
}

export interface AccessKey {
  readonly accessKey: string
  readonly secretKey: string
  readonly account: Account
  /** Null: every bucket. */
  readonly buckets: readonly string[] | null
  /** Key prefix that the credential is limited to; '' for all. */
  readonly prefix: string
  readonly permissions: readonly ('read' | 'write' | 'delete' | 'list')[]
  readonly expires: UnixMs | null
}
