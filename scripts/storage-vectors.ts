/**
 * Proofs of possession and hashes of heads as the TypeScript code makes them, for the contract that judges the same:
 * `contracts/test/vectors/StorageVectors.sol`. `node scripts/storage-vectors.ts` writes the file; a test compares it.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { account, type Digest, deviceId, digestOf, type Hex, networkId } from '../src/protocol/ids.ts'
import { buildSet, headHasher, locate, prove, setIdOf } from '../src/resources/storage/data-set.ts'
import { LEAF_BYTES } from '../src/resources/storage/layout.ts'
import type { ManifestEntry, SetHead } from '../src/resources/storage/messages.ts'
import { buildTree, leafCount, leafHashes, pathOf, treeHash } from '../src/resources/storage/piece-tree.ts'
import { createCrypto } from '../src/runtime/real/crypto.ts'
import { present } from '../src/std/assert.ts'
import { bigEndian, concat, utf8 } from '../src/std/bytes.ts'
import { vectorLibrary } from './vector-library.ts'

export const VECTORS_PATH = join(dirname(dirname(fileURLToPath(import.meta.url))), 'contracts/test/vectors/StorageVectors.sol')
/** forge's chain. */
const CHAIN_ID = 31_337
const crypto = createCrypto()
const hash = treeHash(crypto)

/** Sizes of the pieces of each set: below, at and above a leaf and a frame; powers of two and not. */
const SETS: readonly (readonly number[])[] = [
  [1],
  [LEAF_BYTES],
  [LEAF_BYTES + 1, 5],
  [10_000, 65_536, 65_537],
  [1, 2, 3, 70_000, LEAF_BYTES * 3],
  [65_536 * 3 + 17, 1, 8192, 4095, 12_288, 65_536, 300, 9000, 1],
]

/** Byte content that Solidity can make again: word w of piece p is keccak256(p ‖ w), each as 32 bytes. */
function pieceBytes(piece: number, size: number): Uint8Array {
  const words = Array.from({ length: Math.ceil(size / 32) }, (_, w) =>
    crypto.keccak256(bigEndian(BigInt(piece), 32), bigEndian(BigInt(w), 32)),
  )
  return concat(words).subarray(0, size)
}

const VECTOR = parseAbiParameters([
  'Head head, bytes32 digest, uint64 position, uint64 piece, uint64 leafOffset, uint64 leafLength, Proof proof',
  'struct Head { uint32 net; bytes32 setId; address provider; address customer; bytes32 root; uint64 count; uint64 totalBytes; uint64 version; uint40 expiresAt; }',
  'struct Proof { uint64 index; uint64 start; uint64 size; bytes32 pieceId; bytes32 pieceRoot; bytes32[] setPath; bytes leaf; bytes32[] piecePath; }',
])

const hashesOf = (path: Uint8Array): Hex[] =>
  Array.from({ length: path.length / 32 }, (_, i) => digestOf(path.subarray(32 * i, 32 * i + 32)))

async function vectorsOf(sizes: readonly number[], number: number): Promise<Hex[]> {
  const bodies = new Map<Digest, { piece: number; bytes: Uint8Array }>()
  const entries: ManifestEntry[] = []
  for (const [i, size] of sizes.entries()) {
    const piece = number * 16 + i
    const bytes = pieceBytes(piece, size)
    const pieceId = digestOf(crypto.sha256(utf8(`piece ${piece}`)))
    bodies.set(pieceId, { piece, bytes })
    entries.push({ pieceId, size, root: digestOf(buildTree(hash, leafHashes(hash, bytes)).root) })
  }
  entries.sort((a, b) => (a.pieceId < b.pieceId ? -1 : 1))
  const set = buildSet(hash, entries)
  const customer = account(`0x${'c1'.repeat(20)}`)
  const net = networkId(number + 1)
  const head: SetHead = {
    net,
    setId: setIdOf(crypto, net, deviceId(`0x${'d1'.repeat(32)}`), customer),
    provider: account(`0x${'b1'.repeat(20)}`),
    customer,
    root: set.root,
    count: BigInt(entries.length),
    totalBytes: BigInt(set.totalBytes),
    version: BigInt(number) + 7n,
    expiresAt: 1_800_000_000 + number,
  }
  const positions = new Set([0, Math.floor(set.totalBytes / 3), Math.floor(set.totalBytes / 2), set.totalBytes - 1])
  return Promise.all([...positions].map((position) => encode(head, set, position, bodies)))
}

async function encode(
  head: SetHead,
  set: ReturnType<typeof buildSet>,
  position: number,
  bodies: ReadonlyMap<Digest, { piece: number; bytes: Uint8Array }>,
): Promise<Hex> {
  let leafIndex = 0
  const made = await prove(set, position, async (pieceId, index) => {
    leafIndex = index
    const { bytes } = present(bodies.get(pieceId), 'a piece of the set')
    const tree = buildTree(hash, leafHashes(hash, bytes))
    return { leaf: bytes.subarray(index * LEAF_BYTES, (index + 1) * LEAF_BYTES), path: pathOf(tree, index) }
  })
  if (!made.ok) throw new Error('every piece is held')
  const { proof } = made
  const { piece, bytes } = present(bodies.get(present(set.entries[locate(set, position)], 'in range').pieceId), 'a piece of the set')
  if (leafIndex >= leafCount(bytes.length)) throw new Error('the leaf is inside its piece')
  return encodeAbiParameters(VECTOR, [
    head,
    digestOf(headHasher(crypto, CHAIN_ID)(head)),
    BigInt(position),
    BigInt(piece),
    BigInt(leafIndex * LEAF_BYTES),
    BigInt(proof.leaf.length),
    { ...proof, leaf: '0x', setPath: hashesOf(proof.setPath), piecePath: hashesOf(proof.piecePath) },
  ])
}

/** The Solidity file. */
export async function storageVectors(): Promise<string> {
  const vectors = (await Promise.all(SETS.map(vectorsOf))).flat()
  return vectorLibrary({
    by: 'scripts/storage-vectors.ts',
    name: 'StorageVectors',
    holds: 'Head, digest, position, piece, leafOffset, leafLength, Proof without its leaf',
    vectors,
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(VECTORS_PATH, await storageVectors())
