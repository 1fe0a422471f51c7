import type { AccessKey } from '../../object-store.ts'
import type { Query } from './target.ts'

type Permission = AccessKey['permissions'][number]

/** What the door can do, and which permission each operation takes; null: any key that may see the bucket. */
export const OPERATIONS = {
  ListBuckets: 'list',
  CreateBucket: 'write',
  DeleteBucket: 'delete',
  HeadBucket: null,
  GetBucketLocation: null,
  /** Questions about configuration that has one fixed answer here: versioning, acl, policy, … */
  ProbeBucket: null,
  ListObjects: 'list',
  ListObjectsV2: 'list',
  ListMultipartUploads: 'list',
  DeleteObjects: 'delete',
  PutObject: 'write',
  CopyObject: 'write',
  GetObject: 'read',
  HeadObject: 'read',
  DeleteObject: 'delete',
  ProbeObject: 'read',
  CreateMultipartUpload: 'write',
  UploadPart: 'write',
  UploadPartCopy: 'write',
  CompleteMultipartUpload: 'write',
  AbortMultipartUpload: 'write',
  ListParts: 'write',
} as const satisfies Record<string, Permission | null>

export type Operation = keyof typeof OPERATIONS

export interface Route {
  readonly operation: Operation
  /** The subresource of a probe, '' otherwise. */
  readonly probe: string
}

export type Unrouted = 'NotImplemented' | 'MethodNotAllowed'

/** Parameters that make a request be about something else than the bucket or object itself (S3 API reference). */
const SUBRESOURCES: ReadonlySet<string> = new Set(
  (
    'accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location ' +
    'logging metadataTable metrics notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock ' +
    'renameObject replication requestPayment restore retention select session tagging torrent uploadId uploads versioning versions website'
  ).split(' '),
)

/** GET questions with a fixed answer, see probes.ts. */
export const BUCKET_PROBES = [
  'accelerate',
  'acl',
  'cors',
  'encryption',
  'lifecycle',
  'logging',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'tagging',
  'versioning',
  'website',
] as const
export const OBJECT_PROBES = ['acl', 'legal-hold', 'retention', 'tagging'] as const

const is = (operation: Operation): Route => ({ operation, probe: '' })
const plain = {
  listBuckets: is('ListBuckets'),
  getObject: is('GetObject'),
  headObject: is('HeadObject'),
  deleteObject: is('DeleteObject'),
  putObject: is('PutObject'),
  copyObject: is('CopyObject'),
}

function subresources(query: Query): readonly string[] {
  if (query.size === 0) return []
  return [...query.keys()].filter((name) => SUBRESOURCES.has(name))
}

function bucketRoute(method: string, query: Query): Route | Unrouted {
  const [first, second] = subresources(query)
  if (second !== undefined) return 'NotImplemented'
  if (first === undefined) {
    if (method === 'GET') return is(query.get('list-type') === '2' ? 'ListObjectsV2' : 'ListObjects')
    if (method === 'PUT') return is('CreateBucket')
    if (method === 'HEAD') return is('HeadBucket')
    if (method === 'DELETE') return is('DeleteBucket')
    // POST without a subresource is a browser's form upload.
    return method === 'POST' ? 'NotImplemented' : 'MethodNotAllowed'
  }
  if (method === 'POST' && first === 'delete') return is('DeleteObjects')
  if (method !== 'GET') return 'NotImplemented'
  if (first === 'location') return is('GetBucketLocation')
  if (first === 'uploads') return is('ListMultipartUploads')
  return BUCKET_PROBES.some((probe) => probe === first) ? { operation: 'ProbeBucket', probe: first } : 'NotImplemented'
}

function multipartRoute(method: string, names: readonly string[], copies: boolean): Route | Unrouted {
  const both = names.includes('uploadId') && names.includes('partNumber') && names.length === 2
  if (both) return method === 'PUT' ? is(copies ? 'UploadPartCopy' : 'UploadPart') : 'NotImplemented'
  if (names.length !== 1) return 'NotImplemented'
  if (names[0] === 'uploads') return method === 'POST' ? is('CreateMultipartUpload') : 'MethodNotAllowed'
  if (names[0] !== 'uploadId') return 'NotImplemented'
  if (method === 'POST') return is('CompleteMultipartUpload')
  if (method === 'DELETE') return is('AbortMultipartUpload')
  return method === 'GET' ? is('ListParts') : 'NotImplemented'
}

function objectRoute(method: string, query: Query, copies: boolean): Route | Unrouted {
  const names = subresources(query)
  const [first] = names
  if (first === undefined || (first === 'partNumber' && names.length === 1 && method !== 'PUT')) {
    if (method === 'GET') return plain.getObject
    if (method === 'HEAD') return plain.headObject
    if (method === 'PUT' && first === undefined) return copies ? plain.copyObject : plain.putObject
    if (method === 'DELETE' && first === undefined) return plain.deleteObject
    return 'MethodNotAllowed'
  }
  if (names.includes('uploadId') || names.includes('uploads')) return multipartRoute(method, names, copies)
  if (method === 'GET' && names.length === 1 && OBJECT_PROBES.some((probe) => probe === first))
    return { operation: 'ProbeObject', probe: first }
  return 'NotImplemented'
}

/** Which operation a request asks for. `copies`: it has an x-amz-copy-source header. */
export function route(method: string, bucket: string, key: string, query: Query, copies: boolean): Route | Unrouted {
  if (bucket === '') return method === 'GET' ? plain.listBuckets : 'MethodNotAllowed'
  return key === '' ? bucketRoute(method, query) : objectRoute(method, query, copies)
}
