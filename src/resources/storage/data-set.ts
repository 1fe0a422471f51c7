/**
 * The data set of one provider and account (DESIGN §6): what both sign once per epoch, and how one byte of it is shown.
 * Its leaves are intervals (start, size, pieceId, pieceRoot) in the order of piece ids; a challenge names a byte position in
 * [0, totalBytes), so that a larger piece is asked for more often. Pure; a verifier, an auditor and a contract run the same.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { type Account, bytesOf, type DeviceId, type Digest, digestOf, type NetworkId } from '../../protocol/ids.ts'
import { domainSeparator, headDomain, SET_HEAD, typedDataHash } from '../../protocol/typed-data.ts'
import { assert } from '../../std/assert.ts'
import { bigEndian, equalBytes, utf8 } from '../../std/bytes.ts'
import { LEAF_BYTES } from './layout.ts'
import type { ManifestEntry, SetHead, StorageChallenge, StorageProof } from './messages.ts'
import { buildTree, depthOf, HASH_BYTES, leafCount, pathOf, type Tree, type TreeHash, verifyPath } from './piece-tree.ts'

/** u64 start ‖ u64 size ‖ pieceId ‖ pieceRoot. Never 64 bytes, so that no interval can be read as an inner node. */
export const INTERVAL_BYTES = 80
/** A head may be valid for this long at most (CONTRACTS, StorageProofs). Seconds. */
export const HEAD_SECONDS_MAX = 35 * 24 * 3600
/** A provider signs no head that is valid for less when it comes. Seconds. */
export const HEAD_SECONDS_MIN = 21 * 24 * 3600
/** Root of the set without pieces. */
export const EMPTY_ROOT: Digest = digestOf(new Uint8Array(32))

/** There is one data set per network, device and account. */
export const setIdOf = (crypto: Pick<Crypto, 'sha256'>, net: NetworkId | number, device: DeviceId, account: Account): Digest =>
  digestOf(crypto.sha256(utf8('cairn data set'), bigEndian(BigInt(net), 4), bytesOf(device), bytesOf(account)))

/** The manifest of a set, sorted by piece id, with the tree over it. Not changed once built. */
export interface DataSet {
  readonly entries: readonly ManifestEntry[]
  /** Where each interval starts; one more than entries, the last is totalBytes. */
  readonly starts: Float64Array
  readonly totalBytes: number
  readonly root: Digest
  readonly tree: Tree | null
}

export const EMPTY_SET: DataSet = { entries: [], starts: new Float64Array(1), totalBytes: 0, root: EMPTY_ROOT, tree: null }

function encodeInterval(target: Uint8Array, start: number, size: number, pieceId: Uint8Array, pieceRoot: Uint8Array): void {
  const view = new DataView(target.buffer, target.byteOffset, INTERVAL_BYTES)
  view.setBigUint64(0, BigInt(start))
  view.setBigUint64(8, BigInt(size))
  target.set(pieceId, 16)
  target.set(pieceRoot, 48)
}

/** Entries from the first that differs from `old` change their leaf, since their start moves; those before are reused. */
function unchangedPrefix(old: DataSet, entries: readonly ManifestEntry[]): number {
  const shared = Math.min(old.entries.length, entries.length)
  let same = 0
  for (; same < shared; same += 1) {
    const a = old.entries[same] as ManifestEntry
    const b = entries[same] as ManifestEntry
    if (a !== b && (a.pieceId !== b.pieceId || a.size !== b.size || a.root !== b.root)) break
  }
  return same
}

/**
 * The set over `entries`, which are sorted by piece id without duplicates and not empty in size. `old` lends the hashes of
 * its unchanged beginning; the rest is hashed level by level (about 1 s per million pieces with a native pair hash).
 */
export function buildSet(hash: TreeHash, entries: readonly ManifestEntry[], old: DataSet = EMPTY_SET): DataSet {
  if (entries.length === 0) return EMPTY_SET
  const same = unchangedPrefix(old, entries)
  const starts = new Float64Array(entries.length + 1)
  const leaves = new Uint8Array(entries.length * HASH_BYTES)
  starts.set(old.starts.subarray(0, same + 1))
  leaves.set((old.tree?.levels[0] ?? new Uint8Array(0)).subarray(0, same * HASH_BYTES))
  const interval = new Uint8Array(INTERVAL_BYTES)
  let before = same === 0 ? '' : (entries[same - 1] as ManifestEntry).pieceId
  for (let i = same; i < entries.length; i += 1) {
    const entry = entries[i] as ManifestEntry
    const start = starts[i] as number
    assert(entry.pieceId > before && entry.size > 0, 'a manifest is sorted by piece id, without duplicates or empty pieces')
    before = entry.pieceId
    encodeInterval(interval, start, entry.size, bytesOf(entry.pieceId), bytesOf(entry.root))
    leaves.set(hash.sha256(interval), i * HASH_BYTES)
    starts[i + 1] = start + entry.size
  }
  const totalBytes = starts[entries.length] as number
  assert(Number.isSafeInteger(totalBytes), 'a set holds less than 8 PiB')
  const tree = buildTree(hash, leaves, 0, old.tree, same)
  return { entries, starts, totalBytes, root: digestOf(tree.root), tree }
}

export interface ManifestChange {
  readonly entries: readonly ManifestEntry[]
  /** What was not there just so before. */
  readonly added: readonly ManifestEntry[]
  /** Ids that were there and are not any more, or stand for another piece now. */
  readonly removed: readonly Digest[]
}

/**
 * The manifest without `removes` and with `adds`. Asking for what is so already is no mistake: a customer whose last reply
 * was lost asks again, and the root that it signs says what it means. Null when `adds` names a piece twice.
 */
export function changeManifest(
  entries: readonly ManifestEntry[],
  adds: readonly ManifestEntry[],
  removes: readonly Digest[],
): ManifestChange | null {
  const coming = new Map(adds.map((entry) => [entry.pieceId, entry]))
  if (coming.size !== adds.length) return null
  const gone = new Set(removes)
  const removed: Digest[] = []
  const kept = entries.filter((entry) => {
    const next = coming.get(entry.pieceId)
    if (next !== undefined && next.size === entry.size && next.root === entry.root) {
      coming.delete(entry.pieceId)
      return true
    }
    if (next === undefined && !gone.has(entry.pieceId)) return true
    removed.push(entry.pieceId)
    return false
  })
  const added = [...coming.values()].sort((a, b) => (a.pieceId < b.pieceId ? -1 : 1))
  const out: ManifestEntry[] = []
  let next = 0
  for (const entry of kept) {
    for (let add = added[next]; add !== undefined && add.pieceId < entry.pieceId; add = added[next]) {
      out.push(add)
      next += 1
    }
    out.push(entry)
  }
  for (const add of added.slice(next)) out.push(add)
  return { entries: out, added, removed }
}

/** Index of the interval that holds byte `position`. */
export function locate(set: DataSet, position: number): number {
  assert(position >= 0 && position < set.totalBytes, 'a position lies in its set')
  let low = 0
  let high = set.entries.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((set.starts[middle] as number) <= position) low = middle
    else high = middle - 1
  }
  return low
}

/** What a proof needs of a held piece: its leaf at `index` and the path above; null when it can not be read. */
export type ProveLeaf = (pieceId: Digest, index: number) => Promise<{ readonly leaf: Uint8Array; readonly path: Uint8Array } | null>

/** The proof that byte `position` of the set is held; the piece id that could not be read otherwise. */
export async function prove(
  set: DataSet,
  position: number,
  proveLeaf: ProveLeaf,
): Promise<{ readonly ok: true; readonly proof: StorageProof } | { readonly ok: false; readonly lost: Digest }> {
  const index = locate(set, position)
  const entry = set.entries[index] as ManifestEntry
  const start = set.starts[index] as number
  const piece = await proveLeaf(entry.pieceId, Math.floor((position - start) / LEAF_BYTES))
  if (piece === null) return { ok: false, lost: entry.pieceId }
  assert(set.tree !== null, 'a set with a position has a tree')
  return {
    ok: true,
    proof: {
      index: BigInt(index),
      start: BigInt(start),
      size: BigInt(entry.size),
      pieceId: entry.pieceId,
      pieceRoot: entry.root,
      setPath: pathOf(set.tree, index),
      leaf: piece.leaf,
      piecePath: piece.path,
    },
  }
}

export type ProofVerdict = { readonly ok: true } | { readonly ok: false; readonly why: ProofFault }
export type ProofFault = 'other-head' | 'out-of-range' | 'wrong-interval' | 'wrong-leaf-length' | 'set-path' | 'piece-path'

/** Larger numbers could not be told apart from their neighbours; no real set reaches them. */
const exact = (value: bigint): number | null => (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null)

/**
 * Whether `proof` shows the byte that `challenge` names in the set that both signed in `head`. Depths come from the signed
 * count and from the size in the proven interval; every field of the proof is covered by a hash or by an exact check.
 */
export function verifyProof(
  crypto: Pick<Crypto, 'sha256'>,
  head: Pick<SetHead, 'setId' | 'root' | 'count' | 'totalBytes' | 'version'>,
  challenge: Pick<StorageChallenge, 'setId' | 'root' | 'count' | 'totalBytes' | 'version' | 'position'>,
  proof: StorageProof,
): ProofVerdict {
  const sameHead =
    head.setId === challenge.setId &&
    head.root === challenge.root &&
    head.count === challenge.count &&
    head.totalBytes === challenge.totalBytes &&
    head.version === challenge.version
  if (!sameHead) return { ok: false, why: 'other-head' }
  const count = exact(head.count)
  const total = exact(head.totalBytes)
  const position = exact(challenge.position)
  const index = exact(proof.index)
  const start = exact(proof.start)
  const size = exact(proof.size)
  if (count === null || total === null || position === null || index === null || start === null || size === null) {
    return { ok: false, why: 'out-of-range' }
  }
  if (position >= total || index >= count || start + size > total) return { ok: false, why: 'out-of-range' }
  if (position < start || position >= start + size) return { ok: false, why: 'wrong-interval' }
  const leaf = Math.floor((position - start) / LEAF_BYTES)
  if (proof.leaf.length !== Math.min(LEAF_BYTES, size - leaf * LEAF_BYTES)) return { ok: false, why: 'wrong-leaf-length' }

  const pieceRoot = bytesOf(proof.pieceRoot)
  const interval = new Uint8Array(INTERVAL_BYTES)
  encodeInterval(interval, start, size, bytesOf(proof.pieceId), pieceRoot)
  if (!verifyPath(crypto.sha256, crypto.sha256(interval), index, count, proof.setPath, bytesOf(head.root))) {
    return { ok: false, why: 'set-path' }
  }
  if (!verifyPath(crypto.sha256, crypto.sha256(proof.leaf), leaf, leafCount(size), proof.piecePath, pieceRoot)) {
    return { ok: false, why: 'piece-path' }
  }
  return { ok: true }
}

/** Hash calls that `verifyProof` makes at most for such a set and piece: 64 suffice for 2^40 of each together. */
export const proofHashes = (count: number, size: number): number => 2 + depthOf(count) + depthOf(leafCount(size))

/** Hashes of heads for signing, for one chain. */
export function headHasher(crypto: Crypto, chainId: number): (head: SetHead) => Uint8Array {
  const separator = domainSeparator(crypto, headDomain(chainId))
  return (head) => typedDataHash(crypto, separator, SET_HEAD, head)
}

/** Whether a head says what `set` is. */
export const headMatches = (head: SetHead, set: DataSet): boolean =>
  head.root === set.root && head.count === BigInt(set.entries.length) && head.totalBytes === BigInt(set.totalBytes)

/** Equal in everything that is signed. */
export const sameHead = (hash: (head: SetHead) => Uint8Array, a: SetHead, b: SetHead): boolean => equalBytes(hash(a), hash(b))
