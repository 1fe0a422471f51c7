import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Account, address, type Digest, digest, digestOf, type Epoch, epoch } from '../../protocol/ids.ts'
import { packEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { createFakeDisk, createFakeRuntime, createInlineCompute, portableCrypto } from '../../runtime/fake/index.ts'
import { createNative } from '../../runtime/real/compute/native.ts'
import { openDatabase } from '../../runtime/real/index.ts'
import { createPrng } from '../../std/prng.ts'
import { openBook } from './book.ts'
import { pruneEvidence } from './prune.ts'
import type { VerifierParts } from './settle-epoch.ts'

const EPOCH_SECONDS = 3600
const DAY = 86_400
const LAST = 29
const NONE = digest(`0x${'00'.repeat(32)}`)
const SETTLED: Settlement = {
  rules: 1,
  resource: 'storage',
  net: 1,
  epoch: 0,
  asset: address(`0x${'aa'.repeat(20)}`),
  bundles: [],
  previous: null,
  budget: 0n,
  scores: [],
  owners: [],
  carry: null,
  root: NONE,
  total: 0n,
}

/** A verifier that collected an epoch a day for 30 days, each with a proof of its own. */
async function stage() {
  const prng = createPrng(5n)
  const runtime = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), crypto: portableCrypto })
  const book = openBook(openDatabase(':memory:'), createFakeDisk({ prng: prng.fork('disk') }))
  const files: { readonly bundle: Digest; readonly blobs: Digest }[][] = []
  /** A bundle with a proof of its own, as it was made here or copied from another verifier. */
  const save = async (at: Epoch, by: string): Promise<{ readonly bundle: Digest; readonly blobs: Digest }> => {
    const verifier = `0x${by.repeat(20)}` as Account
    const nonce = book.nonce(at, () => prng.bytes(32))
    const head = { rules: 1, resource: 'storage', net: 1, epoch: at, verifier, seed: NONE, nonce, subjects: [] }
    const packed = packEvidence(portableCrypto, head, new Map([[NONE, prng.bytes(100)]]))
    await book.saveFile(packed.blobsDigest, packed.blobs)
    await book.saveFile(packed.digest, packed.bytes)
    return { bundle: packed.digest, blobs: packed.blobsDigest }
  }
  for (let day = 0; day <= LAST; day += 1) {
    const at = epoch((day * DAY) / EPOCH_SECONDS)
    const [own, other] = [await save(at, '11'), await save(at, '22')]
    const settlement = settlementSchema.encode({ ...SETTLED, epoch: at, bundles: [own.bundle, other.bundle] })
    const name = digestOf(portableCrypto.sha256(settlement))
    await book.saveFile(name, settlement)
    book.collected(at, own.bundle)
    book.settled(at, name)
    files.push([own, other])
  }
  const parts = { rt: runtime, book } as unknown as VerifierParts
  const prune = (day: number): Promise<number> => pruneEvidence(parts, EPOCH_SECONDS, day * DAY)
  const kept = async (): Promise<readonly boolean[]> =>
    Promise.all(
      files.map(async (bundles) => {
        const names = bundles.flatMap(({ bundle, blobs }) => [bundle, blobs])
        const there = await Promise.all(names.map(async (name) => (await book.readFile(name)) !== null))
        assert.ok(
          there.every((one) => one === there[0]),
          'bundles are there with their proofs, others’ with one’s own, or not at all',
        )
        return there[0] === true
      }),
    )
  return { book, prune, kept }
}

test('evidence is kept for 90 days after its epoch, then it is deleted with its proofs; settlements stay', async () => {
  const { book, prune, kept } = await stage()
  assert.equal(await prune(90), 0)
  assert.equal(await prune(100), 10)
  assert.deepEqual(await kept(), [...Array<boolean>(10).fill(false), ...Array<boolean>(20).fill(true)])
  assert.equal(await prune(100), 0)
  assert.equal(book.get(epoch(0))?.bundle, null)
  assert.notEqual(await book.readFile(book.get(epoch(0))?.settlement ?? NONE), null)
})

test('a verifier that was away deletes a few epochs at a time, until none is too old', async () => {
  const { prune, kept } = await stage()
  assert.deepEqual([await prune(1000), await prune(1000), await prune(1000)], [16, 14, 0])
  assert.ok((await kept()).every((there) => !there))
})
