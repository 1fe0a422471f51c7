/**
 * Where the pieces of a segment go. Pure: the same candidates and seed give the same placement. At most
 * ⌈n / eligible operators⌉ pieces to one operator, then spread over subnets, then by chance.
 */

import type { Crypto } from '../../protocol/crypto.ts'
import { type Account, bytesOf, type DeviceId } from '../../protocol/ids.ts'
import { compareBytes } from '../../std/bytes.ts'

export interface Candidate {
  readonly device: DeviceId
  readonly operator: Account
  /** /24 or /48 of the endpoint; '' when unknown. */
  readonly subnet: string
}

export type Placement =
  | { readonly ok: true; readonly devices: readonly DeviceId[] }
  | { readonly ok: false; readonly need: number; readonly have: number; readonly why: string }

/** Picks `want` devices of `candidates` (at least `least`), none of which is in `except`; `held` counts pieces operators already have. */
export function place(
  crypto: Crypto,
  candidates: readonly Candidate[],
  seed: Uint8Array,
  request: { want: number; least: number; total: number; held?: ReadonlyMap<Account, number>; except?: ReadonlySet<DeviceId> },
): Placement {
  const eligible = candidates.filter((candidate) => request.except?.has(candidate.device) !== true)
  const operators = new Set(candidates.map((candidate) => candidate.operator)).size
  const share = Math.ceil(request.total / Math.max(1, operators))
  const drawn = eligible
    .map((candidate) => ({ candidate, draw: crypto.sha256(seed, bytesOf(candidate.device)) }))
    .sort((a, b) => compareBytes(a.draw, b.draw))
  const perOperator = new Map(request.held ?? [])
  const perSubnet = new Map<string, number>()
  const picked: DeviceId[] = []
  const left = new Set(drawn.map((entry) => entry.candidate))
  while (picked.length < request.want && left.size > 0) {
    let best: Candidate | null = null
    let bestCost = Number.POSITIVE_INFINITY
    for (const candidate of left) {
      const mine = perOperator.get(candidate.operator) ?? 0
      if (mine >= share) continue
      const cost = mine * 1000 + (perSubnet.get(candidate.subnet) ?? 0)
      if (cost < bestCost) {
        best = candidate
        bestCost = cost
      }
    }
    if (best === null) break
    left.delete(best)
    picked.push(best.device)
    perOperator.set(best.operator, (perOperator.get(best.operator) ?? 0) + 1)
    perSubnet.set(best.subnet, (perSubnet.get(best.subnet) ?? 0) + 1)
  }
  if (picked.length >= request.least) return { ok: true, devices: picked }
  return {
    ok: false,
    need: request.least,
    have: picked.length,
    why: `${candidates.length} nodes of ${operators} operators are reachable, and one operator may hold ${share} pieces of a segment`,
  }
}
