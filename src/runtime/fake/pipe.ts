import { MESSAGE_BYTES_MAX, READ_AHEAD_BYTES } from '../../protocol/limits.ts'
import { assert } from '../../std/assert.ts'
import { concat } from '../../std/bytes.ts'
import type { FakeClock } from './clock.ts'

/** The way between two nodes, as a pipe sees it. */
export interface Way {
  /** Milliseconds that the next item takes. */
  latency(): number
  /** True while nothing gets through. */
  cut(): boolean
}

type Item = { is: 'open' } | { is: 'message'; bytes: Uint8Array } | { is: 'end' } | { is: 'reset'; why: string }

interface Travelling {
  readonly at: number
  readonly item: Item
}

interface Want {
  readonly maxBytes: number
  take(bytes: Uint8Array | null): void
  fail(error: unknown): void
}

/** What a pipe tells its reading end. */
export interface PipeEvents {
  opened(): void
  ended(): void
  reset(why: string): void
  /** The next message is longer than the reader takes; must end in `fail`. */
  tooLong(length: number, limit: number): void
}

/** One direction of an exchange in virtual time: items arrive in order, a reader who does not read holds the writer. */
export class Pipe {
  readonly #clock: FakeClock
  readonly #way: Way
  readonly #travelling: Travelling[] = []
  readonly #arrived: Item[] = []
  readonly #held = new Set<{ resume(): void; fail(error: unknown): void }>()
  #events: PipeEvents | null = null
  #want: Want | null = null
  #lastAt = 0
  /** Bytes that were sent and not read. */
  #bytes = 0
  /** Why nothing more is read, and why nothing more is taken from the writer. */
  #failure: unknown = null
  #refusal: unknown = null

  constructor(clock: FakeClock, way: Way) {
    this.#clock = clock
    this.#way = way
  }

  listen(events: PipeEvents): void {
    this.#events = events
  }

  /** Queues a copy of `parts` and resolves when the reader has room. */
  send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal)
    const bytes = concat(parts)
    assert(bytes.length <= MESSAGE_BYTES_MAX, 'the sender has checked the length')
    this.#bytes += bytes.length
    this.put({ is: 'message', bytes })
    if (this.#bytes <= READ_AHEAD_BYTES) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const held = {
        resume: () => {
          if (this.#bytes > READ_AHEAD_BYTES) return
          this.#held.delete(held)
          resolve()
        },
        fail: reject,
      }
      this.#held.add(held)
    })
  }

  put(item: Item): void {
    // Latencies differ, the order of a stream does not.
    this.#lastAt = Math.max(this.#lastAt, this.#clock.monotonic() + this.#way.latency())
    this.#travelling.push({ at: this.#lastAt, item })
    this.#clock.after(this.#lastAt - this.#clock.monotonic(), () => this.arrive())
  }

  /** Delivers what is due; called again when a cut way is whole. */
  arrive(): void {
    while (!this.#way.cut() && this.#failure === null) {
      const next = this.#travelling[0]
      if (next === undefined || next.at > this.#clock.monotonic()) return
      this.#travelling.shift()
      if (next.item.is === 'open') this.#events?.opened()
      else if (next.item.is === 'reset') this.#events?.reset(next.item.why)
      else {
        this.#arrived.push(next.item)
        this.#match()
      }
    }
  }

  /** The next message, or null at the end. */
  read(maxBytes: number): Promise<Uint8Array | null> {
    assert(this.#want === null, 'one receive at a time: the second would not know which message it gets')
    return new Promise((take, fail) => {
      this.#want = { maxBytes, take, fail }
      this.#match()
      if (this.#failure !== null) this.#giveUp()
    })
  }

  /** Nothing more arrives; what has arrived can still be read unless it is dropped. */
  fail(error: unknown, drop: boolean): void {
    this.#failure ??= error
    if (drop) this.#arrived.length = 0
    this.#travelling.length = 0
    this.#giveUp()
  }

  /** The writing end is gone: whoever is held there fails. What it sent before still travels. */
  refuse(error: unknown): void {
    this.#refusal ??= error
    for (const held of this.#held) held.fail(this.#refusal)
    this.#held.clear()
  }

  #giveUp(): void {
    const want = this.#want
    this.#want = null
    want?.fail(this.#failure)
  }

  #match(): void {
    // An end is seen as soon as everything before it was read, whether somebody waits for it or not.
    if (this.#arrived[0]?.is === 'end') {
      this.#arrived.shift()
      const want = this.#want
      this.#want = null
      want?.take(null)
      this.#events?.ended()
      return
    }
    const want = this.#want
    const next = this.#arrived[0]
    if (want === null || next?.is !== 'message') return
    if (next.bytes.length > want.maxBytes) {
      this.#events?.tooLong(next.bytes.length, want.maxBytes)
      return
    }
    this.#want = null
    this.#arrived.shift()
    this.#bytes -= next.bytes.length
    for (const held of [...this.#held]) held.resume()
    want.take(next.bytes)
    this.#match()
  }
}
