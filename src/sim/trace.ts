/** Everything that happened in a run, as one hash: equal seeds must give equal hashes, or something reads the real world. */
import type { Crypto } from '../protocol/crypto.ts'
import { toHex, utf8 } from '../std/bytes.ts'

export interface Trace {
  add(line: string): void
  /** The newest lines, oldest first. */
  tail(count: number): readonly string[]
  /** Hash of all lines so far. */
  digest(): string
}

/** Lines kept for whoever asks why a run failed. */
const KEPT = 4_000

export function createTrace(crypto: Crypto): Trace {
  let hash: Uint8Array = new Uint8Array(32)
  let pending: string[] = []
  let kept: string[] = []

  /** Chained by blocks of lines: a hash per line would cost more than the line. */
  function fold(): void {
    if (pending.length === 0) return
    hash = crypto.sha256(hash, utf8(pending.join('\n')))
    pending = []
  }

  return {
    add(line) {
      pending.push(line)
      kept.push(line)
      if (pending.length >= 1024) fold()
      if (kept.length >= 2 * KEPT) kept = kept.slice(-KEPT)
    },
    tail: (count) => kept.slice(-count),
    digest() {
      fold()
      return toHex(hash)
    },
  }
}
