import { CairnError, isCairnError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { DRAIN_BYTES_MAX, DRAIN_MS, EXCHANGE_IDLE_MS, MESSAGE_BYTES_MAX } from '../../protocol/limits.ts'
import { assert } from '../../std/assert.ts'
import type { Duplex } from '../index.ts'
import type { FakeClock } from './clock.ts'
import type { Pipe } from './pipe.ts'

/** One end of an exchange. */
export class FakeExchange implements Duplex {
  readonly peer: PeerId
  /** The other end, so that a lost connection is lost on both sides. */
  other: FakeExchange | null = null
  onOpened: () => void = () => {}
  onOver: () => void = () => {}
  failure: unknown = null
  readonly #clock: FakeClock
  readonly #in: Pipe
  readonly #out: Pipe
  readonly #signal: AbortSignal | undefined
  #opening: boolean
  #ended = false
  #peerEnded = false
  #over = false

  constructor(clock: FakeClock, peer: PeerId, inward: Pipe, outward: Pipe, opening: boolean, signal?: AbortSignal) {
    this.peer = peer
    this.#clock = clock
    this.#in = inward
    this.#out = outward
    this.#opening = opening
    this.#signal = signal
    inward.listen({
      opened: () => this.onOpened(),
      ended: () => {
        this.#peerEnded = true
        if (this.#ended) this.#settle()
      },
      reset: (why) => this.lose(why, false),
      tooLong: (length, limit) => this.abort(new CairnError('LIMIT', { what: `a message of ${length} bytes`, limit })),
    })
    signal?.addEventListener('abort', this.#stop, { once: true })
  }

  get failed(): boolean {
    return this.failure !== null
  }

  async send(...parts: readonly Uint8Array[]): Promise<void> {
    assert(!this.#ended, 'nothing is sent after the end')
    let length = 0
    for (const part of parts) length += part.length
    if (length > MESSAGE_BYTES_MAX) throw new CairnError('LIMIT', { what: `a message of ${length} bytes`, limit: MESSAGE_BYTES_MAX })
    this.#open()
    await this.#inTime(this.#out.send(parts))
  }

  async receive(maxBytes: number = MESSAGE_BYTES_MAX): Promise<Uint8Array | null> {
    if (this.#peerEnded) return null
    this.#open()
    return await this.#inTime(this.#in.read(maxBytes))
  }

  async receiveInto(target: Uint8Array): Promise<number | null> {
    const message = await this.receive(target.length)
    if (message === null) return null
    target.set(message)
    return message.length
  }

  async end(): Promise<void> {
    if (this.#ended) return
    if (this.failure !== null) throw this.failure
    this.#open()
    this.#ended = true
    this.#out.put({ is: 'end' })
    if (this.#peerEnded) this.#settle()
  }

  abort(reason: unknown): void {
    if (this.#over) return
    this.#out.put({ is: 'reset', why: 'the connection was lost' })
    this.#fail(isCairnError(reason) ? reason : new CairnError('ABORTED', { what: 'an exchange' }, { cause: reason }), true)
  }

  /** The connection is gone, on this side, and on the other when `both`. */
  lose(why: string, both: boolean): void {
    if (both) this.other?.lose(why, false)
    if (!this.#over) this.#fail(new CairnError('UNREACHABLE', { peer: this.peer, why }), false)
  }

  /** Delivers what waited for a way that is whole again. */
  resume(): void {
    this.#in.arrive()
    this.#out.arrive()
  }

  /** Drops what a handler left unread, within the same bounds as the real network. */
  async drain(): Promise<void> {
    const cancel = this.#clock.after(DRAIN_MS, () =>
      this.abort(new CairnError('DEADLINE', { what: 'the end of an exchange', ms: DRAIN_MS })),
    )
    try {
      let dropped = 0
      for (let bytes = await this.receive(); bytes !== null; bytes = await this.receive()) {
        dropped += bytes.length
        if (dropped > DRAIN_BYTES_MAX) throw new CairnError('LIMIT', { what: 'bytes left unread', limit: DRAIN_BYTES_MAX })
      }
    } finally {
      cancel()
    }
  }

  readonly #stop = (): void => this.abort(this.#signal?.reason)

  #open(): void {
    if (!this.#opening || this.#over) return
    this.#opening = false
    this.#out.put({ is: 'open' })
  }

  #fail(why: unknown, drop: boolean): void {
    this.failure = why
    this.#in.fail(why, drop)
    this.#out.refuse(why)
    this.#settle()
  }

  #settle(): void {
    if (this.#over) return
    this.#over = true
    this.#signal?.removeEventListener('abort', this.#stop)
    this.onOver()
  }

  /** The result of `work`, unless the exchange stands still for too long. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const cancel = this.#clock.after(EXCHANGE_IDLE_MS, () => this.lose('the connection was silent for too long', true))
    try {
      return await work
    } finally {
      cancel()
    }
  }
}
