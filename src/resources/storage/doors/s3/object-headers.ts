/** Headers that are kept with an object and come back with it, and those that ask for what is not offered. */
import { utf8 } from '../../../../std/bytes.ts'
import type { ObjectHeaders, ObjectInfo } from '../../object-store.ts'
import { checksumHeaders } from './checksums.ts'
import { httpDate } from './dates.ts'
import { USER_METADATA_BYTES } from './limits.ts'
import { type Refusal, refuse } from './refusal.ts'
import type { Query } from './target.ts'

const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'] as const
const USER = 'x-amz-meta-'

/** aws-chunked is the framing of the request, not an encoding of the object. */
function contentEncoding(value: string): string {
  const rest = value.split(',').filter((coding) => coding.trim().toLowerCase() !== 'aws-chunked')
  return rest.join(',').trim()
}

/** What of a request's headers is kept with the object. */
export function keptHeaders(headers: ReadonlyMap<string, string>): ObjectHeaders | Refusal {
  const kept: Record<string, string> = Object.create(null)
  for (const name of KEPT) {
    const value = headers.get(name)
    if (value === undefined) continue
    const stored = name === 'content-encoding' ? contentEncoding(value) : value
    if (stored !== '') kept[name] = stored
  }
  let size = 0
  for (const [name, value] of headers) {
    if (!name.startsWith(USER)) continue
    size += name.length - USER.length + utf8(value).length
    kept[name] = value
  }
  if (size > USER_METADATA_BYTES)
    return refuse('MetadataTooLarge', undefined, { Size: String(size), MaxSizeAllowed: String(USER_METADATA_BYTES) })
  return kept
}

const OWNER_ONLY = ['private', 'bucket-owner-full-control', 'bucket-owner-read']
const NOT_OFFERED = [
  'x-amz-grant-',
  'x-amz-object-lock-',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption-',
  'x-amz-copy-source-server-side-encryption-',
  'x-amz-write-offset-bytes',
]

/**
 * Refuses a write that asks for something that would silently not happen, such as a public ACL. AES256 is granted:
 * every object is encrypted.
 */
export function refuseNotOffered(headers: ReadonlyMap<string, string>): Refusal | null {
  const no = (name: string): Refusal => refuse('NotImplemented', undefined, { Header: name })
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-')) continue
    if (name === 'x-amz-acl' && !OWNER_ONLY.includes(value)) return no(name)
    if (name === 'x-amz-storage-class' && value !== 'STANDARD') return refuse('InvalidStorageClass')
    if (name === 'x-amz-server-side-encryption' && value !== 'AES256') return no(name)
    if (name === 'x-amz-tagging' && value !== '') return no(name)
    if (name === 'x-amz-bucket-object-lock-enabled' && value.toLowerCase() !== 'false') return no(name)
    // SSE-KMS bucket keys say true or false beside their algorithm; false asks for nothing.
    if (name === 'x-amz-server-side-encryption-bucket-key-enabled' && value.toLowerCase() === 'false') continue
    if (NOT_OFFERED.some((prefix) => name.startsWith(prefix))) return no(name)
  }
  return null
}

const OVERRIDES: readonly (readonly [parameter: string, header: string])[] = KEPT.map((name) => [`response-${name}`, name])
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a header.
const CONTROL = /[\u0000-\u001f\u007f]/

/** response-content-type and the like; null when a value could not be a header's. */
export function responseOverrides(query: Query): Record<string, string> | null {
  const overrides: Record<string, string> = {}
  if (query.size === 0) return overrides
  for (const [parameter, header] of OVERRIDES) {
    const value = query.get(parameter)
    if (value === undefined) continue
    if (CONTROL.test(value)) return null
    overrides[header] = value
  }
  return overrides
}

/** Headers of an answer about an object, without its length. */
export function infoHeaders(info: ObjectInfo, checksums: boolean): Record<string, string> {
  return {
    'content-type': 'binary/octet-stream',
    ...info.headers,
    'accept-ranges': 'bytes',
    etag: `"${info.etag}"`,
    'last-modified': httpDate(info.modified),
    ...(checksums ? checksumHeaders(info.checksums, info.checksumType) : {}),
  }
}

/** Headers of the answer to a write. */
export const writtenHeaders = (info: ObjectInfo): Record<string, string> => ({
  etag: `"${info.etag}"`,
  ...checksumHeaders(info.checksums, info.checksumType),
})
