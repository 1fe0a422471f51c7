/** CopyObject and UploadPartCopy. */
import type { BodySource, ObjectInfo, OpenObject, RangeRequest } from '../../object-store.ts'
import { type Call, type Deps, type Handler, inScope, refuseBody, refused, xmlReply } from './call.ts'
import { checksumElements } from './checksums.ts'
import { evaluate, parseConditions } from './conditions.ts'
import { isoDate } from './dates.ts'
import { PUT_BYTES } from './limits.ts'
import { isBucketName, isKeyTooLong } from './names.ts'
import { keptHeaders, refuseNotOffered } from './object-headers.ts'
import { pipe } from './pipe.ts'
import { isRefusal, type Refusal, type Reply, refuse } from './refusal.ts'
import { decodeUri } from './target.ts'

const CONDITIONS = 'x-amz-copy-source-'

interface Source {
  readonly bucket: string
  readonly key: string
}

/** `bucket/key`, percent-encoded, with or without a leading slash; the credential must be allowed to read it. */
function parseSource(call: Call): Source | Refusal {
  const text = call.headers.get('x-amz-copy-source') ?? ''
  const [path = '', version] = text.split('?versionId=', 2)
  const decoded = decodeUri(path)
  if (decoded === null) return refuse('InvalidArgument', 'Copy Source must be URL-encoded UTF-8', { ArgumentName: 'x-amz-copy-source' })
  const full = decoded.startsWith('/') ? decoded.slice(1) : decoded
  const slash = full.indexOf('/')
  const source = { bucket: full.slice(0, Math.max(slash, 0)), key: full.slice(slash + 1) }
  if (slash <= 0 || source.key === '' || !isBucketName(source.bucket) || isKeyTooLong(source.key)) {
    return refuse('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey')
  }
  if (version !== undefined && version !== 'null') return refuse('NoSuchVersion')
  return inScope(call.auth.key, 'read', source.bucket, source.key) ? source : refuse('AccessDenied')
}

/** Conditions on the source; any that does not hold is 412, also those that would be 304 for a read. */
function admission(call: Call): (info: ObjectInfo) => boolean {
  const conditions = parseConditions(call.headers, CONDITIONS)
  return (info) => evaluate(conditions, info) === 'pass'
}

export const copyObject: Handler = async (deps, call) => {
  const refusal = refuseBody(call) ?? refuseNotOffered(call.headers)
  if (refusal !== null) return refusal
  const from = parseSource(call)
  if (isRefusal(from)) return from
  const directive = call.headers.get('x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') return refuse('InvalidArgument', 'Unknown metadata directive.')
  const { tenant, bucket, key } = call
  if (directive === 'COPY' && from.bucket === bucket && from.key === key) {
    return refuse(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself without changing its metadata.',
    )
  }
  const headers = directive === 'REPLACE' ? keptHeaders(call.headers) : null
  if (isRefusal(headers)) return headers
  const result = await deps.store.copy({ tenant, from, to: { bucket, key }, headers, admit: admission(call) })
  if (result.is !== 'stored') return refused(result)
  return xmlReply('CopyObjectResult', [
    ['LastModified', isoDate(result.info.modified)],
    ['ETag', `"${result.info.etag}"`],
    ...checksumElements(result.info.checksums),
  ])
}

const PART_RANGE = /^bytes=(\d{1,15})-(\d{1,15})$/

/** Unlike Range, a copy's range must be exactly first–last. */
function parseSourceRange(text: string | undefined): { from: number; to: number } | null | Refusal {
  if (text === undefined) return null
  const match = PART_RANGE.exec(text)
  const range = { from: Number(match?.[1]), to: Number(match?.[2]) }
  if (match !== null && range.from <= range.to) return range
  return refuse('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last', {
    ArgumentName: 'x-amz-copy-source-range',
  })
}

async function openSource(
  deps: Deps,
  call: Call,
  source: Source,
  range: RangeRequest | null,
  length: number | null,
): Promise<OpenObject | Refusal> {
  const { bucket, key } = source
  const result = await deps.store.get({ tenant: call.tenant, bucket, key, range, admit: admission(call), signal: call.request.signal })
  if (result.is === 'not-admitted') return refuse('PreconditionFailed')
  if (result.is === 'bad-range') return refuse('InvalidRange')
  if (result.is !== 'open') return refused(result)
  const size = result.end - result.start
  if (size <= PUT_BYTES && (length === null || size === length)) return result
  result.abandon()
  if (size > PUT_BYTES)
    return refuse('InvalidRequest', 'The specified copy source is larger than the maximum allowable size for a copy source.')
  return refuse('InvalidArgument', `Range specified is not valid for source object of size: ${result.info.size}`)
}

/** The bytes are read, authenticated, from the network and stored as any part: parts have keys of their own. */
export async function copyPart(deps: Deps, call: Call, uploadId: string, part: number): Promise<Reply> {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const source = parseSource(call)
  if (isRefusal(source)) return source
  const range = parseSourceRange(call.headers.get('x-amz-copy-source-range'))
  if (isRefusal(range)) return range
  const open = await openSource(deps, call, source, range, range === null ? null : range.to - range.from + 1)
  if (isRefusal(open)) return open
  const between = pipe()
  const body: BodySource = { length: open.end - open.start, digests: [], read: between.read, check: () => ({ ok: true }) }
  const { tenant, bucket, key } = call
  const sent = open.send(between.sink).then(between.end, between.fail)
  const put = deps.store.putPart({ tenant, bucket, key, uploadId, part, body, checksum: null, signal: call.request.signal })
  // When the part is refused early nobody reads on, and the source must not wait for a reader for ever.
  const result = await put.finally(between.close)
  await sent
  if (result.is !== 'stored') return refused(result)
  return xmlReply('CopyPartResult', [
    ['LastModified', isoDate(result.part.modified)],
    ['ETag', `"${result.part.etag}"`],
    ...checksumElements(result.part.checksums),
  ])
}
