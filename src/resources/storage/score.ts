/** What share of its promise a provider kept in an epoch. Pure, integers only. */
import { z } from 'zod'
import type { DeviceId } from '../../protocol/ids.ts'
import { schema, wire } from '../../protocol/schema.ts'
import { PPM, ppm } from '../../protocol/units.ts'
import type { Group, JudgedClaim, Member, Reason, Score } from '../resource.ts'
import type { StorageKind } from './kind.ts'

/** Consecutive epochs counted; past this a provider has long been unpaid and only the fact matters. */
const STREAK_MAX = 65_535
/** Subjects with a running streak that are remembered: those of a bundle. */
const FAILING_MAX = 100_000

/** How many epochs in a row each failing provider has failed a challenge; those that fail none are not in it. */
export const carrySchema = schema(
  'storage carry',
  8 * 1024 * 1024,
  z.strictObject({
    failing: wire.list(z.strictObject({ subject: wire.deviceId, epochs: wire.uint(STREAK_MAX) }), FAILING_MAX),
  }),
)
export type StorageCarry = ReturnType<typeof carrySchema.decode>

/** The first reason of each code with how often it came: an epoch of silence is one line and not a thousand. */
function summarize(reasons: readonly Reason[]): readonly Reason[] {
  const byCode = new Map<string, { first: Reason; times: bigint }>()
  for (const reason of reasons) {
    const known = byCode.get(reason.code)
    byCode.set(reason.code, { first: known?.first ?? reason, times: (known?.times ?? 0n) + 1n })
  }
  return [...byCode.values()].map(({ first, times }) => (times === 1n ? first : { ...first, data: { ...first.data, times } }))
}

const isMet = (claim: JudgedClaim<StorageKind>): boolean => claim.verdicts.every((verdict) => verdict.ok)

/** ppm = bytes of sets whose challenges were all met / bytes of all sets claimed. A set with a failed challenge counts nothing. */
function scoreOf(member: Member<StorageKind>, failedBefore: number): Score {
  let claimed = 0n
  let proven = 0n
  const reasons: Reason[] = [...member.refused]
  for (const claim of member.claims) {
    claimed += claim.claim.head.totalBytes
    if (isMet(claim)) proven += claim.claim.head.totalBytes
    for (const verdict of claim.verdicts) if (!verdict.ok) reasons.push(verdict.reason)
  }
  // Having no customer is no fault, but an operator who earned nothing wants to read why.
  if (claimed === 0n) reasons.push({ code: 'nothing-claimed', data: {}, evidence: [] })
  const said = summarize(reasons)
  const again = failedBefore > 0 && proven < claimed
  return {
    subject: member.subject,
    score: ppm(claimed === 0n ? 0 : Number((proven * BigInt(PPM)) / claimed)),
    reasons: again ? [...said, { code: 'failing-again', data: { epochsBefore: BigInt(failedBefore) }, evidence: [] }] : said,
  }
}

export function score(
  group: Group<StorageKind>,
  carry: StorageCarry | null,
): { readonly scores: readonly Score[]; readonly carry: StorageCarry } {
  const failing = new Map<DeviceId, number>((carry?.failing ?? []).map(({ subject, epochs }) => [subject, epochs]))
  const scores = group.members.map((member) => {
    const before = failing.get(member.subject) ?? 0
    const failed = member.claims.some((claim) => !isMet(claim))
    if (failed) failing.set(member.subject, Math.min(STREAK_MAX, before + 1))
    else failing.delete(member.subject)
    return scoreOf(member, before)
  })
  const rows = [...failing].map(([subject, epochs]) => ({ subject, epochs })).sort((a, b) => (a.subject < b.subject ? -1 : 1))
  return { scores, carry: { failing: rows.slice(0, FAILING_MAX) } }
}
