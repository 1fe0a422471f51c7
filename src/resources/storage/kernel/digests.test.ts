import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Compute } from '../../../runtime/index.ts'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCompute } from '../../../runtime/real/compute/pool.ts'
import { fromHex, toHex, utf8 } from '../../../std/bytes.ts'
import { LEAF_BYTES } from '../layout.ts'
import { sha256Constants } from './constants.ts'
import { createKernel, type DigestKind, type Kernel } from './index.ts'
import { treeRoot } from './tree.ts'

const ALL: readonly DigestKind[] = ['md5', 'sha1', 'sha256', 'crc32', 'crc32c', 'crc64nvme']

let threads: Compute
let kernel: Kernel
before(async () => {
  threads = createCompute(2)
  kernel = await createKernel({ compute: threads, k: 2, n: 3, slabs: 2 })
})
after(() => threads.close())

const hash = (kind: string, ...parts: readonly Uint8Array[]): string => {
  const state = createHash(kind)
  for (const part of parts) state.update(part)
  return state.digest('hex')
}
const hexes = (digests: ReadonlyMap<DigestKind, Uint8Array>): Record<string, string> =>
  Object.fromEntries([...digests].map(([kind, digest]) => [kind, toHex(digest)]))

test('every digest gives its published check value', async () => {
  const digester = kernel.digester(ALL)
  await digester.updateBytes(utf8('123456789'))
  assert.deepEqual(hexes(await digester.finish()), {
    md5: '25f9e794323b453885f5181f1b624d0b',
    sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
    sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
    crc32: 'cbf43926',
    crc32c: 'e3069283',
    crc64nvme: 'ae8b14860a799888',
  })
})

test('an empty body has the digests of nothing', async () => {
  const digests = hexes(await kernel.digester(ALL).finish())
  assert.equal(digests.md5, 'd41d8cd98f00b204e9800998ecf8427e')
  assert.equal(digests.crc32c, '00000000')
  assert.equal(digests.crc64nvme, '0000000000000000')
})

/** A CRC bit by bit, as its definition says. */
function slowCrc(polynomial: bigint, width: number, bytes: Uint8Array): string {
  const ones = (1n << BigInt(width)) - 1n
  let crc = ones
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
  }
  return (crc ^ ones).toString(16).padStart(width / 4, '0')
}

test('digests do not depend on how a body is cut, nor on where its pieces lie', async () => {
  const cuts = fc.array(fc.record({ slab: fc.boolean(), length: fc.integer({ min: 0, max: 9000 }) }), { maxLength: 8 })
  const run = async (pieces: readonly { slab: boolean; length: number }[], seed: number): Promise<void> => {
    const body = Uint8Array.from({ length: pieces.reduce((sum, piece) => sum + piece.length, 0) }, (_, i) => (i * 31 + seed) >>> 3)
    const digester = kernel.digester(ALL)
    const sent: Promise<void>[] = []
    const slab = await kernel.acquire()
    let at = 0
    for (const piece of pieces) {
      const bytes = body.subarray(at, at + piece.length)
      slab.plain.set(bytes, at)
      // Not awaited one by one: order is the digester's business.
      sent.push(piece.slab ? digester.update(slab, at, at + piece.length) : digester.updateBytes(bytes))
      at += piece.length
    }
    await Promise.all(sent)
    kernel.release(slab)
    const digests = hexes(await digester.finish())
    for (const kind of ['md5', 'sha1', 'sha256'] as const) assert.equal(digests[kind], hash(kind, body))
    assert.equal(digests.crc32, slowCrc(0xedb88320n, 32, body))
    assert.equal(digests.crc32c, slowCrc(0x82f63b78n, 32, body))
    assert.equal(digests.crc64nvme, slowCrc(0x9a6c9329ac4bc9b5n, 64, body))
  }
  await fc.assert(fc.asyncProperty(cuts, fc.nat(), run), { numRuns: 10 })
})

test('an abandoned digester takes nothing from the next', async () => {
  const abandoned = kernel.digester(['md5'])
  await abandoned.updateBytes(new Uint8Array(50_000))
  abandoned.abort()
  const digester = kernel.digester(['md5'])
  await digester.updateBytes(new Uint8Array(50_000))
  assert.equal(hexes(await digester.finish()).md5, hash('md5', new Uint8Array(50_000)))
})

test('leaves of any bytes are the SHA-256 of each 4 KiB', async () => {
  for (const length of [0, 1, LEAF_BYTES, LEAF_BYTES + 1, 256 * 1024, 700_001]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) >>> 4)
    const leaves = await kernel.leavesOf(bytes)
    assert.equal(leaves.length, Math.ceil(length / LEAF_BYTES) * 32)
    for (let at = 0; at < length; at += LEAF_BYTES) {
      const leaf = leaves.subarray((at / LEAF_BYTES) * 32).subarray(0, 32)
      assert.equal(toHex(leaf), hash('sha256', bytes.subarray(at, at + LEAF_BYTES)))
    }
  }
})

test('leaves stay right through the trial of both ways to hash and after it', async () => {
  const bytes = Uint8Array.from({ length: 128 * 1024 }, (_, i) => i >>> 5)
  const first = toHex(await kernel.leavesOf(bytes))
  for (let i = 0; i < 80; i += 1) assert.equal(toHex(await kernel.leavesOf(bytes)), first)
})

test('round constants are those of FIPS 180-4', () => {
  const constants = sha256Constants()
  assert.deepEqual([constants[0], constants[1], constants[31], constants[63]], [0x428a2f98, 0x71374491, 0x14292967, 0xc67178f2])
})

test('a root is that of the tree padded with zero leaves to a power of two', async () => {
  const naive = (nodes: readonly Uint8Array[]): Uint8Array => {
    if (nodes.length === 1) return nodes[0] as Uint8Array
    const next: Uint8Array[] = []
    for (let i = 0; i < nodes.length; i += 2) {
      next.push(fromHex(hash('sha256', nodes[i] as Uint8Array, nodes[i + 1] as Uint8Array)) as Uint8Array)
    }
    return naive(next)
  }
  for (const count of [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100]) {
    const leaves = Array.from({ length: count }, (_, i) => new Uint8Array(32).fill(i + 1))
    const width = 2 ** Math.ceil(Math.log2(count))
    const full = [...leaves, ...Array.from({ length: width - count }, () => new Uint8Array(32))]
    assert.equal(await kernel.root(Buffer.concat(leaves)), `0x${toHex(naive(full))}`, `${count} leaves`)
    assert.equal(toHex(treeRoot(createNative(), Buffer.concat(leaves))), toHex(naive(full)))
  }
})
