/** A client's side of SigV4 for tests: requests of every kind of signature, as values that can then be bent. */
import { account } from '../../../../protocol/ids.ts'
import type { UnixMs } from '../../../../protocol/units.ts'
import { createCapturingLog } from '../../../../runtime/fake/log.ts'
import { createFakeMetrics } from '../../../../runtime/fake/metrics.ts'
import type { Clock, HttpRequest, HttpResponse } from '../../../../runtime/index.ts'
import { createCrypto } from '../../../../runtime/real/crypto.ts'
import { concat, fromUtf8, toHex, utf8 } from '../../../../std/bytes.ts'
import type { AccessKey } from '../../object-store.ts'
import { amzDate, parseAmzDate } from './dates.ts'
import { createS3Door } from './door.ts'
import { base64Of, type MemoryStore, memoryStore } from './memory-store.test-support.ts'
import { ALGORITHM, canonicalRequest, deriveSigningKey, EMPTY_SHA256, type Scope, scopeText, sign, stringToSign } from './sigv4.ts'
import { canonicalQuery, encodeUri, parseTarget } from './target.ts'

export const crypto = createCrypto()
export const REGION = 'us-east-1'
export const HOST = 's3.test'
export const NOW = parseAmzDate('20261121T120000Z') ?? (0 as UnixMs)

export const KEY: AccessKey = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  account: account(`0x${'11'.repeat(20)}`),
  buckets: null,
  prefix: '',
  permissions: ['read', 'write', 'delete', 'list'],
  expires: null,
}

export const AUTHS = ['header', 'unsigned', 'presigned', 'signed-chunks', 'signed-trailer', 'unsigned-trailer'] as const
export type Auth = (typeof AUTHS)[number]

/** A request that can be changed byte by byte before it is handed over. */
export interface Draft {
  method: string
  target: string
  headers: Map<string, string>
  body: Uint8Array
}

export interface Wanted {
  readonly method: string
  /** Path and query, encoded. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  readonly auth?: Auth
  readonly key?: AccessKey
  readonly at?: UnixMs
  readonly expires?: number
  /** Bytes of each signed chunk. */
  readonly chunk?: number
}

const PAYLOADS: Readonly<Record<Exclude<Auth, 'header' | 'presigned'>, string>> = {
  unsigned: 'UNSIGNED-PAYLOAD',
  'signed-chunks': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'signed-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
}

interface Signer {
  readonly key: Uint8Array
  readonly scope: Scope
  readonly timestamp: string
}

/** aws-chunked framing of `body`, signed from `seed` on when there is a signer. */
export function frame(body: Uint8Array, size: number, signer: Signer | null, seed: string, trailer: string | null): Uint8Array {
  const out: Uint8Array[] = []
  let previous = seed
  const link = (what: string, content: string): string => {
    if (signer === null) return ''
    previous = sign(crypto, signer.key, `${ALGORITHM}-${what}\n${signer.timestamp}\n${scopeText(signer.scope)}\n${previous}\n${content}`)
    return previous
  }
  for (let at = 0; ; at += size) {
    const data = body.subarray(at, Math.min(at + size, body.length))
    const signature = link('PAYLOAD', `${EMPTY_SHA256}\n${toHex(crypto.sha256(data))}`)
    out.push(utf8(`${data.length.toString(16)}${signer === null ? '' : `;chunk-signature=${signature}`}\r\n`), data)
    if (data.length === 0) break
    out.push(utf8('\r\n'))
  }
  if (trailer !== null) {
    out.push(utf8(`${trailer}\r\n`))
    if (signer !== null) out.push(utf8(`x-amz-trailer-signature:${link('TRAILER', toHex(crypto.sha256(utf8(`${trailer}\n`))))}\r\n`))
  }
  out.push(utf8('\r\n'))
  return concat(out)
}

function presign(wanted: Wanted, headers: Map<string, string>, scope: Scope, timestamp: string, signingKey: Uint8Array): string {
  const names = [...headers.keys()].sort()
  const join = wanted.target.includes('?') ? '&' : '?'
  const credential = encodeUri(`${scope.accessKey}/${scopeText(scope)}`)
  const unsigned =
    `${wanted.target}${join}X-Amz-Algorithm=${ALGORITHM}&X-Amz-Credential=${credential}&X-Amz-Date=${timestamp}` +
    `&X-Amz-Expires=${wanted.expires ?? 900}&X-Amz-SignedHeaders=${encodeUri(names.join(';'))}`
  const signature = signatureOf(wanted.method, unsigned, headers, names, 'UNSIGNED-PAYLOAD', scope, timestamp, signingKey)
  return `${unsigned}&X-Amz-Signature=${signature}`
}

function signatureOf(
  method: string,
  target: string,
  headers: ReadonlyMap<string, string>,
  signedHeaders: readonly string[],
  payload: string,
  scope: Scope,
  timestamp: string,
  signingKey: Uint8Array,
): string {
  const parsed = parseTarget(target)
  if (parsed === null) throw new Error(`not a target: ${target}`)
  const query = canonicalQuery(parsed.query, null)
  const canonical = canonicalRequest({
    method,
    canonicalPath: parsed.canonicalPath,
    canonicalQuery: query,
    headers,
    signedHeaders,
    payload,
  })
  return sign(crypto, signingKey, stringToSign(crypto, timestamp, scope, canonical))
}

/** A valid request of the kind asked for. */
export function draft(wanted: Wanted): Draft {
  const { method, target, auth = 'header', key = KEY } = wanted
  const bytes = typeof wanted.body === 'string' ? utf8(wanted.body) : (wanted.body ?? new Uint8Array(0))
  const timestamp = amzDate(wanted.at ?? NOW)
  const scope: Scope = { accessKey: key.accessKey, date: timestamp.slice(0, 8), region: REGION }
  const signingKey = deriveSigningKey(crypto, key.secretKey, scope)
  const headers = new Map(Object.entries({ host: HOST, ...wanted.headers }))
  if (auth === 'presigned') {
    const signed = presign(wanted, headers, scope, timestamp, signingKey)
    if (wanted.body !== undefined) headers.set('content-length', String(bytes.length))
    return { method, target: signed, headers, body: bytes }
  }
  const payload = auth === 'header' ? toHex(crypto.sha256(bytes)) : PAYLOADS[auth]
  headers.set('x-amz-date', timestamp).set('x-amz-content-sha256', payload)
  const trailer = auth === 'signed-trailer' || auth === 'unsigned-trailer' ? `x-amz-checksum-crc32c:${base64Of('crc32c', bytes)}` : null
  const framed = auth !== 'header' && auth !== 'unsigned'
  if (framed) headers.set('content-encoding', 'aws-chunked').set('x-amz-decoded-content-length', String(bytes.length))
  if (trailer !== null) headers.set('x-amz-trailer', 'x-amz-checksum-crc32c')
  const names = [...headers.keys()].sort()
  const seed = signatureOf(method, target, headers, names, payload, scope, timestamp, signingKey)
  headers.set(
    'authorization',
    `${ALGORITHM} Credential=${scope.accessKey}/${scopeText(scope)}, SignedHeaders=${names.join(';')}, Signature=${seed}`,
  )
  const signer = auth === 'unsigned-trailer' ? null : { key: signingKey, scope, timestamp }
  const body = framed ? frame(bytes, wanted.chunk ?? 16_384, signer, seed, trailer) : bytes
  if (wanted.body !== undefined || framed) headers.set('content-length', String(body.length))
  return { method, target, headers, body }
}

/** The draft as the server hands it over; the body comes in pieces of `piece` bytes. */
export function toRequest({ method, target, headers, body }: Draft, piece = 4096): HttpRequest {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += piece) yield body.slice(at, at + piece)
  }
  return { method, target, headers, body: pieces(), remote: '192.0.2.1', signal: new AbortController().signal }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
  readonly text: string
  /** S3's error code, '' when there is none. */
  readonly code: string
}

export async function collect(response: HttpResponse): Promise<Answer> {
  const parts: Uint8Array[] = []
  const { body } = response
  if (typeof body === 'function') await body({ write: async (bytes) => void parts.push(bytes.slice()) })
  else if (body !== null) parts.push(body)
  const bytes = concat(parts)
  let text = ''
  try {
    text = fromUtf8(bytes)
  } catch {
    // Object bytes need not be text.
  }
  return { status: response.status, headers: response.headers, bytes, text, code: /<Error>.*?<Code>(\w+)<\/Code>/s.exec(text)?.[1] ?? '' }
}

export interface Bench {
  readonly store: MemoryStore
  readonly log: ReturnType<typeof createCapturingLog>
  send(draft: Draft, piece?: number): Promise<Answer>
  /** Signs and sends. */
  ask(wanted: Wanted): Promise<Answer>
}

export interface BenchOptions {
  readonly keys?: readonly AccessKey[]
  readonly store?: MemoryStore
  readonly domain?: string
  readonly now?: UnixMs
}

/** A door over a store in memory, at one moment. */
export function bench({
  keys = [KEY],
  now = NOW,
  store = memoryStore(() => now, 16),
  domain = 's3.amazonaws.com',
}: BenchOptions = {}): Bench {
  const clock: Clock = {
    now: () => now,
    monotonic: () => 0,
    sleep: () => Promise.reject(new Error('the door does not sleep')),
    deadline: () => {
      throw new Error('the door sets no deadline')
    },
  }
  let drawn = 0
  const random = { bytes: (length: number) => new Uint8Array(length).fill(++drawn), below: () => 0 }
  const log = createCapturingLog(clock)
  const find = (accessKey: string): AccessKey | null => keys.find((key) => key.accessKey === accessKey) ?? null
  const door = createS3Door({
    store,
    keys: { find },
    crypto,
    clock,
    random,
    log: log.log,
    metrics: createFakeMetrics(),
    region: REGION,
    domain,
  })
  const send = async (one: Draft, piece?: number): Promise<Answer> => collect(await door(toRequest(one, piece)))
  return { store, log, send, ask: (wanted) => send(draft(wanted)) }
}

/** Base64 digest of a text, for headers. */
export const base64For = (kind: Parameters<typeof base64Of>[0], text: string): string => base64Of(kind, utf8(text))
