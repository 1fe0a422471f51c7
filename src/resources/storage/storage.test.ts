import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Cid } from '../../protocol/ids.ts'
import { account, digest, digestOf, networkId, type Seed } from '../../protocol/ids.ts'
import { portableCrypto } from '../../runtime/fake/index.ts'
import { createPrng, type Prng } from '../../std/prng.ts'
import { conformance, type Fixtures } from '../conformance.ts'
import type { Offer, Signed } from '../resource.ts'
import { epochsToCatch } from './faults.ts'
import { type StorageKind, type StorageTerms, storage } from './index.ts'
import type { SetHead } from './messages.ts'
import type { StorageWork } from './meter.ts'
import { crypto, DEVICE, keyOf, storageStage, TERMS } from './provider/stage.test-support.ts'

const digestFrom = (prng: Prng) => digestOf(prng.bytes(32))
const wide = (prng: Prng, bits: number): bigint => {
  const bytes = prng.bytes(8)
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value >> BigInt(64 - bits)
}

const headOf = (prng: Prng): SetHead => ({
  net: prng.below(2 ** 32),
  setId: digestFrom(prng),
  provider: keyOf('owner').account,
  customer: keyOf('customer').account,
  root: digestFrom(prng),
  count: 1n + wide(prng, 20),
  totalBytes: 1n + wide(prng, 50),
  version: wide(prng, 64),
  expiresAt: prng.below(2 ** 40),
})

const workOf = (byteSeconds: bigint, servedBytes: bigint): Signed<StorageWork> => ({
  body: { setId: digest(`0x${'11'.repeat(32)}`), byteSeconds, servedBytes },
  by: DEVICE,
  signature: new Uint8Array(64),
})

const fixtures: Fixtures<StorageKind> = {
  native: crypto,
  portable: portableCrypto,
  prng: createPrng(20_260_101n),
  stage: storageStage,
  samples: {
    Terms: (prng) => ({ ...TERMS, capacity: wide(prng, 64), kept: { numerator: wide(prng, 64), denominator: 1n + wide(prng, 60) } }),
    Order: (prng) => ({ want: 8, least: 6, bytes: wide(prng, 40), region: 'eu', at: wide(prng, 41) }),
    Work: (prng) => workOf(wide(prng, 64), wide(prng, 64)).body,
    Claim: (prng) => ({ head: headOf(prng), customerSignature: prng.bytes(65), providerSignature: prng.bytes(65) }),
    Challenge: (prng) => {
      const { setId, root, count, totalBytes, version } = headOf(prng)
      return { setId, root, count, totalBytes, version, slot: prng.below(1024), position: totalBytes - 1n }
    },
    Proof: (prng) => ({
      index: wide(prng, 64),
      start: wide(prng, 64),
      size: wide(prng, 64),
      pieceId: digestFrom(prng),
      pieceRoot: digestFrom(prng),
      setPath: prng.bytes(32 * prng.below(41)),
      leaf: prng.bytes(1 + prng.below(4096)),
      piecePath: prng.bytes(32 * prng.below(41)),
    }),
    Observation: (prng) => ({
      setId: digestFrom(prng),
      slot: prng.below(1024),
      is: (['served', 'corrupt', 'refused', 'silent'] as const)[prng.below(4)] ?? 'served',
      bytes: prng.below(65_537),
      ms: prng.below(10_000),
      code: 'no-piece',
    }),
    Carry: (prng) => ({ failing: [{ subject: DEVICE, epochs: prng.below(65_536) }] }),
  },
  works(prng) {
    let [kept, served] = [0n, 0n]
    return Array.from({ length: 30 }, (_, i) => {
      kept += wide(prng, 40)
      served += wide(prng, 30)
      const mine = workOf(kept, served)
      // The other side counts a little less; now and then it has said nothing yet.
      return { mine, peer: i % 5 === 3 ? null : workOf(kept - BigInt(prng.below(2)), served) }
    })
  },
}

describe('storage keeps the promises of a resource', () => {
  for (const check of conformance(storage, fixtures)) test(check.name, check.run)
})

describe('meter', () => {
  const usage = { 'byte-second': 10n, 'byte-served': 20n }

  test('takes the smaller of both counters, each on its own', () => {
    const result = storage.meter({}, workOf(10n, 500n), workOf(300n, 20n))
    assert.deepEqual(result, { ok: true, usage })
  })

  test('refuses a counter that goes back and a statement about another set', () => {
    const back = storage.meter(usage, workOf(9n, 20n), workOf(10n, 20n))
    assert.equal(!back.ok && back.reason.code, 'counter-went-back')
    const other = workOf(10n, 20n)
    const result = storage.meter(usage, workOf(10n, 20n), { ...other, body: { ...other.body, setId: digest(`0x${'22'.repeat(32)}`) } })
    assert.equal(!result.ok && result.reason.code, 'other-set')
  })
})

describe('price', () => {
  test('a TB kept for 30 days costs $4 and a TB served $7', () => {
    const TB = 1_000_000_000_000n
    assert.equal(storage.price({ 'byte-second': TB * 2_592_000n }, TERMS), 400_000n * 1_000_000n)
    assert.equal(storage.price({ 'byte-served': TB }, TERMS), 700_000n * 1_000_000n)
  })

  test('is rounded once, over both units together', () => {
    const half = { numerator: 1n, denominator: 2n }
    const terms: StorageTerms = { ...TERMS, kept: half, served: half }
    assert.equal(storage.price({ 'byte-second': 1n, 'byte-served': 1n }, terms), 1n)
    assert.equal(storage.price({ 'byte-second': 1n, 'byte-served': 0n }, terms), 0n)
  })
})

describe('faults', () => {
  test('are caught as soon as chance allows: (1 - lost)^(slots * epochs) is at most one in a million', () => {
    assert.equal(epochsToCatch({ numerator: 1n, denominator: 1n }, 8), 1)
    // 256^-2 is one in 65 536, 256^-3 one in 16 777 216.
    assert.equal(epochsToCatch({ numerator: 1n, denominator: 2n }, 8), 3)
    // 0.9^131 is 1.01 in a million, 0.9^132 is 0.91.
    assert.equal(epochsToCatch({ numerator: 1n, denominator: 10n }, 1), 132)
  })
})

describe('match', () => {
  const offer = (n: number, change: Partial<Offer<StorageTerms>> = {}): Offer<StorageTerms> => ({
    id: `offer ${n}` as Cid,
    device: `0x${n.toString(16).padStart(64, '0')}` as typeof DEVICE,
    operator: account(`0x${n.toString(16).padStart(40, '0')}`),
    net: networkId(7),
    terms: TERMS,
    expires: 1000n,
    ...change,
  })
  const order = { want: 4, least: 3, bytes: 100n, region: '', at: 500n }
  const seed = new Uint8Array(32) as Seed

  test('gives one piece to each of several operators, the same ones for the same seed', () => {
    const offers = [1, 2, 3, 4, 5, 6].map((n) => offer(n))
    const match = storage.match(crypto, order, offers, seed)
    assert.ok(match.ok)
    assert.equal(new Set(match.parts.map((part) => part.offer)).size, 4)
    assert.deepEqual(storage.match(crypto, order, offers.toReversed(), seed), match)
  })

  test('says of every offer why it does not fit when too few do', () => {
    const offers = [
      offer(1),
      offer(2, { expires: 500n }),
      offer(3, { terms: { ...TERMS, capacity: 99n } }),
      offer(4, { device: offer(1).device }),
      offer(5, { terms: { ...TERMS, region: 'mars' } }),
    ]
    const match = storage.match(crypto, { ...order, region: 'test' }, offers, seed)
    assert.ok(!match.ok)
    const codes = offers.map(({ id }) => match.whyNot.get(id)?.code)
    assert.deepEqual(codes, ['too-few-operators', 'offer-expired', 'too-small', 'second-offer-of-device', 'other-region'])
  })
})
