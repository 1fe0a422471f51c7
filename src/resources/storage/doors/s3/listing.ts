/** ListObjects (v1) and ListObjectsV2. */
import { fromUtf8, utf8 } from '../../../../std/bytes.ts'
import type { ListPage, ObjectInfo } from '../../object-store.ts'
import { ownerElements } from './buckets.ts'
import { type Call, type Deps, type Handler, integerParameter, refuseBody, xmlReply } from './call.ts'
import { toBase64 } from './checksums.ts'
import { isoDate } from './dates.ts'
import { KEYS } from './limits.ts'
import { isRefusal, type Refusal, refuse } from './refusal.ts'
import { encodePath } from './target.ts'
import type { XmlElements } from './xml-out.ts'

/** How keys are written: as they are, or percent-encoded for keys that XML cannot hold. */
type Spell = (text: string) => string

export function spelling(call: Call): Spell | Refusal {
  const type = call.query.get('encoding-type')
  if (type === undefined) return (text) => text
  return type === 'url' ? encodePath : refuse('InvalidArgument', 'Invalid Encoding Method specified in Request')
}

/** A page's end as an opaque word that is safe in a query. */
const tokenOf = (last: string): string => toBase64(utf8(last)).replaceAll('+', '-').replaceAll('/', '_')

function afterToken(token: string): string | null {
  try {
    const bytes = Uint8Array.from(atob(token.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
    return bytes.length === 0 ? null : fromUtf8(bytes)
  } catch {
    return null
  }
}

const EMPTY: ListPage = { is: 'page', objects: [], prefixes: [], truncated: false, last: '' }

async function page(deps: Deps, call: Call, after: string, limit: number): Promise<ListPage | Refusal> {
  const { tenant, bucket, query } = call
  if (limit === 0) return (await deps.store.headBucket(tenant, bucket)) ? EMPTY : refuse('NoSuchBucket')
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const result = await deps.store.list({ tenant, bucket, prefix, delimiter, after, limit })
  return result.is === 'page' ? result : refuse('NoSuchBucket')
}

function contents(objects: readonly ObjectInfo[], spell: Spell, owner: string | null): XmlElements {
  return objects.map((info) => [
    'Contents',
    [
      ['Key', spell(info.key)],
      ['LastModified', isoDate(info.modified)],
      ['ETag', `"${info.etag}"`],
      ...checksumNames(info),
      ['Size', info.size],
      ...(owner === null ? [] : [['Owner', ownerElements(owner)] as const]),
      ['StorageClass', 'STANDARD'],
    ],
  ])
}

function checksumNames(info: ObjectInfo): [string, string][] {
  const names: [string, string][] = Object.keys(info.checksums).map((kind) => ['ChecksumAlgorithm', kind.toUpperCase()])
  if (names.length > 0 && info.checksumType !== null) names.push(['ChecksumType', info.checksumType])
  return names
}

const prefixes = (page: ListPage, spell: Spell): XmlElements =>
  page.prefixes.map((prefix) => ['CommonPrefixes', [['Prefix', spell(prefix)]]])

/** An element that is there only when the request has the parameter. */
const echo = (call: Call, element: string, parameter: string, spell: Spell): XmlElements => {
  const value = call.query.get(parameter)
  return value === undefined || value === '' ? [] : [[element, spell(value)]]
}

const verbatim: Spell = (text) => text

/** `max-keys`: at most 1000 are given, however many are asked for. */
function maxKeys(call: Call): number | Refusal {
  const limit = integerParameter(call.query, 'max-keys', KEYS, 0, 2 ** 31 - 1)
  return isRefusal(limit) ? limit : Math.min(limit, KEYS)
}

export const listObjects: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const spell = spelling(call)
  if (isRefusal(spell)) return spell
  const limit = maxKeys(call)
  if (isRefusal(limit)) return limit
  const marker = call.query.get('marker') ?? ''
  const found = await page(deps, call, marker, limit)
  if (isRefusal(found)) return found
  return xmlReply('ListBucketResult', [
    ['Name', call.bucket],
    ['Prefix', spell(call.query.get('prefix') ?? '')],
    ['Marker', spell(marker)],
    ...(found.truncated ? [['NextMarker', spell(found.last)] as const] : []),
    ['MaxKeys', limit],
    ...echo(call, 'Delimiter', 'delimiter', spell),
    ...echo(call, 'EncodingType', 'encoding-type', verbatim),
    ['IsTruncated', found.truncated],
    ...contents(found.objects, spell, call.tenant.account),
    ...prefixes(found, spell),
  ])
}

export const listObjectsV2: Handler = async (deps, call) => {
  const refusal = refuseBody(call)
  if (refusal !== null) return refusal
  const spell = spelling(call)
  if (isRefusal(spell)) return spell
  const limit = maxKeys(call)
  if (isRefusal(limit)) return limit
  const token = call.query.get('continuation-token')
  const after = token === undefined ? (call.query.get('start-after') ?? '') : afterToken(token)
  if (after === null)
    return refuse('InvalidArgument', 'The continuation token provided is incorrect', { ArgumentName: 'continuation-token' })
  const found = await page(deps, call, after, limit)
  if (isRefusal(found)) return found
  const owner = call.query.get('fetch-owner') === 'true' ? call.tenant.account : null
  return xmlReply('ListBucketResult', [
    ['Name', call.bucket],
    ['Prefix', spell(call.query.get('prefix') ?? '')],
    ...echo(call, 'StartAfter', 'start-after', spell),
    ...echo(call, 'ContinuationToken', 'continuation-token', verbatim),
    ...(found.truncated ? [['NextContinuationToken', tokenOf(found.last)] as const] : []),
    ['KeyCount', found.objects.length + found.prefixes.length],
    ['MaxKeys', limit],
    ...echo(call, 'Delimiter', 'delimiter', spell),
    ...echo(call, 'EncodingType', 'encoding-type', verbatim),
    ['IsTruncated', found.truncated],
    ...contents(found.objects, spell, owner),
    ...prefixes(found, spell),
  ])
}
