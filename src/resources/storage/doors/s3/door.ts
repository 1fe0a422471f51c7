/**
 * The S3 door: one function from an HTTP request to its answer. In this order: parse, authenticate, route, check the
 * credential's scope, then the operation's handler; whatever is refused on the way is S3's error document.
 */
import type { Crypto } from '../../../../protocol/crypto.ts'
import type { Clock, HttpRequest, HttpResponse, Log, Metrics, Random } from '../../../../runtime/index.ts'
import { toHex } from '../../../../std/bytes.ts'
import type { AccessKeys, ObjectStore } from '../../object-store.ts'
import { authenticator } from './authenticate.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './buckets.ts'
import { deleteObjects } from './bulk-delete.ts'
import { type Call, type Deps, type Handler, inScope } from './call.ts'
import { copyObject } from './copy.ts'
import { listObjects, listObjectsV2 } from './listing.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './multipart.ts'
import { isBucketName, isKeyTooLong } from './names.ts'
import { deleteObject, getObject, headObject, putObject } from './objects.ts'
import { probeBucket, probeObject } from './probes.ts'
import { isRefusal, type Refusal, type Reply, refusalOf, refusalResponse, refuse } from './refusal.ts'
import { OPERATIONS, type Operation, route } from './route.ts'
import { parseTarget } from './target.ts'

export interface S3DoorOptions {
  readonly store: ObjectStore
  readonly keys: AccessKeys
  readonly crypto: Crypto
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  /** The one region that signatures may name, e.g. `us-east-1`. */
  readonly region: string
  /** With `domain` `s3.example`, `bucket.s3.example` names a bucket in the host; every host works with the bucket in the path. */
  readonly domain?: string
}

const HANDLERS: Readonly<Record<Operation, Handler>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  DeleteBucket: deleteBucket,
  HeadBucket: headBucket,
  GetBucketLocation: getBucketLocation,
  ProbeBucket: probeBucket,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListMultipartUploads: listMultipartUploads,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  ProbeObject: probeObject,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
}

/** Bucket and key of a decoded path, or of host and path when the host names a bucket of `domain`. */
function locate(path: string, host: string, domain: string | null): { bucket: string; key: string } {
  if (domain !== null) {
    const colon = host.lastIndexOf(':')
    const name = (colon < 0 ? host : host.slice(0, colon)).toLowerCase()
    if (name.length > domain.length && name.endsWith(domain)) return { bucket: name.slice(0, -domain.length), key: path.slice(1) }
  }
  const slash = path.indexOf('/', 1)
  return slash < 0 ? { bucket: path.slice(1), key: '' } : { bucket: path.slice(1, slash), key: path.slice(slash + 1) }
}

/** Whether the credential may do this. Lists are held to their prefix; deletions of many check each key themselves. */
function refuseScope(call: Call): Refusal | null {
  const { operation } = call.route
  const permission = OPERATIONS[operation]
  let path = call.key
  if (operation === 'ListObjects' || operation === 'ListObjectsV2' || operation === 'ListMultipartUploads')
    path = call.query.get('prefix') ?? ''
  // Questions about a bucket as a whole, and a list of deletions, do not touch what is outside of the prefix.
  else if (permission === null || operation === 'ListBuckets' || operation === 'DeleteObjects') path = call.auth.key.prefix
  if (!inScope(call.auth.key, permission, call.bucket, path)) return refuse('AccessDenied')
  const owner = call.headers.get('x-amz-expected-bucket-owner')
  return owner === undefined || owner.toLowerCase() === call.tenant.account ? null : refuse('AccessDenied')
}

/** The door. The returned function never throws: failures of the world and bugs are answers too. */
export function createS3Door(options: S3DoorOptions): (request: HttpRequest) => Promise<HttpResponse> {
  const { keys, crypto, clock, random, log, metrics, region } = options
  const deps: Deps = { store: options.store, crypto, region }
  const domain = options.domain === undefined ? null : `.${options.domain.toLowerCase()}`
  const authenticate = authenticator(crypto, keys, region)
  const answered = metrics.counter('cairn_s3_requests_total', 'Requests answered by the S3 door, by operation and status.')
  const idPrefix = toHex(random.bytes(4)).toUpperCase()
  let requests = 0

  function prepare(request: HttpRequest): Call | Refusal {
    const target = parseTarget(request.target)
    if (target === null) return refuse('InvalidURI')
    const now = clock.now()
    const auth = authenticate(request, target, now)
    if (auth.is === 'refusal') return auth
    const { headers } = request
    const { bucket, key } = locate(target.path, headers.get('host') ?? '', domain)
    if (bucket !== '' && !isBucketName(bucket)) return refuse('InvalidBucketName', undefined, { BucketName: bucket })
    if (isKeyTooLong(key)) return refuse('KeyTooLongError')
    const found = route(request.method, bucket, key, target.query, headers.has('x-amz-copy-source'))
    if (typeof found === 'string') return refuse(found)
    const tenant = { account: auth.key.account, accessKey: auth.key.accessKey }
    const call: Call = { route: found, auth, tenant, bucket, key, query: target.query, headers, request, now }
    return refuseScope(call) ?? call
  }

  async function handle(call: Call, requestId: string): Promise<Reply> {
    try {
      return await HANDLERS[call.route.operation](deps, call)
    } catch (error) {
      const refusal = refusalOf(error)
      const fields = { requestId, operation: call.route.operation, error: String(error) }
      if (refusal === null) log.error('an S3 request failed by a bug', fields)
      else if (refusal.code === 'ServiceUnavailable' || refusal.code === 'InternalError') log.warn('an S3 request failed', fields)
      return refusal ?? refuse('InternalError')
    }
  }

  return async (request) => {
    requests += 1
    const requestId = `${idPrefix}${requests.toString(16).toUpperCase().padStart(8, '0')}`
    const call = prepare(request)
    const reply = isRefusal(call) ? call : await handle(call, requestId)
    const response = isRefusal(reply)
      ? refusalResponse(reply, request.target.split('?', 1)[0] ?? '', requestId, request.method === 'HEAD')
      : reply
    answered.add(1, { operation: isRefusal(call) ? 'refused' : call.route.operation, status: String(response.status) })
    return { ...response, headers: { ...response.headers, 'x-amz-request-id': requestId, server: 'Cairn' } }
  }
}
