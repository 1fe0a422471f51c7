import type { Prng } from '../../std/prng.ts'
import type { Random } from '../index.ts'

/** Randomness that a seed repeats. Never for keys that guard anything. */
export const createFakeRandom = (prng: Prng): Random => ({ bytes: prng.bytes, below: prng.below })
