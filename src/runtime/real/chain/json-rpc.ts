/**
 * JSON-RPC over HTTP, as Ethereum nodes speak it (JSON-RPC 2.0, with batches). Every daemon asks its chain several times
 * a second for as long as it runs, so this goes over `node:http` with one kept connection: `fetch` took four times the
 * processor time, which was most of what an idle node used.
 */
import http from 'node:http'
import https from 'node:https'
import { CairnError } from '../../../protocol/errors.ts'

/** What the node answered instead of a result. */
export interface RpcFailure {
  readonly code: number
  readonly message: string
  readonly data: unknown
}
export type RpcAnswer = { readonly is: 'result'; readonly value: unknown } | { readonly is: 'failure'; readonly failure: RpcFailure }

export interface JsonRpc {
  /** Requests that are made in one turn travel as one batch. Throws `CHAIN_AWAY` without an answer; nothing is retried. */
  ask(method: string, params: readonly unknown[]): Promise<RpcAnswer>
}

/** Public endpoints refuse larger batches. */
const BATCH = 100
/** A batch of 100 blocks' logs stays far below; more is not an honest answer to anything that is asked here. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
/** Batches at one time; one is usual, and a slow one must not hold up the next. */
const SOCKETS_MAX = 8
/** Kept longer than any poll takes to come round, shorter than servers commonly keep theirs. */
const IDLE_SOCKET_MS = 4_000

interface Pending {
  readonly method: string
  readonly params: readonly unknown[]
  readonly resolve: (answer: RpcAnswer) => void
  readonly reject: (error: unknown) => void
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null

function failureOf(error: unknown): RpcFailure {
  if (!isRecord(error)) return { code: 0, message: String(error), data: undefined }
  const { code, message, data } = error
  return { code: typeof code === 'number' ? code : 0, message: typeof message === 'string' ? message : '', data }
}

const answerOf = (entry: Readonly<Record<string, unknown>>): RpcAnswer =>
  entry.error === undefined || entry.error === null
    ? { is: 'result', value: entry.result }
    : { is: 'failure', failure: failureOf(entry.error) }

/** The answers by id. Throws what tells a reader why the body is none. */
function answersOf(status: number, body: string): Map<number, RpcAnswer> {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    throw new Error(`HTTP status ${status} with a body that is no JSON`)
  }
  const entries: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  const answers = new Map<number, RpcAnswer>()
  for (const entry of entries) {
    if (isRecord(entry) && typeof entry.id === 'number') answers.set(entry.id, answerOf(entry))
    // An endpoint that refuses the whole batch, for its rate limit for one, answers with one error and no id.
    else if (isRecord(entry) && entry.error !== undefined) throw new Error(`HTTP status ${status}: ${failureOf(entry.error).message}`)
  }
  return answers
}

/** Sends one request body; the answer's status and text, within the time and the size. */
function post(
  url: URL,
  agent: http.Agent,
  body: string,
  timeoutMs: number,
  answerBytesMax: number,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const headers: Record<string, string | number> = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  if (url.username !== '') {
    headers.authorization = `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`
  }
  const request = (url.protocol === 'https:' ? https : http).request(url, { method: 'POST', agent, headers }, (response) => {
    const parts: Buffer[] = []
    let bytes = 0
    response.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes > answerBytesMax) request.destroy(new Error(`the answer is larger than ${answerBytesMax} bytes`))
      else parts.push(part)
    })
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }))
    response.on('error', reject)
    response.on('aborted', () => reject(new Error('the connection broke')))
  })
  const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
  request.on('error', reject)
  request.on('close', () => clearTimeout(timer))
  request.end(body)
  return promise
}

/** @param url Of an http or https endpoint; a user and password in it are sent as basic authentication. */
export function createJsonRpc(url: string, timeoutMs: number, answerBytesMax: number = ANSWER_BYTES_MAX): JsonRpc {
  const to = parse(url)
  const agent = new (to.protocol === 'https:' ? https : http).Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, timeout: IDLE_SOCKET_MS })
  let waiting: Pending[] = []

  async function send(batch: readonly Pending[]): Promise<void> {
    try {
      const calls = batch.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params }))
      const { status, text } = await post(to, agent, JSON.stringify(calls.length === 1 ? calls[0] : calls), timeoutMs, answerBytesMax)
      const answers = answersOf(status, text)
      batch.forEach((pending, id) => {
        const answer = answers.get(id)
        if (answer === undefined) pending.reject(away(url, `${pending.method} was not answered (HTTP status ${status})`))
        else pending.resolve(answer)
      })
    } catch (error) {
      for (const pending of batch) pending.reject(away(url, error))
    }
  }

  function flush(): void {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += BATCH) void send(all.slice(i, i + BATCH))
  }

  return {
    ask(method, params) {
      const { promise, resolve, reject } = Promise.withResolvers<RpcAnswer>()
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({ method, params, resolve, reject })
      return promise
    },
  }
}

function parse(url: string): URL {
  const to = URL.canParse(url) ? new URL(url) : null
  if (to !== null && (to.protocol === 'http:' || to.protocol === 'https:')) return to
  throw new CairnError('CONFIG', {
    what: 'the chain’s endpoint',
    why: `${url} is no http or https address`,
    fix: 'give one such as http://127.0.0.1:8545',
  })
}

const away = (rpc: string, cause: unknown): CairnError<'CHAIN_AWAY'> =>
  new CairnError('CHAIN_AWAY', { rpc, why: cause instanceof Error ? cause.message : String(cause) }, { cause })
