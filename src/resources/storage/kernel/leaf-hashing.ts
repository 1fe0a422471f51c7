import type { Native } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { LEAF_BYTES } from '../layout.ts'
import { writeConstants } from './constants.ts'
import { LeafHasher } from './leaf-hasher.ts'
import { DIGEST_BYTES, planMemory, STAGING_BYTES } from './memory.ts'
import { compileKernel, instantiateKernel } from './wasm.ts'

/** Hashes of the 4 KiB leaves of at most 256 KiB, concatenated. The memory returned is the caller's. */
export type LeafHashing = (bytes: Uint8Array) => Uint8Array

/**
 * Leaf hashes at once and in place, for whoever has the bytes in hand and no workers: a provider hashes each frame while
 * it arrives (a sixth of a millisecond), where a message to a worker and back would cost half as much again.
 */
export function createLeafHashing(native: Native): LeafHashing {
  const plan = planMemory(1, 1, 0, 1)
  const memory = new WebAssembly.Memory({ initial: plan.pages, maximum: plan.pages, shared: true })
  writeConstants(memory, plan)
  const hasher = new LeafHasher(instantiateKernel(compileKernel(), memory), native, memory, plan)
  const [stage] = plan.staging
  assert(stage !== undefined, 'one staging buffer was planned')
  const { hash, leaves, data } = plan.stage
  const staging = new Uint8Array(memory.buffer, stage + data, STAGING_BYTES)
  return (bytes) => {
    assert(bytes.length <= STAGING_BYTES, 'callers cut what they have hashed')
    staging.set(bytes)
    hasher.hash([{ address: stage + data, length: bytes.length, out: stage + leaves }], stage + hash)
    // Copied out of the shared memory, which the next call writes over.
    return new Uint8Array(memory.buffer, stage + leaves, Math.ceil(bytes.length / LEAF_BYTES) * DIGEST_BYTES).slice()
  }
}
