import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { deviceIdOf, verifyDevice } from '../protocol/device-signature.ts'
import { type Digest, digestOf, type Hex, networkId } from '../protocol/ids.ts'
import type { DeviceReceipt } from '../runtime/chain-judges.ts'
import { createFakeClock, createFakeDisk, createFakeRandom, type FakeDisk } from '../runtime/fake/index.ts'
import type { Random } from '../runtime/index.ts'
import { createCrypto } from '../runtime/real/crypto.ts'
import { bigEndian, toHex } from '../std/bytes.ts'
import { createPrng } from '../std/prng.ts'
import { openReceiptSigner, receiptHasher, type SignedReceipt } from './receipts.ts'

const crypto = createCrypto()
const KEY = new Uint8Array(32).fill(7)
const SIGNER: Hex = `0x${toHex(crypto.secp256k1.address(KEY))}`
const JUDGE: Hex = `0x${'d1'.repeat(20)}`
const CHAIN_ID = 31_337
const device = { id: deviceIdOf(crypto, SIGNER), sign: (hash: Uint8Array) => crypto.secp256k1.sign(KEY, hash) }

const open = (disk: FakeDisk, random: Random, sign = device.sign) => {
  const at = { clock: createFakeClock(), crypto, random, disk, chainId: CHAIN_ID, disputes: JUDGE, net: networkId(2) }
  return openReceiptSigner({ ...at, device: { ...device, sign } })
}

const contentOf = (n: number): Digest => digestOf(bigEndian(BigInt(n), 32))
const slotOf = ({ boot, sequence }: DeviceReceipt): string => `${boot} ${sequence}`

type Step =
  | { readonly is: 'sign'; readonly count: number; readonly wait: boolean }
  | { readonly is: 'crash' }
  | { readonly is: 'fail'; readonly after: number }
  | { readonly is: 'rot'; readonly at: number }

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ is: fc.constant('sign' as const), count: fc.integer({ min: 1, max: 1100 }), wait: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ is: fc.constant('crash' as const) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('fail' as const), after: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('rot' as const), at: fc.nat(1000) }) },
  ),
  { maxLength: 12 },
)

/** What a device ever signed, through power losses in the middle of anything, failing writes and a rotten file. */
async function live(seed: number, list: readonly Step[]): Promise<readonly SignedReceipt[]> {
  const prng = createPrng(BigInt(seed))
  const disk = createFakeDisk({ prng: prng.fork('disk') })
  const random = createFakeRandom(prng.fork('random'))
  const signed: SignedReceipt[] = []
  let content = 0
  // Numbers are what this is about; signatures would take most of the time.
  const sign = (hash: Uint8Array): Uint8Array => hash
  let signer = await open(disk, random, sign)
  const restart = async (): Promise<void> => {
    disk.crash()
    disk.heal()
    signer = await open(disk, random, sign)
  }
  for (const step of list) {
    if (step.is === 'crash') await restart()
    if (step.is === 'fail') disk.fail({ kind: 'io', after: step.after })
    const size = step.is === 'rot' ? ((await disk.read('receipts'))?.length ?? 0) : 0
    if (step.is === 'rot' && size > 0) disk.rot('receipts', step.at % size, 1)
    if (step.is !== 'sign') continue
    const batch = Array.from({ length: step.count }, () => {
      content += 1
      return signer.sign(contentOf(content)).then((one) => void signed.push(one))
    })
    // Power is lost while they are on their way: some were signed and some never will be.
    if (!step.wait) await restart()
    const results = await Promise.allSettled(batch)
    if (results.some((result) => result.status === 'rejected')) await restart()
  }
  return signed
}

test('an honest device never signs two receipts under one number, whatever its disk loses', async () => {
  let most = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, async (seed, list) => {
      const signed = await live(seed, list)
      most = Math.max(most, signed.length)
      assert.equal(new Set(signed.map(({ receipt }) => slotOf(receipt))).size, signed.length)
    }),
    { numRuns: 40 },
  )
  assert.ok(most > 1024, 'some went over a ceiling')
})

test('numbers go on from the ceiling after a start, under the same boot', async () => {
  const prng = createPrng(1n)
  const disk = createFakeDisk({ prng })
  const random = createFakeRandom(prng.fork('random'))
  const [first, second] = [await (await open(disk, random)).sign(contentOf(1)), await (await open(disk, random)).sign(contentOf(2))]
  assert.deepEqual([first.receipt.sequence, second.receipt.sequence], [0n, 1024n])
  assert.equal(first.receipt.boot, second.receipt.boot)
})

test('a receipt is signed by the device over the hash that the judge recomputes', async () => {
  const prng = createPrng(1n)
  const signer = await open(createFakeDisk({ prng }), createFakeRandom(prng))
  const { receipt, signature } = await signer.sign(contentOf(1))
  const hash = receiptHasher(crypto, CHAIN_ID, JUDGE)
  assert.ok(verifyDevice(crypto, SIGNER, hash(receipt), signature))
  assert.ok(!verifyDevice(crypto, SIGNER, hash({ ...receipt, sequence: 1n }), signature))
  assert.ok(!verifyDevice(crypto, SIGNER, receiptHasher(crypto, CHAIN_ID + 1, JUDGE)(receipt), signature))
})
