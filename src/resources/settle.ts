/**
 * From committed evidence to the root: the same pure function for the verifier that publishes, the gateway that pays and
 * the auditor who trusts neither.
 */
import type { Crypto } from '../protocol/crypto.ts'
import { CairnError } from '../protocol/errors.ts'
import { type Account, type Address, bytesOf, type Digest, digestOf, type Epoch, type NetworkId, type SubjectId } from '../protocol/ids.ts'
import {
  addRewards,
  addUnits,
  channelKey,
  epochBudget,
  type OwnerUnits,
  rewardRoot,
  totalOf,
  unitId,
  type Weight,
} from '../protocol/rewards.ts'
import { PPM } from '../protocol/units.ts'
import type { DeviceRow } from '../runtime/chain.ts'
import { assert } from '../std/assert.ts'
import { compareBytes } from '../std/bytes.ts'
import { BUNDLES_MAX, type Evidence, REASON_LIMITS, type Settlement, settlementSchema } from './evidence.ts'
import { because, type JudgeFacts, judgeBundle, nonceHash } from './judge.ts'
import { CHANNEL_ID } from './rates.ts'
import type { Kind, Member, Reason, Resource, Score, Usage } from './resource.ts'

export { type AnswerContext, answerHash, nonceHash, subjectSeed } from './judge.ts'

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
  sessionRedeemable(account: Account, key: Address): boolean
  nonceCommit(verifier: Account): Digest | null
  /** The digest of the bundle that `verifier` committed in time; null when it committed none. */
  committed(verifier: Account): Digest | null
  stakeOf(verifier: Account): bigint
  readonly funded: bigint
  readonly allocated: bigint
}

/** A settlement with the digest under which it was found. */
export interface Settled {
  readonly settlement: Settlement
  readonly digest: Digest
}

/** Why a whole bundle does not count; null when it does. */
export function bundleFault(crypto: Crypto, resource: Resource<Kind>, facts: EpochFacts, evidence: Evidence): string | null {
  const { bundle } = evidence
  if (bundle.resource !== resource.id || bundle.rules !== resource.rules) return 'it is judged by other rules'
  if (bundle.net !== facts.net || bundle.epoch !== facts.epoch) return 'it is about another epoch'
  if (bundle.seed !== facts.seed) return 'its seed is not the epoch’s'
  // A nonce is public once its verifier has asked, so it alone does not tell who made a bundle.
  if (facts.committed(bundle.verifier) !== evidence.digest) return 'its verifier did not commit it'
  if (facts.nonceCommit(bundle.verifier) !== nonceHash(crypto, bundle.nonce)) return 'its nonce does not open the commitment'
  return facts.stakeOf(bundle.verifier) > 0n ? null : 'its verifier has no stake'
}

/**
 * Settles one epoch. `previous` is the settlement before it, null for the first. The order of `evidence` is of no
 * consequence, nor is evidence given twice. Throws `CORRUPT` when `previous` is not of the same pot and resource.
 */
export function settle<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  facts: EpochFacts,
  evidence: readonly Evidence[],
  previous: Settled | null,
): Settlement {
  checkPrevious(resource, facts, previous)
  const counted = countedBundles(crypto, resource as unknown as Resource<Kind>, facts, evidence)
  const carryBytes = previous?.settlement.carry ?? null
  const before = carryBytes === null ? null : resource.schemas.Carry.decode(carryBytes)
  const judgeFacts: JudgeFacts = { ...facts, devices: new Map(facts.devices.map((row) => [row.id, row])) }
  const opinions = counted.map((one): Opinion<K> => {
    const members = judgeBundle(crypto, resource, judgeFacts, one)
    const { scores } = scoreAll(resource, facts.epoch, members, before)
    return { weight: facts.stakeOf(one.bundle.verifier), members, scores }
  })
  // Scored once more together, so that what is carried on follows from what was agreed and not from anyone's own opinion.
  const members = agree(opinions)
  const { scores, carry } = scoreAll(resource, facts.epoch, members, before)
  const results = resultsOf(judgeFacts, members, scores)
  const allocated = previous === null || facts.allocated > previous.settlement.total ? facts.allocated : previous.settlement.total
  const budget = epochBudget(facts.funded, allocated)
  const rewarded = addRewards(previous?.settlement.owners ?? [], weightsOf(results, resource.units[0]?.id ?? ''), budget)
  const owners = addUnits(rewarded, unitsOf(crypto, resource, facts, results))
  return {
    rules: resource.rules,
    resource: resource.id,
    net: facts.net,
    epoch: facts.epoch,
    asset: facts.asset,
    bundles: counted.map((one) => one.digest),
    previous: previous?.digest ?? null,
    budget,
    scores: results.map(scoreLine),
    owners: owners.map((owner) => ({ ...owner, channels: owner.channels.map((line) => ({ ...line })) })),
    carry: carry === null ? null : resource.schemas.Carry.encode(carry),
    root: owners.length === 0 ? digestOf(new Uint8Array(32)) : rewardRoot(crypto, facts.net, facts.asset, owners),
    total: totalOf(owners),
  }
}

export const settlementDigest = (crypto: Crypto, settlement: Settlement): Digest =>
  digestOf(crypto.sha256(settlementSchema.encode(settlement)))

function checkPrevious(resource: { readonly id: string }, facts: EpochFacts, previous: Settled | null): void {
  if (previous === null) return
  const { net, asset, epoch, resource: of } = previous.settlement
  if (net === facts.net && asset === facts.asset && of === resource.id && epoch < facts.epoch) return
  const why = `it is of epoch ${epoch} of network ${net}, resource ${of}`
  throw new CairnError('CORRUPT', { what: `settlement ${previous.digest} before epoch ${facts.epoch}`, why })
}

/** Bundles that count, each once, in the order of their digests. */
function countedBundles(crypto: Crypto, resource: Resource<Kind>, facts: EpochFacts, evidence: readonly Evidence[]): readonly Evidence[] {
  const byDigest = new Map(evidence.filter((one) => bundleFault(crypto, resource, facts, one) === null).map((one) => [one.digest, one]))
  const sorted = [...byDigest.values()].sort((a, b) => compareBytes(bytesOf(a.digest), bytesOf(b.digest)))
  if (sorted.length <= BUNDLES_MAX) return sorted
  // The most stake counts, so that a crowd of small stakers cannot make an epoch too large to be written down.
  const stake = (one: Evidence): bigint => facts.stakeOf(one.bundle.verifier)
  const most = sorted.toSorted((a, b) => (stake(a) > stake(b) ? -1 : stake(a) < stake(b) ? 1 : 0)).slice(0, BUNDLES_MAX)
  return sorted.filter((one) => most.includes(one))
}

/** What one verifier's evidence shows. */
interface Opinion<K extends Kind> {
  readonly weight: bigint
  readonly members: ReadonlyMap<SubjectId, Member<K>>
  readonly scores: ReadonlyMap<SubjectId, Score>
}

/** Scores groups in the order of their keys, and in each its members in the order of their ids. */
function scoreAll<K extends Kind>(
  resource: Resource<K>,
  epoch: Epoch,
  members: ReadonlyMap<SubjectId, Member<K>>,
  before: K['Carry'] | null,
): { readonly scores: ReadonlyMap<SubjectId, Score>; readonly carry: K['Carry'] | null } {
  const groups = new Map<string, Member<K>[]>()
  for (const member of [...members.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1))) {
    const first = member.claims[0]
    const key = first === undefined ? '' : resource.group({ id: member.subject, claim: first.claim })
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [member])
    else group.push(member)
  }
  const scores = new Map<SubjectId, Score>()
  let carry = before
  for (const [key, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const result = resource.score({ key, epoch, members: group }, carry)
    carry = result.carry
    for (const score of result.scores) if (members.has(score.subject)) scores.set(score.subject, score)
  }
  return { scores, carry }
}

/**
 * One opinion for each subject: that of the verifier at the stake-weighted median of the score, so that less than half of
 * the stake cannot move it. A verifier that does not mention a subject says 0, or the smallest stake could alone bear
 * witness for a device that the others had not yet seen. Of equal scores the first by digest is taken.
 */
function agree<K extends Kind>(opinions: readonly Opinion<K>[]): ReadonlyMap<SubjectId, Member<K>> {
  const subjects = new Set(opinions.flatMap((opinion) => [...opinion.members.keys()]))
  const total = opinions.reduce((sum, { weight }) => sum + weight, 0n)
  const agreed = new Map<SubjectId, Member<K>>()
  for (const subject of subjects) {
    const entries = opinions
      .map(({ weight, members, scores }) => ({ weight, member: members.get(subject), score: scores.get(subject)?.score ?? 0 }))
      // Sorting is stable. Whoever says why comes before whoever says nothing.
      .sort((a, b) => a.score - b.score || Number(a.member === undefined) - Number(b.member === undefined))
    let sum = 0n
    const median = entries.find(({ weight }) => {
      sum += weight
      return 2n * sum >= total
    })
    assert(median !== undefined, 'weights sum to their total')
    agreed.set(subject, median.member ?? { subject, claims: [], refused: [because('not-asked')] })
  }
  return agreed
}

/** What a subject is paid for. */
interface Result {
  readonly subject: SubjectId
  readonly owner: Account
  readonly score: Score
  /** Payable units by payer. */
  readonly payable: readonly { readonly payer: Account; readonly units: Usage }[]
}

function resultsOf<K extends Kind>(
  facts: JudgeFacts,
  members: ReadonlyMap<SubjectId, Member<K>>,
  scores: ReadonlyMap<SubjectId, Score>,
): readonly Result[] {
  const results: Result[] = []
  for (const [subject, { claims }] of members) {
    const owner = facts.devices.get(subject)?.owner
    const score = scores.get(subject)
    if (owner === undefined || score === undefined) continue
    const met = claims.filter((claim) => claim.verdicts.every((verdict) => verdict.ok))
    results.push({ subject, owner, score, payable: met.map(({ payer, worth }) => ({ payer, units: worth })) })
  }
  return results.sort((a, b) => compareBytes(bytesOf(a.subject), bytesOf(b.subject)))
}

function weightsOf(results: readonly Result[], unit: string): readonly Weight[] {
  const weights = new Map<Account, bigint>()
  for (const { owner, score, payable } of results) {
    const proven = payable.reduce((sum, { units }) => sum + (units[unit] ?? 0n), 0n)
    weights.set(owner, (weights.get(owner) ?? 0n) + (proven * BigInt(score.score)) / BigInt(PPM))
  }
  return [...weights].map(([account, weight]) => ({ account, weight }))
}

/** Proven units as lines of the channels through which they are paid. */
function unitsOf(
  crypto: Crypto,
  resource: Pick<Resource<Kind>, 'id' | 'units'>,
  facts: EpochFacts,
  results: readonly Result[],
): readonly OwnerUnits[] {
  const unitIds = new Map(resource.units.map(({ id }) => [id, unitId(crypto, `${resource.id}.${id}`)]))
  return results.flatMap(({ owner, payable }) =>
    payable.map(({ payer, units }) => {
      const channel = channelKey(crypto, payer, owner, facts.credits, facts.net, CHANNEL_ID)
      const lines = [...unitIds].flatMap(([id, unit]) => {
        const cumulative = units[id] ?? 0n
        return cumulative > 0n ? [{ channel, unit, cumulative }] : []
      })
      return { account: owner, lines }
    }),
  )
}

function scoreLine(one: Result): Settlement['scores'][number] {
  const units = new Map<string, bigint>()
  for (const { units: usage } of one.payable)
    for (const [unit, amount] of Object.entries(usage)) units.set(unit, (units.get(unit) ?? 0n) + amount)
  return {
    subject: one.subject,
    owner: one.owner,
    score: one.score.score,
    units: [...units].sort(([a], [b]) => (a < b ? -1 : 1)),
    reasons: one.score.reasons.slice(0, REASON_LIMITS.reasons).map(written),
  }
}

/** A reason cut to what a settlement may say: parts of it are the subject's own words, which must not keep it from being written. */
function written(reason: Reason): Settlement['scores'][number]['reasons'][number] {
  const { code, name, value, entries, evidence, cid } = REASON_LIMITS
  const data = Object.entries(reason.data).slice(0, entries)
  return {
    code: reason.code.slice(0, code),
    data: Object.fromEntries(data.map(([key, said]) => [key.slice(0, name), String(said).slice(0, value)])),
    evidence: reason.evidence.slice(0, evidence).map((id) => id.slice(0, cid)),
  }
}
