/**
 * Whether a claim counts and whether an answer to a challenge holds. Pure: the verifier that publishes, the gateway that
 * pays and the auditor that trusts neither run this on the same bytes.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { type Account, account as accountOf, address } from '../../protocol/ids.ts'
import { unreachable } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import type { Admission, Answer, Attested, ClaimFacts, Reason, Verdict } from '../resource.ts'
import { EMPTY_ROOT, HEAD_SECONDS_MAX, headHasher, type ProofFault, setIdOf, verifyProof } from './data-set.ts'
import type { SetHead, StorageChallenge, StorageClaim, StorageObservation, StorageProof } from './messages.ts'
import { BYTE_SECOND } from './terms.ts'

const because = (code: string, data: Reason['data'] = {}): Reason => ({ code, data, evidence: [] })

/** Larger sizes are refused: positions in them could not be told apart from their neighbours (see verifyProof). */
const SIZE_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/** What is wrong with a head apart from who signed it; null when nothing is. */
function headFault(crypto: Crypto, head: SetHead, facts: ClaimFacts): Reason | null {
  const begins = facts.epoch * facts.epochSeconds
  const ends = begins + facts.epochSeconds
  const data = { set: head.setId }
  if (head.net !== facts.net) return because('other-network', { ...data, net: BigInt(head.net) })
  // The id is a hash over network, device and customer: a head of another device or customer cannot be shown as this one.
  if (head.setId !== setIdOf(crypto, facts.net, facts.subject, head.customer)) return because('other-device', data)
  if (head.provider !== facts.owner) return because('other-owner', { ...data, provider: head.provider, owner: facts.owner })
  // It must hold to the end, for past its expiry the provider may delete, and the epoch is paid as a whole.
  if (head.expiresAt < ends) return because('head-expired', { ...data, expiresAt: BigInt(head.expiresAt), ends: BigInt(ends) })
  if (head.expiresAt > ends + HEAD_SECONDS_MAX) return because('head-too-long', { ...data, expiresAt: BigInt(head.expiresAt) })
  const isEmpty = head.totalBytes === 0n
  const isPossible = isEmpty ? head.count === 0n && head.root === EMPTY_ROOT : head.count > 0n && head.count <= head.totalBytes
  if (!isPossible || head.totalBytes > SIZE_MAX) {
    return because('impossible-set', { ...data, count: head.count, totalBytes: head.totalBytes })
  }
  return null
}

/** Whether `signature` is that of `account` or of a storage session key that it had less than a week before the epoch began. */
function signedFor(crypto: Crypto, facts: ClaimFacts, account: Account, hash: Uint8Array, signature: Uint8Array): boolean {
  const by = crypto.secp256k1.recover(hash, signature)
  if (by === null) return false
  const key = toHex(by)
  return accountOf(key) === account || facts.sessionRedeemable(account, address(key))
}

/**
 * Admits a claim that customer and provider signed, that is of this device and that lasts through the epoch. It is worth
 * its bytes times the seconds of the epoch. There is one set, and so one claim, per device and customer.
 */
export function admit(crypto: Crypto, claim: StorageClaim, facts: ClaimFacts): Admission {
  const { head } = claim
  const fault = headFault(crypto, head, facts)
  if (fault !== null) return { ok: false, reason: fault }
  const hash = headHasher(crypto, facts.chainId)(head)
  if (!signedFor(crypto, facts, head.customer, hash, claim.customerSignature)) {
    return { ok: false, reason: because('not-signed-by-customer', { set: head.setId, customer: head.customer }) }
  }
  if (!signedFor(crypto, facts, facts.owner, hash, claim.providerSignature)) {
    return { ok: false, reason: because('not-signed-by-provider', { set: head.setId, owner: facts.owner }) }
  }
  const units = { [BYTE_SECOND]: head.totalBytes * BigInt(facts.epochSeconds) }
  return { ok: true, key: head.setId, payer: head.customer, units }
}

/** The code that an operator reads, and what it means for the disk. */
function codeOf(fault: ProofFault): string {
  switch (fault) {
    case 'other-head':
      return 'wrong-head'
    case 'out-of-range':
    case 'wrong-interval':
      // An answer about another byte: an old proof, or another's.
      return 'wrong-position'
    case 'wrong-leaf-length':
    case 'piece-path':
      // The bytes are not those that were signed for: lost, changed or never there.
      return 'wrong-leaf'
    case 'set-path':
      // The piece is not in the signed set at this place.
      return 'wrong-path'
    default:
      return unreachable(fault)
  }
}

/** Fewer reads of a set say nothing about its provider. */
export const PROBES_LEAST = 4
/** A read may take this long… */
const PATIENCE_MS = 2_000
/** …and a second for each so many bytes: half a megabit per second, which every line that sells storage has. */
const BYTES_PER_SECOND = 64 * 1024

type Grade = 'good' | 'corrupt' | 'refused' | 'silent' | 'slow'

/** Null: it does not count. A provider need not serve whom it is owed by; that it says so of everybody is for gateways to notice. */
export function gradeOf(seen: StorageObservation): Grade | null {
  if (seen.is === 'refused') return seen.code === 'unpaid' ? null : 'refused'
  if (seen.is !== 'served') return seen.is
  return seen.ms > PATIENCE_MS + Math.floor((seen.bytes * 1000) / BYTES_PER_SECOND) ? 'slow' : 'good'
}

/**
 * Why the challenged set is not paid although its bytes are there: most of at least PROBES_LEAST reads of it went wrong. A read
 * is an attestation and no proof, so it takes several, and more bad ones than good ones: one lost packet costs nobody anything.
 */
export function retrievalFault(challenge: StorageChallenge, seen: readonly Attested<StorageObservation>[]): Reason | null {
  const bySlot = new Map<number, StorageObservation>()
  for (const { body: one } of seen) if (one.setId === challenge.setId && !bySlot.has(one.slot)) bySlot.set(one.slot, one)
  const counts = { good: 0n, corrupt: 0n, refused: 0n, silent: 0n, slow: 0n }
  let reads = 0n
  let word = ''
  for (const one of bySlot.values()) {
    const grade = gradeOf(one)
    if (grade === null) continue
    reads += 1n
    counts[grade] += 1n
    if (grade === 'refused') word = one.code
  }
  if (reads < BigInt(PROBES_LEAST) || 2n * (reads - counts.good) <= reads) return null
  return { code: 'unretrievable', data: { set: challenge.setId, reads, ...counts, ...(word === '' ? {} : { word }) }, evidence: [] }
}

/**
 * Judges one answer. A verdict pays nothing by itself: a set is paid when all its challenges are met (`Admission.units`),
 * since whoever lost a part must not be paid for the rest of the draw. Nor is a set paid that its provider can show and
 * does not serve (retrievalFault).
 */
export function verify(
  crypto: Crypto,
  challenge: StorageChallenge,
  answer: Answer<StorageProof>,
  seen: readonly Attested<StorageObservation>[],
): Verdict {
  const at = { set: challenge.setId, slot: BigInt(challenge.slot), position: challenge.position }
  switch (answer.is) {
    case 'silence':
      return { ok: false, units: {}, reason: because('silence', at) }
    case 'refusal':
      return { ok: false, units: {}, reason: { ...answer.reason, data: { ...answer.reason.data, ...at } } }
    case 'proof': {
      const verdict = verifyProof(crypto, challenge, challenge, answer.proof)
      if (verdict.ok) {
        const fault = retrievalFault(challenge, seen)
        return fault === null ? { ok: true, units: {} } : { ok: false, units: {}, reason: fault }
      }
      return { ok: false, units: {}, reason: because(codeOf(verdict.why), { ...at, fault: verdict.why, piece: answer.proof.pieceId }) }
    }
    default:
      return unreachable(answer)
  }
}
