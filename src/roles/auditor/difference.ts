/** Where two settlements of one epoch part: the first difference, named so that a person knows where to look. */
import type { Settlement } from '../../resources/evidence.ts'
import { toHex } from '../../std/bytes.ts'

/** What differs, from the evidence up to the chain. */
export type AuditSubject = 'bundle' | 'proofs' | 'verdict' | 'score' | 'budget' | 'payout' | 'root' | 'settlement' | 'history'

export interface Difference {
  readonly differs: AuditSubject
  /** A hash, a device, an account or a field. */
  readonly where: string
  readonly published: string
  readonly recomputed: string
}

const TEXT_MAX = 300

/** Values in one textual form, since two parts of a settlement are equal exactly when they read the same. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return 'nothing'
  return JSON.stringify(plain(value))
}

/**
 * What JSON can say, the same for equal values: a record that came from its encoding has its keys in another order than
 * one just made, and bytes just encoded may be a Buffer, which would write itself down in its own way.
 */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(byKey)
      .map(([key, of]) => [key, plain(of)]),
  )
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

export function difference(differs: AuditSubject, where: string, published: unknown, recomputed: unknown): Difference {
  return { differs, where, published: text(published).slice(0, TEXT_MAX), recomputed: text(recomputed).slice(0, TEXT_MAX) }
}

const compare = (differs: AuditSubject, where: string, a: unknown, b: unknown): Difference | null =>
  text(a) === text(b) ? null : difference(differs, where, a, b)

/** Null when both are the same settlement. Causes come before their effects: scores, verdicts, budget, payouts, root. */
export function firstDifference(published: Settlement, again: Settlement): Difference | null {
  const scores = [published, again].map((of) => new Map(of.scores.map((row) => [row.subject, row])))
  const subjects = new Set(scores.flatMap((of) => [...of.keys()]))
  for (const subject of [...subjects].sort()) {
    const [a, b] = scores.map((of) => of.get(subject))
    const found =
      compare('score', subject, a?.score, b?.score) ??
      compare('verdict', subject, [a?.units, a?.reasons], [b?.units, b?.reasons]) ??
      compare('score', subject, a, b)
    if (found !== null) return found
  }
  const budget = compare('budget', 'budget', published.budget, again.budget)
  if (budget !== null) return budget
  const owners = [published, again].map((of) => new Map(of.owners.map((row) => [row.account, row])))
  for (const account of [...new Set(owners.flatMap((of) => [...of.keys()]))].sort()) {
    const [a, b] = owners.map((of) => of.get(account))
    const found = compare('payout', account, a, b)
    if (found !== null) return found
  }
  return (
    compare('root', 'settlement', published.root, again.root) ??
    compare('settlement', 'total', published.total, again.total) ??
    compare('bundle', 'counted', published.bundles, again.bundles) ??
    compare('settlement', 'all', published, again)
  )
}
