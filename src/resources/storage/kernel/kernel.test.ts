import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { createInlineCompute } from '../../../runtime/fake/compute.ts'
import type { Compute } from '../../../runtime/index.ts'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCompute } from '../../../runtime/real/compute/pool.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LEAF_BYTES, segmentLayout, shardBytes, stripePlainBytes } from '../layout.ts'
import { createKernel, type FramePosition, type Kernel, type Slab } from './index.ts'

const K = 4
const N = 8
const KEY = new Uint8Array(32).fill(7)
const PART = Uint8Array.from({ length: 16 }, (_, i) => i)

let threads: Compute
let kernel: Kernel
before(async () => {
  threads = createCompute(2)
  kernel = await createKernel({ compute: threads, k: K, n: N, slabs: 4 })
})
after(() => threads.close())

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const state = createHash('sha256')
  for (const part of parts) state.update(part)
  return Uint8Array.from(state.digest())
}

function pattern(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  let state = seed | 1
  for (let i = 0; i < length; i += 1) {
    state = Math.imul(state, 1664525) + 1013904223
    out[i] = state >>> 24
  }
  return out
}

const position = (firstFrame: number, segment = 3): FramePosition => ({ key: KEY, partId: PART, segment, firstFrame })

async function withSlab<T>(of: Kernel, use: (slab: Slab) => Promise<T>): Promise<T> {
  const slab = await of.acquire()
  try {
    return await use(slab)
  } finally {
    of.release(slab)
  }
}

/** Encodes one stripe and gives copies of its shards and leaves. */
function encoded(of: Kernel, plain: Uint8Array, bytes: number, firstFrame = 0): Promise<{ shards: Uint8Array[]; leaves: Uint8Array }> {
  return withSlab(of, async (slab) => {
    slab.plain.set(plain)
    await of.encode(slab, position(firstFrame), plain.length, bytes)
    return { shards: slab.shards.map((shard) => shard.slice(0, bytes)), leaves: slab.leaves.slice() }
  })
}

async function decoded(of: Kernel, shards: readonly Uint8Array[], have: readonly number[], length: number, firstFrame = 0) {
  return withSlab(of, async (slab) => {
    slab.plain.fill(0xee)
    for (const [i, shard] of slab.shards.entries()) {
      shard.fill(0xdd)
      if (have.includes(i)) shard.set(shards[i] as Uint8Array)
    }
    const result = await of.decode(slab, position(firstFrame), length, (shards[0] as Uint8Array).length, have)
    return { result, plain: slab.plain.slice(0, length) }
  })
}

test('a segment of any size comes back from any k of its shards', async () => {
  const edge = [1, 47, 48, 49, LEAF_BYTES, 4 * 64 - 16, FRAME_PLAIN_BYTES, FRAME_PLAIN_BYTES + 1, K * FRAME_PLAIN_BYTES]
  const size = fc.oneof(fc.constantFrom(...edge), fc.integer({ min: 1, max: 3 * K * FRAME_PLAIN_BYTES }))
  const choice = fc.shuffledSubarray([...Array(N).keys()], { minLength: K })
  const run = async (length: number, chosen: readonly number[], seed: number): Promise<void> => {
    const have = [...chosen].sort((a, b) => a - b)
    const plain = pattern(length, seed)
    const layout = segmentLayout(length, K)
    for (let stripe = 0; stripe < layout.stripes; stripe += 1) {
      const bytes = shardBytes(layout, stripe)
      const start = stripe * K * FRAME_PLAIN_BYTES
      const part = plain.subarray(start, start + stripePlainBytes(layout, stripe, K))
      const { shards } = await encoded(kernel, part, bytes, stripe * K)
      const back = await decoded(kernel, shards, have, part.length, stripe * K)
      assert.deepEqual(back.result, { ok: true })
      assert.equal(Buffer.compare(back.plain, part), 0)
    }
  }
  await fc.assert(fc.asyncProperty(size, choice, fc.integer(), run), { numRuns: 60 })
})

test('every erasure pattern of 4-of-8 decodes', async () => {
  const plain = pattern(9000, 5)
  const bytes = segmentLayout(plain.length, K).lastShardBytes
  const { shards } = await encoded(kernel, plain, bytes)
  let patterns = 0
  for (let mask = 0; mask < 1 << N; mask += 1) {
    const have = [...Array(N).keys()].filter((i) => (mask >> i) & 1)
    if (have.length !== K) continue
    patterns += 1
    const back = await decoded(kernel, shards, have, plain.length)
    assert.deepEqual(back.result, { ok: true }, `shards ${have}`)
    assert.equal(Buffer.compare(back.plain, plain), 0, `shards ${have}`)
  }
  assert.equal(patterns, 70)
})

test('leaf hashes are those of node:crypto', async () => {
  for (const length of [1, 5 * LEAF_BYTES, K * FRAME_PLAIN_BYTES]) {
    const bytes = segmentLayout(length, K).lastShardBytes
    const { shards, leaves } = await encoded(kernel, pattern(length, 9), bytes)
    for (const [i, shard] of shards.entries()) {
      for (let at = 0; at < bytes; at += LEAF_BYTES) {
        const hash = leaves.subarray((i * (FRAME_BYTES / LEAF_BYTES) + at / LEAF_BYTES) * 32).subarray(0, 32)
        assert.deepEqual(hash, sha256(shard.subarray(at, at + LEAF_BYTES)), `shard ${i} at ${at} of ${length}`)
      }
    }
  }
})

test('worker threads and the inline twin give the same bytes', async () => {
  const inline = createInlineCompute(createNative())
  const twin = await createKernel({ compute: inline, k: K, n: N, slabs: 1 })
  for (const length of [1, 100_000, K * FRAME_PLAIN_BYTES]) {
    const bytes = segmentLayout(length, K).lastShardBytes
    const ours = await encoded(kernel, pattern(length, 11), bytes)
    const theirs = await encoded(twin, pattern(length, 11), bytes)
    for (const [i, shard] of ours.shards.entries()) assert.equal(Buffer.compare(shard, theirs.shards[i] as Uint8Array), 0)
  }
  await inline.close()
})

test('a flipped bit names its frame and leaves none of its plaintext', async () => {
  const plain = pattern(K * FRAME_PLAIN_BYTES, 13)
  const { shards } = await encoded(kernel, plain, FRAME_BYTES, 20)
  const flipped = shards.map((shard) => shard.slice())
  const victim = flipped[2] as Uint8Array
  victim[1000] = (victim[1000] as number) ^ 0x10
  const { result, plain: left } = await decoded(kernel, flipped, [0, 1, 2, 3], plain.length, 20)
  assert.deepEqual(result, { ok: false, badFrames: [22] })
  const start = 2 * FRAME_PLAIN_BYTES
  assert.ok(left.subarray(start, start + FRAME_PLAIN_BYTES).every((byte) => byte === 0))
  assert.equal(Buffer.compare(left.subarray(0, start), plain.subarray(0, start)), 0)
  assert.equal(Buffer.compare(left.subarray(start + FRAME_PLAIN_BYTES), plain.subarray(start + FRAME_PLAIN_BYTES)), 0)
})

test('a frame opens only at its own position', async () => {
  const plain = pattern(1000, 17)
  const bytes = segmentLayout(plain.length, K).lastShardBytes
  const { shards } = await encoded(kernel, plain, bytes, 4)
  const elsewhere = await decoded(kernel, shards, [0, 1, 2, 3], plain.length, 5)
  assert.deepEqual(elsewhere.result, { ok: false, badFrames: [5] })
  await withSlab(kernel, async (slab) => {
    for (const [i, shard] of shards.entries()) slab.shards[i]?.set(shard)
    const other = { ...position(4), partId: new Uint8Array(16) }
    assert.equal((await kernel.decode(slab, other, plain.length, bytes, [0, 1, 2, 3])).ok, false)
    assert.equal((await kernel.decode(slab, position(4, 9), plain.length, bytes, [0, 1, 2, 3])).ok, false)
  })
})

test('other codes than 4-of-8 rebuild any missing shards with their leaf hashes', async () => {
  const inline = createInlineCompute(createNative())
  for (const [k, n, seed] of [
    [1, 3, 1],
    [3, 4, 2],
    [10, 16, 3],
    [29, 80, 4],
  ] as const) {
    const other = await createKernel({ compute: inline, k, n, slabs: 1 })
    const slab = await other.acquire()
    const length = 20_000 * k
    slab.plain.set(pattern(length, seed))
    const bytes = segmentLayout(length, k).lastShardBytes
    await other.encode(slab, position(0), length, bytes)
    const shards = slab.shards.map((shard) => shard.slice(0, bytes))
    const leaves = slab.leaves.slice()
    const order = [...Array(n).keys()].sort((a, b) => ((a * 37 + seed) % n) - ((b * 37 + seed) % n))
    const have = order.slice(0, k).sort((a, b) => a - b)
    const want = order.slice(k).sort((a, b) => a - b)
    for (const i of want) slab.shards[i]?.fill(0x55)
    slab.leaves.fill(0)
    await other.rebuild(slab, bytes, have, want)
    for (const i of want) {
      assert.equal(Buffer.compare(slab.shards[i]?.subarray(0, bytes) as Uint8Array, shards[i] as Uint8Array), 0, `${k} of ${n}, shard ${i}`)
      const at = i * 16 * 32
      assert.equal(Buffer.compare(slab.leaves.subarray(at, at + 512), leaves.subarray(at, at + 512)), 0)
    }
    other.release(slab)
  }
  await inline.close()
})

test('who finds no slab waits for one, or until the signal fires', async () => {
  const inline = createInlineCompute(createNative())
  const small = await createKernel({ compute: inline, k: 2, n: 3, slabs: 1 })
  const first = await small.acquire()
  const stop = new AbortController()
  const refused = small.acquire(stop.signal)
  const second = small.acquire()
  stop.abort(new Error('enough'))
  await assert.rejects(refused, /enough/)
  small.release(first)
  assert.equal(await second, first)
  small.release(first)
  assert.throws(() => small.release(first), /once/)
  await inline.close()
})
