/**
 * Confirmed state as rows in memory, folded from events and headers. One reducer for the chain's real events and for
 * the fake's, so that what the simulator tests is what a daemon runs.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { channelKey } from '../../protocol/rewards.ts'
import type { UnixMs } from '../../protocol/units.ts'
import { assert } from '../../std/assert.ts'
import type { Addresses, ChainHead, ChainView } from '../chain.ts'
import type { Clock } from '../index.ts'
import type { ChainEvent } from './event.ts'
import { createJudgesIndex } from './judges.ts'
import { createMarketIndex } from './market.ts'
import { createMoneyIndex } from './money.ts'
import { createProposalIndex } from './proposals.ts'
import { createQuorumIndex } from './quorum.ts'
import { createRegistryIndex } from './registry.ts'
import { createRewardsIndex } from './rewards.ts'
import { createSeedIndex, type SeedHeader } from './seeds.ts'
import { createStakingIndex } from './staking.ts'

export type { ChainEvent, EventArgs } from './event.ts'
export { WEEK_SECONDS } from './quorum.ts'
export { HEADERS_KEPT, type SeedHeader } from './seeds.ts'

/** Delegations.GRACE. */
const GRACE_SECONDS = 7 * 24 * 3600

/** All rows of one chain, without the question how fresh they are. */
export interface ChainRows extends Omit<ChainView, 'freshAt' | 'degraded' | 'advanced'> {
  /** The next block with its events in log order. Whether its header begins an epoch. */
  add(header: SeedHeader, events: readonly ChainEvent[]): boolean
}

export function createChainRows(of: { chainId: number; addresses: Addresses; crypto: Crypto }): ChainRows {
  const { crypto } = of
  const registry = createRegistryIndex()
  const rewards = createRewardsIndex()
  const staking = createStakingIndex()
  const governance = createProposalIndex()
  const judges = createJudgesIndex()
  const quorum = createQuorumIndex()
  const market = createMarketIndex()
  const seeds = createSeedIndex(crypto)
  const money = createMoneyIndex(of.addresses.credits, (net) => registry.networks.get(net)?.feeRecipient ?? null)
  let head: ChainHead | null = null
  const now = (): number => head?.timestamp ?? 0

  return {
    chainId: of.chainId,
    addresses: of.addresses,
    add(header, events) {
      assert(head === null || header.number > head.number, 'blocks come in order')
      head = header
      let begins = seeds.add(header)
      for (const event of events) {
        registry.apply(event)
        money.apply(event)
        rewards.apply(event)
        staking.apply(event)
        governance.apply(event)
        judges.apply(event)
        quorum.apply(event)
        market.apply(event)
        if (event.contract !== 'networks' || event.name !== 'NetworkCreated') continue
        for (const row of registry.networks.values()) seeds.addLength(row.epochSeconds)
        begins = true
      }
      return begins
    },
    head: () => head,
    network: (id) => registry.networks.get(id) ?? null,
    networks: () => [...registry.networks.values()],
    devices: registry.devicesOf,
    device: (id) => registry.devices.get(id) ?? null,
    stakeOf: registry.stakeOf,
    thawingOf: staking.thawingOf,
    pools: staking.pools,
    delegationsOf: staking.delegationsOf,
    proposals: governance.proposals,
    session: registry.session,
    sessionsOf: registry.sessionsOf,
    sessionActive(account, key, scope, atMs) {
      if (String(account) === String(key)) return true
      const row = registry.session(account, key)
      return row !== null && scope !== 0 && (row.scope & scope) === scope && row.revokedAt === 0 && atMs < row.until * 1000
    },
    sessionRedeemable(account, key, scope, atMs) {
      if (String(account) === String(key)) return true
      const row = registry.session(account, key)
      if (row === null || scope === 0 || (row.scope & scope) !== scope) return false
      const end = row.revokedAt !== 0 && row.revokedAt < row.until ? row.revokedAt : row.until
      return atMs < (end + GRACE_SECONDS) * 1000
    },
    channel: (payer, payee, asset, net, id) => money.channel(channelKey(crypto, payer, payee, asset, net, id)),
    channelsOf: money.channelsOf,
    escrow: (owner, asset) => ({ ...money.escrow(owner, asset) }),
    pointer: registry.pointer,
    evidence: rewards.evidence,
    evidenceFrom: rewards.evidenceFrom,
    nonceCommit: rewards.nonceCommit,
    roots: (net) => rewards.roots(net, now()),
    demand: judges.demand,
    demands: judges.demands,
    dispute: judges.dispute,
    disputes: judges.disputes,
    punished: judges.punished,
    punishedSigners: judges.punishedSigners,
    rootSet: (verifierNet) => quorum.inForce(verifierNet, now()),
    nominated: quorum.nominated,
    claimed: rewards.claimed,
    pot: (net, asset) => rewards.pot(net, asset, now()),
    lease: market.lease,
    leasesOf: market.leasesOf,
    quoteCancelled: market.quoteCancelled,
    epochSeed(net, epoch) {
      const row = registry.networks.get(net)
      return row === undefined || head === null ? { is: 'waiting' } : seeds.seed(net, row.epochSeconds, epoch, head.timestamp)
    },
  }
}

/** A view over rows that are replaced as a whole when the chain has to be read anew. */
export interface LiveView extends ChainView {
  /** Rows that readers see from now on. */
  show(rows: ChainRows, at: UnixMs): void
  /** The rows were compared with the chain, and nothing was new. */
  fresh(at: UnixMs): void
  degrade(degraded: boolean): void
}

export function createLiveView(first: ChainRows, clock: Clock): LiveView {
  let rows = first
  let freshAt = 0 as UnixMs
  let degraded = true
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const done of waiting) done()
    waiting.clear()
  }
  return {
    chainId: first.chainId,
    addresses: first.addresses,
    show(next, at) {
      rows = next
      freshAt = at
      wake()
    },
    fresh(at) {
      freshAt = at
    },
    degrade(now) {
      degraded = now
    },
    freshAt: () => freshAt,
    degraded: () => degraded,
    head: () => rows.head(),
    network: (id) => rows.network(id),
    networks: () => rows.networks(),
    devices: (net) => rows.devices(net),
    device: (id) => rows.device(id),
    stakeOf: (operator, net) => rows.stakeOf(operator, net),
    thawingOf: (operator, net) => rows.thawingOf(operator, net),
    pools: (net) => rows.pools(net),
    delegationsOf: (delegator) => rows.delegationsOf(delegator),
    proposals: () => rows.proposals(),
    session: (account, key) => rows.session(account, key),
    sessionsOf: (account) => rows.sessionsOf(account),
    sessionActive: (account, key, scope, at) => rows.sessionActive(account, key, scope, at),
    sessionRedeemable: (account, key, scope, at) => rows.sessionRedeemable(account, key, scope, at),
    channel: (payer, payee, asset, net, id) => rows.channel(payer, payee, asset, net, id),
    channelsOf: (payer) => rows.channelsOf(payer),
    escrow: (owner, asset) => rows.escrow(owner, asset),
    pointer: (account) => rows.pointer(account),
    evidence: (net, epoch) => rows.evidence(net, epoch),
    evidenceFrom: (net, from) => rows.evidenceFrom(net, from),
    nonceCommit: (net, epoch, verifier) => rows.nonceCommit(net, epoch, verifier),
    roots: (net) => rows.roots(net),
    demand: (id) => rows.demand(id),
    demands: (net, provider) => rows.demands(net, provider),
    dispute: (id) => rows.dispute(id),
    disputes: (net) => rows.disputes(net),
    punished: (net) => rows.punished(net),
    punishedSigners: (net) => rows.punishedSigners(net),
    rootSet: (verifierNet) => rows.rootSet(verifierNet),
    nominated: (verifierNet, week, member) => rows.nominated(verifierNet, week, member),
    claimed: (net, asset, account) => rows.claimed(net, asset, account),
    pot: (net, asset) => rows.pot(net, asset),
    lease: (id) => rows.lease(id),
    leasesOf: (party) => rows.leasesOf(party),
    quoteCancelled: (provider, nonce) => rows.quoteCancelled(provider, nonce),
    epochSeed: (net, epoch) => rows.epochSeed(net, epoch),
    async advanced(ms, signal) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.add(resolve)
      using deadline = clock.deadline('the chain to advance', ms, signal)
      deadline.signal.addEventListener('abort', () => resolve(), { once: true })
      if (deadline.signal.aborted) resolve()
      await promise
      waiting.delete(resolve)
    },
  }
}
