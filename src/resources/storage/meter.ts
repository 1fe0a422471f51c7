/** Counting what was stored and served, from what both sides say of it, and its price. Pure. */
import { z } from 'zod'
import { schema, wire } from '../../protocol/schema.ts'
import { type Credits, credits } from '../../protocol/units.ts'
import type { Reason, Signed, Usage } from '../resource.ts'
import { BYTE_SECOND, BYTE_SERVED, type StorageTerms } from './terms.ts'

/** What one side has counted since a data set began. Counters only grow. */
export const workSchema = schema(
  'storage work',
  256,
  z.strictObject({ setId: wire.digest, byteSeconds: wire.bigint(128), servedBytes: wire.bigint(128) }),
)
export type StorageWork = ReturnType<typeof workSchema.decode>

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const because = (code: string, data: Reason['data']): { ok: false; reason: Reason } => ({ ok: false, reason: { code, data, evidence: [] } })

/**
 * The usage that both sides agree on: of each counter the smaller, never less than before. Until the other side has said
 * something, nothing is added: what one side counts alone is nobody's debt. Signatures are checked by the caller.
 */
export function meter(
  sofar: Usage,
  mine: Signed<StorageWork>,
  peer: Signed<StorageWork> | null,
): { readonly ok: true; readonly usage: Usage } | { readonly ok: false; readonly reason: Reason } {
  const before = { [BYTE_SECOND]: sofar[BYTE_SECOND] ?? 0n, [BYTE_SERVED]: sofar[BYTE_SERVED] ?? 0n }
  if (peer === null) return { ok: true, usage: before }
  if (mine.body.setId !== peer.body.setId) return because('other-set', { mine: mine.body.setId, peer: peer.body.setId })
  const agreed = {
    [BYTE_SECOND]: smaller(mine.body.byteSeconds, peer.body.byteSeconds),
    [BYTE_SERVED]: smaller(mine.body.servedBytes, peer.body.servedBytes),
  }
  for (const unit of [BYTE_SECOND, BYTE_SERVED] as const) {
    if (agreed[unit] < before[unit]) return because('counter-went-back', { unit, before: before[unit], now: agreed[unit] })
  }
  return { ok: true, usage: agreed }
}

/** µcredits of cumulative usage: both units over one denominator, rounded once, down. */
export function price(usage: Usage, terms: Pick<StorageTerms, 'kept' | 'served'>): Credits {
  const { kept, served } = terms
  const numerator =
    (usage[BYTE_SECOND] ?? 0n) * kept.numerator * served.denominator + (usage[BYTE_SERVED] ?? 0n) * served.numerator * kept.denominator
  return credits(numerator / (kept.denominator * served.denominator))
}
