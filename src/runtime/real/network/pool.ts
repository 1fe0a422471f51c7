import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import {
  EXCHANGE_IDLE_MS,
  EXCHANGES_PER_PEER_MAX,
  IDLE_CONNECTION_MS,
  IDLE_CONNECTIONS_PER_PEER_MAX,
  PROBE_AFTER_MS,
  PROBE_MS,
  WAITING_DIALS_MAX,
} from '../../../protocol/limits.ts'
import type { Clock } from '../../index.ts'
import { PROBE } from './frames.ts'
import type { Link } from './link.ts'

/** The connections that this side dialed to one peer: in use, free, or being made. */
export class PeerPool {
  readonly #peer: PeerId
  readonly #clock: Clock
  readonly #connect: (signal?: AbortSignal) => Promise<Link>
  readonly #links = new Set<Link>()
  /** Free connections, the one used last at the end: it is the one most surely alive, and the others may age. */
  readonly #free: Link[] = []
  readonly #waiting = new Set<() => void>()
  #connecting = 0
  #closed = false

  constructor(peer: PeerId, clock: Clock, connect: (signal?: AbortSignal) => Promise<Link>) {
    this.#peer = peer
    this.#clock = clock
    this.#connect = connect
  }

  /** True when nothing would be lost by forgetting the pool. */
  get empty(): boolean {
    return this.#links.size === 0 && this.#connecting === 0 && this.#waiting.size === 0
  }

  /** A connection for one exchange: a free one that is alive, else a new one. Give it back or let it fail. */
  async take(signal?: AbortSignal): Promise<Link> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closed) throw new CairnError('ABORTED', { what: 'a dial of a network that is closed' })
      const link = this.#free.pop()
      if (link !== undefined) {
        if (link.usable && (await this.#alive(link))) {
          link.idleAfter(EXCHANGE_IDLE_MS)
          return link
        }
        link.fail(link.gone('a kept connection gave no sign of life'))
        // One dead connection means that the peer or the way to it went away; the others are not asked one by one.
        for (const other of [...this.#free]) if (this.#silent(other)) other.fail(other.gone('another connection to it was dead'))
        continue
      }
      if (this.#links.size + this.#connecting < EXCHANGES_PER_PEER_MAX) return await this.#open(signal)
      await this.#turn(signal)
    }
  }

  /** Gives back a connection whose exchange ended in order. */
  release(link: Link): void {
    link.freeSince = this.#clock.monotonic()
    if (this.#closed || !link.usable) {
      link.fail(link.gone('it sent what nobody asked for, or the network was closed'))
      return
    }
    link.idleAfter(IDLE_CONNECTION_MS)
    this.#free.push(link)
    if (this.#free.length > IDLE_CONNECTIONS_PER_PEER_MAX) {
      const oldest = this.#free.shift()
      oldest?.fail(oldest.gone('enough connections are kept'))
    }
    this.#wake()
  }

  close(why: unknown): void {
    this.#closed = true
    for (const link of [...this.#links]) link.fail(why)
    for (const wake of [...this.#waiting]) wake()
  }

  async #open(signal?: AbortSignal): Promise<Link> {
    this.#connecting += 1
    try {
      const link = await this.#connect(signal)
      if (this.#closed) link.fail(link.gone('the network was closed'))
      else this.#links.add(link)
      link.onGone = () => {
        this.#links.delete(link)
        const at = this.#free.indexOf(link)
        if (at >= 0) this.#free.splice(at, 1)
        this.#wake()
      }
      return link
    } catch (error) {
      this.#wake()
      throw error
    } finally {
      this.#connecting -= 1
    }
  }

  /** Waits until a connection became free or may be made. */
  #turn(signal?: AbortSignal): Promise<void> {
    if (this.#waiting.size >= WAITING_DIALS_MAX) {
      throw new CairnError('LIMIT', { what: `dials waiting for ${this.#peer}`, limit: WAITING_DIALS_MAX })
    }
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const stop = (): void => {
        this.#waiting.delete(wake)
        reject(signal?.reason)
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  #wake(): void {
    const [first] = this.#waiting
    first?.()
  }

  /** Whether a free connection still reaches the peer; asked only when it was silent for a while. */
  async #alive(link: Link): Promise<boolean> {
    if (!this.#silent(link)) return true
    const limit = this.#clock.deadline('a sign of life', PROBE_MS)
    try {
      return await new Promise<boolean>((resolve) => {
        link.onProbed = () => resolve(true)
        link.onLost = () => resolve(false)
        limit.signal.addEventListener('abort', () => resolve(false), { once: true })
        link.next()
        link.mark(null, PROBE).catch(() => resolve(false))
      })
    } finally {
      limit[Symbol.dispose]()
      link.onProbed = () => {}
      link.onLost = () => {}
    }
  }

  #silent(link: Link): boolean {
    return this.#clock.monotonic() - link.freeSince >= PROBE_AFTER_MS
  }
}
