/**
 * The one place where a request becomes a known customer's. Nothing behind it sees an unsigned request, and no header
 * that changes what S3 does (x-amz-…) passes unsigned.
 */
import type { Crypto } from '../../../../protocol/crypto.ts'
import type { UnixMs } from '../../../../protocol/units.ts'
import type { HttpRequest } from '../../../../runtime/index.ts'
import type { AccessKey, AccessKeys } from '../../object-store.ts'
import { amzDate, parseAmzDate, parseHttpDate } from './dates.ts'
import { PRESIGNED_SECONDS, SKEW_MS } from './limits.ts'
import { type Refusal, refuse } from './refusal.ts'
import { ALGORITHM, canonicalRequest, equalSignatures, type Scope, sign, signingKeys, stringToSign } from './sigv4.ts'
import { canonicalQuery, type Target } from './target.ts'

/** What x-amz-content-sha256 says about the body. */
export type Payload =
  | { readonly is: 'literal'; readonly sha256: string }
  | { readonly is: 'unsigned' }
  /** aws-chunked: each chunk carries a signature, and with `trailer` so do the trailing headers. */
  | { readonly is: 'signed-chunks'; readonly trailer: boolean }
  /** aws-chunked with trailing headers, nothing signed. */
  | { readonly is: 'unsigned-trailer' }

export interface Authenticated {
  readonly is: 'authenticated'
  readonly key: AccessKey
  readonly payload: Payload
  readonly scope: Scope
  /** `20130524T000000Z` */
  readonly timestamp: string
  readonly signingKey: Uint8Array
  /** The request's signature: the first link of a chain of chunk signatures. */
  readonly signature: string
}

/** What a client claims, before anything is checked. */
interface Claim {
  readonly scope: Scope
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly timestamp: string
  readonly payload: string
  /** Seconds, of a presigned URL. */
  readonly expires: number | null
}

const UNSUPPORTED = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.'

function payloadOf(text: string): Payload | null {
  switch (text) {
    case 'UNSIGNED-PAYLOAD':
      return { is: 'unsigned' }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { is: 'signed-chunks', trailer: false }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { is: 'signed-chunks', trailer: true }
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { is: 'unsigned-trailer' }
    default:
      return isHexDigest(text) ? { is: 'literal', sha256: text } : null
  }
}

function isHexDigest(text: string): boolean {
  if (text.length !== 64) return false
  for (let i = 0; i < 64; i += 1) {
    const c = text.charCodeAt(i)
    if (!((c >= 48 && c <= 57) || (c >= 97 && c <= 102))) return false
  }
  return true
}

type MalformedCode = 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError'

/** `KEY/20130524/us-east-1/s3/aws4_request` */
function parseScope(text: string, region: string, code: MalformedCode): Scope | Refusal {
  const parts = text.split('/')
  const [accessKey, date, there, service, end] = parts
  if (parts.length !== 5 || !accessKey || date?.length !== 8 || service !== 's3' || end !== 'aws4_request') {
    return refuse(code, 'The credential must be KEY/YYYYMMDD/REGION/s3/aws4_request.')
  }
  if (there !== region) return refuse(code, `The region '${there}' is wrong; expecting '${region}'`, { Region: region })
  return { accessKey, date, region }
}

/** Lower-case names in strictly ascending order, as SigV4 wants them; null otherwise. */
function parseSignedHeaders(text: string): readonly string[] | null {
  const names = text.split(';')
  let before = ''
  for (const name of names) {
    if (name <= before || name !== name.toLowerCase()) return null
    before = name
  }
  return names
}

function headerTimestamp(headers: ReadonlyMap<string, string>): string | null {
  const amz = headers.get('x-amz-date')
  if (amz !== undefined) return amz
  const date = headers.get('date')
  if (date === undefined) return null
  if (parseAmzDate(date) !== null) return date
  const at = parseHttpDate(date)
  return at === null ? null : amzDate(at)
}

function headerClaim(authorization: string, headers: ReadonlyMap<string, string>, region: string): Claim | Refusal {
  if (!authorization.startsWith(`${ALGORITHM} `)) return refuse('InvalidRequest', UNSUPPORTED)
  const fields = new Map<string, string>()
  for (const part of authorization.slice(ALGORITHM.length + 1).split(',', 4)) {
    const at = part.indexOf('=')
    // SDKs put one space after the comma, others none.
    const name = part.slice(part.startsWith(' ') ? 1 : 0, Math.max(at, 0))
    if (at < 0 || fields.has(name)) return refuse('AuthorizationHeaderMalformed')
    fields.set(name, part.slice(at + 1))
  }
  const signature = fields.get('Signature')
  const signedHeaders = parseSignedHeaders(fields.get('SignedHeaders') ?? '')
  if (fields.size !== 3 || signature === undefined || signedHeaders === null) return refuse('AuthorizationHeaderMalformed')
  const scope = parseScope(fields.get('Credential') ?? '', region, 'AuthorizationHeaderMalformed')
  if ('is' in scope) return scope
  const timestamp = headerTimestamp(headers)
  if (timestamp === null) return refuse('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  const payload = headers.get('x-amz-content-sha256')
  if (payload === undefined) return refuse('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  return { scope, signedHeaders, signature, timestamp, payload, expires: null }
}

function queryClaim(target: Target, headers: ReadonlyMap<string, string>, region: string): Claim | Refusal {
  const query = target.query
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) return refuse('InvalidRequest', UNSUPPORTED)
  const signature = query.get('X-Amz-Signature')
  const timestamp = query.get('X-Amz-Date')
  const signedHeaders = parseSignedHeaders(query.get('X-Amz-SignedHeaders') ?? '')
  const expires = Number(query.get('X-Amz-Expires') ?? Number.NaN)
  if (signature === undefined || timestamp === undefined || signedHeaders === null) return refuse('AuthorizationQueryParametersError')
  if (!Number.isInteger(expires) || expires < 1 || expires > PRESIGNED_SECONDS) {
    return refuse('AuthorizationQueryParametersError', `X-Amz-Expires must be between 1 and ${PRESIGNED_SECONDS} seconds`)
  }
  const scope = parseScope(query.get('X-Amz-Credential') ?? '', region, 'AuthorizationQueryParametersError')
  if ('is' in scope) return scope
  const payload = headers.get('x-amz-content-sha256') ?? query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD'
  return { scope, signedHeaders, signature, timestamp, payload, expires }
}

/** Header or query, and only one of them. Null for a request that does not try. */
function claimOf(request: HttpRequest, target: Target, region: string): Claim | Refusal | null {
  const authorization = request.headers.get('authorization')
  const query = target.query
  const presigned = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature')
  if (query.has('AWSAccessKeyId')) return refuse('InvalidRequest', UNSUPPORTED)
  if (authorization === undefined) return presigned ? queryClaim(target, request.headers, region) : null
  if (presigned) return refuse('InvalidArgument', 'Only one auth mechanism allowed')
  return headerClaim(authorization, request.headers, region)
}

/** Dates: the signature's day is its scope's day, and the moment is near, or the URL has not expired. */
function checkTime(claim: Claim, now: UnixMs): Refusal | null {
  const at = parseAmzDate(claim.timestamp)
  if (at === null) return refuse('AccessDenied', 'The date of the request must be in the ISO8601 basic format YYYYMMDDTHHMMSSZ')
  if (!claim.timestamp.startsWith(claim.scope.date)) {
    const code = claim.expires === null ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
    return refuse(code, 'The date in the credential scope does not match the date of the request')
  }
  if (claim.expires === null) return Math.abs(now - at) > SKEW_MS ? refuse('RequestTimeTooSkewed') : null
  if (at - now > SKEW_MS) return refuse('AccessDenied', 'Request is not valid yet')
  return now > at + claim.expires * 1000 ? refuse('AccessDenied', 'Request has expired') : null
}

/** The host and every x-amz-… header must be under the signature: a proxy must not be able to add one. */
function unsignedHeader(headers: ReadonlyMap<string, string>, signed: readonly string[]): string | null {
  if (!signed.includes('host')) return 'host'
  for (const name of headers.keys()) if (name.startsWith('x-amz-') && !signed.includes(name)) return name
  for (const name of signed) if (!headers.has(name)) return name
  return null
}

/** Checks requests against `keys`; the returned function gives who signed, or why the request is refused. */
export function authenticator(
  crypto: Crypto,
  keys: AccessKeys,
  region: string,
): (request: HttpRequest, target: Target, now: UnixMs) => Authenticated | Refusal {
  const signingKeyOf = signingKeys(crypto)
  return (request, target, now) => {
    const claim = claimOf(request, target, region)
    if (claim === null) return refuse('AccessDenied')
    if ('is' in claim) return claim
    const payload = payloadOf(claim.payload)
    if (payload === null) {
      return refuse('InvalidArgument', 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING-… value or a valid sha256 value.')
    }
    const late = checkTime(claim, now)
    if (late !== null) return late
    const unsigned = unsignedHeader(request.headers, claim.signedHeaders)
    if (unsigned !== null) {
      return refuse('AccessDenied', 'There were headers present in the request which were not signed', { HeadersNotSigned: unsigned })
    }
    const key = keys.find(claim.scope.accessKey)
    if (key === null) return refuse('InvalidAccessKeyId', undefined, { AWSAccessKeyId: claim.scope.accessKey })
    const signingKey = signingKeyOf(key.secretKey, claim.scope)
    const canonical = canonicalRequest({
      method: request.method,
      canonicalPath: target.canonicalPath,
      canonicalQuery: canonicalQuery(target.query, claim.expires === null ? null : 'X-Amz-Signature'),
      headers: request.headers,
      signedHeaders: claim.signedHeaders,
      payload: claim.payload,
    })
    const expected = sign(crypto, signingKey, stringToSign(crypto, claim.timestamp, claim.scope, canonical))
    if (!equalSignatures(expected, claim.signature)) {
      // The canonical request is shown, as S3 does, because it is what tells a client's author what went wrong.
      return refuse('SignatureDoesNotMatch', undefined, { AWSAccessKeyId: key.accessKey, CanonicalRequest: canonical })
    }
    if (key.expires !== null && now >= key.expires) return refuse('AccessDenied', 'The access key has expired')
    return { is: 'authenticated', key, payload, scope: claim.scope, timestamp: claim.timestamp, signingKey, signature: expected }
  }
}
