import { assert } from './assert.ts'
import { utf8 } from './bytes.ts'
import { shuffled } from './shuffle.ts'

const MASK = (1n << 64n) - 1n
/** Largest bound of `below`: numbers stay exact up to 2^53. */
const BOUND_MAX = Number.MAX_SAFE_INTEGER

/** The next state and output of SplitMix64 (Steele, Lea, Flood 2014), which turns any seed into well-mixed words. */
export function splitmix64(state: bigint): { state: bigint; output: bigint } {
  const next = (state + 0x9e3779b97f4a7c15n) & MASK
  let z = next
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK
  return { state: next, output: z ^ (z >> 31n) }
}

/** FNV-1a, 64 bits: only to give named streams different seeds, never where somebody might look for collisions. */
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of utf8(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK
  return hash
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

/** Words of xoshiro128** 1.1 (Blackman, Vigna) from a state of four words that are not all zero. */
export function xoshiro128(words: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = words
  assert((a | b | c | d) !== 0, 'xoshiro never leaves the all-zero state')
  return () => {
    const output = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotate(d, 11)
    return output
  }
}

/** A reproducible stream of draws: equal seeds give equal streams on every machine. Not for keys. */
export interface Prng {
  /** Uniform in [0, 2^32). */
  word(): number
  /** Uniform integer in [0, bound), without modulo bias. */
  below(bound: number): number
  bytes(length: number): Uint8Array
  /** True with a probability of `ppm` in a million. */
  chance(ppm: number): boolean
  /** One of `items`, which has some. */
  pick<T>(items: readonly T[]): T
  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[]
  /** An independent stream with a name, so that more draws in one place do not change those of another. */
  fork(name: string): Prng
}

export function createPrng(seed: bigint): Prng {
  const one = splitmix64(seed & MASK)
  const two = splitmix64(one.state)
  const low = (x: bigint): number => Number(x & 0xffffffffn)
  const word = xoshiro128([low(one.output), low(one.output >> 32n), low(two.output), low(two.output >> 32n)])

  function below(bound: number): number {
    assert(Number.isInteger(bound) && bound > 0 && bound <= BOUND_MAX, `a bound is 1 … 2^53 − 1, not ${bound}`)
    const range = bound <= 2 ** 32 ? 2 ** 32 : 2 ** 53
    const fair = range - (range % bound)
    for (;;) {
      const draw = range === 2 ** 32 ? word() : (word() >>> 11) * 2 ** 32 + word()
      // Ends: each round succeeds with a probability above one half.
      if (draw < fair) return draw % bound
    }
  }

  return {
    word,
    below,
    bytes(length) {
      const out = new Uint8Array(length)
      for (let i = 0; i < length; i += 4) {
        const draw = word()
        for (let j = 0; j < 4 && i + j < length; j += 1) out[i + j] = draw >>> (8 * j)
      }
      return out
    },
    chance: (ppm) => below(1_000_000) < ppm,
    pick<T>(items: readonly T[]): T {
      assert(items.length > 0, 'something can only be picked from something')
      return items[below(items.length)] as T
    },
    shuffle: (items) => shuffled(items, below),
    fork: (name) => createPrng(splitmix64((seed & MASK) ^ fnv1a(name)).output),
  }
}
