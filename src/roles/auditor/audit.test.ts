/** Audits of a small network whose evidence, settlements and roots are tampered with, one thing at a time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { deviceIdOf } from '../../protocol/device-signature.ts'
import { account, address, type Digest, digestOf, type Epoch, epoch, type Hex, networkId } from '../../protocol/ids.ts'
import { schema, wire } from '../../protocol/schema.ts'
import { credits, PPM, ppm } from '../../protocol/units.ts'
import type { ChainState } from '../../resources/epoch-facts.ts'
import { epochFacts } from '../../resources/epoch-facts.ts'
import { packEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { nonceHash, type Settled, settle, settlementDigest } from '../../resources/settle.ts'
import { type Addresses, CONTRACT_NAMES, type RootRow } from '../../runtime/chain.ts'
import { createChainRows } from '../../runtime/chain-index/index.ts'
import { createCrypto } from '../../runtime/real/crypto.ts'
import { bigEndian, toHex, utf8 } from '../../std/bytes.ts'
import { type AuditOutcome, audit } from './audit.ts'

const crypto = createCrypto()
const NET = networkId(2)
const E = epoch(100)
const at = (byte: number) => address(`0x${byte.toString(16).padStart(2, '0').repeat(20)}`)
const accountAt = (byte: number) => account(`0x${byte.toString(16).padStart(2, '0').repeat(20)}`)
const ADDRESSES = Object.fromEntries(CONTRACT_NAMES.map((name, i) => [name, at(i + 1)])) as unknown as Addresses
const VERIFIERS = [accountAt(0xa1), accountAt(0xa2)]
const PAYER = accountAt(0xb1)
const OWNERS = [accountAt(0xc1), accountAt(0xc2)]
const SIGNERS = OWNERS.map((owner): Hex => `0x${toHex(crypto.keccak256(utf8(owner)).subarray(12))}`)
const DEVICES = SIGNERS.map((signer) => deviceIdOf(crypto, signer))
const nothing = schema('nothing', 1, z.null())
const claimSchema = schema('claim', 64, z.strictObject({ worth: wire.uint(1_000_000) }))
const carrySchema = schema('carry', 64, z.strictObject({ epochs: wire.uint(1000) }))
const unused = (): never => assert.fail('not part of an audit')

/** A claim is worth what it says. */
const resource = {
  id: 'plain',
  rules: 1,
  units: [{ id: 'unit', per: 'once', about: 'one' }],
  subject: 'node',
  clock: { every: 'epoch', count: 1 },
  schemas: {
    Terms: nothing,
    Order: nothing,
    Work: nothing,
    Claim: claimSchema,
    Challenge: nothing,
    Proof: nothing,
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
  challenge: () => [],
  admit: (_: unknown, claim: { worth: number }) => ({ ok: true, key: 'one', payer: PAYER, units: { unit: BigInt(claim.worth) } }),
  verify: unused,
  group: ({ id }: { id: string }) => id,
  score: (group: { members: readonly { subject: string; claims: readonly unknown[] }[] }, carry: { epochs: number } | null) => ({
    scores: group.members.map(({ subject, claims }) => ({ subject, score: ppm(claims.length > 0 ? PPM : 0), reasons: [] })),
    carry: { epochs: (carry?.epochs ?? 0) + 1 },
  }),
  faults: [],
} as unknown as Resource<Kind>

const nonceOf = (verifier: string, of: Epoch): Uint8Array => crypto.sha256(utf8(`${verifier} ${of}`))
const seedOf = (of: Epoch): Digest => digestOf(crypto.sha256(utf8(`seed ${of}`)))

interface Stage {
  readonly files: Map<Digest, Uint8Array>
  readonly commits: Map<Epoch, { verifier: (typeof VERIFIERS)[number]; digest: Digest }[]>
  readonly roots: RootRow[]
  void: boolean
}

function stateOf(stage: Stage, of: Epoch): ChainState {
  const rows = createChainRows({ chainId: 1, addresses: ADDRESSES, crypto })
  return {
    ...rows,
    network: (id) => ({
      id,
      owner: PAYER,
      epochSeconds: 10,
      minStake: 1n,
      challengeSeconds: 1,
      rootEpochs: 1,
      feeBps: 0,
      feeRecipient: PAYER,
      publisher: ADDRESSES.publisher,
      verifier: VERIFIERS[0] as (typeof VERIFIERS)[number],
      verifierNet: 0,
      closed: false,
    }),
    epochSeed: (_, e) => (stage.void ? { is: 'void' } : { is: 'seed', seed: seedOf(e) }),
    pot: () => ({ funded: 1_000_000n, allocated: 0n, claimed: 0n }),
    devices: (net) =>
      DEVICES.map((id, i) => ({
        id,
        owner: OWNERS[i] as (typeof OWNERS)[number],
        net,
        signer: SIGNERS[i] as Hex,
        transportKey: '0x',
        endpoint: '',
        status: 'active',
      })),
    stakeOf: () => 10n,
    nonceCommit: (_, e, verifier) => nonceHash(crypto, nonceOf(verifier, e)),
    evidence: (net, e) => (e === of ? (stage.commits.get(e) ?? []) : []).map((one) => ({ net, epoch: e, ...one, bytes: 1, block: 1n })),
  }
}

/** A verifier's bundle: what each device claimed. */
function collect(stage: Stage, of: Epoch, verifier: (typeof VERIFIERS)[number], worths: readonly number[]) {
  const subjects = DEVICES.map((subject, i) => ({ subject, claims: [claimSchema.encode({ worth: worths[i] ?? 0 })], answers: [] }))
  const sorted = subjects.sort((a, b) => (a.subject < b.subject ? -1 : 1))
  const head = { rules: 1, resource: 'plain', net: NET, epoch: of, verifier, seed: seedOf(of), nonce: nonceOf(verifier, of) }
  const blob = bigEndian(BigInt(of), 8)
  const packed = packEvidence(
    crypto,
    { ...head, subjects: worths.length === 0 ? [] : sorted },
    new Map([[digestOf(crypto.sha256(blob)), blob]]),
  )
  stage.files.set(packed.digest, packed.bytes)
  stage.files.set(packed.blobsDigest, packed.blobs)
  stage.commits.set(of, [...(stage.commits.get(of) ?? []), { verifier, digest: packed.digest }])
  return {
    digest: packed.digest,
    bundle: { ...head, blobs: packed.blobsDigest, subjects: worths.length === 0 ? [] : sorted },
    blobs: new Map(),
  }
}

function settled(stage: Stage, of: Epoch, evidence: readonly ReturnType<typeof collect>[], previous: Settled | null): Settled {
  const outcome = epochFacts(stateOf(stage, of), NET, of)
  assert(outcome.is === 'facts')
  const settlement = settle(crypto, resource, outcome.facts, evidence, previous)
  return keep(stage, settlement)
}

function keep(stage: Stage, settlement: Settlement): Settled {
  const digest = settlementDigest(crypto, settlement)
  stage.files.set(digest, settlementSchema.encode(settlement))
  return { settlement, digest }
}

function publish(stage: Stage, { settlement, digest }: Settled, root: Digest = settlement.root): RootRow {
  const { epoch: of, total } = settlement
  const row: RootRow = {
    net: NET,
    asset: ADDRESSES.token,
    epoch: epoch(of),
    index: stage.roots.length,
    root,
    total,
    dataHash: digest,
    activeAt: 0,
    state: 'active',
  }
  stage.roots.push(row)
  return row
}

/** One epoch that paid nobody and was not published, then two that were. */
function play() {
  const stage: Stage = { files: new Map(), commits: new Map(), roots: [], void: false }
  const idle = settled(stage, epoch(E - 2), [collect(stage, epoch(E - 2), VERIFIERS[0] as never, [])], null)
  const first = settled(stage, epoch(E - 1), [collect(stage, epoch(E - 1), VERIFIERS[0] as never, [30, 10])], idle)
  publish(stage, first)
  const evidence = VERIFIERS.map((verifier) => collect(stage, E, verifier, [20, 20]))
  const second = settled(stage, E, evidence, first)
  return { stage, idle, first, second, evidence }
}

function look(stage: Stage, root: RootRow): Promise<AuditOutcome> {
  const read = async (name: Digest) => stage.files.get(name) ?? null
  return audit({ crypto, resource, net: NET, root, roots: stage.roots, stateOf: (of) => stateOf(stage, of), read })
}

async function differs(stage: Stage, root: RootRow): Promise<readonly [string, string]> {
  const outcome = await look(stage, root)
  assert(!outcome.equal, 'a difference is found')
  assert.notEqual(outcome.published, outcome.recomputed)
  return [outcome.differs, outcome.where]
}

const without = <T extends object>(value: T, change: Partial<T>): T => ({ ...value, ...change })

describe('an audit', () => {
  test('of honest epochs finds them equal, also through settlements that were never published', async () => {
    const { stage, second } = play()
    const root = publish(stage, second)
    for (const one of stage.roots) assert.equal((await look(stage, one)).equal, true)
    const outcome = await look(stage, root)
    assert(outcome.equal)
    assert.deepEqual([outcome.subjects, outcome.bundles, outcome.root], [2, 2, second.settlement.root])
  })

  test('names a bundle whose bytes were changed', async () => {
    const { stage, second, evidence } = play()
    const name = evidence[1]?.digest as Digest
    const bytes = (stage.files.get(name) as Uint8Array).slice()
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    stage.files.set(name, bytes)
    assert.deepEqual(await differs(stage, publish(stage, second)), ['bundle', name])
  })

  test('names proofs whose bytes were changed, and a bundle that nobody has', async () => {
    const { stage, second, evidence } = play()
    const root = publish(stage, second)
    const { digest, bundle } = evidence[0] as ReturnType<typeof collect>
    stage.files.set(bundle.blobs, utf8('no proofs'))
    assert.deepEqual(await differs(stage, root), ['proofs', bundle.blobs])
    stage.files.delete(digest)
    assert.deepEqual(await differs(stage, root), ['bundle', digest])
  })

  test('names a bundle that was committed and left out', async () => {
    const { stage, first, evidence } = play()
    const { digest } = evidence[1] as ReturnType<typeof collect>
    const alone = settled(stage, E, evidence.slice(0, 1), first)
    assert.deepEqual(await differs(stage, publish(stage, alone)), ['bundle', digest])
  })

  test('names a score and a verdict that its publisher invented', async () => {
    const { stage, second } = play()
    const { settlement } = second
    const victim = settlement.scores[0] as Settlement['scores'][number]
    const lower = keep(stage, { ...settlement, scores: [without(victim, { score: 1 }), ...settlement.scores.slice(1)] })
    assert.deepEqual(await differs(stage, publish(stage, lower)), ['score', victim.subject])
    stage.roots.pop()
    const fewer = keep(stage, { ...settlement, scores: [without(victim, { units: [['unit', 1n]] }), ...settlement.scores.slice(1)] })
    assert.deepEqual(await differs(stage, publish(stage, fewer)), ['verdict', victim.subject])
    stage.roots.pop()
    const forgotten = keep(stage, { ...settlement, scores: settlement.scores.slice(1) })
    assert.deepEqual(await differs(stage, publish(stage, forgotten)), ['score', victim.subject])
  })

  test('names a score that was changed in the file after the root was published', async () => {
    const { stage, second } = play()
    const root = publish(stage, second)
    const [victim, ...others] = second.settlement.scores as [Settlement['scores'][number], ...Settlement['scores']]
    stage.files.set(second.digest, settlementSchema.encode({ ...second.settlement, scores: [without(victim, { score: 7 }), ...others] }))
    assert.deepEqual(await differs(stage, root), ['score', victim.subject])
    stage.files.set(second.digest, utf8('rubbish'))
    assert.deepEqual(await differs(stage, root), ['settlement', 'its bytes'])
    stage.files.delete(second.digest)
    assert.deepEqual(await differs(stage, root), ['settlement', second.digest])
  })

  test('names a payout and a budget that do not follow from the scores', async () => {
    const { stage, second } = play()
    const { settlement } = second
    const owners = settlement.owners.map((row, i) => (i === 0 ? without(row, { cumulative: row.cumulative + 1n }) : row))
    assert.deepEqual(await differs(stage, publish(stage, keep(stage, { ...settlement, owners }))), [
      'payout',
      settlement.owners[0]?.account,
    ])
    stage.roots.pop()
    const richer = keep(stage, { ...settlement, budget: settlement.budget + 1n })
    assert.deepEqual(await differs(stage, publish(stage, richer)), ['budget', 'budget'])
  })

  test('names a root on chain that is not the settlement’s', async () => {
    const { stage, second } = play()
    assert.deepEqual(await differs(stage, publish(stage, second, digestOf(crypto.sha256(utf8('lie'))))), ['root', 'on chain'])
  })

  test('names a history that skips a published root', async () => {
    const { stage, idle, evidence } = play()
    assert.deepEqual(await differs(stage, publish(stage, settled(stage, E, evidence, idle))), ['history', 'previous'])
  })

  test('names an unpublished epoch that was made up', async () => {
    const { stage, idle } = play()
    stage.roots.pop()
    stage.commits.delete(epoch(E - 1))
    const invented = keep(stage, { ...idle.settlement, carry: carrySchema.encode({ epochs: 9 }) })
    const onTop = settled(stage, epoch(E - 1), [collect(stage, epoch(E - 1), VERIFIERS[0] as never, [30, 10])], invented)
    const [what, where] = await differs(stage, publish(stage, onTop))
    assert.equal(what, 'history')
    assert.ok(where.startsWith(`epoch ${E - 2}: `), where)
  })

  test('finds a root of an epoch that the chain calls void', async () => {
    const { stage, second } = play()
    const root = publish(stage, second)
    stage.void = true
    assert.equal((await differs(stage, root))[0], 'root')
  })
})
