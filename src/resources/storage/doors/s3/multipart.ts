/** CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListParts, ListMultipartUploads. */
import type { PartInfo } from '../../object-store.ts'
import { openBody, parseLength } from './body.ts'
import { ownerElements } from './buckets.ts'
import { type Call, emptyReply, type Handler, integerParameter, readWhole, refuseBody, refused, xmlReply } from './call.ts'
import { type ChecksumKind, checksumElements, checksumHeader, checksumHeaders, checksumKind, elementChecksums } from './checksums.ts'
import { parseConditions, unquote } from './conditions.ts'
import { copyPart } from './copy.ts'
import { isoDate } from './dates.ts'
import { COMPLETE_XML_BYTES, KEYS, PART_BYTES_MIN, PARTS } from './limits.ts'
import { spelling } from './listing.ts'
import { keptHeaders, refuseNotOffered } from './object-headers.ts'
import { isRefusal, type Refusal, refuse } from './refusal.ts'
import { elements, parseXml, textOf, type XmlNode } from './xml-in.ts'
import type { XmlElements } from './xml-out.ts'

type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** S3 "Checking object integrity for multipart uploads": CRC-64 covers the object only, SHA only the parts, CRC-32 either. */
function checksumPlan(headers: ReadonlyMap<string, string>): { kind: ChecksumKind | null; type: ChecksumType | null } | Refusal {
  const algorithm = headers.get('x-amz-checksum-algorithm')
  const type = headers.get('x-amz-checksum-type')?.toUpperCase()
  if (algorithm === undefined) {
    return type === undefined ? { kind: null, type: null } : refuse('InvalidRequest', 'x-amz-checksum-type needs x-amz-checksum-algorithm')
  }
  const kind = checksumKind(algorithm)
  if (kind === null) return refuse('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  const chosen = type ?? (kind === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE')
  const possible = (chosen === 'FULL_OBJECT' && kind.startsWith('crc')) || (chosen === 'COMPOSITE' && kind !== 'crc64nvme')
  if (!possible) return refuse('InvalidRequest', `The ${chosen} checksum type cannot be used with the ${kind} checksum algorithm.`)
  return { kind, type: chosen === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' }
}

export const createMultipartUpload: Handler = async (deps, call) => {
  const refusal = refuseBody(call) ?? refuseNotOffered(call.headers)
  if (refusal !== null) return refusal
  const headers = keptHeaders(call.headers)
  if (isRefusal(headers)) return headers
  const plan = checksumPlan(call.headers)
  if ('is' in plan) return plan
  const { tenant, bucket, key } = call
  const result = await deps.store.createUpload({ tenant, bucket, key, headers, checksum: plan.kind, checksumType: plan.type })
  if (result.is !== 'created') return refused(result)
  const echoed: Record<string, string> = {}
  if (plan.kind !== null) echoed['x-amz-checksum-algorithm'] = plan.kind.toUpperCase()
  if (plan.type !== null) echoed['x-amz-checksum-type'] = plan.type
  return xmlReply(
    'InitiateMultipartUploadResult',
    [
      ['Bucket', bucket],
      ['Key', key],
      ['UploadId', result.uploadId],
    ],
    echoed,
  )
}

const uploadIdOf = (call: Call): string => call.query.get('uploadId') ?? ''

function partNumberOf(call: Call): number | Refusal {
  const part = integerParameter(call.query, 'partNumber', 0, 1, PARTS)
  return part === 0 || isRefusal(part)
    ? refuse('InvalidArgument', `Part number must be an integer between 1 and ${PARTS}, inclusive`, { ArgumentName: 'partNumber' })
    : part
}

export const uploadPart: Handler = async (deps, call) => {
  const part = partNumberOf(call)
  if (isRefusal(part)) return part
  const notOffered = refuseNotOffered(call.headers)
  if (notOffered !== null) return notOffered
  const body = openBody(call.headers, call.request.body, call.auth, deps.crypto)
  if (body.is === 'refusal') return body
  const { tenant, bucket, key } = call
  const result = await deps.store.putPart({
    tenant,
    bucket,
    key,
    uploadId: uploadIdOf(call),
    part,
    body: body.source,
    checksum: body.checksum,
    signal: call.request.signal,
  })
  if (result.is !== 'stored') return refused(result)
  return emptyReply(200, { etag: `"${result.part.etag}"`, ...checksumHeaders(result.part.checksums, null) })
}

export const uploadPartCopy: Handler = async (deps, call) => {
  const part = partNumberOf(call)
  return isRefusal(part) ? part : copyPart(deps, call, uploadIdOf(call), part)
}

interface NamedPart {
  readonly number: number
  readonly etag: string
  readonly checksums: Partial<Record<ChecksumKind, string>>
}

function parsePart(node: XmlNode): NamedPart | null {
  const number = textOf(node, 'PartNumber')?.trim() ?? ''
  const etag = textOf(node, 'ETag')
  if (typeof node === 'string' || !/^\d{1,5}$/.test(number) || etag === null) return null
  return { number: Number(number), etag: unquote(etag.trim()), checksums: elementChecksums(node) }
}

/** The list of a CompleteMultipartUpload: 1 … 10 000 parts in strictly ascending order. */
function parseParts(bytes: Uint8Array): readonly NamedPart[] | Refusal {
  const document = parseXml(bytes, 'CompleteMultipartUpload')
  const nodes = document === null ? [] : elements(document, 'Part')
  if (nodes.length === 0 || nodes.length > PARTS) return refuse('MalformedXML')
  const parts: NamedPart[] = []
  let before = 0
  for (const node of nodes) {
    const part = parsePart(node)
    if (part === null) return refuse('MalformedXML')
    if (part.number < 1 || part.number > PARTS) return refuse('InvalidArgument', `PartNumber must be between 1 and ${PARTS}`)
    if (part.number <= before) return refuse('InvalidPartOrder')
    before = part.number
    parts.push(part)
  }
  return parts
}

/**
 * The body of a CompleteMultipartUpload is a list, so x-amz-checksum-… is the object's and not the body's: it is taken
 * out of what the body is checked against.
 */
function withoutObjectChecksum(call: Call): Call {
  const headers = new Map(
    [...call.headers].filter(([name]) => !name.startsWith('x-amz-checksum-') && name !== 'x-amz-sdk-checksum-algorithm'),
  )
  return { ...call, headers }
}

export const completeMultipartUpload: Handler = async (deps, call) => {
  const checksum = checksumHeader(call.headers)
  if (isRefusal(checksum)) return checksum
  const body = await readWhole(deps, withoutObjectChecksum(call), COMPLETE_XML_BYTES)
  if (isRefusal(body)) return body
  const parts = parseParts(body.bytes)
  if (isRefusal(parts)) return parts
  const { tenant, bucket, key } = call
  const uploadId = uploadIdOf(call)
  const size = parseLength(call.headers.get('x-amz-mp-object-size'))
  const conditions = parseConditions(call.headers)
  const result = await deps.store.completeUpload({ tenant, bucket, key, uploadId, parts, checksum, size, conditions })
  if (result.is === 'invalid-part') return refuse('InvalidPart', undefined, { UploadId: uploadId, PartNumber: String(result.part) })
  if (result.is === 'too-small') {
    return refuse('EntityTooSmall', undefined, { PartNumber: String(result.part), MinSizeAllowed: String(PART_BYTES_MIN) })
  }
  if (result.is !== 'stored') return refused(result)
  const { info } = result
  return xmlReply('CompleteMultipartUploadResult', [
    ['Location', `/${bucket}/${key}`],
    ['Bucket', bucket],
    ['Key', key],
    ['ETag', `"${info.etag}"`],
    ...checksumElements(info.checksums),
    ...(info.checksumType === null ? [] : [['ChecksumType', info.checksumType] as const]),
  ])
}

export const abortMultipartUpload: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const result = await deps.store.abortUpload(call.tenant, call.bucket, call.key, uploadIdOf(call))
  return result.is === 'aborted' ? emptyReply(204) : refused(result)
}

const partElements = (part: PartInfo): XmlElements => [
  ['PartNumber', part.number],
  ['LastModified', isoDate(part.modified)],
  ['ETag', `"${part.etag}"`],
  ['Size', part.size],
  ...checksumElements(part.checksums),
]

export const listParts: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const spell = spelling(call)
  if (isRefusal(spell)) return spell
  const after = integerParameter(call.query, 'part-number-marker', 0, 0, 2 ** 31 - 1)
  if (isRefusal(after)) return after
  const asked = integerParameter(call.query, 'max-parts', KEYS, 1, 2 ** 31 - 1)
  if (isRefusal(asked)) return asked
  const limit = Math.min(asked, KEYS)
  const { tenant, bucket, key } = call
  const uploadId = uploadIdOf(call)
  const result = await deps.store.listParts(tenant, bucket, key, uploadId, after, limit)
  if (result.is !== 'parts') return refused(result)
  const last = result.parts.at(-1)?.number ?? after
  return xmlReply('ListPartsResult', [
    ['Bucket', bucket],
    ['Key', spell(key)],
    ['UploadId', uploadId],
    ['Initiator', ownerElements(tenant.account)],
    ['Owner', ownerElements(tenant.account)],
    ['StorageClass', 'STANDARD'],
    ['PartNumberMarker', after],
    ['NextPartNumberMarker', last],
    ['MaxParts', limit],
    ['IsTruncated', result.truncated],
    ...result.parts.map((part) => ['Part', partElements(part)] as const),
  ])
}

export const listMultipartUploads: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const spell = spelling(call)
  if (isRefusal(spell)) return spell
  if ((call.query.get('delimiter') ?? '') !== '') return refuse('NotImplemented', 'Uploads are listed without a delimiter.')
  const asked = integerParameter(call.query, 'max-uploads', KEYS, 1, 2 ** 31 - 1)
  if (isRefusal(asked)) return asked
  const limit = Math.min(asked, KEYS)
  const prefix = call.query.get('prefix') ?? ''
  const keyMarker = call.query.get('key-marker') ?? ''
  const uploadMarker = call.query.get('upload-id-marker') ?? ''
  const after = keyMarker === '' ? null : { key: keyMarker, uploadId: uploadMarker }
  const result = await deps.store.listUploads(call.tenant, call.bucket, prefix, after, limit)
  if (result.is !== 'uploads') return refuse('NoSuchBucket')
  const last = result.truncated ? result.uploads.at(-1) : undefined
  const owner = ownerElements(call.tenant.account)
  return xmlReply('ListMultipartUploadsResult', [
    ['Bucket', call.bucket],
    ['KeyMarker', spell(keyMarker)],
    ['UploadIdMarker', uploadMarker],
    ...(last === undefined
      ? []
      : ([
          ['NextKeyMarker', spell(last.key)],
          ['NextUploadIdMarker', last.uploadId],
        ] as const)),
    ['Prefix', spell(prefix)],
    ...(call.query.has('encoding-type') ? [['EncodingType', 'url'] as const] : []),
    ['MaxUploads', limit],
    ['IsTruncated', result.truncated],
    ...result.uploads.map((upload) => {
      const content: XmlElements = [
        ['Key', spell(upload.key)],
        ['UploadId', upload.uploadId],
        ['Initiator', owner],
        ['Owner', owner],
        ['StorageClass', 'STANDARD'],
        ['Initiated', isoDate(upload.started)],
      ]
      return ['Upload', content] as const
    }),
  ])
}
