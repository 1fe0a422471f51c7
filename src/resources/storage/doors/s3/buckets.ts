/** ListBuckets, CreateBucket, DeleteBucket, HeadBucket, GetBucketLocation. */
import { emptyReply, type Handler, readWhole, refuseBody, xmlReply } from './call.ts'
import { isoDate } from './dates.ts'
import { XML_BYTES } from './limits.ts'
import { refuseNotOffered } from './object-headers.ts'
import { isRefusal, type Refusal, refuse } from './refusal.ts'
import { parseXml, textOf } from './xml-in.ts'
import type { XmlElements } from './xml-out.ts'

/** Owner of everything that an account has: the account itself. */
export const ownerElements = (account: string): XmlElements => [
  ['ID', account],
  ['DisplayName', account],
]

export const listBuckets: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const { buckets } = call.auth.key
  const all = await deps.store.listBuckets(call.tenant)
  const visible = all.filter(({ name }) => buckets === null || buckets.includes(name))
  return xmlReply('ListAllMyBucketsResult', [
    ['Owner', ownerElements(call.tenant.account)],
    [
      'Buckets',
      visible.map(
        ({ name, created }) =>
          [
            'Bucket',
            [
              ['Name', name],
              ['CreationDate', isoDate(created)],
            ],
          ] as const,
      ),
    ],
  ])
}

/** There is one region; a bucket asked for elsewhere would not be there. */
function refuseLocation(bytes: Uint8Array, region: string): Refusal | null {
  if (bytes.length === 0) return null
  const configuration = parseXml(bytes, 'CreateBucketConfiguration')
  if (configuration === null) return refuse('MalformedXML')
  const location = textOf(configuration, 'LocationConstraint') ?? ''
  return location === '' || location === region ? null : refuse('InvalidLocationConstraint', undefined, { LocationConstraint: location })
}

export const createBucket: Handler = async (deps, call) => {
  const notOffered = refuseNotOffered(call.headers)
  if (notOffered !== null) return notOffered
  const body = await readWhole(deps, call, XML_BYTES)
  if (isRefusal(body)) return body
  const elsewhere = refuseLocation(body.bytes, deps.region)
  if (elsewhere !== null) return elsewhere
  const result = await deps.store.createBucket(call.tenant, call.bucket)
  if (result.is === 'created') return emptyReply(200, { location: `/${call.bucket}` })
  return refuse(result.mine ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', undefined, { BucketName: call.bucket })
}

export const deleteBucket: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const result = await deps.store.deleteBucket(call.tenant, call.bucket)
  if (result.is === 'deleted') return emptyReply(204)
  return refuse(result.is === 'no-bucket' ? 'NoSuchBucket' : 'BucketNotEmpty', undefined, { BucketName: call.bucket })
}

export const headBucket: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  if (!(await deps.store.headBucket(call.tenant, call.bucket))) return refuse('NoSuchBucket')
  return emptyReply(200, { 'x-amz-bucket-region': deps.region })
}

export const getBucketLocation: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  if (!(await deps.store.headBucket(call.tenant, call.bucket))) return refuse('NoSuchBucket')
  // S3's first region has no name here, and clients know it.
  return xmlReply('LocationConstraint', deps.region === 'us-east-1' ? '' : deps.region)
}
