import type { IncomingMessage } from 'node:http'
import type { Patience } from './patience.ts'

/** Bytes that may wait for the reader: two socket reads, so that the next piece is at hand while one is worked on. */
const AHEAD_BYTES = 128 * 1024

interface Waiter {
  resolve(result: IteratorResult<Uint8Array>): void
  reject(error: unknown): void
}

/**
 * A request's body piece by piece, as the socket read it. Node's own iterator joins pieces that wait (a copy) and
 * destroys the connection of a body that is not read to its end; this one does neither.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #request: IncomingMessage
  readonly #patience: Patience
  readonly #onFirstRead: () => void
  #started = false
  #ended = false
  #failure: Error | null = null
  #ahead: Uint8Array[] = []
  #aheadBytes = 0
  #waiter: Waiter | null = null

  /** `onFirstRead` is where `100 Continue` is sent. */
  constructor(request: IncomingMessage, patience: Patience, onFirstRead: () => void) {
    this.#request = request
    this.#patience = patience
    this.#onFirstRead = onFirstRead
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() }
  }

  /** Lets what the handler did not read flow away. */
  discard(): void {
    if (this.#request.complete && !this.#started) return
    this.#ahead = []
    this.#aheadBytes = 0
    this.#request.removeAllListeners('data')
    this.#request.resume()
  }

  #start(): void {
    this.#started = true
    this.#onFirstRead()
    const request = this.#request
    request.on('data', (bytes: Uint8Array) => this.#onData(bytes))
    request.on('end', () => this.#settle(null))
    request.on('error', (error) => this.#settle(error))
    request.on('close', () => this.#settle(request.complete ? null : new Error('the client went away')))
  }

  #onData(bytes: Uint8Array): void {
    const waiter = this.#waiter
    if (waiter !== null) {
      this.#waiter = null
      this.#patience.done(bytes.length)
      waiter.resolve({ done: false, value: bytes })
      return
    }
    this.#ahead.push(bytes)
    this.#aheadBytes += bytes.length
    if (this.#aheadBytes >= AHEAD_BYTES) this.#request.pause()
  }

  #settle(failure: Error | null): void {
    if (this.#ended || this.#failure !== null) return
    if (failure === null) this.#ended = true
    else this.#failure = failure
    const waiter = this.#waiter
    if (waiter === null) return
    this.#waiter = null
    this.#patience.done(0)
    if (failure === null) waiter.resolve({ done: true, value: undefined })
    else waiter.reject(failure)
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#started) this.#start()
    const bytes = this.#ahead.shift()
    if (bytes !== undefined) {
      this.#aheadBytes -= bytes.length
      if (this.#aheadBytes < AHEAD_BYTES && this.#request.isPaused()) this.#request.resume()
      return Promise.resolve({ done: false, value: bytes })
    }
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#patience.wait(0)
      if (this.#request.isPaused()) this.#request.resume()
    })
  }
}
