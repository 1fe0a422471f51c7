/**
 * Pays providers for what each settled epoch proved. The settlement is fetched by the hash that is on chain, then run
 * again from its evidence: a gateway pays what it could verify, and nothing that it could not.
 */

import { type Account, bytesOf, type Digest, epoch as epochOf, type NetworkId, type PeerId } from '../../protocol/ids.ts'
import type { ChainState } from '../../resources/epoch-facts.ts'
import { epochFacts, epochTimes } from '../../resources/epoch-facts.ts'
import { type Evidence, openBundle, openEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import type { Payees } from '../../resources/payees.ts'
import { fetchFile } from '../../resources/peers.ts'
import type { GatewayRuntime, Kind, Resource } from '../../resources/resource.ts'
import { settle, settlementDigest } from '../../resources/settle.ts'
import type { RootRow } from '../../runtime/chain.ts'
import { equalBytes } from '../../std/bytes.ts'
import { openPayBook, type PayBook, provenFor } from './pay.ts'

export interface PayParts {
  /** Paying needs no door. */
  readonly rt: Omit<GatewayRuntime, 'http'>
  readonly resource: Resource<Kind>
  readonly payees: Payees
  readonly net: NetworkId
  readonly account: Account
  readonly sessionKey: Uint8Array
  readonly verifiers: readonly PeerId[]
  asOf(seconds: number): ChainState | null
}

/** Settlements that were found to follow from their evidence, by digest: judged once, and paid until everybody has its voucher. */
type Verified = Map<Digest, Settlement>
/** Settlements that are kept. */
const VERIFIED_MAX = 2
/** Roots that are looked at when newer ones cannot be verified: what is proven is cumulative, so the newest good one pays for all. */
const ROOTS_BACK = 4

/** What came of paying for a root: everybody has a voucher, somebody has none yet, or nothing could be verified. */
type Paid = 'paid' | 'owing' | 'unverified'

const LOOK_MS = 1_000
/** What could not be verified is tried again after twice as long each time: its evidence may be megabytes, and may never come. */
const RETRY_MS_MAX = 60_000
/** A gateway that is killed forgets what it counted since; delivering vouchers may take longer. */
const COUNT_MS = 250

export async function payLoop(parts: PayParts, signal: AbortSignal): Promise<void> {
  const book = bookOf(parts)
  await Promise.all([countLoop(parts, book, signal), rootsLoop(parts, book, signal)])
}

/** Writes down what was served, so that it is paid also after a crash. */
async function countLoop({ rt, payees }: PayParts, book: PayBook, signal: AbortSignal): Promise<void> {
  for (let last = false; !last; ) {
    // Once more after the signal, for what was served while it ended.
    last = signal.aborted
    try {
      const counts = payees.served()
      if (counts.length > 0) book.served(counts.map(({ operator, unit, amount }) => ({ payee: operator, unit, amount })))
    } catch (error) {
      rt.log.warn('served bytes were not written down', { why: String(error) })
    }
    if (!last) await rt.clock.sleep(COUNT_MS, signal).catch(() => undefined)
  }
}

async function rootsLoop(parts: PayParts, book: PayBook, signal: AbortSignal): Promise<void> {
  const { rt, net } = parts
  const paid = new Set<Digest>()
  const asked = new Set<Account>()
  const known: Verified = new Map()
  const rests = new Map<Digest, { readonly until: number; readonly ms: number }>()
  await adoptVouchers(parts, book, asked)
  while (!signal.aborted) {
    try {
      const roots = rt.chain.roots(net).filter((row) => row.state === 'pending' || row.state === 'active')
      for (const name of rests.keys()) if (!roots.slice(-ROOTS_BACK).some((root) => root.dataHash === name)) rests.delete(name)
      await payNewest(roots, paid, async (root) => {
        const rest = rests.get(root.dataHash)
        if (rest !== undefined && rt.clock.monotonic() < rest.until) return 'unverified'
        // What is wrong with one publication must not keep another from being paid.
        const outcome = await payEpoch(parts, book, asked, known, root).catch((error: unknown): Paid => {
          if (!signal.aborted) rt.log.warn('paying an epoch failed and is tried again', { epoch: root.epoch, why: String(error) })
          return 'unverified'
        })
        const ms = Math.min(2 * (rest?.ms ?? LOOK_MS / 2), RETRY_MS_MAX)
        if (outcome === 'unverified') rests.set(root.dataHash, { until: rt.clock.monotonic() + ms, ms })
        return outcome
      })
    } catch (error) {
      if (!signal.aborted) rt.log.warn('paying an epoch failed and is tried again', { why: String(error) })
    }
    await rt.clock.sleep(LOOK_MS, signal).catch(() => undefined)
  }
}

/** Pays for the newest root that can be verified, unless it or a newer one is in `paid`, which what is paid is added to. */
export async function payNewest(roots: readonly RootRow[], paid: Set<Digest>, pay: (root: RootRow) => Promise<Paid>): Promise<void> {
  for (const root of roots.slice(-ROOTS_BACK).reverse()) {
    if (paid.has(root.dataHash)) return
    const outcome = await pay(root)
    if (outcome === 'paid') paid.add(root.dataHash)
    if (outcome !== 'unverified') return
  }
}

function bookOf(parts: PayParts): PayBook {
  const { rt, payees } = parts
  const { addresses, chainId } = rt.chain
  return openPayBook({
    crypto: rt.crypto,
    database: rt.database,
    chainId,
    escrow: addresses.escrow,
    asset: addresses.credits,
    net: parts.net,
    payer: parts.account,
    sessionKey: parts.sessionKey,
    rates: payees.rates,
    delegated: (key) => rt.chain.session(parts.account, key) !== null,
  })
}

/**
 * A gateway that lost its book asks before it signs, so that no voucher is ever below one that is out. Whoever does not
 * answer now is asked again before it is paid. The number of vouchers that were taken over.
 */
export async function adoptVouchers(parts: PayParts, book: PayBook = bookOf(parts), asked: Set<Account> = new Set()): Promise<number> {
  const operators = new Set(parts.rt.chain.devices(parts.net).map((row) => row.owner))
  const adopted = await Promise.all([...operators].map((operator) => adopt(parts, book, asked, operator).catch(() => false)))
  return adopted.filter((one) => one).length
}

/** Throws when the operator's providers do not answer. */
async function adopt(parts: PayParts, book: PayBook, asked: Set<Account>, operator: Account): Promise<boolean> {
  if (asked.has(operator)) return false
  const held = book.last(operator) === null ? await parts.payees.held(operator) : null
  asked.add(operator)
  if (held === null) return false
  const adopted = book.adopt(operator, held)
  if (!adopted) parts.rt.log.warn('a provider showed a voucher that nobody here signed', { operator })
  return adopted
}

async function payEpoch(parts: PayParts, book: PayBook, asked: Set<Account>, known: Verified, root: RootRow): Promise<Paid> {
  const { rt, payees, net, account } = parts
  const settlement = known.get(root.dataHash) ?? (await verified(parts, root))
  if (settlement === null) return 'unverified'
  known.set(root.dataHash, settlement)
  for (const oldest of known.keys()) if (known.size > VERIFIED_MAX) known.delete(oldest)
  const units = parts.resource.units.map((unit) => unit.id)
  const asset = rt.chain.addresses.credits
  const proven = new Map(
    provenFor(rt.crypto, settlement.owners, { payer: account, asset, net }, parts.resource.id, units).map((one) => [one.payee, one.proven]),
  )
  let complete = true
  // Whoever served is paid for that also while nothing of what it keeps was ever proven.
  for (const payee of new Set([...proven.keys(), ...book.servers()])) {
    try {
      await adopt(parts, book, asked, payee)
      const voucher = book.sign(payee, proven.get(payee) ?? []) ?? book.last(payee)
      if (voucher === null) continue
      await payees.deliver(payee, voucher)
    } catch (error) {
      complete = false
      rt.log.debug('a voucher was not taken', { payee, why: String(error) })
    }
  }
  if (complete)
    rt.log.info('paid an epoch', { epoch: settlement.epoch, total: book.totals().reduce((sum, row) => sum + row.cumulative, 0n) })
  return complete ? 'paid' : 'owing'
}

/** The settlement behind a root, if its evidence gives the same one here; null while something is not to be had. */
async function verified(parts: PayParts, root: RootRow): Promise<Settlement | null> {
  const { rt, net } = parts
  const bytes = await fetchFile(rt, parts.verifiers, root.dataHash)
  if (bytes === null) return null
  const claimed = settlementSchema.decode(bytes)
  const again = await resettle(parts, claimed)
  if (again === null) return null
  const same = settlementDigest(rt.crypto, again) === root.dataHash && equalBytes(bytesOf(again.root), bytesOf(root.root))
  if (!same) rt.log.error('a published root does not follow from its evidence; nothing is paid for it', { net, epoch: root.epoch })
  return same ? claimed : null
}

async function resettle(parts: PayParts, claimed: Settlement): Promise<Settlement | null> {
  const { rt, net } = parts
  const epoch = epochOf(claimed.epoch)
  const seconds = rt.chain.network(net)?.epochSeconds ?? 0
  const state = parts.asOf(epochTimes(seconds, epoch).cutoff)
  const outcome = state === null ? null : epochFacts(state, net, epoch)
  if (outcome === null || outcome.is !== 'facts') return null
  const evidence: Evidence[] = []
  for (const digest of claimed.bundles) {
    const bytes = await fetchFile(rt, parts.verifiers, digest)
    const bundle = bytes === null ? null : openBundle(rt.crypto, digest, bytes)
    const blobs = bundle === null ? null : await fetchFile(rt, parts.verifiers, bundle.blobs)
    const opened = bytes === null || blobs === null ? null : openEvidence(rt.crypto, digest, bytes, blobs)
    if (opened === null) return null
    evidence.push(opened)
  }
  // History counts only from a root that the chain has; a publisher could otherwise add to it what it likes.
  const earlier = rt.chain.roots(net).some((row) => row.dataHash === claimed.previous && row.epoch < claimed.epoch)
  if (claimed.previous !== null && !earlier) return null
  const before = claimed.previous === null ? null : await fetchFile(rt, parts.verifiers, claimed.previous)
  if (claimed.previous !== null && before === null) return null
  const previous =
    claimed.previous === null || before === null ? null : { settlement: settlementSchema.decode(before), digest: claimed.previous }
  return settle(rt.crypto, parts.resource, outcome.facts, evidence, previous)
}
