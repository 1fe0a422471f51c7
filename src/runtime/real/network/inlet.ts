import type { OnReadOpts } from 'node:net'

/** What takes the bytes of a connection. */
export interface InletTarget {
  /** Where the next bytes are to be written, when that is known; null when they should be handed to `take`. */
  room(): Uint8Array | null
  /** So many bytes were written to the beginning of the last `room`. */
  wrote(length: number): void
  /** The memory is used again afterwards. */
  take(chunk: Uint8Array): void
}

/** As much as one TLS record carries (RFC 8446 §5.1), and Node hands over no more at a time. */
export const RECORD_BYTES = 16 * 1024

/**
 * The reading end of a socket that this side opened. Left to itself Node makes a new buffer for each TLS record, whose
 * collection was a tenth of what a download costs; here records are decrypted into one buffer that is used again, or
 * straight to where a message is wanted. Node offers this for sockets that connect, not for accepted ones.
 */
export class Inlet implements OnReadOpts {
  readonly #scratch = Buffer.allocUnsafeSlow(RECORD_BYTES)
  #room: Uint8Array | null = null
  #target: InletTarget | null = null

  /** What arrives before this is called stops the connection: who accepts one does not speak first. */
  open(target: InletTarget): void {
    this.#target = target
  }

  /** Node asks for the memory of the next read after each one. */
  readonly buffer = (): Uint8Array => {
    this.#room = this.#target?.room() ?? null
    return this.#room ?? this.#scratch
  }

  /** Called by Node when bytes were read; it stops reading when this is false. */
  readonly callback = (length: number, into: Uint8Array): boolean => {
    if (this.#target === null) return false
    if (into === this.#room) this.#target.wrote(length)
    else this.#target.take(into.subarray(0, length))
    return true
  }
}
