/**
 * Where the pieces of a segment go, and which offers take an order. Pure: the same candidates and seed give the same
 * placement. At most ⌈n / eligible operators⌉ pieces to one operator, then spread over subnets, then by chance.
 */
import { z } from 'zod'
import type { Crypto } from '../../protocol/crypto.ts'
import { type Account, account, bytesOf, type Cid, type DeviceId, type Seed } from '../../protocol/ids.ts'
import { schema, wire } from '../../protocol/schema.ts'
import { compareBytes } from '../../std/bytes.ts'
import type { Match, Offer, Reason } from '../resource.ts'
import type { StorageTerms } from './terms.ts'

export interface Candidate {
  readonly device: DeviceId
  readonly operator: Account
  /** /24 or /48 of the endpoint; '' when unknown. */
  readonly subnet: string
}

export type Placement =
  | { readonly ok: true; readonly devices: readonly DeviceId[] }
  | { readonly ok: false; readonly need: number; readonly have: number; readonly why: string }

export interface PlacementRequest {
  /** Pieces to place, how many must be, and how many the segment has in all. */
  readonly want: number
  readonly least: number
  readonly total: number
  /** Pieces that operators already have. */
  readonly held?: ReadonlyMap<Account, number>
  readonly except?: ReadonlySet<DeviceId>
}

/** Picks `want` devices of `candidates` (at least `least`), none of which is in `except`. */
export function place(crypto: Crypto, candidates: readonly Candidate[], seed: Uint8Array, request: PlacementRequest): Placement {
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

/** Pieces of one segment: the erasure code works in GF(2^8). */
const PIECES_MAX = 255

export const orderSchema = schema(
  'storage order',
  256,
  z.strictObject({
    /** Pieces that should be placed, and how many must be. */
    want: wire.uint(PIECES_MAX),
    least: wire.uint(PIECES_MAX),
    /** Bytes of each piece. */
    bytes: wire.bigint(64),
    /** Only offers of this region; '' for any. */
    region: wire.text(64),
    /** Unix milliseconds: offers that end before do not count. */
    at: wire.bigint(64),
  }),
)
export type StorageOrder = ReturnType<typeof orderSchema.decode>

const because = (code: string, data: Reason['data'] = {}): Reason => ({ code, data, evidence: [] })

/** Why an offer cannot take a piece of this order, whatever the others are; null when it can. */
function unfit(order: StorageOrder, offer: Offer<StorageTerms>): Reason | null {
  if (offer.expires <= order.at) return because('offer-expired', { expires: offer.expires })
  if (offer.terms.capacity < order.bytes) return because('too-small', { capacity: offer.terms.capacity, bytes: order.bytes })
  if (order.region !== '' && offer.terms.region !== order.region) return because('other-region', { region: offer.terms.region })
  return null
}

/** The offers that take the pieces, each as role `piece`; when too few do, why each of the others does not. */
export function matchOffers(crypto: Crypto, order: StorageOrder, offers: readonly Offer<StorageTerms>[], seed: Seed): Match {
  const whyNot = new Map<Cid, Reason>()
  const fit = new Map<DeviceId, Offer<StorageTerms>>()
  for (const offer of offers) {
    const reason = unfit(order, offer) ?? (fit.has(offer.device) ? because('second-offer-of-device') : null)
    if (reason === null) fit.set(offer.device, offer)
    else whyNot.set(offer.id, reason)
  }
  const operatorOf = (offer: Offer<StorageTerms>): Account => account(offer.operator)
  // Offers carry no endpoint: the region stands for the subnet until nodes have been dialed.
  const candidates = [...fit.values()].map((offer) => ({
    device: offer.device,
    operator: operatorOf(offer),
    subnet: offer.terms.region,
  }))
  const placed = place(crypto, candidates, seed, { want: order.want, least: order.least, total: order.want })
  if (placed.ok) {
    return { ok: true, parts: placed.devices.flatMap((device) => ({ offer: (fit.get(device) as Offer<StorageTerms>).id, role: 'piece' })) }
  }
  const few = because('too-few-operators', { need: BigInt(placed.need), have: BigInt(placed.have) })
  for (const offer of fit.values()) whyNot.set(offer.id, few)
  return { ok: false, whyNot }
}
