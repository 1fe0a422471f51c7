import { QUERY_PARAMETERS } from './limits.ts'

/** A request target, decoded once: what the signature covers and what the handlers read come from the same values. */
export interface Target {
  /** Decoded path, beginning with `/`. Never normalised: `..`, `.` and `//` are parts of keys. */
  readonly path: string
  /** The path as SigV4 spells it: every byte but `A–Z a–z 0–9 - . _ ~ /` percent-encoded in upper case. */
  readonly canonicalPath: string
  readonly query: Query
}

/** Decoded query parameters. A name occurs once. */
export type Query = ReadonlyMap<string, string>

const NO_QUERY: Query = new Map()
const UNRESERVED = /^[A-Za-z0-9\-._~]*$/
const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/
/** Anything outside visible ASCII is not a request target. */
const VISIBLE = /^[\u0021-\u007e]*$/

/** RFC 3986 encoding as SigV4 wants it. */
export function encodeUri(text: string): string {
  if (UNRESERVED.test(text)) return text
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The same, with `/` left as it is. */
export function encodePath(path: string): string {
  return UNRESERVED_PATH.test(path) ? path : encodeUri(path).replaceAll('%2F', '/')
}

/** Percent-decoded UTF-8, or null when it is not that. */
export function decodeUri(text: string): string | null {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function parseQuery(text: string): Query | null {
  if (text === '') return NO_QUERY
  const query = new Map<string, string>()
  for (const pair of text.split('&', QUERY_PARAMETERS + 1)) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    // A plus sign is a space in a query, as S3 reads it; clients that mean a plus send %2B.
    const name = decodeUri((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '))
    const value = at < 0 ? '' : decodeUri(pair.slice(at + 1).replaceAll('+', ' '))
    // A parameter given twice means different things to different readers, so it means nothing here.
    if (name === null || value === null || query.has(name) || query.size === QUERY_PARAMETERS) return null
    query.set(name, value)
  }
  return query
}

/** Null when the target is not an origin-form path and query in valid UTF-8. */
export function parseTarget(target: string): Target | null {
  if (!target.startsWith('/') || !VISIBLE.test(target)) return null
  const mark = target.indexOf('?')
  const path = decodeUri(mark < 0 ? target : target.slice(0, mark))
  const query = mark < 0 ? NO_QUERY : parseQuery(target.slice(mark + 1))
  if (path === null || query === null) return null
  return { path, canonicalPath: encodePath(path), query }
}

/** SigV4's canonical query: encoded pairs in byte order, without `except`. */
export function canonicalQuery(query: Query, except: string | null): string {
  if (query.size === 0) return ''
  const pairs: [string, string][] = []
  for (const [name, value] of query) if (name !== except) pairs.push([encodeUri(name), encodeUri(value)])
  // Names are unique and encoded ASCII, so that JavaScript's order is the order of bytes.
  pairs.sort(([a], [b]) => (a < b ? -1 : 1))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}
