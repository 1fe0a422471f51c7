import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { isCairnError } from '../../../protocol/errors.ts'
import { type Digest, digestOf, account as toAccount } from '../../../protocol/ids.ts'
import { createFakeClock } from '../../../runtime/fake/clock.ts'
import { createFakeDisk, type FakeDisk } from '../../../runtime/fake/disk.ts'
import { createCapturingLog } from '../../../runtime/fake/log.ts'
import { createCrypto } from '../../../runtime/real/crypto.ts'
import { equalBytes } from '../../../std/bytes.ts'
import { createPrng, type Prng } from '../../../std/prng.ts'
import { leafHashes, rootOfLeaves, treeHash, verifyPath } from '../piece-tree.ts'
import { CHUNK_BYTES, openPieceStore, type PieceStore } from './index.ts'
import { extentBytes } from './record.ts'

const hash = treeHash(createCrypto())
const ALICE = toAccount('0x'.padEnd(42, 'a'))
const BOB = toAccount('0x'.padEnd(42, 'b'))
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface World {
  readonly disk: FakeDisk
  readonly failures: unknown[]
  open(over?: { quotaBytes?: number; reserveBytes?: number; logBytes?: number }): Promise<PieceStore>
}

function createWorld(seed: number, options: { delay?: boolean; capacityBytes?: number } = {}): World {
  const prng = createPrng(BigInt(seed))
  const clock = createFakeClock()
  const pace = prng.fork('pace')
  const delay = async (): Promise<void> => {
    for (let i = pace.below(3); i > 0; i -= 1) await turn()
  }
  const disk = createFakeDisk({
    prng: prng.fork('disk'),
    ...(options.delay === true ? { delay } : {}),
    ...(options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes }),
  })
  const failures: unknown[] = []
  return {
    disk,
    failures,
    open: (over = {}) =>
      openPieceStore(
        {
          disk,
          clock,
          log: createCapturingLog(clock).log,
          crc32: (bytes, crc) => crc32(bytes, crc),
          salt: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
          quotaBytes: 1e9,
          reserveBytes: 0,
          onFailing: (error) => failures.push(error),
          ...over,
        },
        hash,
      ),
  }
}

const idOf = (n: number): Digest => digestOf(hash.sha256(Uint8Array.of(n >> 8, n)))

async function put(store: PieceStore, pieceId: Digest, bytes: Uint8Array, keepUntil = 1000, account = ALICE): Promise<string> {
  const begun = await store.begin({ pieceId, account, size: bytes.length, keepUntil })
  if (begun.is !== 'writer') return begun.is
  try {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) await begun.writer.write(bytes.subarray(at, at + CHUNK_BYTES))
    return (await begun.writer.commit()).is
  } finally {
    begun.writer.abort()
  }
}

async function get(store: PieceStore, pieceId: Digest): Promise<Uint8Array | null> {
  const reader = store.open(pieceId)
  if (reader === null) return null
  try {
    const target = new Uint8Array(reader.size)
    await reader.read(0, target)
    return target
  } finally {
    reader.close()
  }
}

test('a piece is read back whole and in any range, before and after the store was closed', async () => {
  const world = createWorld(1)
  const prng = createPrng(1n)
  const sizes = [1, 4096, 65_535, 65_536, 65_537, 300_000]
  const pieces = sizes.map((size, i) => ({ id: idOf(i), bytes: prng.bytes(size) }))
  const store = await world.open()
  for (const { id, bytes } of pieces) assert.equal(await put(store, id, bytes), 'stored')
  assert.equal(
    store.usedBytes,
    sizes.reduce((a, b) => a + b),
  )
  await store.close()
  const again = await world.open()
  for (const { id, bytes } of pieces) {
    const reader = again.open(id)
    assert(reader)
    for (let i = 0; i < 20; i += 1) {
      const from = prng.below(bytes.length)
      const target = new Uint8Array(prng.below(bytes.length - from + 1))
      await reader.read(from, target)
      assert(equalBytes(target, bytes.subarray(from, from + target.length)))
    }
    reader.close()
    assert.equal(again.stat(id)?.keepUntil, 1000)
  }
  assert.equal(again.count, sizes.length)
})

test('a second put of a piece is acknowledged when it is the same and refused when it is not', async () => {
  const store = await createWorld(2).open()
  const bytes = createPrng(2n).bytes(100_000)
  const other = bytes.slice()
  other[99_999] = (other[99_999] ?? 0) ^ 1
  assert.equal(await put(store, idOf(1), bytes), 'stored')
  const used = store.diskBytes
  assert.equal(await put(store, idOf(1), bytes), 'stored')
  assert.equal(store.diskBytes, used)
  assert.equal(await put(store, idOf(1), other), 'conflict')
  assert.equal(await put(store, idOf(1), bytes.subarray(1)), 'conflict')
  assert.equal(await put(store, idOf(1), bytes, 1000, BOB), 'conflict')
  assert.deepEqual(await get(store, idOf(1)), bytes)
})

test('of two writers that race for one id the first to commit wins', async () => {
  const store = await createWorld(3, { delay: true }).open()
  const prng = createPrng(3n)
  const one = prng.bytes(70_000)
  const two = prng.bytes(70_000)
  const results = await Promise.all([put(store, idOf(1), one), put(store, idOf(1), two)])
  assert.deepEqual([...results].sort(), ['conflict', 'stored'])
  assert.deepEqual(await get(store, idOf(1)), results[0] === 'stored' ? one : two)
})

test('a later upload order keeps a held piece longer, also after a restart', async () => {
  const world = createWorld(4)
  const store = await world.open()
  await put(store, idOf(1), new Uint8Array(10), 1000)
  await put(store, idOf(1), new Uint8Array(10), 5000)
  world.disk.crash()
  assert.equal((await world.open()).stat(idOf(1))?.keepUntil, 5000)
})

test('puts that come together share fsyncs', async () => {
  const world = createWorld(5)
  let syncs = 0
  const disk = {
    ...world.disk,
    open: async (path: string) => {
      const file = await world.disk.open(path)
      return {
        ...file,
        sync: async () => {
          syncs += 1
          await turn()
          return file.sync()
        },
      }
    },
  }
  const clock = createFakeClock()
  const options = {
    clock,
    log: createCapturingLog(clock).log,
    crc32,
    salt: new Uint8Array(8),
    quotaBytes: 1e9,
    reserveBytes: 0,
    onFailing() {},
  }
  const store = await openPieceStore({ ...options, disk }, hash)
  await Promise.all(Array.from({ length: 64 }, (_, i) => put(store, idOf(i), new Uint8Array(100 + i))))
  assert(syncs <= 4, `64 puts took ${syncs} fsyncs`)
})

test('a piece is refused before any byte when it does not fit the quota or would eat the reserve', async () => {
  const quota = await createWorld(6).open({ quotaBytes: 300_000 })
  assert.equal(await put(quota, idOf(1), new Uint8Array(200_000)), 'stored')
  assert.equal(await put(quota, idOf(2), new Uint8Array(200_000)), 'full')
  assert.equal(await put(quota, idOf(3), new Uint8Array(50_000)), 'stored')
  const reserve = await createWorld(7, { capacityBytes: 1_000_000 }).open({ reserveBytes: 900_000 })
  assert.equal(await put(reserve, idOf(1), new Uint8Array(200_000)), 'full')
  assert.equal(await put(reserve, idOf(2), new Uint8Array(50_000)), 'stored')
})

test('puts that come together cannot take the same room', async () => {
  const store = await createWorld(8, { delay: true }).open({ quotaBytes: 500_000 })
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => put(store, idOf(i), new Uint8Array(200_000))))
  assert.equal(results.filter((is) => is === 'stored').length, 2)
  assert.equal(results.filter((is) => is === 'full').length, 8)
})

test('rotten bytes are never given out, and the piece can be put again', async () => {
  const world = createWorld(9)
  const store = await world.open()
  const bytes = createPrng(9n).bytes(200_000)
  await put(store, idOf(1), bytes)
  const [name] = await world.disk.list('pieces')
  world.disk.rot(`pieces/${name}`, 70_000, 1)
  const target = new Uint8Array(bytes.length)
  const reader = store.open(idOf(1))
  await assert.rejects(reader?.read(0, target) ?? Promise.resolve(), (error) => isCairnError(error, 'CORRUPT'))
  assert.equal(store.stat(idOf(1)), null)
  assert.equal(await put(store, idOf(1), bytes), 'stored')
  assert.deepEqual(await get(store, idOf(1)), bytes)
  world.disk.crash()
  assert.deepEqual(await get(await world.open(), idOf(1)), bytes)
})

test('the scrub finds a rotten piece that nobody reads', async () => {
  const world = createWorld(10)
  const store = await world.open()
  for (let i = 0; i < 5; i += 1) await put(store, idOf(i), createPrng(BigInt(i)).bytes(70_000))
  const [name] = await world.disk.list('pieces')
  world.disk.rot(`pieces/${name}`, 200_000, 1)
  const damaged: Digest[] = []
  let after: Digest | null = null
  do {
    const seen = await store.scrub(after, 100_000)
    damaged.push(...seen.damaged)
    after = seen.next
  } while (after !== null)
  assert.deepEqual(damaged, [idOf(2)])
})

test('a rotten header in the middle of a log does not hide the pieces behind it', async () => {
  const world = createWorld(11)
  const store = await world.open()
  for (let i = 0; i < 5; i += 1) await put(store, idOf(i), createPrng(BigInt(i)).bytes(70_000))
  const [name] = await world.disk.list('pieces')
  const before = await world.disk.read(`pieces/${name}`)
  assert(before)
  // The second piece begins where the first one and its roots end; its header names its own offset.
  world.disk.rot(`pieces/${name}`, extentBytes('piece', 70_000) + extentBytes('roots', 2 * 32) + 20, 1)
  world.disk.crash()
  const again = await world.open()
  assert.equal(again.stat(idOf(1)), null)
  for (const i of [0, 2, 3, 4]) assert.deepEqual(await get(again, idOf(i)), createPrng(BigInt(i)).bytes(70_000))
})

test('roots are worked out while the bytes pass, and survive a crash with them', async () => {
  const world = createWorld(14)
  const store = await world.open()
  const sizes = [1, 4096, 65_536, 65_537, 300_000, 1_000_000]
  const bodies = sizes.map((size, i) => createPrng(BigInt(i)).bytes(size))
  for (const [i, body] of bodies.entries()) await put(store, idOf(i), body)
  world.disk.crash()
  const again = await world.open()
  for (const at of [store, again]) assert.equal(await at.step(), false, 'no root is missing')
  for (const [i, body] of bodies.entries()) assert.deepEqual(await again.rootOf(idOf(i)), rootOfLeaves(hash, leafHashes(hash, body)))
})

test("a customer's bytes that look like a record are not one", async () => {
  const world = createWorld(12)
  const store = await world.open()
  await put(store, idOf(1), new Uint8Array(64))
  const [name] = await world.disk.list('pieces')
  const copy = await world.disk.read(`pieces/${name}`)
  assert(copy)
  await put(store, idOf(2), copy)
  // The header before the copy rots: the search for the next record passes through the customer's bytes.
  world.disk.rot(`pieces/${name}`, copy.length, 1)
  world.disk.crash()
  const again = await world.open()
  assert.equal(again.count, 1)
})

test('a failing disk stops the store and tells its owner once', async () => {
  const world = createWorld(13)
  const store = await world.open()
  await put(store, idOf(1), new Uint8Array(10))
  world.disk.fail({ kind: 'io', on: ['sync'] })
  await assert.rejects(put(store, idOf(2), new Uint8Array(10)), (error) => isCairnError(error, 'DISK'))
  assert.equal(store.state, 'failing')
  assert.equal(await put(store, idOf(3), new Uint8Array(10)), 'failing')
  assert.equal(world.failures.length, 1)
})

test('deleted space comes back, what is left stays readable, and a reader keeps its piece while its log goes', async () => {
  const world = createWorld(14)
  const store = await world.open({ logBytes: 400_000 })
  const pieces = Array.from({ length: 24 }, (_, i) => ({ id: idOf(i), bytes: createPrng(BigInt(i)).bytes(90_000) }))
  for (const { id, bytes } of pieces) await put(store, id, bytes)
  while (await store.step());
  const full = store.diskBytes
  const reader = store.open(idOf(3))
  assert(reader)
  await store.delete(pieces.filter((_, i) => i % 4 !== 3).map((piece) => piece.id))
  let rounds = 0
  const compact = async (): Promise<void> => {
    for (; rounds < 500 && store.diskBytes > full / 2; rounds += 1) await store.compact(50_000)
  }
  await Promise.all([
    compact(),
    (async () => {
      for (let i = 0; i < 50; i += 1) await turn()
      const target = new Uint8Array(90_000)
      await reader.read(0, target)
      assert(equalBytes(target, createPrng(3n).bytes(90_000)))
      reader.close()
    })(),
  ])
  assert(store.diskBytes <= full / 2, `${store.diskBytes} of ${full} bytes after ${rounds} rounds`)
  world.disk.crash()
  const again = await world.open()
  assert.equal(again.count, 6)
  for (const [i, { id, bytes }] of pieces.entries()) assert.deepEqual(await get(again, id), i % 4 === 3 ? bytes : null)
})

test('roots and proofs agree with the tree over the whole piece, before and after a restart', async () => {
  const world = createWorld(15)
  let store = await world.open()
  const prng = createPrng(15n)
  for (const [n, size] of [1, 4096, 4097, 65_536, 65_537, 200_001, 1_048_576].entries()) {
    const bytes = prng.bytes(size)
    await put(store, idOf(n), bytes)
    const leaves = leafHashes(hash, bytes)
    const root = rootOfLeaves(hash, leaves)
    assert.deepEqual(await store.rootOf(idOf(n)), root)
    if (n === 4) {
      await store.close()
      store = await world.open()
      assert.deepEqual(store.stat(idOf(n))?.root, root)
    }
    const count = leaves.length / 32
    for (const index of [0, count - 1, prng.below(count)]) {
      const proof = await store.prove(idOf(n), index)
      assert(proof)
      assert(equalBytes(proof.leaf, bytes.subarray(index * 4096, (index + 1) * 4096)))
      assert(verifyPath(hash.sha256, hash.sha256(proof.leaf), index, count, proof.path, root))
    }
  }
})

// --- Crashes --------------------------------------------------------------------------------------------------------

interface Expected {
  /** Null: surely absent. */
  sure: Uint8Array | null
  /** What it may be instead, after an operation that was cut off. */
  readonly maybe: (Uint8Array | null)[]
  busy: boolean
}

/** One life of the store: random operations at once, cut off by a crash at a random moment. */
async function live(store: PieceStore, model: Map<Digest, Expected>, prng: Prng, disk: FakeDisk): Promise<void> {
  const running = new Set<Promise<unknown>>()
  const at = (id: Digest): Expected => {
    const known = model.get(id) ?? { sure: null, maybe: [], busy: false }
    model.set(id, known)
    return known
  }
  async function putOne(id: Digest, expected: Expected, bytes: Uint8Array): Promise<void> {
    if (expected.sure === null) expected.maybe.push(bytes)
    const is = await put(store, id, bytes)
    if (is !== 'stored') return
    expected.sure = bytes
    expected.maybe.length = 0
  }
  async function deleteOne(id: Digest, expected: Expected): Promise<void> {
    expected.maybe.push(null)
    await store.delete([id])
    expected.sure = null
    expected.maybe.length = 0
  }
  const steps = 5 + prng.below(40)
  for (let i = 0; i < steps; i += 1) {
    const id = idOf(prng.below(12))
    const expected = at(id)
    const draw = prng.below(10)
    let work: Promise<unknown> | null = null
    if (draw >= 8) work = draw === 8 ? store.compact(100_000) : store.step()
    else if (!expected.busy) {
      expected.busy = true
      const bytes = expected.sure ?? prng.bytes(1 + prng.below(prng.below(2) === 0 ? 3000 : 150_000))
      work = (draw < 5 ? putOne(id, expected, bytes) : deleteOne(id, expected)).finally(() => {
        expected.busy = false
      })
    }
    if (work !== null) {
      // What fails at the crash is exactly what was never acknowledged.
      const quiet = work.catch(() => {}).finally(() => running.delete(quiet))
      running.add(quiet)
    }
    for (let wait = prng.below(4); wait > 0; wait -= 1) await turn()
  }
  disk.crash()
  await Promise.all(running)
}

async function crashAndCompare(seed: number): Promise<void> {
  const world = createWorld(seed, { delay: true })
  const prng = createPrng(BigInt(seed)).fork('operations')
  const model = new Map<Digest, Expected>()
  for (let life = 0; life < 6; life += 1) {
    const store = await world.open({ logBytes: 300_000 })
    for (const [id, expected] of model) {
      const found = await get(store, id)
      const allowed = [expected.sure, ...expected.maybe]
      const fits = allowed.some((bytes) => (bytes === null ? found === null : found !== null && equalBytes(bytes, found)))
      assert(
        fits,
        `seed ${seed}, life ${life}: piece ${id} is ${found?.length ?? 'absent'}, expected ${allowed.map((b) => b?.length ?? 'absent')}`,
      )
      if (found !== null) assert.deepEqual(await store.rootOf(id), rootOfLeaves(hash, leafHashes(hash, found)))
      model.set(id, { sure: found, maybe: [], busy: false })
    }
    const known = [...model.values()].filter((expected) => expected.sure !== null)
    assert.equal(store.count, known.length, `seed ${seed}, life ${life}: nothing else is held`)
    assert.equal(
      store.usedBytes,
      known.reduce((sum, expected) => sum + (expected.sure?.length ?? 0), 0),
    )
    await live(store, model, prng, world.disk)
  }
}

test('whatever was acknowledged is whole after any crash, and nothing is half visible', async () => {
  for (let seed = 0; seed < Number(process.env.CRASH_SEEDS ?? 10); seed += 1) await crashAndCompare(seed)
})
