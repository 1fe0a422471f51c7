/**
 * What one bundle of evidence says of each of its subjects. No verdict is taken from a bundle: claims are admitted,
 * challenges drawn and answers verified again from their bytes, so that it does not matter who collected them.
 */
import type { Crypto } from '../protocol/crypto.ts'
import { verifyDevice } from '../protocol/device-signature.ts'
import { type Account, bytesOf, type Digest, digestOf, type Epoch, type NetworkId, type Seed, type SubjectId } from '../protocol/ids.ts'
import type { DeviceRow } from '../runtime/chain.ts'
import { bigEndian, concat, utf8 } from '../std/bytes.ts'
import type { BundleAnswer, Evidence } from './evidence.ts'
import type { Answer, Attested, ClaimFacts, JudgedClaim, Kind, Member, Reason, Resource, Verdict } from './resource.ts'

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
export const nonceHash = (crypto: Pick<Crypto, 'keccak256'>, nonce: Uint8Array): Digest => digestOf(crypto.keccak256(nonce))

export const because = (code: string, data: Reason['data'] = {}): Reason => ({ code, data, evidence: [] })

/** What the chain says, as far as judging needs it. */
export interface JudgeFacts extends Omit<ClaimFacts, 'subject' | 'owner'> {
  readonly seed: Digest
  /** Devices that count in this epoch. */
  readonly devices: ReadonlyMap<SubjectId, DeviceRow>
}

/** Every subject of the bundle that the chain knows, once: of two entries about one subject the first counts. */
export function judgeBundle<K extends Kind>(
  crypto: Crypto,
  resource: Resource<K>,
  facts: JudgeFacts,
  evidence: Evidence,
): ReadonlyMap<SubjectId, Member<K>> {
  const members = new Map<SubjectId, Member<K>>()
  for (const entry of evidence.bundle.subjects) {
    const device = facts.devices.get(entry.subject)
    if (device === undefined || members.has(entry.subject)) continue
    members.set(entry.subject, judgeSubject({ crypto, resource, facts, evidence, device }, entry))
  }
  return members
}

interface Bench<K extends Kind> {
  readonly crypto: Crypto
  readonly resource: Resource<K>
  readonly facts: JudgeFacts
  readonly evidence: Evidence
  readonly device: DeviceRow
}

type Entry = Evidence['bundle']['subjects'][number]

function judgeSubject<K extends Kind>(bench: Bench<K>, entry: Entry): Member<K> {
  const { crypto, facts, evidence, device } = bench
  const { chainId, net, epoch, epochSeconds, sessionRedeemable } = facts
  const claimFacts: ClaimFacts = { chainId, net, epoch, epochSeconds, sessionRedeemable, subject: entry.subject, owner: device.owner }
  const seed = subjectSeed(crypto, facts.seed, evidence.bundle.nonce, entry.subject)
  const answers = new Map<string, BundleAnswer>()
  for (const answer of entry.answers) {
    const key = `${answer.claim} ${answer.slot}`
    if (!answers.has(key)) answers.set(key, answer)
  }
  const seen = observationsOf(bench, entry)
  const keys = new Set<string>()
  const claims: JudgedClaim<K>[] = []
  const refused: Reason[] = []
  entry.claims.forEach((bytes, index) => {
    const judged = attempt(() =>
      judgeClaim(bench, claimFacts, seed, bytes, (slot) => answers.get(`${index} ${slot}`), seen.get(index) ?? []),
    )
    if (judged === null) refused.push(because('malformed-claim', { claim: BigInt(index) }))
    else if (!judged.ok) refused.push(judged.reason)
    else if (keys.has(judged.key)) refused.push(because('claimed-twice', { key: judged.key }))
    else {
      keys.add(judged.key)
      claims.push(judged.claim)
    }
  })
  return { subject: entry.subject, claims, refused }
}

/** By the index of their claim. What is no observation was not seen. */
function observationsOf<K extends Kind>(
  { resource, evidence }: Bench<K>,
  entry: Entry,
): ReadonlyMap<number, readonly Attested<K['Observation']>[]> {
  const byClaim = new Map<number, Attested<K['Observation']>[]>()
  for (const { claim, bytes } of entry.observations ?? []) {
    const seen = attempt(() => ({ body: resource.schemas.Observation.decode(bytes), by: evidence.bundle.verifier }))
    if (seen === null) continue
    const known = byClaim.get(claim)
    if (known === undefined) byClaim.set(claim, [seen])
    else known.push(seen)
  }
  return byClaim
}

function judgeClaim<K extends Kind>(
  bench: Bench<K>,
  claimFacts: ClaimFacts,
  seed: Seed,
  bytes: Uint8Array,
  answerAt: (slot: number) => BundleAnswer | undefined,
  seen: readonly Attested<K['Observation']>[],
): { readonly ok: true; readonly key: string; readonly claim: JudgedClaim<K> } | { readonly ok: false; readonly reason: Reason } {
  const { crypto, resource, facts, evidence } = bench
  const claim = resource.schemas.Claim.decode(bytes)
  const admission = resource.admit(crypto, claim, claimFacts)
  if (!admission.ok) return admission
  const verdicts = resource.challenge(crypto, claim, seed).map((challenge, slot): Verdict => {
    const at = { net: facts.net, epoch: facts.epoch, verifier: evidence.bundle.verifier, subject: claimFacts.subject, claim: bytes, slot }
    const answer = readAnswer(bench, answerAt(slot), at)
    return 'bad' in answer ? { ok: false, units: {}, reason: answer.bad } : resource.verify(crypto, challenge, answer, seen)
  })
  return { ok: true, key: admission.key, claim: { claim, worth: admission.units, verdicts, payer: admission.payer } }
}

/** An answer as the bundle holds it, once its signature and its bytes have been checked. */
function readAnswer<K extends Kind>(
  { crypto, resource, evidence, device }: Bench<K>,
  given: BundleAnswer | undefined,
  at: AnswerContext,
): Answer<K['Proof']> | { readonly bad: Reason } {
  const slot = BigInt(at.slot)
  if (given === undefined || given.is === 'silence') return { is: 'silence' }
  const signed = given.is === 'refusal' ? { code: given.code, why: given.why } : given.blob === null ? null : { blob: given.blob }
  if (signed === null || !verifyDevice(crypto, device.signer, answerHash(crypto, at, signed), given.signature)) {
    return { bad: because('unsigned-answer', { slot }) }
  }
  if (given.is === 'refusal') return { is: 'refusal', reason: because(`refused-${given.code}`, { slot, why: given.why }) }
  const blob = given.blob === null ? undefined : evidence.blobs.get(given.blob)
  if (blob === undefined) return { bad: because('proof-unavailable', { slot }) }
  const proof = attempt(() => resource.schemas.Proof.decode(blob))
  return proof === null ? { bad: because('malformed-proof', { slot }) } : { is: 'proof', proof, at: 0n }
}

/**
 * Bytes from a stranger go through decoders and rules that may throw; whoever sent them is then unpaid for that claim,
 * instead of everybody for the epoch. Throwing is as deterministic as the rules are.
 */
function attempt<T>(judge: () => T): T | null {
  try {
    return judge()
  } catch {
    return null
  }
}
