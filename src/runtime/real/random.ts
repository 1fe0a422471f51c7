import { randomFillSync, randomInt } from 'node:crypto'
import type { Random } from '../index.ts'

/** Drawn at once: a call costs 3 µs whatever its length, and writing a small object takes three. */
const POOL_BYTES = 4096
/** Longer draws are made by themselves. */
const POOLED_BYTES = 64

/** The operating system's randomness: keys and nonces may come from it. */
export function createRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES)
  let at = POOL_BYTES
  return {
    bytes(length) {
      if (length > POOLED_BYTES) return randomFillSync(new Uint8Array(length))
      if (at + length > POOL_BYTES) {
        randomFillSync(pool)
        at = 0
      }
      const bytes = pool.slice(at, at + length)
      // Nobody else ever gets these, and they do not stay here: they may be a key.
      pool.fill(0, at, at + length)
      at += length
      return bytes
    },
    below: (bound) => randomInt(bound),
  }
}
