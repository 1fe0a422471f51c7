/** DeleteObjects. */
import { type Call, type Handler, inScope, readWhole, xmlReply } from './call.ts'
import { KEYS, XML_BYTES } from './limits.ts'
import { isKeyTooLong } from './names.ts'
import { isRefusal, type Refusal, refuse } from './refusal.ts'
import { elements, parseXml, textOf } from './xml-in.ts'
import type { XmlElements } from './xml-out.ts'

interface Bulk {
  readonly keys: readonly string[]
  /** Keys that cannot be deleted, with S3's code for each. */
  readonly failed: readonly { readonly key: string; readonly refusal: Refusal }[]
  readonly quiet: boolean
}

function refuseKey(call: Call, key: string, version: string): Refusal | null {
  if (isKeyTooLong(key)) return refuse('KeyTooLongError')
  if (version !== 'null' && version !== '') return refuse('NoSuchVersion')
  return inScope(call.auth.key, 'delete', call.bucket, key) ? null : refuse('AccessDenied')
}

function parse(call: Call, bytes: Uint8Array): Bulk | null {
  const document = parseXml(bytes, 'Delete')
  if (document === null) return null
  const objects = elements(document, 'Object')
  if (objects.length === 0 || objects.length > KEYS) return null
  const keys: string[] = []
  const failed: { key: string; refusal: Refusal }[] = []
  for (const object of objects) {
    const key = textOf(object, 'Key')
    if (key === null || key === '') return null
    const refusal = refuseKey(call, key, textOf(object, 'VersionId') ?? '')
    if (refusal === null) keys.push(key)
    else failed.push({ key, refusal })
  }
  return { keys, failed, quiet: textOf(document, 'Quiet')?.trim().toLowerCase() === 'true' }
}

export const deleteObjects: Handler = async (deps, call) => {
  const body = await readWhole(deps, call, XML_BYTES)
  if (isRefusal(body)) return body
  if (body.bytes.length === 0) return refuse('MissingRequestBodyError')
  // A deletion cannot be taken back: S3 wants proof that the list arrived as it was sent.
  if (!body.verified) return refuse('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
  const bulk = parse(call, body.bytes)
  if (bulk === null) return refuse('MalformedXML')
  const result = await deps.store.delete(call.tenant, call.bucket, bulk.keys)
  if (result.is === 'no-bucket') return refuse('NoSuchBucket')
  const deleted: XmlElements = bulk.quiet ? [] : bulk.keys.map((key) => ['Deleted', [['Key', key]]])
  const errors: XmlElements = bulk.failed.map(({ key, refusal }) => [
    'Error',
    [
      ['Key', key],
      ['Code', refusal.code],
      ['Message', refusal.message],
    ],
  ])
  return xmlReply('DeleteResult', [...deleted, ...errors])
}
