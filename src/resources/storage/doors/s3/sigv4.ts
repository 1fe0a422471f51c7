/**
 * AWS Signature Version 4 for S3: what is hashed and with which key. Pure; `authenticate.ts` decides what to accept.
 * Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
 */
import type { Crypto } from '../../../../protocol/crypto.ts'
import { toHex, utf8 } from '../../../../std/bytes.ts'
import { SIGNING_KEYS } from './limits.ts'

export const ALGORITHM = 'AWS4-HMAC-SHA256'
/** SHA-256 of nothing. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Credential scope of a signature: who, which day, where. */
export interface Scope {
  readonly accessKey: string
  /** `20130524` */
  readonly date: string
  readonly region: string
}

/** `20130524/us-east-1/s3/aws4_request` */
export const scopeText = (scope: Scope): string => `${scope.date}/${scope.region}/s3/aws4_request`

export interface CanonicalRequest {
  readonly method: string
  readonly canonicalPath: string
  readonly canonicalQuery: string
  readonly headers: ReadonlyMap<string, string>
  /** Lower-case names in the order in which the client signed them. */
  readonly signedHeaders: readonly string[]
  /** Hexadecimal SHA-256 of the body, or one of the words that stand for it. */
  readonly payload: string
}

/** Values are trimmed by the HTTP parser; runs of spaces count as one. */
const canonicalValue = (value: string): string => (value.includes('  ') ? value.replace(/ {2,}/g, ' ') : value)

export function canonicalRequest(request: CanonicalRequest): string {
  let headers = ''
  for (const name of request.signedHeaders) headers += `${name}:${canonicalValue(request.headers.get(name) ?? '')}\n`
  const names = request.signedHeaders.join(';')
  return `${request.method}\n${request.canonicalPath}\n${request.canonicalQuery}\n${headers}\n${names}\n${request.payload}`
}

/** `timestamp` is `20130524T000000Z`. */
export function stringToSign(crypto: Crypto, timestamp: string, scope: Scope, request: string): string {
  return `${ALGORITHM}\n${timestamp}\n${scopeText(scope)}\n${toHex(crypto.sha256(utf8(request)))}`
}

export function sign(crypto: Crypto, signingKey: Uint8Array, text: string): string {
  return toHex(crypto.hmacSha256(signingKey, utf8(text)))
}

export function deriveSigningKey(crypto: Crypto, secretKey: string, scope: Scope): Uint8Array {
  const date = crypto.hmacSha256(utf8(`AWS4${secretKey}`), utf8(scope.date))
  const region = crypto.hmacSha256(date, utf8(scope.region))
  return crypto.hmacSha256(crypto.hmacSha256(region, utf8('s3')), utf8('aws4_request'))
}

/** Signing keys by access key and day, so that a request costs one HMAC instead of five. */
export function signingKeys(crypto: Crypto): (secretKey: string, scope: Scope) => Uint8Array {
  const cache = new Map<string, { secretKey: string; key: Uint8Array }>()
  return (secretKey, scope) => {
    const id = `${scope.date}/${scope.region}/${scope.accessKey}`
    const hit = cache.get(id)
    // The secret is compared because a key may be revoked and issued again under the same name.
    if (hit !== undefined && hit.secretKey === secretKey) return hit.key
    const key = deriveSigningKey(crypto, secretKey, scope)
    // Entries are dropped oldest first: yesterday's keys leave by themselves.
    if (cache.size >= SIGNING_KEYS) for (const oldest of cache.keys()) if (cache.delete(oldest)) break
    cache.set(id, { secretKey, key })
    return key
  }
}

/** Whether two hexadecimal signatures are equal, in a time that depends on their length only. */
export function equalSignatures(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
