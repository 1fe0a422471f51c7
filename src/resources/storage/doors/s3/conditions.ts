/** RFC 9110 §13 preconditions, and ranges of §14. */
import type { Conditions, ObjectInfo, RangeRequest } from '../../object-store.ts'
import { parseHttpDate } from './dates.ts'

/** ETags of a list header without quotes; `*` stays. S3 has no weak tags; a `W/` is compared by its opaque part. */
function parseEtags(text: string): readonly string[] {
  return text.split(',').map((tag) => unquote(tag.trim().replace(/^W\//, '')))
}

/** An ETag without its quotes. */
export const unquote = (tag: string): string => (tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"') ? tag.slice(1, -1) : tag)

const NONE: Conditions = {}

/** Conditions of a request; with `prefix` `x-amz-copy-source-`, those on a copy's source. Dates that are none are ignored (RFC 9110). */
export function parseConditions(headers: ReadonlyMap<string, string>, prefix = ''): Conditions {
  const match = headers.get(`${prefix}if-match`)
  const noneMatch = headers.get(`${prefix}if-none-match`)
  const since = headers.get(`${prefix}if-modified-since`)
  const unmodified = headers.get(`${prefix}if-unmodified-since`)
  if (match === undefined && noneMatch === undefined && since === undefined && unmodified === undefined) return NONE
  const modifiedAt = since === undefined ? null : parseHttpDate(since)
  const unmodifiedAt = unmodified === undefined ? null : parseHttpDate(unmodified)
  return {
    ...(match === undefined ? {} : { ifMatch: parseEtags(match) }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: parseEtags(noneMatch) }),
    ...(modifiedAt === null ? {} : { ifModifiedSince: modifiedAt }),
    ...(unmodifiedAt === null ? {} : { ifUnmodifiedSince: unmodifiedAt }),
  }
}

const names = (tags: readonly string[], etag: string): boolean => tags.some((tag) => tag === '*' || tag === etag)

/** RFC 9110 §13.2.2: an ETag condition hides the date condition of its kind. Last-Modified has whole seconds. */
export function evaluate(conditions: Conditions, info: ObjectInfo): 'pass' | 'not-modified' | 'failed' {
  const modified = Math.floor(info.modified / 1000) * 1000
  if (conditions.ifMatch !== undefined) {
    if (!names(conditions.ifMatch, info.etag)) return 'failed'
  } else if (conditions.ifUnmodifiedSince !== undefined && modified > conditions.ifUnmodifiedSince) return 'failed'
  if (conditions.ifNoneMatch !== undefined) return names(conditions.ifNoneMatch, info.etag) ? 'not-modified' : 'pass'
  return conditions.ifModifiedSince !== undefined && modified <= conditions.ifModifiedSince ? 'not-modified' : 'pass'
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/

/** One range; null for several, for other units and for what is malformed, which RFC 9110 says to ignore. */
export function parseRange(text: string | undefined): RangeRequest | null {
  if (text === undefined) return null
  const match = RANGE.exec(text.trim())
  if (match === null) return null
  const [, first, last] = match
  if (first === '' || first === undefined) return last === '' || last === undefined ? null : { last: Number(last) }
  if (last === '' || last === undefined) return { from: Number(first), to: null }
  return Number(last) < Number(first) ? null : { from: Number(first), to: Number(last) }
}
