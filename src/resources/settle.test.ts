/** Settlement with several subjects and verifiers, over the smallest resource there can be: a claim is a number, its proof the drawn byte. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { deviceIdOf } from '../protocol/device-signature.ts'
import {
  type Account,
  account,
  address,
  type DeviceId,
  type Digest,
  digestOf,
  type Epoch,
  epoch,
  type Hex,
  networkId,
} from '../protocol/ids.ts'
import { schema, wire } from '../protocol/schema.ts'
import { credits, PPM, ppm } from '../protocol/units.ts'
import { createCrypto } from '../runtime/real/crypto.ts'
import { toHex, utf8 } from '../std/bytes.ts'
import { type Evidence, openBundle, openEvidence, packEvidence, type Settlement, settlementSchema } from './evidence.ts'
import type { Kind, Resource } from './resource.ts'
import { answerHash, bundleFault, type EpochFacts, nonceHash, type Settled, settle, settlementDigest, subjectSeed } from './settle.ts'

const crypto = createCrypto()
const NET = networkId(3)
const EPOCH = epoch(1000)
const claimSchema = schema('claim', 64, z.strictObject({ id: wire.uint(1000), worth: wire.uint(1_000_000) }))
const byteSchema = schema('byte', 64, z.strictObject({ byte: wire.uint(255) }))
const carrySchema = schema('carry', 1024, z.strictObject({ seen: wire.list(wire.text(100), 20) }))
const nothing = schema('nothing', 1, z.null())

interface Plain {
  Terms: null
  Order: null
  Work: null
  Claim: ReturnType<typeof claimSchema.decode>
  Challenge: ReturnType<typeof byteSchema.decode>
  Proof: ReturnType<typeof byteSchema.decode>
  Observation: null
  Carry: ReturnType<typeof carrySchema.decode>
}

const secretOf = (name: string): Uint8Array => crypto.sha256(utf8(name))
const accountOf = (name: string): Account => account(toHex(crypto.secp256k1.address(secretOf(name))))
const signerOf = (name: string): Hex => accountOf(`device ${name}`)
const idOf = (name: string): DeviceId => deviceIdOf(crypto, signerOf(name))
const unused = (): never => assert.fail('not part of settlement')

const resource: Resource<Plain> = {
  id: 'plain',
  rules: 1,
  units: [{ id: 'unit', per: 'once', about: 'one' }],
  subject: 'node',
  clock: { every: 'epoch', count: 2 },
  schemas: {
    Terms: nothing,
    Order: nothing,
    Work: nothing,
    Claim: claimSchema,
    Challenge: byteSchema,
    Proof: byteSchema,
    Observation: nothing,
    Carry: carrySchema,
  },
  provide: unused,
  doors: [],
  collect: unused,
  observe: unused,
  match: unused,
  meter: unused,
  price: () => credits(0n),
  challenge: (_crypto, claim, seed) => [0, 1].map((slot) => ({ byte: ((seed[slot] ?? 0) + claim.id) & 255 })),
  admit(_crypto, claim) {
    // 666 stands for a rule with a bug in it.
    if (claim.id === 666) throw new TypeError('a bug in a rule')
    return { ok: true, key: String(claim.id), payer: accountOf('payer'), units: { unit: BigInt(claim.worth) } }
  },
  verify(_crypto, challenge, answer) {
    if (answer.is === 'refusal') return { ok: false, units: {}, reason: answer.reason }
    if (answer.is === 'proof' && answer.proof.byte === challenge.byte) return { ok: true, units: {} }
    return { ok: false, units: {}, reason: { code: answer.is, data: {}, evidence: [] } }
  },
  group: ({ id }) => id,
  score(group, carry) {
    const scores = group.members.map(({ subject, claims, refused }) => {
      const verdicts = claims.flatMap((claim) => claim.verdicts)
      const good = verdicts.filter((verdict) => verdict.ok).length
      const reasons = [...refused, ...verdicts.flatMap((verdict) => (verdict.ok ? [] : [verdict.reason]))]
      return { subject, score: ppm(verdicts.length === 0 ? 0 : Math.floor((good * PPM) / verdicts.length)), reasons }
    })
    const seen = scores.map(({ subject, score }) => `${subject.slice(0, 10)} ${score}`)
    return { scores, carry: { seen: [...(carry?.seen ?? []), ...seen].slice(-20) } }
  },
  faults: [],
}

type Behaviour = 'honest' | 'silent' | 'wrong' | 'refuses' | 'unsigned'
interface Said {
  readonly name: string
  readonly does: Behaviour
  readonly claims?: readonly Plain['Claim'][]
  readonly raw?: readonly Uint8Array[]
  readonly code?: string
}
const SEED = digestOf(secretOf('seed'))
const nonceOf = (verifier: string): Uint8Array => secretOf(`nonce ${verifier}`)

/** What `verifier` collected of subjects that behave as told. */
function collected(verifier: string, said: readonly Said[]): Evidence {
  const nonce = nonceOf(verifier)
  const blobs = new Map<Digest, Uint8Array>()
  const subjects = said.map(({ name, does, claims = [{ id: 1, worth: 100 }], raw = [], code = 'lost' }) => {
    const subject = idOf(name)
    const encoded = [...claims.map((claim) => claimSchema.encode(claim)), ...raw]
    const answers = claims.flatMap((claim, index) =>
      resource.challenge(crypto, claim, subjectSeed(crypto, SEED, nonce, subject)).map((challenge, slot) => {
        const at = { net: NET, epoch: EPOCH, verifier: accountOf(verifier), subject, claim: encoded[index] as Uint8Array, slot }
        const sign = (body: Parameters<typeof answerHash>[2]) =>
          crypto.secp256k1.sign(secretOf(does === 'unsigned' ? 'somebody' : `device ${name}`), answerHash(crypto, at, body))
        const none = { claim: index, slot, blob: null, code: '', why: '' }
        if (does === 'silent') return { ...none, is: 'silence' as const, signature: new Uint8Array(0) }
        if (does === 'refuses') return { ...none, is: 'refusal' as const, code, why: 'gone', signature: sign({ code, why: 'gone' }) }
        const bytes = byteSchema.encode({ byte: does === 'wrong' ? challenge.byte ^ 1 : challenge.byte })
        const blob = digestOf(crypto.sha256(bytes))
        blobs.set(blob, bytes)
        return { ...none, is: 'proof' as const, blob, signature: sign({ blob }) }
      }),
    )
    return { subject, claims: encoded, answers }
  })
  const bundle = { rules: 1, resource: 'plain', net: NET, epoch: EPOCH, verifier: accountOf(verifier), seed: SEED, nonce, subjects }
  const packed = packEvidence(crypto, bundle, blobs)
  const opened = openEvidence(crypto, packed.digest, packed.bytes, packed.blobs)
  assert.ok(opened !== null)
  return opened
}

/** `stakes`: verifiers with their stake; each has committed the bundle among `evidence` that names it. */
function factsOf(
  stakes: Readonly<Record<string, bigint>>,
  subjects: readonly string[],
  evidence: readonly Evidence[],
  change: Partial<EpochFacts> = {},
): EpochFacts {
  const nameOf = new Map(Object.keys(stakes).map((name) => [accountOf(name), name]))
  return {
    chainId: 1,
    net: NET,
    epoch: EPOCH,
    epochSeconds: 60,
    asset: address(`0x${'aa'.repeat(20)}`),
    credits: address(`0x${'bb'.repeat(20)}`),
    seed: SEED,
    devices: subjects.map((name) => ({
      id: idOf(name),
      owner: accountOf(`owner ${name}`),
      net: NET,
      signer: signerOf(name),
      transportKey: `0x${'00'.repeat(32)}`,
      endpoint: '',
      status: 'active',
    })),
    sessionRedeemable: () => false,
    nonceCommit: (verifier) => nonceHash(crypto, nonceOf(nameOf.get(verifier) ?? '')),
    committed: (verifier) => evidence.find((one) => one.bundle.verifier === verifier)?.digest ?? null,
    stakeOf: (verifier) => stakes[nameOf.get(verifier) ?? ''] ?? 0n,
    funded: 1024n * 1000n,
    allocated: 0n,
    ...change,
  }
}

const STAKES = { v1: 1n, v2: 1n, v3: 1n }
const settled = (
  stakes: Readonly<Record<string, bigint>>,
  subjects: readonly string[],
  evidence: readonly Evidence[],
  previous: Settled | null = null,
) => settle(crypto, resource, factsOf(stakes, subjects, evidence), evidence, previous)
const scoreOf = (settlement: Settlement, name: string) => settlement.scores.find((row) => row.subject === idOf(name))
const rewardOf = (settlement: Settlement, name: string) =>
  settlement.owners.find((row) => row.account === accountOf(`owner ${name}`))?.cumulative ?? 0n
const unitsOf = (settlement: Settlement, name: string) =>
  settlement.owners.find((row) => row.account === accountOf(`owner ${name}`))?.channels[0]?.cumulative ?? 0n

describe('one verifier', () => {
  test('who is honest is paid by share, and everybody else is told why not', () => {
    const said: Said[] = [
      { name: 'a', does: 'honest' },
      { name: 'b', does: 'honest', claims: [{ id: 1, worth: 300 }] },
      { name: 'c', does: 'silent' },
      { name: 'd', does: 'wrong' },
      { name: 'e', does: 'refuses' },
      { name: 'f', does: 'unsigned' },
    ]
    const result = settled({ v1: 5n }, ['a', 'b', 'c', 'd', 'e', 'f'], [collected('v1', said)])
    assert.equal(result.budget, 1000n)
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => rewardOf(result, name)),
      [250n, 750n, 0n, 0n, 0n, 0n],
    )
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => unitsOf(result, name)),
      [100n, 300n, 0n],
    )
    const codes = ['c', 'd', 'e', 'f'].map((name) => scoreOf(result, name)?.reasons[0]?.code)
    assert.deepEqual(codes, ['silence', 'proof', 'refused-lost', 'unsigned-answer'])
  })

  test('a claim counts once however often it is made, and one whose rule fails costs only itself', () => {
    const twice = { id: 1, worth: 100 }
    const said: Said[] = [
      { name: 'a', does: 'honest', claims: [twice, twice, { id: 2, worth: 7 }], raw: [Uint8Array.of(1, 2, 3)] },
      { name: 'b', does: 'honest', claims: [{ id: 666, worth: 100 }] },
    ]
    const result = settled({ v1: 1n }, ['a', 'b'], [collected('v1', said)])
    assert.equal(unitsOf(result, 'a'), 107n)
    assert.deepEqual(
      scoreOf(result, 'a')?.reasons.map(({ code }) => code),
      ['claimed-twice', 'malformed-claim'],
    )
    assert.deepEqual(
      scoreOf(result, 'b')?.reasons.map(({ code }) => code),
      ['malformed-claim'],
    )
  })

  test('devices that the chain does not know are not paid', () => {
    const result = settled(
      { v1: 1n },
      ['a'],
      [
        collected('v1', [
          { name: 'a', does: 'honest' },
          { name: 'x', does: 'honest' },
        ]),
      ],
    )
    assert.deepEqual(
      result.scores.map(({ subject }) => subject),
      [idOf('a')],
    )
    assert.equal(rewardOf(result, 'a'), result.budget)
  })

  test('a subject cannot make a settlement that is too large to write: its words and reasons are cut', () => {
    const many = Array.from({ length: 400 }, (_, id) => ({ id, worth: 1 }))
    const said: Said[] = [{ name: 'a', does: 'refuses', claims: many.slice(0, 300), code: 'c'.repeat(64) }]
    const result = settled({ v1: 1n }, ['a'], [collected('v1', said)])
    assert.equal(scoreOf(result, 'a')?.reasons.length, 256)
    assert.equal(scoreOf(result, 'a')?.reasons[0]?.code.length, 64)
    assert.deepEqual(settlementSchema.decode(settlementSchema.encode(result)), result)
  })
})

describe('several verifiers', () => {
  const view = (verifier: string, does: Behaviour) =>
    collected(verifier, [
      { name: 'a', does },
      { name: 'b', does: 'honest' },
    ])

  test('less than half of the stake moves no score, up or down', () => {
    const down = [view('v1', 'honest'), view('v2', 'silent'), view('v3', 'honest')]
    assert.equal(scoreOf(settled(STAKES, ['a', 'b'], down), 'a')?.score, PPM)
    const up = [view('v1', 'silent'), view('v2', 'silent'), view('v3', 'honest')]
    assert.equal(scoreOf(settled(STAKES, ['a', 'b'], up), 'a')?.score, 0)
    assert.equal(scoreOf(settled({ v1: 2n, v2: 1n, v3: 4n }, ['a', 'b'], up), 'a')?.score, PPM)
  })

  test('a device that only a minority speaks of is not paid on its word', () => {
    const evidence = [
      collected('v1', [{ name: 'a', does: 'honest' }]),
      collected('v2', [{ name: 'a', does: 'honest' }]),
      collected('v3', [
        { name: 'a', does: 'honest' },
        { name: 'new', does: 'honest' },
      ]),
    ]
    const result = settled(STAKES, ['a', 'new'], evidence)
    assert.equal(rewardOf(result, 'new'), 0n)
    assert.deepEqual(
      scoreOf(result, 'new')?.reasons.map(({ code }) => code),
      ['not-asked'],
    )
    assert.equal(scoreOf(settled({ v1: 1n, v2: 1n, v3: 3n }, ['a', 'new'], evidence), 'new')?.score, PPM)
  })

  test('claims that several of them saw are paid once', () => {
    const result = settled(STAKES, ['a', 'b'], [view('v1', 'honest'), view('v2', 'honest'), view('v3', 'honest')])
    assert.equal(unitsOf(result, 'a'), 100n)
    assert.equal(result.total, result.budget)
  })

  test('what is carried on follows from what was agreed, whoever comes last by digest', () => {
    const honest = settled({ v1: 1n }, ['a', 'b'], [view('v1', 'honest')])
    const outvoted = settled({ v1: 9n, v2: 1n, v3: 1n }, ['a', 'b'], [view('v1', 'honest'), view('v2', 'silent'), view('v3', 'wrong')])
    assert.ok(honest.carry !== null)
    assert.deepEqual(outvoted.carry, honest.carry)
  })

  test('the order of bundles, and bundles given twice, change nothing', () => {
    const evidence = [view('v1', 'honest'), view('v2', 'silent'), view('v3', 'wrong')]
    const digest = settlementDigest(crypto, settled(STAKES, ['a', 'b'], evidence))
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 0, 1, 2], { minLength: 6 }), (order) => {
        const shuffled = order.map((i) => evidence[i] as Evidence)
        assert.equal(settlementDigest(crypto, settled(STAKES, ['b', 'a'], shuffled)), digest)
      }),
      { numRuns: 20 },
    )
  })
})

describe('bundles that do not count', () => {
  const one = collected('v1', [{ name: 'a', does: 'honest' }])
  const generic = resource as unknown as Resource<Kind>
  const faultOf = (change: Partial<EpochFacts>, evidence = one) =>
    bundleFault(crypto, generic, factsOf({ v1: 1n }, ['a'], [one], change), evidence)

  test('are those of other rules, epochs, seeds, nonces, and of verifiers without stake', () => {
    assert.equal(faultOf({}), null)
    assert.match(String(faultOf({ epoch: epoch(1001) })), /another epoch/)
    assert.match(String(faultOf({ seed: digestOf(new Uint8Array(32)) })), /seed/)
    assert.match(String(faultOf({ nonceCommit: () => null })), /nonce/)
    assert.match(String(faultOf({ stakeOf: () => 0n })), /stake/)
    assert.match(String(faultOf({}, { ...one, bundle: { ...one.bundle, rules: 2 } })), /rules/)
  })

  test('are those that somebody else made in a verifier’s name, with the nonce that it has shown', () => {
    const forged = collected('v1', [{ name: 'a', does: 'silent' }])
    assert.match(String(faultOf({}, forged)), /did not commit/)
    const facts = factsOf({ v1: 1n }, ['a'], [one])
    const result = settle(crypto, resource, facts, [forged, one], null)
    assert.deepEqual(result.bundles, [one.digest])
    assert.equal(scoreOf(result, 'a')?.score, PPM)
  })

  test('bytes that are no bundle say nothing, and bytes with another hash are refused', () => {
    const junk = utf8('not a bundle')
    assert.equal(openBundle(crypto, digestOf(crypto.sha256(junk)), junk), null)
    assert.throws(() => openBundle(crypto, one.digest, junk), { code: 'CORRUPT' })
  })

  test('no byte of a packed bundle or of its proofs can be changed unseen', () => {
    const { bundle, blobs } = one
    const packed = packEvidence(crypto, bundle, blobs)
    assert.equal(packed.digest, one.digest)
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === at % bytes.length ? byte ^ by : byte))
        assert.throws(() => openEvidence(crypto, packed.digest, flip(packed.bytes), packed.blobs), { code: 'CORRUPT' })
        assert.throws(() => openEvidence(crypto, packed.digest, packed.bytes, flip(packed.blobs)), { code: 'CORRUPT' })
      }),
      { numRuns: 50 },
    )
  })
})

describe('epoch after epoch', () => {
  const digested = (settlement: Settlement): Settled => ({ settlement, digest: settlementDigest(crypto, settlement) })
  const evidence = [
    collected('v1', [
      { name: 'a', does: 'honest' },
      { name: 'b', does: 'silent' },
    ]),
  ]
  const earlier = (settlement: Settlement): Settled => digested({ ...settlement, epoch: (EPOCH - 1) as Epoch })

  test('nothing cumulative ever decreases, also for who is unpaid now', () => {
    const first = earlier(
      settled(
        { v1: 1n },
        ['a', 'b'],
        [
          collected('v1', [
            { name: 'a', does: 'silent' },
            { name: 'b', does: 'honest' },
          ]),
        ],
      ),
    )
    const second = settled({ v1: 1n }, ['a', 'b'], evidence, first)
    assert.equal(rewardOf(second, 'b'), rewardOf(first.settlement, 'b'))
    assert.equal(unitsOf(second, 'b'), 100n)
    assert.equal(unitsOf(second, 'a'), 100n)
    assert.equal(second.total, first.settlement.total + second.budget)
  })

  test('a settlement whose root is not on chain yet has spent its budget all the same', () => {
    const first = earlier(settled({ v1: 1n }, ['a', 'b'], evidence))
    const facts = factsOf({ v1: 1n }, ['a', 'b'], evidence)
    const second = settle(crypto, resource, facts, evidence, first)
    assert.equal(second.budget, (facts.funded - first.settlement.total) / 1024n)
    assert.ok(second.budget < first.settlement.budget)
  })

  test('only the settlement of an earlier epoch of the same pot can come before', () => {
    const first = settled({ v1: 1n }, ['a', 'b'], evidence)
    const facts = factsOf({ v1: 1n }, ['a', 'b'], evidence)
    for (const wrong of [first, { ...first, epoch: 1, net: 4 }, { ...first, epoch: 1, resource: 'other' }]) {
      assert.throws(() => settle(crypto, resource, facts, evidence, digested(wrong)), { code: 'CORRUPT' })
    }
  })

  test('any change of what was published has another digest than the settlement that is computed again', () => {
    const honest = settled({ v1: 1n }, ['a', 'b'], evidence)
    const again = settlementDigest(crypto, settled({ v1: 1n }, ['a', 'b'], evidence))
    assert.equal(settlementDigest(crypto, honest), again)
    const [first, ...rest] = honest.scores
    assert.ok(first !== undefined)
    const changed: Settlement[] = [
      { ...honest, scores: [{ ...first, score: first.score === 0 ? 1 : first.score - 1 }, ...rest] },
      { ...honest, scores: [{ ...first, reasons: [{ code: 'made-up', data: {}, evidence: [] }] }, ...rest] },
      { ...honest, root: digestOf(new Uint8Array(32)) },
      { ...honest, total: honest.total + 1n },
      { ...honest, bundles: [] },
    ]
    for (const one of changed) assert.notEqual(settlementDigest(crypto, one), again)
  })
})
