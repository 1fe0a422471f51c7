import type { Native } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'

const HASH_BYTES = 32

/**
 * Root of the tree over concatenated leaf hashes: an inner node is SHA-256(left ‖ right), and the leaves are padded with
 * all-zero ones to a power of two. The root of one leaf is that leaf. The padding is never hashed: an all-zero subtree
 * has one value per level.
 */
export function treeRoot(native: Native, leaves: Uint8Array): Uint8Array {
  assert(leaves.length > 0 && leaves.length % HASH_BYTES === 0, 'leaf hashes are 32 bytes each, and at least one')
  let level: Uint8Array = leaves
  let zero: Uint8Array = new Uint8Array(HASH_BYTES)
  while (level.length > HASH_BYTES) {
    const odd = level.length % (2 * HASH_BYTES) !== 0
    const pairs = odd ? padded(level, zero) : level
    const next = new Uint8Array(pairs.length / 2)
    native.sha256Pairs(pairs, next)
    level = next
    const two = new Uint8Array(2 * HASH_BYTES)
    two.set(zero)
    two.set(zero, HASH_BYTES)
    zero = native.sha256(two)
  }
  return level
}

function padded(level: Uint8Array, zero: Uint8Array): Uint8Array {
  const out = new Uint8Array(level.length + HASH_BYTES)
  out.set(level)
  out.set(zero, level.length)
  return out
}
