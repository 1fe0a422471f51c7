import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts'
import { assert } from '../../../std/assert.ts'
import type { Duplex } from '../../index.ts'
import { END } from './frames.ts'
import type { Link } from './link.ts'

/**
 * One exchange on a connection. The opening message is held back until there is something to send with it, so that a
 * small request is one packet. The connection is free again when both sides have ended.
 */
export class Exchange implements Duplex {
  readonly #link: Link
  readonly #signal: AbortSignal | undefined
  readonly #free: () => void
  /** The protocol id, while it was not sent yet. */
  #opening: Uint8Array | null
  #ended = false
  #peerEnded = false
  #over = false

  /** `opening` is null on the accepting side. `free` is called once, when both sides have ended in order. */
  constructor(link: Link, opening: Uint8Array | null, free: () => void, signal?: AbortSignal) {
    this.#link = link
    this.#opening = opening
    this.#free = free
    this.#signal = signal
    link.onEnded = () => {
      this.#peerEnded = true
      this.#settle()
    }
    link.onLost = () => signal?.removeEventListener('abort', this.#stop)
    signal?.addEventListener('abort', this.#stop, { once: true })
    if (opening !== null) link.next()
  }

  get peer(): PeerId {
    return this.#link.peer
  }

  get ended(): boolean {
    return this.#ended
  }

  get peerEnded(): boolean {
    return this.#peerEnded
  }

  async send(...parts: readonly Uint8Array[]): Promise<void> {
    assert(!this.#ended, 'nothing is sent after the end')
    let length = 0
    for (const part of parts) length += part.length
    if (length > MESSAGE_BYTES_MAX) throw new CairnError('LIMIT', { what: `a message of ${length} bytes`, limit: MESSAGE_BYTES_MAX })
    return this.#link.write(this.#open(), parts)
  }

  async receive(maxBytes: number = MESSAGE_BYTES_MAX): Promise<Uint8Array | null> {
    return this.#peerEnded ? null : this.#read(null, maxBytes)
  }

  async receiveInto(target: Uint8Array): Promise<number | null> {
    if (this.#peerEnded) return null
    const message = await this.#read(target, target.length)
    return message === null ? null : message.length
  }

  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#link.mark(this.#open(), END)
    this.#settle()
  }

  abort(reason: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#signal?.removeEventListener('abort', this.#stop)
    this.#link.fail(isCairnError(reason) ? reason : new CairnError('ABORTED', { what: 'an exchange' }, { cause: reason }))
  }

  readonly #stop = (): void => this.abort(this.#signal?.reason)

  #read(into: Uint8Array | null, maxBytes: number): Promise<Uint8Array | null> {
    // A protocol in which the other side speaks first is opened by the first receive.
    const opening = this.#open()
    if (opening !== null) this.#link.write(null, [opening]).catch(() => {}) // The read below fails with the same reason.
    return this.#link.read(into, maxBytes)
  }

  #open(): Uint8Array | null {
    const opening = this.#opening
    this.#opening = null
    return opening
  }

  #settle(): void {
    if (!this.#ended || !this.#peerEnded || this.#over) return
    this.#over = true
    this.#signal?.removeEventListener('abort', this.#stop)
    this.#link.onEnded = () => {}
    this.#link.onLost = () => {}
    this.#free()
  }
}
