/** PutObject, GetObject, HeadObject, DeleteObject. */
import type { HttpResponse } from '../../../../runtime/index.ts'
import type { ObjectInfo, RangeRequest } from '../../object-store.ts'
import { openBody } from './body.ts'
import { type Call, type Deps, emptyReply, type Handler, integerParameter, refuseBody, refused } from './call.ts'
import { evaluate, parseConditions, parseRange, unquote } from './conditions.ts'
import { httpDate, parseHttpDate } from './dates.ts'
import { PARTS } from './limits.ts'
import { infoHeaders, keptHeaders, refuseNotOffered, responseOverrides, writtenHeaders } from './object-headers.ts'
import { isRefusal, type Refusal, type Reply, refuse } from './refusal.ts'

export const putObject: Handler = async (deps, call) => {
  const notOffered = refuseNotOffered(call.headers)
  if (notOffered !== null) return notOffered
  const headers = keptHeaders(call.headers)
  if (isRefusal(headers)) return headers
  const body = openBody(call.headers, call.request.body, call.auth, deps.crypto)
  if (body.is === 'refusal') return body
  const { tenant, bucket, key } = call
  const result = await deps.store.put({
    tenant,
    bucket,
    key,
    headers,
    body: body.source,
    checksum: body.checksum,
    conditions: parseConditions(call.headers),
    signal: call.request.signal,
  })
  return result.is === 'stored' ? emptyReply(200, writtenHeaders(result.info)) : refused(result)
}

function unmet(outcome: 'not-modified' | 'failed', info: ObjectInfo): Reply {
  if (outcome === 'failed') return refuse('PreconditionFailed')
  const cacheControl = info.headers['cache-control']
  return emptyReply(304, {
    etag: `"${info.etag}"`,
    'last-modified': httpDate(info.modified),
    ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
  })
}

/** `partNumber` of a read: part 1 of an object of one part is the object; others are not offered. */
async function refusePart(deps: Deps, call: Call): Promise<Refusal | null> {
  if (!call.query.has('partNumber')) return null
  const part = integerParameter(call.query, 'partNumber', 0, 1, PARTS)
  if (isRefusal(part)) return part
  const found = await deps.store.head(call.tenant, call.bucket, call.key)
  if (found.is !== 'found') return refused(found)
  if (found.info.parts !== 1) return refuse('NotImplemented', 'Reading single parts is not offered; ask for a range.')
  return part === 1 ? null : refuse('InvalidRange', undefined, { ActualPartCount: '1', PartNumberRequested: String(part) })
}

/** If-Range: the range counts only while the object is the one that the client knows (RFC 9110 §13.1.5). */
async function ifRange(deps: Deps, call: Call, range: RangeRequest): Promise<RangeRequest | null> {
  const condition = call.headers.get('if-range')
  if (condition === undefined) return range
  const found = await deps.store.head(call.tenant, call.bucket, call.key)
  if (found.is !== 'found') return range
  const date = parseHttpDate(condition)
  const same = date === null ? unquote(condition) === found.info.etag : Math.floor(found.info.modified / 1000) * 1000 === date
  return same ? range : null
}

const refuseVersion = (call: Call): Refusal | null => ((call.query.get('versionId') ?? 'null') === 'null' ? null : refuse('NoSuchVersion'))

export const getObject: Handler = async (deps, call) => {
  const overrides = responseOverrides(call.query)
  if (overrides === null) return refuse('InvalidArgument')
  const refusal = refuseBody(call) ?? refuseVersion(call) ?? (await refusePart(deps, call))
  if (refusal !== null) return refusal
  const asked = parseRange(call.headers.get('range'))
  const range = asked === null ? null : await ifRange(deps, call, asked)
  const conditions = parseConditions(call.headers)
  const { tenant, bucket, key } = call
  const admit = (info: ObjectInfo): boolean => evaluate(conditions, info) === 'pass'
  const result = await deps.store.get({ tenant, bucket, key, range, admit, signal: call.request.signal })
  if (result.is === 'not-admitted') {
    const outcome = evaluate(conditions, result.info)
    return outcome === 'pass' ? refuse('PreconditionFailed') : unmet(outcome, result.info)
  }
  if (result.is === 'bad-range') {
    return refuse('InvalidRange', undefined, { RangeRequested: call.headers.get('range') ?? '', ActualObjectSize: String(result.size) })
  }
  if (result.is !== 'open') return refused(result)
  const { info, start, end } = result
  // A checksum is the whole object's, so that it would be wrong beside a part of the bytes.
  const headers = infoHeaders(info, range === null && call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED')
  Object.assign(headers, overrides)
  headers['content-length'] = String(end - start)
  if (range !== null) headers['content-range'] = `bytes ${start}-${end - 1}/${info.size}`
  return { status: range === null ? 200 : 206, headers, body: result.bytes ?? ((sink) => result.send(sink)) }
}

export const headObject: Handler = async (deps, call): Promise<HttpResponse | Refusal> => {
  const overrides = responseOverrides(call.query)
  if (overrides === null) return refuse('InvalidArgument')
  const refusal = refuseBody(call) ?? refuseVersion(call) ?? (await refusePart(deps, call))
  if (refusal !== null) return refusal
  const found = await deps.store.head(call.tenant, call.bucket, call.key)
  if (found.is !== 'found') return refused(found)
  const outcome = evaluate(parseConditions(call.headers), found.info)
  if (outcome !== 'pass') return unmet(outcome, found.info)
  const headers = infoHeaders(found.info, call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED')
  return { status: 200, headers: { ...headers, ...overrides, 'content-length': String(found.info.size) }, body: null }
}

export const deleteObject: Handler = async (deps, call) => {
  const refusal = refuseBody(call) ?? refuseVersion(call)
  if (refusal !== null) return refusal
  if (call.headers.has('if-match')) return refuse('NotImplemented', 'Conditional deletes are not offered.', { Header: 'If-Match' })
  const result = await deps.store.delete(call.tenant, call.bucket, [call.key])
  return result.is === 'deleted' ? emptyReply(204) : refused(result)
}
