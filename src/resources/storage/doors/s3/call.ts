/** What every handler gets: a request that is authenticated and allowed, and the few things that handlers share. */
import type { Crypto } from '../../../../protocol/crypto.ts'
import type { UnixMs } from '../../../../protocol/units.ts'
import type { HttpRequest, HttpResponse } from '../../../../runtime/index.ts'
import type { AccessKey, Missing, ObjectStore, Refused, Tenant } from '../../object-store.ts'
import type { Authenticated } from './authenticate.ts'
import { openBody } from './body.ts'
import { isS3Code, type Refusal, type Reply, refuse } from './refusal.ts'
import type { Route } from './route.ts'
import { EMPTY_SHA256 } from './sigv4.ts'
import type { Query } from './target.ts'
import { type XmlElements, xmlDocument } from './xml-out.ts'

export interface Deps {
  readonly store: ObjectStore
  readonly crypto: Crypto
  readonly region: string
}

export interface Call {
  readonly route: Route
  readonly auth: Authenticated
  readonly tenant: Tenant
  readonly bucket: string
  readonly key: string
  readonly query: Query
  readonly headers: ReadonlyMap<string, string>
  readonly request: HttpRequest
  readonly now: UnixMs
}

export type Handler = (deps: Deps, call: Call) => Promise<Reply>

/** Whether the credential reaches this bucket and, below it, everything that begins with `path`. */
export function inScope(key: AccessKey, permission: AccessKey['permissions'][number] | null, bucket: string, path: string): boolean {
  if (permission !== null && !key.permissions.includes(permission)) return false
  if (bucket !== '' && key.buckets !== null && !key.buckets.includes(bucket)) return false
  return path.startsWith(key.prefix)
}

export function xmlReply(root: string, content: XmlElements | string, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  const body = xmlDocument(root, true, content)
  return { status: 200, headers: { ...headers, 'content-type': 'application/xml', 'content-length': String(body.length) }, body }
}

export const emptyReply = (status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse => ({
  status,
  // 204 must not carry a length (RFC 9110 §8.6).
  headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': '0' },
  body: null,
})

/** The refusals that any operation of the store may give. */
export function refused(result: Missing | Refused): Refusal {
  switch (result.is) {
    case 'no-bucket':
      return refuse('NoSuchBucket')
    case 'no-key':
      return refuse('NoSuchKey')
    case 'no-upload':
      return refuse('NoSuchUpload')
    case 'precondition-failed':
      return refuse('PreconditionFailed')
    case 'bad-body':
      return refuse(isS3Code(result.code) ? result.code : 'InvalidRequest', result.why)
  }
}

const hasBody = (headers: ReadonlyMap<string, string>): boolean =>
  headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0'

/** For operations without a body: there must be none, and a literal payload hash must say so. */
export function refuseBody(call: Call): Refusal | null {
  if (hasBody(call.headers)) return refuse('InvalidRequest', `${call.route.operation} takes no request body.`)
  const payload = call.auth.payload
  return payload.is === 'literal' && payload.sha256 !== EMPTY_SHA256 ? refuse('XAmzContentSHA256Mismatch') : null
}

/** A whole body of at most `limit` bytes, checked against everything that the client said about it. */
export async function readWhole(
  deps: Deps,
  call: Call,
  limit: number,
): Promise<{ readonly bytes: Uint8Array; readonly verified: boolean } | Refusal> {
  if (!hasBody(call.headers)) return refuseBody(call) ?? { bytes: new Uint8Array(0), verified: false }
  const body = openBody(call.headers, call.request.body, call.auth, deps.crypto)
  if (body.is === 'refusal') return body
  const { source } = body
  if (source.length > limit) return refuse('EntityTooLarge', undefined, { MaxSizeAllowed: String(limit) })
  // One byte more, so that the read that finds the end has somewhere to look.
  const target = new Uint8Array(source.length + 1)
  let length = 0
  for (;;) {
    const count = await source.read(target.subarray(length))
    if (count === 0) break
    length += count
  }
  const bytes = target.subarray(0, length)
  const verdict = source.check(await deps.store.digest(source.digests, bytes))
  if (!verdict.ok) return refuse(verdict.code, verdict.why)
  return { bytes, verified: source.digests.includes('md5') || body.checksum !== null }
}

/** A decimal parameter within bounds; `fallback` when it is absent. */
export function integerParameter(query: Query, name: string, fallback: number, min: number, max: number): number | Refusal {
  const text = query.get(name)
  if (text === undefined || text === '') return fallback
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  return refuse('InvalidArgument', `Argument ${name} must be an integer between ${min} and ${max}`, {
    ArgumentName: name,
    ArgumentValue: text,
  })
}
