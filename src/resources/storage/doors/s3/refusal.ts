import { isCairnError } from '../../../../protocol/errors.ts'
import type { HttpResponse } from '../../../../runtime/index.ts'
import { BodyError } from '../../object-store.ts'
import { xmlDocument } from './xml-out.ts'

/** S3's error codes that this door gives, with their statuses and S3's own wording. S3 API reference, "Error responses". */
const CODES = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters that you provided are not valid.'],
  BadDigest: [400, 'The Content-MD5 or checksum value that you specified did not match what the server received.'],
  BucketAlreadyExists: [409, 'The requested bucket name is not available.'],
  BucketAlreadyOwnedByYou: [409, 'Your previous request to create the named bucket succeeded and you already own it.'],
  BucketNotEmpty: [409, 'The bucket you tried to delete is not empty.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed size.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'],
  InsufficientStorage: [507, 'The network has no room for this object.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The access key ID you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidDigest: [400, 'The Content-MD5 or checksum value that you specified is not valid.'],
  InvalidLocationConstraint: [400, 'The specified location-constraint is not valid.'],
  InvalidPart: [400, 'One or more of the specified parts could not be found, or its entity tag or checksum did not match.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidStorageClass: [400, 'The storage class you specified is not valid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  MissingRequestBodyError: [400, 'Request body is empty.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist.'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist.'],
  NoSuchObjectLockConfiguration: [404, 'The specified object does not have a ObjectLock configuration.'],
  NoSuchPublicAccessBlockConfiguration: [404, 'The public access block configuration was not found.'],
  NoSuchTagSet: [404, 'The TagSet does not exist.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist.'],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NoSuchWebsiteConfiguration: [404, 'The specified bucket does not have a website configuration.'],
  NotImplemented: [501, 'A header or operation that you provided implies functionality that is not implemented.'],
  ObjectLockConfigurationNotFoundError: [404, 'Object Lock configuration does not exist for this bucket.'],
  OwnershipControlsNotFoundError: [404, 'The bucket ownership controls were not found.'],
  PreconditionFailed: [412, 'At least one of the preconditions you specified did not hold.'],
  ReplicationConfigurationNotFoundError: [404, 'The replication configuration was not found.'],
  RequestTimeTooSkewed: [403, "The difference between the request time and the server's time is too large."],
  ServiceUnavailable: [503, 'Service is unable to handle the request.'],
  SignatureDoesNotMatch: [403, 'The request signature that the server calculated does not match the signature that you provided.'],
  SlowDown: [503, 'Please reduce your request rate.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [number, string]>

export type S3Code = keyof typeof CODES

/** What a customer did wrong, or what the network cannot do now, in S3's words. */
export interface Refusal {
  readonly is: 'refusal'
  readonly code: S3Code
  readonly message: string
  /** More elements of the error document, e.g. BucketName. */
  readonly more: Readonly<Record<string, string>>
}

/** What a handler gives back. */
export type Reply = HttpResponse | Refusal

export function refuse(code: S3Code, message?: string, more: Readonly<Record<string, string>> = {}): Refusal {
  return { is: 'refusal', code, message: message ?? CODES[code][1], more }
}

/** Narrows anything that may be a refusal. */
export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'is' in value && value.is === 'refusal'

export const isS3Code = (code: string): code is S3Code => Object.hasOwn(CODES, code)

/** The error document. `resource` is the path that was asked for. HEAD requests get no body. */
export function refusalResponse(refusal: Refusal, resource: string, requestId: string, head: boolean): HttpResponse {
  const status = CODES[refusal.code][0]
  if (head) return { status, headers: {}, body: null }
  const body = xmlDocument('Error', false, [
    ['Code', refusal.code],
    ['Message', refusal.message],
    ...Object.entries(refusal.more),
    ['Resource', resource],
    ['RequestId', requestId],
  ])
  return { status, headers: { 'content-type': 'application/xml', 'content-length': String(body.length) }, body }
}

/** What a thrown failure is in S3's words, or null when it is a bug. SDKs retry 500 and 503, and give up on 507. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof BodyError) return refuse(error.code, error.message)
  if (!isCairnError(error)) return null
  switch (error.code) {
    case 'NO_PROVIDERS':
    case 'NOT_DURABLE':
    case 'SEGMENT_LOST':
    case 'UNREACHABLE':
    case 'CHAIN_AWAY':
    case 'DEADLINE':
    case 'DISK':
      return refuse('ServiceUnavailable', error.message)
    case 'LIMIT':
      return refuse('SlowDown', error.message)
    case 'FULL':
      return refuse('InsufficientStorage')
    case 'CORRUPT':
      return refuse('InternalError', error.message)
    case 'ABORTED':
      return refuse('IncompleteBody', error.message)
    default:
      return null
  }
}
