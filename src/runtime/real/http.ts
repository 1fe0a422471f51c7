import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CairnError } from '../../protocol/errors.ts'
import type { HttpRequest, HttpResponse, HttpServer, Log, Sink } from '../index.ts'
import { RequestBody } from './http-body.ts'
import { Patience, type PatienceLimits, Watch } from './patience.ts'

export interface HttpLimits extends PatienceLimits {
  /** Request line and headers together, in bytes. */
  readonly headerBytes: number
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number
  /** An idle connection is closed after this. */
  readonly keepAliveMs: number
  /** More connections than this are closed as they come. */
  readonly connections: number
  /** How long a body that nobody wants may flow on after its answer, so that the client reads the answer. */
  readonly lingerMs: number
  /** How long `close` waits for requests under way. */
  readonly closeMs: number
}

export const HTTP_LIMITS: HttpLimits = {
  // S3 allows 8 KiB of headers and a key of 1024 bytes triples in a URL; presigned URLs add about 1 KiB.
  headerBytes: 16 * 1024,
  // Headers fit a few packets; a client that takes longer is slow on purpose.
  headersMs: 10_000,
  // SDKs keep pools of connections and reuse them within a minute.
  keepAliveMs: 60_000,
  // About 30 KiB each when idle; leaves descriptors for providers and files under the usual 4096.
  connections: 1024,
  stallMs: 30_000,
  // Below any modem; a connection that uploads slower than this is held open for its own sake.
  bytesPerSecond: 1024,
  lingerMs: 10_000,
  closeMs: 5_000,
}

/** Pieces up to this are copied, so that headers, body and end leave in one write without waiting for the socket. */
const COPY_BYTES = 16 * 1024
/** Most header lines kept of a request; S3's longest has about 40. */
const HEADER_LINES = 200
const NOT_ASCII = /[^\x20-\x7e\t]/

/** Node reads header bytes as Latin-1; what is UTF-8 is meant as UTF-8. */
function headerText(value: string): string {
  if (!NOT_ASCII.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : value
}

/** The same the other way: Node writes header values as Latin-1. */
function headerValues(headers: Readonly<Record<string, string>>): Record<string, string> {
  const out: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name] ?? ''
    out[name] = NOT_ASCII.test(value) ? Buffer.from(value, 'utf8').toString('latin1') : value
  }
  return out
}

function headerMap(raw: readonly string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    const value = headerText(raw[i + 1] ?? '')
    const before = map.get(name)
    map.set(name, before === undefined ? value : `${before},${value}`)
  }
  return map
}

/** Writes to the client; one write at a time is under way, so a slow client holds the writer back. */
class ResponseSink implements Sink {
  readonly #response: ServerResponse
  readonly #patience: Patience
  written = 0

  constructor(response: ServerResponse, patience: Patience) {
    this.#response = response
    this.#patience = patience
  }

  write(bytes: Uint8Array): Promise<void> {
    const response = this.#response
    if (response.destroyed) return Promise.reject(new Error('the client went away'))
    if (bytes.length === 0) return Promise.resolve()
    this.written += bytes.length
    if (bytes.length <= COPY_BYTES && response.writableLength < COPY_BYTES) {
      response.write(bytes.slice())
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      this.#patience.wait(bytes.length)
      // The callback comes when the kernel has the bytes, or with the error that ended the connection.
      response.write(bytes, (error) => {
        this.#patience.done(bytes.length)
        if (error === null || error === undefined) resolve()
        else reject(error)
      })
    })
  }
}

type Handle = (request: HttpRequest) => Promise<HttpResponse>

/** One request from its headers to the end of its answer. */
class Exchange {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #patience: Patience
  readonly #body: RequestBody
  readonly #limits: HttpLimits
  #abort: AbortController | null = null
  #continuePending: boolean

  constructor(request: IncomingMessage, response: ServerResponse, watch: Watch, limits: HttpLimits, expectsContinue: boolean) {
    this.#request = request
    this.#response = response
    this.#limits = limits
    this.#continuePending = expectsContinue
    this.#patience = new Patience(watch, () => request.socket.destroy())
    this.#body = new RequestBody(request, this.#patience, () => {
      if (this.#continuePending) response.writeContinue()
      this.#continuePending = false
    })
    response.on('close', () => this.#onClose())
    // A connection that breaks is told through the body, the sink and the signal; nothing may crash over it.
    request.on('error', () => {})
    response.on('error', () => {})
  }

  async run(handle: Handle, log: Log): Promise<void> {
    let reply: HttpResponse
    try {
      reply = await handle(this.#asRequest())
    } catch (error) {
      log.error('an HTTP handler threw', { error: String(error) })
      reply = { status: 500, headers: { 'content-length': '0' }, body: null }
    }
    try {
      await this.#answer(reply)
    } catch (error) {
      // A partial body must never be taken for a whole one.
      if (!this.#response.destroyed) log.warn('an HTTP answer was cut', { error: String(error) })
      this.#request.socket.destroy()
    }
  }

  #asRequest(): HttpRequest {
    const exchange = this
    const request = this.#request
    return {
      method: request.method ?? '',
      target: request.url ?? '',
      headers: headerMap(request.rawHeaders),
      body: this.#body,
      remote: request.socket.remoteAddress ?? '',
      // Made when somebody asks, since most requests end before anybody would.
      get signal() {
        return exchange.#signal()
      },
    }
  }

  #signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#response.destroyed && !this.#response.writableFinished) this.#abort.abort(new Error('the client went away'))
    return this.#abort.signal
  }

  #onClose(): void {
    if (!this.#response.writableFinished) this.#abort?.abort(new Error('the client went away'))
  }

  async #answer({ status, headers, body }: HttpResponse): Promise<void> {
    const response = this.#response
    const values = headerValues(headers)
    // A client that was not told to continue may or may not send its body: what follows cannot be told apart.
    if (this.#continuePending) values.connection = 'close'
    response.writeHead(status, values)
    if (typeof body === 'function') {
      const sink = new ResponseSink(response, this.#patience)
      await body(sink)
      const length = headers['content-length']
      if (length !== undefined && Number(length) !== sink.written) throw new Error(`${sink.written} bytes were written of ${length}`)
      response.end()
    } else if (body === null) response.end()
    else response.end(body)
    if (!this.#request.complete) this.#linger()
  }

  #linger(): void {
    const { socket } = this.#request
    this.#body.discard()
    const timer = setTimeout(() => socket.destroy(), this.#limits.lingerMs)
    timer.unref()
    this.#request.once('close', () => clearTimeout(timer))
    this.#request.once('end', () => clearTimeout(timer))
  }
}

function configure(server: Server, limits: HttpLimits): void {
  server.headersTimeout = limits.headersMs
  // Node's limit on a whole request would end long uploads; `Patience` looks at their speed instead.
  server.requestTimeout = 0
  server.keepAliveTimeout = limits.keepAliveMs
  server.timeout = 0
  server.maxConnections = limits.connections
  server.maxHeadersCount = HEADER_LINES
}

function close(server: Server, watch: Watch, limits: HttpLimits): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), limits.closeMs)
    server.close(() => {
      clearTimeout(force)
      watch.close()
      resolve()
    })
    server.closeIdleConnections()
  })
}

/** HTTP/1.1 over node:http. Safe before slow and hostile clients by `limits`; a handler that throws answers 500. */
export function createHttpServer(log: Log, limits: HttpLimits = HTTP_LIMITS): HttpServer {
  return {
    async listen(at, handle) {
      const watch = new Watch(limits)
      const options = {
        maxHeaderSize: limits.headerBytes,
        connectionsCheckingInterval: Math.min(2000, limits.headersMs / 2),
        noDelay: true,
      }
      const server = createServer(options)
      const serve = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
        void new Exchange(request, response, watch, limits, expectsContinue).run(handle, log)
      }
      server.on('request', (request, response) => serve(request, response, false))
      server.on('checkContinue', (request, response) => serve(request, response, true))
      configure(server, limits)
      try {
        await new Promise<void>((resolve, reject) => {
          const refused = (cause: Error): void => {
            const what = `listening on ${at.host}:${at.port}`
            reject(new CairnError('CONFIG', { what, why: cause.message, fix: 'choose another address or port' }, { cause }))
          }
          server.once('error', refused)
          server.listen(at.port, at.host, () => {
            server.off('error', refused)
            resolve()
          })
        })
      } catch (error) {
        watch.close()
        throw error
      }
      server.on('error', (error) => log.error('the HTTP server failed', { error: String(error) }))
      const address: AddressInfo | string | null = server.address()
      if (address === null || typeof address === 'string') throw new Error('an HTTP server listens on a host and a port')
      return { address: address.address, port: address.port, close: () => close(server, watch, limits) }
    },
  }
}
