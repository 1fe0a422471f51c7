import type { TLSSocket } from 'node:tls'
import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { DRAIN_MS, EXCHANGE_IDLE_MS, READ_AHEAD_BYTES } from '../../../protocol/limits.ts'
import { type END, FrameReader, HEADER_BYTES, type PROBE, type REFUSED } from './frames.ts'
import { type Inlet, type InletTarget, RECORD_BYTES } from './inlet.ts'

interface Waiting {
  reject(error: unknown): void
}

/**
 * One authenticated TLS connection: frames out, frames in, back-pressure both ways. It carries one exchange at a time,
 * and knows nothing about what an exchange is for.
 */
export class Link {
  readonly peer: PeerId
  readonly #socket: TLSSocket
  readonly #reader: FrameReader
  readonly #sends = new Set<Waiting>()
  #failure: unknown = null
  #paused = false
  #corked = false
  /** When the connection last became free, in milliseconds of `Clock.monotonic`. */
  freeSince = 0
  /** Called when the other side ended its sends of the exchange at hand. */
  onEnded: () => void = () => {}
  onProbed: () => void = () => {}
  /** Called once, when the connection is gone: for who owns the connection, and for the exchange on it. */
  onGone: (why: unknown) => void = () => {}
  onLost: (why: unknown) => void = () => {}

  /** `inlet` is where the socket's bytes come from when it was made to write them there, and emits none. */
  constructor(socket: TLSSocket, peer: PeerId, inlet: Inlet | null = null) {
    this.peer = peer
    this.#socket = socket
    this.#reader = new FrameReader(peer, {
      ended: () => this.onEnded(),
      probed: () => this.onProbed(),
      refused: () => this.lose(this.gone('it does not serve this protocol')),
      broken: (error) => this.fail(error),
    })
    socket.setNoDelay(true)
    socket.setTimeout(EXCHANGE_IDLE_MS)
    if (inlet === null) {
      socket.on('data', (chunk) => {
        if (this.#failure === null) this.#reader.push(chunk)
        this.#hold()
      })
    } else inlet.open(this.#target)
    socket.on('timeout', () => this.lose(this.gone('the connection was silent for too long')))
    socket.on('error', (cause) => this.lose(this.gone(cause.message, cause)))
    socket.on('end', () => this.lose(this.gone('it closed the connection')))
    socket.on('close', () => this.lose(this.gone('the connection was lost')))
  }

  /** True while the connection can be used and nothing arrived that nobody asked for. */
  get usable(): boolean {
    return this.#failure === null && this.#reader.buffered === 0
  }

  get failure(): unknown {
    return this.#failure
  }

  gone(why: string, cause?: unknown): CairnError<'UNREACHABLE'> {
    return new CairnError('UNREACHABLE', { peer: this.peer, why }, { cause })
  }

  /** How long the connection may stay silent from now on. */
  idleAfter(ms: number): void {
    this.#socket.setTimeout(ms)
  }

  /** Lets the frames of the next exchange in. */
  next(): void {
    this.#reader.next()
    this.#flow()
  }

  read(into: Uint8Array | null, maxBytes: number): Promise<Uint8Array | null> {
    const message = this.#reader.read(into, maxBytes)
    this.#flow()
    return message
  }

  /**
   * Sends `first` (when given) and then `parts`, each group as one message, in one write. Resolves when the kernel has
   * taken them; until then their memory belongs to the socket.
   */
  write(first: Uint8Array | null, parts: readonly Uint8Array[]): Promise<void> {
    let length = 0
    for (const part of parts) length += part.length
    return this.#written((done) => {
      if (first !== null) {
        this.#socket.write(header(first.length))
        this.#socket.write(first)
      }
      if (length === 0) this.#socket.write(header(0), done)
      else {
        this.#socket.write(header(length))
        let rest = length
        for (const part of parts) {
          rest -= part.length
          if (part.length === 0) continue
          this.#socket.write(part, rest === 0 ? done : undefined)
        }
      }
    })
  }

  /** Sends a mark, after `first` as a message when given. */
  mark(first: Uint8Array | null, word: typeof END | typeof PROBE | typeof REFUSED): Promise<void> {
    return this.#written((done) => {
      if (first !== null) {
        this.#socket.write(header(first.length))
        this.#socket.write(first)
      }
      this.#socket.write(header(word), done)
    })
  }

  /** Drops the connection and what it brought: everything that waits on it ends with `why`. */
  fail(why: unknown): void {
    this.#close(why, true)
  }

  /** The other side or the network ended the connection: what arrived before can still be read. */
  lose(why: unknown): void {
    this.#close(why, false)
  }

  #close(why: unknown, drop: boolean): void {
    if (this.#failure !== null) {
      if (drop) this.#reader.fail(this.#failure, true)
      return
    }
    this.#failure = why
    this.#socket.destroy()
    this.#reader.fail(why, drop)
    for (const waiting of this.#sends) waiting.reject(why)
    this.#sends.clear()
    this.onLost(why)
    this.onGone(why)
  }

  /** Sends what was written and closes; for a connection whose last word must still arrive. */
  finish(): void {
    this.idleAfter(DRAIN_MS)
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
    this.#socket.end()
  }

  #written(write: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiting = { reject }
      this.#sends.add(waiting)
      this.#cork()
      write((error) => {
        this.#sends.delete(waiting)
        if (error === null || error === undefined) resolve()
        else reject(this.#failure ?? this.gone(error.message, error))
      })
    })
  }

  /** Gathers what is written in this turn: a request and its end then share a TLS record and a packet. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  readonly #target: InletTarget = {
    room: () => (this.#failure === null ? this.#reader.room(RECORD_BYTES) : null),
    wrote: (length) => this.#reader.wrote(length),
    take: (chunk) => {
      if (this.#failure === null) this.#reader.lend(chunk)
      this.#hold()
    },
  }

  #hold(): void {
    if (this.#failure !== null || this.#paused || this.#reader.waiting || this.#reader.buffered <= READ_AHEAD_BYTES) return
    this.#paused = true
    this.#socket.pause()
  }

  #flow(): void {
    if (!this.#paused || this.#reader.buffered > READ_AHEAD_BYTES) return
    this.#paused = false
    this.#socket.resume()
  }
}

function header(word: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES)
  bytes.writeUInt32BE(word)
  return bytes
}
