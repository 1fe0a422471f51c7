import type { Native } from '../../../runtime/index.ts'
import { LEAF_BYTES } from '../layout.ts'
import { DIGEST_BYTES, HASH_SCRATCH, type MemoryPlan } from './memory.ts'
import type { KernelExports } from './wasm.ts'

/** Consecutive bytes whose leaves are wanted: at `address`, their hashes from `out` on. */
export interface LeafRun {
  readonly address: number
  readonly length: number
  readonly out: number
}

type Way = 'simd' | 'native'

/**
 * Jobs that are timed before the choice: half of them each way. The first half does not count, because WebAssembly
 * runs slowly until its optimised code is ready. The choice costs nothing: the hashes of a trial are used like any others.
 */
const TRIALS = 32
/** A job smaller than this says more about the timer than about the hash. */
const TRIAL_BYTES = 64 * 1024

/**
 * SHA-256 of 4 KiB leaves, the dearest step of the pipeline. Four leaves at once in WebAssembly SIMD are faster than
 * OpenSSL on a processor without SHA instructions, and several times slower on one with them. Which one this is cannot be
 * asked portably, so the first jobs take turns and the faster way is kept. Both give the same bytes.
 */
export class LeafHasher {
  readonly #exports: KernelExports
  readonly #native: Native
  readonly #plan: MemoryPlan
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #best: Record<Way, number> = { simd: Number.POSITIVE_INFINITY, native: Number.POSITIVE_INFINITY }
  #trials = 0
  #way: Way = 'simd'

  constructor(exports: KernelExports, native: Native, memory: WebAssembly.Memory, plan: MemoryPlan) {
    this.#exports = exports
    this.#native = native
    this.#plan = plan
    this.#bytes = new Uint8Array(memory.buffer)
    this.#words = new Uint32Array(memory.buffer)
  }

  /** Hashes all leaves of `runs`. `scratch` is HASH_SCRATCH.bytes that nobody else uses meanwhile. */
  hash(runs: readonly LeafRun[], scratch: number): void {
    const bytes = runs.reduce((sum, run) => sum + run.length, 0)
    const start = this.#native.elapsed()
    this.#hashBy(this.#way, runs, scratch)
    if (this.#trials < TRIALS && bytes >= TRIAL_BYTES) this.#learn((this.#native.elapsed() - start) / bytes)
  }

  /** The way it now takes; settled after some jobs. */
  get way(): Way {
    return this.#way
  }

  #learn(pace: number): void {
    this.#trials += 1
    if (this.#trials > TRIALS / 2) this.#best[this.#way] = Math.min(this.#best[this.#way], pace)
    if (this.#trials < TRIALS) this.#way = this.#way === 'simd' ? 'native' : 'simd'
    else this.#way = this.#best.native < this.#best.simd ? 'native' : 'simd'
  }

  #hashBy(way: Way, runs: readonly LeafRun[], scratch: number): void {
    const jobs = (scratch + HASH_SCRATCH.jobs) / 4
    const words = this.#words
    let waiting = 0
    for (const { address, length, out } of runs) {
      for (let at = 0; at < length; at += LEAF_BYTES) {
        const target = out + (at / LEAF_BYTES) * DIGEST_BYTES
        if (way === 'native' || length - at < LEAF_BYTES) {
          this.#hashOne(address + at, Math.min(LEAF_BYTES, length - at), target)
          continue
        }
        words[jobs + waiting] = address + at
        words[jobs + 4 + waiting] = target
        waiting += 1
        if (waiting < 4) continue
        this.#exports.sha256x4(scratch + HASH_SCRATCH.jobs, LEAF_BYTES, this.#plan.sha256, scratch + HASH_SCRATCH.state)
        waiting = 0
      }
    }
    for (let i = 0; i < waiting; i += 1) this.#hashOne(words[jobs + i] as number, LEAF_BYTES, words[jobs + 4 + i] as number)
  }

  #hashOne(address: number, length: number, out: number): void {
    this.#bytes.set(this.#native.sha256(this.#bytes.subarray(address, address + length)), out)
  }
}
