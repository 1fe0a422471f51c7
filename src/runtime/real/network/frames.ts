import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts'
import { assert } from '../../../std/assert.ts'

/**
 * The wire: frames of a 32-bit big-endian word and, when the word is a length, that many bytes. Words above every length
 * are marks. An exchange is a message that names its protocol, then messages both ways, then `END` from each side;
 * afterwards the connection is free for the next exchange.
 */
export const HEADER_BYTES = 4
/** This side sends nothing more in this exchange. */
export const END = 0xffffffff
/** Between exchanges: asked by the dialing side, answered with the same word. */
export const PROBE = 0xfffffffe
/** The accepting side does not serve the protocol; the connection ends here. */
export const REFUSED = 0xfffffffd

/** What a reader tells the connection it belongs to. */
export interface FrameEvents {
  /** The other side ended its sends in this exchange. */
  ended(): void
  probed(): void
  refused(): void
  /** The other side broke the protocol, or sent more than the caller takes: nothing after this can be read. */
  broken(error: CairnError): void
}

interface Want {
  readonly into: Uint8Array | null
  readonly maxBytes: number
  /** Where the message is assembled, once its length is known. */
  buffer: Uint8Array | null
  filled: number
  message(bytes: Uint8Array): void
  end(): void
  fail(error: unknown): void
}

/**
 * Takes bytes as the socket delivers them and hands out messages: as chunks that become the reader's, as chunks that are
 * only lent, or written straight to where a large message is wanted. A message that lies in one chunk of the reader's is
 * handed out as a view of it; any other is copied at most once. Marks are acted on as soon as everything before them was
 * taken.
 */
export class FrameReader {
  readonly #peer: PeerId
  readonly #events: FrameEvents
  /** Chunks that were not consumed; the first one from `#at` on. */
  #chunks: Uint8Array[] = []
  #at = 0
  #buffered = 0
  /** The chunk at hand, when it is only lent. */
  #lent: Uint8Array | null = null
  /** Length of the message at hand, or −1 between messages. */
  #length = -1
  #want: Want | null = null
  /** True between an `END` and the next exchange: bytes then stay where they are. */
  #closed = true
  /** Why nothing more arrives, when that is so. */
  #failure: unknown = null

  constructor(peer: PeerId, events: FrameEvents) {
    this.#peer = peer
    this.#events = events
  }

  /** Bytes that arrived and were not taken. */
  get buffered(): number {
    return this.#buffered
  }

  get waiting(): boolean {
    return this.#want !== null
  }

  /** Lets the frames of the next exchange in. */
  next(): void {
    this.#closed = false
    this.#advance()
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    this.#advance()
  }

  /** As `push`, of memory that the caller uses again afterwards. */
  lend(chunk: Uint8Array): void {
    this.#lent = chunk
    this.push(chunk)
    this.#lent = null
    const last = this.#chunks.length - 1
    if (this.#chunks[last] !== chunk) return
    // Only the first chunk is ever taken in part.
    this.#chunks[last] = new Uint8Array(chunk.subarray(last === 0 ? this.#at : 0))
    if (last === 0) this.#at = 0
  }

  /**
   * Where the next bytes can be written, when they are known to belong to a message that is waited for and of which at
   * least `bytesMin` are missing; null when they should be lent instead. What was written is told to `wrote`, before
   * anything else is done with the reader.
   */
  room(bytesMin: number): Uint8Array | null {
    const want = this.#want
    if (want === null || want.buffer === null || this.#buffered > 0 || this.#length - want.filled < bytesMin) return null
    return want.buffer.subarray(want.filled)
  }

  wrote(length: number): void {
    const want = this.#want
    assert(want !== null && want.buffer !== null, 'there was room')
    want.filled += length
    if (want.filled < this.#length) return
    this.#settle(want, want.buffer)
    this.#advance()
  }

  /** The next message: into `into`, or as memory of the reader's choice; its bytes, or null at the end. */
  read(into: Uint8Array | null, maxBytes: number): Promise<Uint8Array | null> {
    assert(this.#want === null, 'one receive at a time: the second would not know which message it gets')
    if (this.#closed) return Promise.resolve(null)
    return new Promise((resolve, reject) => {
      this.#want = { into, maxBytes, buffer: null, filled: 0, message: resolve, end: () => resolve(null), fail: reject }
      this.#advance()
      if (this.#failure !== null) this.#giveUp()
    })
  }

  /** Nothing more arrives because of `error`. What arrived whole can still be read, unless it is to be dropped. */
  fail(error: unknown, drop: boolean): void {
    this.#failure = error
    if (drop) {
      this.#chunks = []
      this.#buffered = 0
    }
    this.#giveUp()
  }

  #giveUp(): void {
    const want = this.#want
    this.#want = null
    want?.fail(this.#failure)
  }

  #advance(): void {
    while (!this.#closed) {
      if (this.#length < 0 && !this.#readHeader()) return
      if (this.#length >= 0 && !this.#readPayload()) return
    }
  }

  /** Reads one word; false when it is not there yet or nothing more can be read. */
  #readHeader(): boolean {
    if (this.#buffered < HEADER_BYTES) return false
    let word = 0
    for (let i = 0; i < HEADER_BYTES; i += 1) word = word * 256 + this.#shift()
    if (word <= MESSAGE_BYTES_MAX) {
      this.#length = word
      return true
    }
    if (word === PROBE) this.#events.probed()
    else if (word === REFUSED) this.#events.refused()
    else if (word === END) this.#end()
    else this.#events.broken(new CairnError('PROTOCOL', { peer: this.#peer, why: `a message of ${word} bytes` }))
    return true
  }

  #end(): void {
    const want = this.#want
    this.#want = null
    this.#closed = true
    want?.end()
    this.#events.ended()
  }

  /** Moves what there is of the message to who waits for it; false when more is needed. */
  #readPayload(): boolean {
    const want = this.#want
    if (want === null) return false
    const length = this.#length
    if (want.buffer === null) {
      if (length > want.maxBytes) {
        const error = new CairnError('LIMIT', { what: `a message of ${length} bytes`, limit: want.maxBytes })
        this.#events.broken(error)
        return false
      }
      const chunk = this.#chunks[0]
      if (want.into === null && chunk !== undefined && chunk !== this.#lent && chunk.length - this.#at >= length) {
        const view = chunk.subarray(this.#at, this.#at + length)
        this.#consume(length)
        this.#settle(want, view)
        return true
      }
      // A plain allocation would be zeroed first, and every byte of it is about to be written.
      want.buffer = want.into === null ? Buffer.allocUnsafe(length) : want.into.subarray(0, length)
    }
    while (want.filled < length) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return false
      const take = Math.min(length - want.filled, chunk.length - this.#at)
      want.buffer.set(take === chunk.length ? chunk : chunk.subarray(this.#at, this.#at + take), want.filled)
      want.filled += take
      this.#consume(take)
    }
    this.#settle(want, want.buffer)
    return true
  }

  #settle(want: Want, bytes: Uint8Array): void {
    this.#want = null
    this.#length = -1
    want.message(bytes)
  }

  #shift(): number {
    const chunk = this.#chunks[0]
    assert(chunk !== undefined, 'whoever reads a byte has checked that it is there')
    const byte = chunk[this.#at] ?? 0
    this.#consume(1)
    return byte
  }

  #consume(length: number): void {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return
    this.#at += length
    this.#buffered -= length
    if (this.#at < chunk.length) return
    // At most READ_AHEAD_BYTES of chunks are queued, so moving the rest of the array forward is cheap.
    this.#chunks.shift()
    this.#at = 0
  }
}
