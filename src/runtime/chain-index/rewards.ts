/** Roots, pots and what verifiers committed. */
import { type Account, type Address, type Digest, type Epoch, epoch, type NetworkId, networkId } from '../../protocol/ids.ts'
import type { EvidenceCommit, RootRow } from '../chain.ts'
import { accountIn, addressIn, bigintIn, type ChainEvent, digestIn, type EventArgs, numberIn } from './event.ts'

export interface RewardsIndex {
  apply(event: ChainEvent): void
  /** @param now Seconds: a pending root is active once its window has passed. */
  roots(net: NetworkId, now: number): readonly RootRow[]
  claimed(net: NetworkId, asset: Address, account: Account): bigint
  pot(net: NetworkId, asset: Address, now: number): { funded: bigint; allocated: bigint; claimed: bigint }
  evidence(net: NetworkId, epoch: Epoch): readonly EvidenceCommit[]
  evidenceFrom(net: NetworkId, from: Epoch): readonly Epoch[]
  nonceCommit(net: NetworkId, epoch: Epoch, verifier: Account): Digest | null
}

interface Pot {
  funded: bigint
  claimed: bigint
  readonly roots: RootRow[]
}

/** RewardsDistributor.MAX_VETOES_IN_A_ROW and LONG_WINDOW. */
const VETOES_IN_A_ROW = 2
const LONG_WINDOW_SECONDS = 21 * 86_400

const stateAt = (root: RootRow, now: number): RootRow['state'] => (root.state === 'pending' && now >= root.activeAt ? 'active' : root.state)

export function createRewardsIndex(): RewardsIndex {
  const pots = new Map<string, Pot>()
  const potsOf = new Map<NetworkId, Set<string>>()
  const claims = new Map<string, bigint>()
  const commits = new Map<string, EvidenceCommit[]>()
  /** In order: EvidenceLog takes an epoch's evidence in the epoch after it only. */
  const committed = new Map<NetworkId, Epoch[]>()
  const nonces = new Map<string, Digest>()

  function potOf(net: NetworkId, asset: Address): Pot {
    const at = `${net} ${asset}`
    const known = pots.get(at)
    if (known !== undefined) return known
    const made: Pot = { funded: 0n, claimed: 0n, roots: [] }
    pots.set(at, made)
    potsOf.set(net, (potsOf.get(net) ?? new Set()).add(at))
    return made
  }

  function publish(pot: Pot, net: NetworkId, asset: Address, args: EventArgs): void {
    pot.roots.push({
      net,
      asset,
      epoch: epoch(numberIn(args, 'epoch')),
      index: numberIn(args, 'index'),
      root: digestIn(args, 'root'),
      total: bigintIn(args, 'total'),
      dataHash: digestIn(args, 'dataHash'),
      activeAt: numberIn(args, 'activeAt'),
      state: 'pending',
    })
  }

  function change(pot: Pot, index: number, change: Partial<RootRow>): void {
    const row = pot.roots[index]
    if (row !== undefined) pot.roots[index] = { ...row, ...change }
  }

  /** The contract gives the root behind two vetoed ones its long window at once, without an event of its own. */
  function veto(pot: Pot, index: number, now: number): void {
    const vetoed = (at: number): boolean => pot.roots[at]?.state === 'vetoed'
    change(pot, index, { state: 'vetoed' })
    let first = index
    while (index - first < VETOES_IN_A_ROW && vetoed(first - 1)) first -= 1
    let end = index + 1
    while (end - index <= VETOES_IN_A_ROW && vetoed(end)) end += 1
    const next = pot.roots[end]
    if (end - first !== VETOES_IN_A_ROW || next === undefined || stateAt(next, now) !== 'pending') return
    change(pot, end, { activeAt: Math.max(next.activeAt, now + LONG_WINDOW_SECONDS) })
  }

  function rewards({ name, args, timestamp }: ChainEvent): void {
    if (args.net === undefined) return
    const net = networkId(numberIn(args, 'net'))
    const asset = addressIn(args, 'asset')
    const pot = potOf(net, asset)
    switch (name) {
      case 'Funded':
        pot.funded += bigintIn(args, 'amount')
        return
      case 'RootPublished':
        publish(pot, net, asset, args)
        return
      case 'RootVetoed':
        veto(pot, numberIn(args, 'index'), timestamp)
        return
      case 'RootChallenged':
        change(pot, numberIn(args, 'index'), { state: 'challenged' })
        return
      case 'RootJudged': {
        const state = args.fraudulent === true ? 'rejected' : 'pending'
        change(pot, numberIn(args, 'index'), { state, activeAt: timestamp })
        return
      }
      case 'Claimed': {
        const at = `${net} ${asset} ${accountIn(args, 'account')}`
        const amount = bigintIn(args, 'amount')
        pot.claimed += amount
        claims.set(at, (claims.get(at) ?? 0n) + amount)
      }
    }
  }

  function evidence({ name, args, block }: ChainEvent): void {
    const net = networkId(numberIn(args, 'net'))
    const of = epoch(numberIn(args, 'epoch'))
    const verifier = accountIn(args, 'verifier')
    if (name === 'NonceCommitted') nonces.set(`${net} ${of} ${verifier}`, digestIn(args, 'nonceHash'))
    if (name !== 'EvidenceCommitted') return
    const at = `${net} ${of}`
    const rows = commits.get(at) ?? []
    rows.push({ net, epoch: of, verifier, digest: digestIn(args, 'sha256Digest'), bytes: Number(bigintIn(args, 'size')), block })
    commits.set(at, rows)
    const epochs = committed.get(net) ?? []
    if (epochs.at(-1) !== of) epochs.push(of)
    committed.set(net, epochs)
  }

  return {
    apply(event) {
      if (event.contract === 'rewards') rewards(event)
      if (event.contract === 'evidence') evidence(event)
    },
    roots(net, now) {
      const rows: RootRow[] = []
      for (const at of potsOf.get(net) ?? []) {
        for (const row of pots.get(at)?.roots ?? []) rows.push({ ...row, state: stateAt(row, now) })
      }
      return rows
    },
    claimed: (net, asset, account) => claims.get(`${net} ${asset} ${account}`) ?? 0n,
    pot(net, asset, now) {
      const found = pots.get(`${net} ${asset}`)
      if (found === undefined) return { funded: 0n, allocated: 0n, claimed: 0n }
      let allocated = 0n
      for (const row of found.roots) if (stateAt(row, now) === 'active' && row.total > allocated) allocated = row.total
      return { funded: found.funded, allocated, claimed: found.claimed }
    },
    evidenceFrom(net, from) {
      const epochs = committed.get(net) ?? []
      return epochs.slice(epochs.findLastIndex((epoch) => epoch < from) + 1)
    },
    evidence: (net, of) => commits.get(`${net} ${of}`) ?? [],
    nonceCommit: (net, of, verifier) => nonces.get(`${net} ${of} ${verifier}`) ?? null,
  }
}
