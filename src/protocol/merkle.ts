/**
 * Keccak trees with sorted pairs, as OpenZeppelin's MerkleProof checks them. One flat buffer and no objects per node, so
 * that a tree of a million leaves is a matter of seconds. Leaves are double-hashed by the caller (see rewards.ts).
 */
import { assert } from '../std/assert.ts'
import { compareBytes } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'

const HASH = 32

export interface MerkleTree {
  readonly root: Uint8Array
  /** Siblings from leaf `index` (in the order given to `merkleTree`) up. */
  proof(index: number): readonly Uint8Array[]
}

function pair(crypto: Crypto, a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) <= 0 ? crypto.keccak256(a, b) : crypto.keccak256(b, a)
}

/**
 * A tree over at least one leaf of 32 bytes. The shape is OpenZeppelin's: a complete binary heap with the leaves, sorted
 * by value, in its last places; so roots and proofs equal those of @openzeppelin/merkle-tree.
 */
export function merkleTree(crypto: Crypto, leaves: readonly Uint8Array[]): MerkleTree {
  assert(leaves.length > 0, 'a tree has a leaf')
  const order = leaves.map((_, index) => index).sort((a, b) => compareBytes(leaves[a] as Uint8Array, leaves[b] as Uint8Array))
  const size = 2 * leaves.length - 1
  const heap = new Uint8Array(size * HASH)
  const node = (at: number): Uint8Array => heap.subarray(at * HASH, (at + 1) * HASH)
  const place = new Array<number>(leaves.length)
  for (const [rank, index] of order.entries()) {
    const at = size - 1 - rank
    node(at).set(leaves[index] as Uint8Array)
    place[index] = at
  }
  for (let at = size - 1 - leaves.length; at >= 0; at -= 1) node(at).set(pair(crypto, node(2 * at + 1), node(2 * at + 2)))
  return {
    root: node(0).slice(),
    proof(index) {
      const path: Uint8Array[] = []
      let at = place[index] as number
      assert(at !== undefined, 'the leaf is in the tree')
      for (; at > 0; at = Math.floor((at - 1) / 2)) path.push(node(at % 2 === 1 ? at + 1 : at - 1).slice())
      return path
    },
  }
}

/** Whether `leaf` is under `root` by `path`; paths longer than 64 are refused. */
export function verifyMerkle(crypto: Crypto, root: Uint8Array, leaf: Uint8Array, path: readonly Uint8Array[]): boolean {
  if (path.length > 64) return false
  let at = leaf
  for (const sibling of path) at = pair(crypto, at, sibling)
  return compareBytes(at, root) === 0
}
