import { randomFillSync, randomInt } from 'node:crypto'
import type { Random } from '../index.ts'

/** The operating system's randomness: keys and nonces may come from it. */
export function createRandom(): Random {
  return {
    bytes: (length) => randomFillSync(new Uint8Array(length)),
    below: (bound) => randomInt(bound),
  }
}
