/**
 * The promises that every resource makes, as checks that run on any of them: what is encoded comes back, whoever is honest
 * is paid in full, no way to cheat pays for longer than it says, counters only grow, and all of it is the same on every
 * machine. A check throws when its promise is broken; the caller gives each a name in its test runner.
 */
import type { Crypto } from '../protocol/crypto.ts'
import { isCairnError } from '../protocol/errors.ts'
import { type Account, type Digest, digestOf, type Epoch, type Seed, type SubjectId } from '../protocol/ids.ts'
import { channelKey, unitId } from '../protocol/rewards.ts'
import type { Schema } from '../protocol/schema.ts'
import { PPM, type UnixMs } from '../protocol/units.ts'
import { assert } from '../std/assert.ts'
import { equalBytes } from '../std/bytes.ts'
import type { Prng } from '../std/prng.ts'
import { type Evidence, openEvidence, packEvidence, type Settlement } from './evidence.ts'
import type { Asking, Fault, Kind, Resource, Signed, Usage, VerifierRuntime } from './resource.ts'
import { type EpochFacts, settle, settlementDigest } from './settle.ts'

/** A world with one subject that somebody uses, in which time passes only when it is told to. */
export interface Stage {
  readonly subject: SubjectId
  readonly rt: VerifierRuntime
  /** Lets time pass until work is done that waits for it. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** Goes on to the n-th epoch, counted from 0, and says how a verifier asks in it. */
  enter(nth: number): Promise<Asking>
  facts(epoch: Epoch): Omit<EpochFacts, 'committed'>
  close(): Promise<void>
}

export interface Fixtures<K extends Kind> {
  /** The crypto of this machine, and the portable one that it must equal. */
  readonly native: Crypto
  readonly portable: Crypto
  readonly prng: Prng
  /** Valid values of every wire type, any number of them. */
  readonly samples: { readonly [N in keyof K]: (prng: Prng) => K[N] }
  /** What both sides say of one lease, one statement after the other, each covering more. */
  works(prng: Prng): readonly { readonly mine: Signed<K['Work']>; readonly peer: Signed<K['Work']> | null }[]
  stage(provide: Resource<K>['provide'], seed: number): Promise<Stage>
}

export interface Check {
  readonly name: string
  run(): Promise<void>
}

/** Values of each type that are encoded and bent. */
const SAMPLES = 20
/** Epochs in which an honest subject must be paid. */
const HONEST_EPOCHS = 3
/** Bits that are flipped in a bundle, each on its own. */
const FLIPS = 150

export function conformance<K extends Kind>(resource: Resource<K>, fixtures: Fixtures<K>): readonly Check[] {
  return [
    { name: `${resource.id}: values of every type come back from their bytes`, run: async () => codecs(resource, fixtures) },
    { name: `${resource.id}: challenges follow from the seed and nothing else`, run: async () => challenges(resource, fixtures) },
    { name: `${resource.id}: silence pays nothing`, run: async () => silence(resource, fixtures) },
    { name: `${resource.id}: meters only grow, and add up however often they are read`, run: async () => meters(resource, fixtures) },
    { name: `${resource.id}: an honest subject is paid in full`, run: () => honest(resource, fixtures) },
    { name: `${resource.id}: no flipped bit of the evidence pays more`, run: () => flips(resource, fixtures) },
    { name: `${resource.id}: a verifier that gives up is let go at once`, run: () => aborts(resource, fixtures) },
    ...resource.faults.map((fault) => ({
      name: `${resource.id}: who ${fault.id} is unpaid within ${fault.caughtWithin} epochs, for ${fault.reason}`,
      run: () => caught(resource, fixtures, fault),
    })),
  ]
}

function refuses(decode: () => unknown): boolean {
  try {
    decode()
    return false
  } catch (error) {
    return isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')
  }
}

function codec<T>(schema: Schema<T>, sample: T, prng: Prng): void {
  const bytes = schema.encode(sample)
  assert(equalBytes(schema.encode(schema.decode(bytes)), bytes), `a ${schema.name} comes back as it was`)
  assert(
    refuses(() => schema.decode(new Uint8Array(schema.maxBytes + 1))),
    `more than ${schema.maxBytes} bytes are no ${schema.name}`,
  )
  assert(
    refuses(() => schema.decode(bytes.subarray(0, prng.below(bytes.length)))),
    `a part of a ${schema.name} is none`,
  )
  assert(
    refuses(() => schema.decode(Uint8Array.of(...bytes, 0))),
    `a ${schema.name} with a byte behind it is none`,
  )
}

function codecs<K extends Kind>(resource: Resource<K>, { samples, prng }: Fixtures<K>): void {
  for (const name of Object.keys(resource.schemas) as (keyof K)[]) {
    for (let i = 0; i < SAMPLES; i += 1) codec(resource.schemas[name], samples[name](prng), prng)
  }
}

function challenges<K extends Kind>(resource: Resource<K>, { samples, prng, native, portable }: Fixtures<K>): void {
  const encode = (crypto: Crypto, claim: K['Claim'], seed: Seed): string =>
    resource
      .challenge(crypto, claim, seed)
      .map((challenge) => digestOf(native.sha256(resource.schemas.Challenge.encode(challenge))))
      .join()
  for (let i = 0; i < SAMPLES; i += 1) {
    const claim = samples.Claim(prng)
    const [seed, other] = [prng.bytes(32) as Seed, prng.bytes(32) as Seed]
    const drawn = encode(native, claim, seed)
    assert(drawn === encode(portable, resource.schemas.Claim.decode(resource.schemas.Claim.encode(claim)), seed), 'a draw can be repeated')
    assert(resource.challenge(native, claim, seed).length === 0 || drawn !== encode(native, claim, other), 'another seed draws others')
    if (resource.clock.every === 'epoch') {
      assert(resource.challenge(native, claim, seed).length === resource.clock.count, `there are ${resource.clock.count} challenges`)
    }
  }
}

function silence<K extends Kind>(resource: Resource<K>, { samples, prng, native }: Fixtures<K>): void {
  const verdict = resource.verify(native, samples.Challenge(prng), { is: 'silence' }, [])
  assert(!verdict.ok && Object.values(verdict.units).every((amount) => amount === 0n), 'who says nothing is paid nothing')
}

const covers = (after: Usage, before: Usage): boolean => Object.entries(before).every(([unit, amount]) => (after[unit] ?? 0n) >= amount)
const sameUsage = (a: Usage, b: Usage): boolean => covers(a, b) && covers(b, a)

function meters<K extends Kind>(resource: Resource<K>, { works, samples, prng }: Fixtures<K>): void {
  const terms = samples.Terms(prng)
  const statements = works(prng)
  let usage: Usage = {}
  for (const { mine, peer } of statements) {
    const [once, again] = [resource.meter(usage, mine, peer), resource.meter(usage, mine, peer)]
    assert(once.ok && again.ok && sameUsage(once.usage, again.usage), 'a meter says the same each time')
    assert(covers(once.usage, usage), 'a meter only grows')
    assert(resource.price(once.usage, terms) >= resource.price(usage, terms), 'more usage costs no less')
    const same = resource.meter(once.usage, mine, peer)
    assert(same.ok && sameUsage(same.usage, once.usage), 'a statement counts once')
    usage = once.usage
  }
  const last = statements.at(-1)
  const whole = last === undefined ? null : resource.meter({}, last.mine, last.peer)
  assert(whole?.ok === true && sameUsage(whole.usage, usage), 'statements on the way add nothing to the last')
  assert(
    Object.values(usage).some((amount) => amount > 0n),
    'something was metered',
  )
}

interface Collected {
  readonly evidence: Evidence
  readonly facts: EpochFacts
}

/** One epoch of a stage: what a verifier collects, packed and opened again as others get it. */
async function collectEpoch<K extends Kind>(resource: Resource<K>, { native }: Fixtures<K>, stage: Stage, nth: number): Promise<Collected> {
  const asking = await stage.enter(nth)
  const { net, epoch, verifier, seed, nonce } = asking
  const said = await stage.run(() => resource.collect(stage.rt, asking, stage.subject, new AbortController().signal))
  const until = ((epoch + 1) * stage.facts(epoch).epochSeconds * 1000) as UnixMs
  const seen = await stage.run(() => resource.observe(stage.rt, asking, stage.subject, said, until, new AbortController().signal))
  const observations = seen.map(({ claim, bytes }) => ({ claim, bytes }))
  const subjects = [{ subject: stage.subject, claims: [...said.claims], answers: [...said.answers], observations }]
  const bundle = { rules: resource.rules, resource: resource.id, net, epoch, verifier, seed, nonce, subjects }
  const packed = packEvidence(native, bundle, said.blobs)
  const evidence = openEvidence(native, packed.digest, packed.bytes, packed.blobs)
  assert(evidence !== null, 'what a verifier packs can be opened')
  return { evidence, facts: factsFor(stage, epoch, evidence) }
}

const factsFor = (stage: Stage, epoch: Epoch, { digest }: Evidence): EpochFacts => ({ ...stage.facts(epoch), committed: () => digest })

/** Settles with the crypto of this machine, and holds the portable one to the same bytes. */
function settleOnce<K extends Kind>(resource: Resource<K>, { native, portable }: Fixtures<K>, { evidence, facts }: Collected): Settlement {
  const settlement = settle(native, resource, facts, [evidence], null)
  const other = settle(portable, resource, facts, [evidence], null)
  assert(settlementDigest(native, settlement) === settlementDigest(portable, other), 'verdicts are the same on every machine')
  return settlement
}

/** What the admitted claims of the only subject are worth together, by channel and unit. */
function worth<K extends Kind>(resource: Resource<K>, crypto: Crypto, { evidence, facts }: Collected): ReadonlyMap<string, bigint> {
  const lines = new Map<string, bigint>()
  for (const { subject, claims } of evidence.bundle.subjects) {
    const owner = facts.devices.find((row) => row.id === subject)?.owner as Account
    for (const bytes of claims) {
      const admission = resource.admit(crypto, resource.schemas.Claim.decode(bytes), { ...facts, subject, owner })
      if (!admission.ok) continue
      const channel = channelKey(crypto, admission.payer, owner, facts.credits, facts.net, 0n)
      for (const [unit, amount] of Object.entries(admission.units)) {
        const key = `${channel} ${unitId(crypto, `${resource.id}.${unit}`)}`
        lines.set(key, (lines.get(key) ?? 0n) + amount)
      }
    }
  }
  return lines
}

const paid = (settlement: Settlement): ReadonlyMap<string, bigint> =>
  new Map(settlement.owners.flatMap((owner) => owner.channels.map((line) => [`${line.channel} ${line.unit}`, line.cumulative])))

async function honest<K extends Kind>(resource: Resource<K>, fixtures: Fixtures<K>): Promise<void> {
  const stage = await fixtures.stage(resource.provide, 1)
  try {
    for (let nth = 0; nth < HONEST_EPOCHS; nth += 1) {
      const epoch = await collectEpoch(resource, fixtures, stage, nth)
      const settlement = settleOnce(resource, fixtures, epoch)
      const line = settlement.scores.find(({ subject }) => subject === stage.subject)
      assert(
        line?.score === PPM && line.reasons.length === 0,
        `an honest subject has the whole score, not ${line?.score}: ${codesOf(settlement)}`,
      )
      const due = worth(resource, fixtures.native, epoch)
      const got = paid(settlement)
      assert(due.size > 0 && due.size === got.size, 'every customer pays')
      for (const [key, amount] of due) assert(amount > 0n && got.get(key) === amount, `${key} is paid in full`)
      assert(settlement.total === settlement.budget && settlement.budget > 0n, 'the only subject gets the whole budget')
    }
  } finally {
    await stage.close()
  }
}

const codesOf = (settlement: Settlement): readonly string[] => settlement.scores.flatMap(({ reasons }) => reasons.map(({ code }) => code))

async function caught<K extends Kind>(resource: Resource<K>, fixtures: Fixtures<K>, fault: Fault<K>): Promise<void> {
  const stage = await fixtures.stage(fault.provide, 2)
  const seen: string[] = []
  try {
    for (let nth = 0; nth < fault.caughtWithin; nth += 1) {
      const settlement = settleOnce(resource, fixtures, await collectEpoch(resource, fixtures, stage, nth))
      const codes = codesOf(settlement)
      if (paid(settlement).size === 0 && settlement.total === 0n && codes.includes(fault.reason)) return
      seen.push(`${settlement.scores.map(({ score }) => score).join()} for ${codes.join()}`)
    }
  } finally {
    await stage.close()
  }
  assert(false, `${fault.id} is unpaid for ${fault.reason}; what happened instead: ${seen.join('; ')}`)
}

const flipBit = (bytes: Uint8Array, prng: Prng): Uint8Array => {
  const out = bytes.slice()
  const at = prng.below(out.length)
  out[at] = (out[at] as number) ^ (1 << prng.below(8))
  return out
}

type Subject = Evidence['bundle']['subjects'][number]

/** The evidence with one thing in it changed, as a dishonest verifier could commit it. */
function bent(crypto: Crypto, { bundle, blobs }: Evidence, prng: Prng): Evidence {
  const digest = digestOf(prng.bytes(32))
  const subject = bundle.subjects[0] as Subject
  const withSubject = (change: Partial<Subject>): Evidence => ({
    digest,
    bundle: { ...bundle, subjects: [{ ...subject, ...change }, ...bundle.subjects.slice(1)] },
    blobs,
  })
  const answerAt = prng.below(subject.answers.length)
  const claimAt = prng.below(subject.claims.length)
  const changeAnswer = (change: (answer: Subject['answers'][number]) => Partial<Subject['answers'][number]>): Evidence =>
    withSubject({ answers: subject.answers.map((answer, i) => (i === answerAt ? { ...answer, ...change(answer) } : answer)) })
  switch (prng.below(8)) {
    case 0:
      return withSubject({ claims: subject.claims.map((bytes, i) => (i === claimAt ? flipBit(bytes, prng) : bytes)) })
    case 1:
      return withSubject({ claims: [...subject.claims, subject.claims[claimAt] as Uint8Array] })
    case 2:
      return changeAnswer(({ signature }) => ({ signature: flipBit(signature, prng) }))
    case 3:
      return changeAnswer(({ slot }) => ({ slot: slot ^ (1 << prng.below(10)) }))
    case 4:
      return changeAnswer(({ claim }) => ({ claim: claim ^ 1 }))
    case 5:
      return changeAnswer(() => ({ blob: subject.answers[prng.below(subject.answers.length)]?.blob ?? null }))
    case 6: {
      // Proofs are found by the hash of their bytes, so a flipped one goes by another name.
      const bytes = flipBit(blobs.get(subject.answers[answerAt]?.blob as Digest) ?? Uint8Array.of(0), prng)
      const blob = digestOf(crypto.sha256(bytes))
      return { ...changeAnswer(() => ({ blob })), blobs: new Map([...blobs, [blob, bytes]]) }
    }
    default:
      return { digest, bundle: { ...bundle, nonce: flipBit(bundle.nonce, prng) }, blobs }
  }
}

async function flips<K extends Kind>(resource: Resource<K>, fixtures: Fixtures<K>): Promise<void> {
  const { native, prng } = fixtures
  const stage = await fixtures.stage(resource.provide, 3)
  try {
    const epoch = await collectEpoch(resource, fixtures, stage, 0)
    const most = paid(settle(native, resource, epoch.facts, [epoch.evidence], null))
    let less = 0
    for (let i = 0; i < FLIPS; i += 1) {
      const evidence = bent(native, epoch.evidence, prng)
      const facts = factsFor(stage, evidence.bundle.epoch as Epoch, evidence)
      const now = paid(settle(native, resource, facts, [evidence], null))
      for (const [key, amount] of now) assert(amount <= (most.get(key) ?? 0n), `no change of the evidence adds to ${key}`)
      if ([...most].some(([key, amount]) => (now.get(key) ?? 0n) < amount)) less += 1
    }
    // Some changes are of no consequence, such as a claim given twice; were most of them, nobody would be looking.
    assert(2 * less > FLIPS, `most changes cost something, not ${less} of ${FLIPS}`)
  } finally {
    await stage.close()
  }
}

async function aborts<K extends Kind>(resource: Resource<K>, fixtures: Fixtures<K>): Promise<void> {
  const stage = await fixtures.stage(resource.provide, 4)
  try {
    const asking = await stage.enter(0)
    await letGo(stage, 'collecting', (signal) => resource.collect(stage.rt, asking, stage.subject, signal))
    const said = await stage.run(() => resource.collect(stage.rt, asking, stage.subject, new AbortController().signal))
    const until = ((asking.epoch + 1) * stage.facts(asking.epoch).epochSeconds * 1000) as UnixMs
    await letGo(stage, 'observing', (signal) => resource.observe(stage.rt, asking, stage.subject, said, until, signal))
  } finally {
    await stage.close()
  }
}

async function letGo(stage: Stage, what: string, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const gone = new AbortController()
  const before = stage.rt.clock.monotonic()
  const outcome = await stage.run(async () => {
    const ended = work(gone.signal).then(
      () => 'done',
      () => 'let go',
    )
    gone.abort(new Error('the verifier stops'))
    return ended
  })
  assert(stage.rt.clock.monotonic() - before < 1000, `${what} ends when it is told to, not ${outcome} after a second`)
}
