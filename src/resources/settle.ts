/**
 * From committed evidence to the root: the same pure function for the verifier that publishes, the gateway that pays and
 * the auditor who trusts neither. It trusts no verdict of a bundle; it looks at claims, answers and signatures again.
 */

import type { Crypto } from '../protocol/crypto.ts'
import { verifyDevice } from '../protocol/device-signature.ts'
import {
  type Account,
  type Address,
  bytesOf,
  type Digest,
  digestOf,
  type Epoch,
  type NetworkId,
  type Seed,
  type SubjectId,
} from '../protocol/ids.ts'
import {
  addRewards,
  addUnits,
  channelKey,
  epochBudget,
  type OwnerLine,
  rewardRoot,
  totalOf,
  unitId,
  type Weight,
} from '../protocol/rewards.ts'
import { PPM } from '../protocol/units.ts'
import type { DeviceRow } from '../runtime/chain.ts'
import { assert } from '../std/assert.ts'
import { bigEndian, compareBytes, concat, utf8 } from '../std/bytes.ts'
import { type BundleAnswer, type Evidence, type Settlement, settlementSchema } from './evidence.ts'
import type { Answer, ClaimFacts, JudgedClaim, Kind, Member, Reason, Resource, Score, Usage, Verdict } from './resource.ts'

/** What the chain's event logs said at the epoch's cut-off: the same on every machine. */
export interface EpochFacts {
  readonly chainId: number
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly epochSeconds: number
  /** What rewards are paid in. */
  readonly asset: Address
  /** What customers pay in. */
  readonly credits: Address
  readonly seed: Digest
  readonly devices: readonly DeviceRow[]
  sessionActive(account: Account, key: Address): boolean
  nonceCommit(verifier: Account): Digest | null
  stakeOf(verifier: Account): bigint
  readonly funded: bigint
  readonly allocated: bigint
}

/** Where an answer belongs. `claim`: the claim's bytes as they stand in the bundle. */
export interface AnswerContext {
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly verifier: Account
  readonly subject: SubjectId
  readonly claim: Uint8Array
  readonly slot: number
}

/**
 * The 32 bytes that a device signs with its answer, so that it cannot be moved to another epoch, verifier, claim or slot.
 * `blob`: SHA-256 of the encoded proof. A refusal's code and words are covered too: they are what the operator will read.
 */
export function answerHash(
  crypto: Pick<Crypto, 'sha256'>,
  at: AnswerContext,
  body: { readonly blob: Digest } | { readonly code: string; readonly why: string },
): Uint8Array {
  const isProof = 'blob' in body
  return crypto.sha256(
    concat([
      utf8(isProof ? 'cairn answer: proof\0' : 'cairn answer: refusal\0'),
      bigEndian(BigInt(at.net), 4),
      bigEndian(BigInt(at.epoch), 4),
      bytesOf(at.verifier),
      bytesOf(at.subject),
      crypto.sha256(at.claim),
      bigEndian(BigInt(at.slot), 4),
      isProof ? bytesOf(body.blob) : concat([crypto.sha256(utf8(body.code)), crypto.sha256(utf8(body.why))]),
    ]),
  )
}

/** The seed of one subject's challenges: nobody chose it, and it is known to nobody before the nonce is opened. */
export const subjectSeed = (crypto: Pick<Crypto, 'sha256'>, epochSeed: Digest, nonce: Uint8Array, subject: SubjectId): Seed =>
  crypto.sha256(bytesOf(epochSeed), nonce, bytesOf(subject)) as Seed

/** The commitment that opens with `nonce`. */
export const nonceHash = (crypto: Crypto, nonce: Uint8Array): Digest => digestOf(crypto.keccak256(nonce))

interface Judged {
  readonly subject: SubjectId
  readonly owner: Account
  readonly score: Score
  /** Payable units by payer. */
  readonly payable: readonly { readonly payer: Account; readonly units: Usage }[]
}

/** Why a whole bundle does not count; null when it does. */
export function bundleFault(crypto: Crypto, resource: Resource<Kind>, facts: EpochFacts, evidence: Evidence): string | null {
  const { bundle } = evidence
  if (bundle.resource !== resource.id || bundle.rules !== resource.rules) return 'it is judged by other rules'
  if (bundle.net !== facts.net || bundle.epoch !== facts.epoch) return 'it is about another epoch'
  if (bundle.seed !== facts.seed) return 'its seed is not the epoch’s'
  if (facts.nonceCommit(bundle.verifier) !== nonceHash(crypto, bundle.nonce)) return 'its nonce does not open the commitment'
  return facts.stakeOf(bundle.verifier) > 0n ? null : 'its verifier has no stake'
}

export function settle<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  facts: EpochFacts,
  evidence: readonly Evidence[],
  previous: { readonly settlement: Settlement; readonly digest: Digest } | null,
): Settlement {
  const generic = resource as unknown as Resource<Kind>
  const counted = evidence
    .filter((one) => bundleFault(crypto, generic, facts, one) === null)
    .sort((a, b) => compareBytes(bytesOf(a.digest), bytesOf(b.digest)))
  const carryBytes = previous?.settlement.carry ?? null
  const carry = carryBytes === null ? null : resource.schemas.Carry.decode(carryBytes)
  let nextCarry: K['Carry'] | null = carry
  const opinions = counted.map((one) => {
    const judged = judge(crypto, resource, facts, one, carry)
    nextCarry = judged.carry
    return { weight: facts.stakeOf(one.bundle.verifier), judged: judged.subjects }
  })
  const agreed = agree(opinions)
  const budget = epochBudget(facts.funded, facts.allocated)
  const primary = resource.units[0]?.id ?? ''
  let owners: readonly OwnerLine[] = addRewards(previous?.settlement.owners ?? [], weightsOf(agreed, primary), budget)
  for (const one of agreed) {
    for (const { payer, units } of one.payable) {
      const channel = channelKey(crypto, payer, one.owner, facts.credits, facts.net, 0n)
      const lines = Object.entries(units).map(([unit, cumulative]) => ({
        channel,
        unit: unitId(crypto, `${resource.id}.${unit}`),
        cumulative,
      }))
      owners = addUnits(owners, one.owner, lines)
    }
  }
  return {
    rules: resource.rules,
    resource: resource.id,
    net: facts.net,
    epoch: facts.epoch,
    asset: facts.asset,
    bundles: counted.map((one) => one.digest),
    previous: previous?.digest ?? null,
    budget,
    scores: agreed.map(scoreLine),
    owners: owners.map((owner) => ({ ...owner, channels: owner.channels.map((line) => ({ ...line })) })),
    carry: nextCarry === null ? null : resource.schemas.Carry.encode(nextCarry),
    root: owners.length === 0 ? digestOf(new Uint8Array(32)) : rewardRoot(crypto, facts.net, facts.asset, owners),
    total: totalOf(owners),
  }
}

export const settlementDigest = (crypto: Crypto, settlement: Settlement): Digest =>
  digestOf(crypto.sha256(settlementSchema.encode(settlement)))

function scoreLine(one: Judged): Settlement['scores'][number] {
  const units = new Map<string, bigint>()
  for (const { units: usage } of one.payable)
    for (const [unit, amount] of Object.entries(usage)) units.set(unit, (units.get(unit) ?? 0n) + amount)
  const text = (reason: Reason) => ({
    code: reason.code,
    data: Object.fromEntries(Object.entries(reason.data).map(([name, value]) => [name, String(value)])),
    evidence: [...reason.evidence],
  })
  return {
    subject: one.subject,
    owner: one.owner,
    score: one.score.score,
    units: [...units.entries()].sort(([a], [b]) => (a < b ? -1 : 1)),
    reasons: one.score.reasons.map(text),
  }
}

function weightsOf(agreed: readonly Judged[], unit: string): readonly Weight[] {
  const weights = new Map<Account, bigint>()
  for (const one of agreed) {
    const proven = one.payable.reduce((sum, { units }) => sum + (units[unit] ?? 0n), 0n)
    weights.set(one.owner, (weights.get(one.owner) ?? 0n) + (proven * BigInt(one.score.score)) / BigInt(PPM))
  }
  return [...weights.entries()].map(([account, weight]) => ({ account, weight }))
}

/**
 * One opinion for each subject: that of the verifier at the stake-weighted median of the score, so that less than half
 * of the stake cannot move it. Equal scores are ordered by the bundles' digests, which is their order here.
 */
function agree(opinions: readonly { weight: bigint; judged: readonly Judged[] }[]): readonly Judged[] {
  const bySubject = new Map<SubjectId, { weight: bigint; judged: Judged }[]>()
  for (const { weight, judged } of opinions) {
    for (const one of judged) {
      const list = bySubject.get(one.subject) ?? []
      list.push({ weight, judged: one })
      bySubject.set(one.subject, list)
    }
  }
  const agreed = [...bySubject.values()].map((list) => {
    const sorted = [...list].sort((a, b) => a.judged.score.score - b.judged.score.score)
    const total = sorted.reduce((sum, entry) => sum + entry.weight, 0n)
    let sum = 0n
    for (const entry of sorted) {
      sum += entry.weight
      if (2n * sum >= total) return entry.judged
    }
    return assert(false, 'weights sum to their total') as never
  })
  return agreed.sort((a, b) => compareBytes(bytesOf(a.subject), bytesOf(b.subject)))
}

interface Gathered<K extends Kind> {
  readonly members: Member<K>[]
  readonly payable: Map<SubjectId, Judged['payable']>
}

function judge<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  facts: EpochFacts,
  evidence: Evidence,
  carry: K['Carry'] | null,
): { subjects: readonly Judged[]; carry: K['Carry'] | null } {
  const groups = new Map<string, { members: Member<K>[]; payable: Map<SubjectId, Judged['payable']> }>()
  const owners = new Map<SubjectId, Account>()
  const seen = new Set<SubjectId>()
  for (const entry of evidence.bundle.subjects) {
    const device = facts.devices.find((row) => row.id === entry.subject)
    if (device === undefined || seen.has(entry.subject)) continue
    seen.add(entry.subject)
    owners.set(entry.subject, device.owner)
    const member = judgeSubject(crypto, resource, facts, evidence, entry, device)
    const first = member.claims[0]
    const key = first === undefined ? '' : resource.group({ id: entry.subject, claim: first.claim })
    const group: Gathered<K> = groups.get(key) ?? { members: [], payable: new Map() }
    group.members.push(member)
    group.payable.set(
      entry.subject,
      member.claims
        .filter((claim) => claim.verdicts.every((verdict) => verdict.ok))
        .map((claim) => ({ payer: claim.payer, units: claim.worth })),
    )
    groups.set(key, group)
  }
  const subjects: Judged[] = []
  let next = carry
  for (const [key, group] of [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const result = resource.score({ key, epoch: facts.epoch, members: group.members }, next)
    next = result.carry
    for (const score of result.scores) {
      const owner = owners.get(score.subject)
      if (owner !== undefined) subjects.push({ subject: score.subject, owner, score, payable: group.payable.get(score.subject) ?? [] })
    }
  }
  return { subjects, carry: next }
}

function judgeSubject<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  facts: EpochFacts,
  evidence: Evidence,
  entry: Evidence['bundle']['subjects'][number],
  device: DeviceRow,
): Member<K> {
  const { bundle } = evidence
  const claimFacts: ClaimFacts = { ...facts, subject: entry.subject, owner: device.owner, sessionActive: facts.sessionActive }
  const seed = subjectSeed(crypto, facts.seed, bundle.nonce, entry.subject)
  const keys = new Set<string>()
  const claims: JudgedClaim<K>[] = []
  const refused: Reason[] = []
  entry.claims.forEach((bytes, index) => {
    const claim = decoded(() => resource.schemas.Claim.decode(bytes))
    const admission = claim === null ? null : resource.admit(crypto, claim, claimFacts)
    if (claim === null || admission === null) refused.push(reason('malformed-claim', { claim: BigInt(index) }))
    else if (!admission.ok) refused.push(admission.reason)
    else if (keys.has(admission.key)) refused.push(reason('claimed-twice', { key: admission.key }))
    else {
      keys.add(admission.key)
      const verdicts = resource.challenge(crypto, claim, seed).map((challenge, slot): Verdict => {
        const given = entry.answers.find((answer) => answer.claim === index && answer.slot === slot)
        const at = { net: facts.net, epoch: facts.epoch, verifier: bundle.verifier, subject: entry.subject, claim: bytes, slot }
        const answer = readAnswer(crypto, resource, evidence, device, given, at)
        return 'bad' in answer ? { ok: false, units: {}, reason: answer.bad } : resource.verify(crypto, challenge, answer, [])
      })
      claims.push({ claim, worth: admission.units, verdicts, payer: admission.payer })
    }
  })
  return { subject: entry.subject, claims, refused }
}

const reason = (code: string, data: Reason['data']): Reason => ({ code, data, evidence: [] })

/** An answer as the bundle holds it, once its signature and its bytes have been checked. */
function readAnswer<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  evidence: Evidence,
  device: DeviceRow,
  given: BundleAnswer | undefined,
  at: AnswerContext,
): Answer<K['Proof']> | { readonly bad: Reason } {
  const slot = BigInt(at.slot)
  if (given === undefined || given.is === 'silence') return { is: 'silence' }
  const signed = given.is === 'refusal' ? { code: given.code, why: given.why } : given.blob === null ? null : { blob: given.blob }
  if (signed === null || !verifyDevice(crypto, device.signer, answerHash(crypto, at, signed), given.signature)) {
    return { bad: reason('unsigned-answer', { slot }) }
  }
  if (given.is === 'refusal') return { is: 'refusal', reason: reason(`refused-${given.code}`, { slot, why: given.why }) }
  const blob = given.blob === null ? undefined : evidence.blobs.get(given.blob)
  if (blob === undefined) return { bad: reason('proof-unavailable', { slot }) }
  const proof = decoded(() => resource.schemas.Proof.decode(blob))
  return proof === null ? { bad: reason('malformed-proof', { slot }) } : { is: 'proof', proof, at: 0n }
}

/** Untrusted bytes that may be anything: what they say, or null. */
function decoded<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch {
    return null
  }
}
