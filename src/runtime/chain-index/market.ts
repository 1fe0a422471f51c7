/** Leases, and quotes that their providers took back. */
import { type Account, networkId } from '../../protocol/ids.ts'
import type { LeaseRow } from '../chain.ts'
import { accountIn, addressIn, bigintIn, type ChainEvent, digestIn, numberIn } from './event.ts'

export interface MarketIndex {
  apply(event: ChainEvent): void
  lease(id: bigint): LeaseRow | null
  leasesOf(party: Account): readonly LeaseRow[]
  quoteCancelled(provider: Account, nonce: bigint): boolean
}

export function createMarketIndex(): MarketIndex {
  const leases = new Map<bigint, LeaseRow>()
  const byParty = new Map<Account, Set<bigint>>()
  const cancelled = new Set<string>()

  function open({ args, timestamp }: ChainEvent): void {
    const id = bigintIn(args, 'id')
    const parties = { customer: accountIn(args, 'customer'), provider: accountIn(args, 'provider') }
    leases.set(id, {
      id,
      ...parties,
      net: networkId(numberIn(args, 'net')),
      spec: digestIn(args, 'spec'),
      asset: addressIn(args, 'asset'),
      rate: bigintIn(args, 'rate'),
      start: timestamp,
      end: numberIn(args, 'end'),
      settledAt: timestamp,
      paid: 0n,
      closed: false,
    })
    for (const party of Object.values(parties)) byParty.set(party, (byParty.get(party) ?? new Set()).add(id))
  }

  function change({ args }: ChainEvent, changeOf: (row: LeaseRow) => Partial<LeaseRow>): void {
    const row = leases.get(bigintIn(args, 'id'))
    if (row !== undefined) leases.set(row.id, { ...row, ...changeOf(row) })
  }

  return {
    apply(event) {
      if (event.contract !== 'market') return
      const { args } = event
      switch (event.name) {
        case 'LeaseOpened':
          open(event)
          return
        case 'LeaseSettled':
          change(event, (row) => ({ settledAt: numberIn(args, 'until'), paid: row.paid + bigintIn(args, 'amount') }))
          return
        case 'LeaseEnding':
          change(event, () => ({ end: numberIn(args, 'end') }))
          return
        case 'LeaseClosed':
          change(event, () => ({ closed: true }))
          return
        case 'QuoteCancelled':
          cancelled.add(`${accountIn(args, 'provider')} ${bigintIn(args, 'nonce')}`)
          return
      }
    },
    lease: (id) => leases.get(id) ?? null,
    leasesOf(party) {
      const rows: LeaseRow[] = []
      for (const id of byParty.get(party) ?? []) {
        const row = leases.get(id)
        if (row !== undefined) rows.push(row)
      }
      return rows
    },
    quoteCancelled: (provider, nonce) => cancelled.has(`${provider} ${nonce}`),
  }
}
