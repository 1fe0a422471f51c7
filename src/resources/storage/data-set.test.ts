import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Digest, digestOf } from '../../protocol/ids.ts'
import { createCrypto } from '../../runtime/real/crypto.ts'
import { concat, toHex } from '../../std/bytes.ts'
import { createPrng } from '../../std/prng.ts'
import { drawPosition } from './challenge.ts'
import { buildSet, changeManifest, type DataSet, EMPTY_SET, locate, proofHashes, prove, verifyProof } from './data-set.ts'
import type { ManifestEntry, StorageChallenge, StorageProof } from './messages.ts'
import { buildTree, leafHashes, pathOf, rootOfLeaves, treeHash, verifyPath } from './piece-tree.ts'

const crypto = createCrypto()
const hash = treeHash(crypto)
const idOf = (n: number): Digest => digestOf(crypto.sha256(Uint8Array.of(n >> 16, n >> 8, n)))
const byId = (a: ManifestEntry, b: ManifestEntry): number => (a.pieceId < b.pieceId ? -1 : 1)

/** Root by the definition: all leaves padded with zeroes to a power of two, then level by level. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = [...leaves]
  while ((level.length & (level.length - 1)) !== 0) level.push(new Uint8Array(32))
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      crypto.sha256(concat([level[2 * i] as Uint8Array, level[2 * i + 1] as Uint8Array])),
    )
  }
  return level[0] as Uint8Array
}

interface World {
  readonly set: DataSet
  readonly bodies: ReadonlyMap<Digest, Uint8Array>
}

function worldOf(sizes: readonly number[], seed = 1): World {
  const prng = createPrng(BigInt(seed))
  const bodies = new Map(sizes.map((size, n) => [idOf(n), prng.bytes(size)]))
  const entries = [...bodies].map(([pieceId, bytes]) => ({
    pieceId,
    size: bytes.length,
    root: digestOf(rootOfLeaves(hash, leafHashes(hash, bytes))),
  }))
  return { set: buildSet(hash, entries.sort(byId)), bodies }
}

async function proofAt({ set, bodies }: World, position: number): Promise<StorageProof> {
  const made = await prove(set, position, async (pieceId, index) => {
    const bytes = bodies.get(pieceId) as Uint8Array
    const tree = buildTree(hash, leafHashes(hash, bytes))
    return { leaf: bytes.slice(index * 4096, (index + 1) * 4096), path: pathOf(tree, index) }
  })
  assert(made.ok)
  return made.proof
}

function challengeAt(set: DataSet, position: number): StorageChallenge {
  return {
    setId: idOf(77),
    root: set.root,
    count: BigInt(set.entries.length),
    totalBytes: BigInt(set.totalBytes),
    version: 3n,
    slot: 0,
    position: BigInt(position),
  }
}

test('the tree is the padded one of the definition, for every count', () => {
  for (let count = 1; count <= 70; count += 1) {
    const leaves = Array.from({ length: count }, (_, i) => crypto.sha256(Uint8Array.of(i)))
    const tree = buildTree(hash, concat(leaves))
    assert.equal(toHex(tree.root), toHex(naiveRoot(leaves)))
    for (let i = 0; i < count; i += 1) assert(verifyPath(crypto.sha256, leaves[i] as Uint8Array, i, count, pathOf(tree, i), tree.root))
  }
})

test('known roots stay what they are', () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251)
  assert.equal(
    toHex(rootOfLeaves(hash, leafHashes(hash, bytes))),
    toHex(naiveRoot(Array.from({ length: 18 }, (_, i) => crypto.sha256(bytes.subarray(i * 4096, (i + 1) * 4096))))),
  )
  const entries = [1, 2, 3].map((n) => ({ pieceId: idOf(n), size: n * 1000, root: idOf(n + 10) })).sort(byId)
  assert.equal(buildSet(hash, entries).root, '0xa871983dd972857ee729188de3231ef67b8d291e9abe30ffde3bf21d70411fdb')
})

test('every byte of a set can be shown', async () => {
  const world = worldOf([1, 4096, 4097, 70_000, 12_345])
  const { set } = world
  const borders = [...set.starts].flatMap((start) => [start - 1, start, start + 1])
  for (const position of [...borders, 4095, 4096, 50_000].filter((at) => at >= 0 && at < set.totalBytes)) {
    const challenge = challengeAt(set, position)
    assert.deepEqual(verifyProof(crypto, challenge, challenge, await proofAt(world, position)), { ok: true })
  }
})

test('a proof with any bit of any field flipped is refused', async () => {
  const world = worldOf([5000, 70_000, 12_345])
  const position = 40_000
  const challenge = challengeAt(world.set, position)
  const proof = await proofAt(world, position)
  const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
    const copy = bytes.slice()
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return copy
  }
  const flipHex = (id: Digest, bit: number): Digest => digestOf(flip(Uint8Array.from(Buffer.from(id.slice(2), 'hex')), bit))
  const refused = (mutant: StorageProof, what: string): void =>
    assert.equal(verifyProof(crypto, challenge, challenge, mutant).ok, false, what)
  for (let bit = 0; bit < 64; bit += 1) {
    for (const field of ['index', 'start', 'size'] as const)
      refused({ ...proof, [field]: proof[field] ^ (1n << BigInt(bit)) }, `${field} ${bit}`)
  }
  for (let bit = 0; bit < 256; bit += 1) {
    refused({ ...proof, pieceId: flipHex(proof.pieceId, bit) }, `pieceId ${bit}`)
    refused({ ...proof, pieceRoot: flipHex(proof.pieceRoot, bit) }, `pieceRoot ${bit}`)
  }
  for (const field of ['setPath', 'leaf', 'piecePath'] as const) {
    for (let bit = 0; bit < proof[field].length * 8; bit += field === 'leaf' ? 7 : 1)
      refused({ ...proof, [field]: flip(proof[field], bit) }, `${field} ${bit}`)
    refused({ ...proof, [field]: proof[field].subarray(1) }, `${field} shorter`)
    refused({ ...proof, [field]: proof[field].subarray(0, Math.max(0, proof[field].length - 32)) }, `${field} a node shorter`)
    refused({ ...proof, [field]: concat([proof[field], new Uint8Array(32)]) }, `${field} a node longer`)
  }
})

test('a proof of another position, set or version is refused', async () => {
  const world = worldOf([5000, 70_000, 12_345])
  const proof = await proofAt(world, 40_000)
  const challenge = challengeAt(world.set, 40_000)
  for (const position of [0, 40_000 - 4096, 40_000 + 4096, world.set.totalBytes - 1, world.set.totalBytes]) {
    const other = challengeAt(world.set, position)
    assert.equal(verifyProof(crypto, other, other, proof).ok, false, `position ${position}`)
  }
  for (const change of [{ version: 4n }, { count: 4n }, { totalBytes: challenge.totalBytes + 1n }, { root: idOf(5) }, { setId: idOf(5) }]) {
    assert.deepEqual(verifyProof(crypto, { ...challenge, ...change }, challenge, proof), { ok: false, why: 'other-head' })
  }
  for (const change of [{ count: 5n }, { root: idOf(5) }]) {
    const both = { ...challenge, ...change }
    assert.equal(verifyProof(crypto, both, both, proof).ok, false)
  }
})

test('a set changed step by step is the set built at once', () => {
  const change = fc.record({
    adds: fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 9 })), { maxLength: 8 }),
    removes: fc.array(fc.nat(60), { maxLength: 6 }),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      let set = EMPTY_SET
      const model = new Map<Digest, ManifestEntry>()
      for (const { adds, removes } of changes) {
        const entries = [...new Map(adds.map(([n, size]) => [idOf(n), { pieceId: idOf(n), size, root: idOf(size) }])).values()]
        for (const n of removes) model.delete(idOf(n))
        for (const entry of entries) model.set(entry.pieceId, entry)
        const next = changeManifest(set.entries, entries, removes.map(idOf))
        assert(next !== null)
        set = buildSet(hash, next.entries, set)
        const whole = buildSet(hash, [...model.values()].sort(byId))
        assert.equal(set.root, whole.root)
        assert.equal(set.totalBytes, whole.totalBytes)
        assert.deepEqual(set.entries, whole.entries)
      }
    }),
    { numRuns: 60 },
  )
})

test('a piece that is added twice in one change is refused', () => {
  const entry = { pieceId: idOf(1), size: 1, root: idOf(2) }
  assert.equal(changeManifest([], [entry, entry], []), null)
})

test('positions fall into the interval that holds them', () => {
  const { set } = worldOf([3, 1, 4, 1, 5])
  for (let position = 0; position < set.totalBytes; position += 1) {
    const index = locate(set, position)
    assert((set.starts[index] as number) <= position && position < (set.starts[index + 1] as number))
  }
})

test('drawn positions are uniform and stay in range', () => {
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 20_000; i += 1) {
    const position = Number(drawPosition(crypto, crypto.sha256(Uint8Array.of(i >> 8, i & 255)), 10n))
    counts[position] = (counts[position] ?? 0) + 1
  }
  // Chi-square with 9 degrees of freedom passes 27.9 once in a thousand; the seeds are fixed, so this never flickers.
  const chi = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)
  assert(chi < 27.9, `chi-square ${chi}`)
  // A total just above 2^63 would be rejected half of the time: the draw still ends, and in range.
  assert(drawPosition(crypto, new Uint8Array(32), 1n << 63n) < 1n << 63n)
})

test('verification takes at most 64 hashes for the largest sets and pieces', () => {
  assert(proofHashes(2 ** 34, 2 ** 40) <= 64)
})
