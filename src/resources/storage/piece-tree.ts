/**
 * Hash trees of storage (DESIGN §6): SHA-256, inner node = SHA-256(left ‖ right) without prefix, padded to a power of two
 * with all-zero 32-byte leaves. The depth follows from a signed count or size, never from the prover, so that a node can
 * not be passed off as a leaf. A piece's leaves are SHA-256 of its 4 KiB blocks, the last one as short as it is. Pure.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { assert } from '../../std/assert.ts'
import { equalBytes } from '../../std/bytes.ts'
import { FRAME_BYTES, LEAF_BYTES } from './layout.ts'

export const HASH_BYTES = 32
/** Leaves of one 64 KiB frame, and the height of its subtree. */
export const FRAME_LEAVES = FRAME_BYTES / LEAF_BYTES
export const FRAME_HEIGHT = 4

/** How a tree hashes. `pairs` is the fast way for whole levels, where the machine has one. */
export interface TreeHash {
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  /** SHA-256 of each 64-byte block of `blocks`, one after the other into `out`, which is half as long. */
  pairs(blocks: Uint8Array, out: Uint8Array): void
}

export const treeHash = (crypto: Pick<Crypto, 'sha256'>, pairs?: TreeHash['pairs']): TreeHash => ({
  sha256: crypto.sha256,
  pairs:
    pairs ??
    ((blocks, out) => {
      for (let at = 0; at < out.length; at += HASH_BYTES) out.set(crypto.sha256(blocks.subarray(2 * at, 2 * at + 64)), at)
    }),
})

/** Levels above `count` leaves: 0 for one leaf. */
export function depthOf(count: number): number {
  assert(Number.isSafeInteger(count) && count > 0, 'a tree has leaves')
  let depth = 0
  for (let width = 1; width < count; width *= 2) depth += 1
  return depth
}

export const leafCount = (size: number): number => Math.ceil(size / LEAF_BYTES)
export const frameCount = (size: number): number => Math.ceil(size / FRAME_BYTES)

/** The same few hashes are part of every tree, and a tree is built for every 64 KiB that arrive. */
const knownZeroRoots = new WeakMap<TreeHash, Uint8Array[]>()

/** Roots of all-zero subtrees of height 0 … `height` and perhaps beyond. Nobody may write to them. */
function zeroRoots(hash: TreeHash, height: number): readonly Uint8Array[] {
  const roots = knownZeroRoots.get(hash) ?? [new Uint8Array(HASH_BYTES)]
  knownZeroRoots.set(hash, roots)
  while (roots.length <= height) {
    const below = roots[roots.length - 1] as Uint8Array
    roots.push(hash.sha256(below, below))
  }
  return roots
}

/**
 * A tree kept level by level: `levels[0]` are the leaves, concatenated; the last level is the root. Padding is not stored:
 * where a level is odd its last node has the zero subtree of that height beside it.
 */
export interface Tree {
  readonly count: number
  readonly root: Uint8Array
  readonly levels: readonly Uint8Array[]
  /** `zeros[h]`: the root of an all-zero subtree of height h (above leaves that are themselves `base` high). */
  readonly zeros: readonly Uint8Array[]
}

/**
 * The tree over concatenated 32-byte `leaves`. `base`: the height at which they stand (FRAME_HEIGHT for frame hashes), so
 * that padding is right. `old` and `unchanged`: an earlier tree whose first `unchanged` leaves are the same; its nodes
 * above them are copied instead of hashed.
 */
export function buildTree(hash: TreeHash, leaves: Uint8Array, base = 0, old: Tree | null = null, unchanged = 0): Tree {
  const count = leaves.length / HASH_BYTES
  const depth = depthOf(count)
  const zeros = zeroRoots(hash, base + depth).slice(base, base + depth + 1)
  const levels: Uint8Array[] = [leaves]
  let kept = Math.min(unchanged, old?.count ?? 0)
  for (let height = 0; height < depth; height += 1) {
    const below = levels[height] as Uint8Array
    const nodes = below.length / HASH_BYTES
    const above = new Uint8Array(Math.ceil(nodes / 2) * HASH_BYTES)
    kept = Math.floor(kept / 2)
    const oldLevel = old?.levels[height + 1]
    if (oldLevel === undefined) kept = 0
    else above.set(oldLevel.subarray(0, kept * HASH_BYTES))
    const whole = Math.floor(nodes / 2)
    hash.pairs(below.subarray(2 * kept * HASH_BYTES, 2 * whole * HASH_BYTES), above.subarray(kept * HASH_BYTES, whole * HASH_BYTES))
    if (whole * 2 < nodes) above.set(hash.sha256(below.subarray(2 * whole * HASH_BYTES), zeros[height] as Uint8Array), whole * HASH_BYTES)
    levels.push(above)
  }
  return { count, root: levels[depth] as Uint8Array, levels, zeros }
}

/** Siblings from the leaf at `index` up to `height` (default: the root), concatenated. */
export function pathOf(tree: Tree, index: number, height = tree.levels.length - 1): Uint8Array {
  assert(index >= 0 && index < tree.count, 'a path begins at a leaf')
  const path = new Uint8Array(height * HASH_BYTES)
  for (let level = 0, at = index; level < height; level += 1, at = Math.floor(at / 2)) {
    const nodes = tree.levels[level] as Uint8Array
    const start = (at ^ 1) * HASH_BYTES
    path.set(start < nodes.length ? nodes.subarray(start, start + HASH_BYTES) : (tree.zeros[level] as Uint8Array), level * HASH_BYTES)
  }
  return path
}

/** Whether `path` leads from `leaf`, the `index`-th of `count`, to `root`. Exact: path length, index and order are all fixed. */
export function verifyPath(
  sha256: Crypto['sha256'],
  leaf: Uint8Array,
  index: number,
  count: number,
  path: Uint8Array,
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) return false
  if (path.length !== depthOf(count) * HASH_BYTES) return false
  const block = new Uint8Array(2 * HASH_BYTES)
  let node = leaf
  // Not shifts: indices of large sets pass 2^32.
  for (let at = 0, rest = index; at < path.length; at += HASH_BYTES, rest = Math.floor(rest / 2)) {
    const right = rest % 2 === 1
    block.set(node, right ? HASH_BYTES : 0)
    block.set(path.subarray(at, at + HASH_BYTES), right ? 0 : HASH_BYTES)
    node = sha256(block)
  }
  return equalBytes(node, root)
}

/** Hashes of the 4 KiB leaves of `bytes`, concatenated. */
export function leafHashes(hash: TreeHash, bytes: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(leafCount(bytes.length) * HASH_BYTES)
  for (let i = 0; i * LEAF_BYTES < bytes.length; i += 1) {
    leaves.set(hash.sha256(bytes.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES)), i * HASH_BYTES)
  }
  return leaves
}

/** Root of one frame's subtree inside a piece of more than one frame: always FRAME_HEIGHT high, short frames padded. */
export function frameHash(hash: TreeHash, leaves: Uint8Array): Uint8Array {
  const padded = new Uint8Array(FRAME_LEAVES * HASH_BYTES)
  padded.set(leaves)
  return buildTree(hash, padded).root
}

/** The root of a piece of `size` bytes from its frame hashes; for a piece of one frame those are its leaf hashes. */
export function rootOfFrames(hash: TreeHash, frames: Uint8Array): Tree {
  return buildTree(hash, frames, FRAME_HEIGHT)
}

/** The piece root over all concatenated leaf hashes: what a kernel computed, or the leaves of a whole piece in memory. */
export const rootOfLeaves = (hash: TreeHash, leaves: Uint8Array): Uint8Array => buildTree(hash, leaves).root

/** One leaf of a piece with its path, from the bytes of the frame that holds it and the hashes of all frames. */
export function proveLeaf(
  hash: TreeHash,
  size: number,
  leaf: number,
  frame: Uint8Array,
  frames: Uint8Array,
): { readonly leaf: Uint8Array; readonly path: Uint8Array; readonly root: Uint8Array } {
  const inside = leaf % FRAME_LEAVES
  const bytes = frame.slice(inside * LEAF_BYTES, (inside + 1) * LEAF_BYTES)
  const leaves = leafHashes(hash, frame)
  if (frameCount(size) === 1) {
    const tree = buildTree(hash, leaves)
    return { leaf: bytes, path: pathOf(tree, inside), root: tree.root }
  }
  const padded = new Uint8Array(FRAME_LEAVES * HASH_BYTES)
  padded.set(leaves)
  const low = buildTree(hash, padded)
  const index = Math.floor(leaf / FRAME_LEAVES)
  const own = frames.slice()
  own.set(low.root, index * HASH_BYTES)
  const high = buildTree(hash, own, FRAME_HEIGHT)
  const path = new Uint8Array((FRAME_HEIGHT + high.levels.length - 1) * HASH_BYTES)
  path.set(pathOf(low, inside))
  path.set(pathOf(high, index), FRAME_HEIGHT * HASH_BYTES)
  return { leaf: bytes, path, root: high.root }
}
