import type { Address } from '../../../protocol/ids.ts'
import type { CreditsModel } from './credits.ts'
import { createEscrowAccounts } from './escrow-accounts.ts'
import { type Books, createEscrowBooks } from './escrow-books.ts'
import { type Channel, createEscrowChannels, type RootCheck } from './escrow-channels.ts'
import { createEscrowLocks } from './escrow-locks.ts'
import type { Machine, Tokens } from './machine.ts'
import type { Functions, RegistryModel } from './registry.ts'

export interface EscrowModel {
  readonly functions: Functions
  account(owner: string, asset: string): Books
  channel(key: string): Channel
  fees(net: number, period: number): { counted: bigint; burned: bigint; network: bigint }
  /** Everything that the books hold of an asset, by kind. */
  holdings(asset: Address): { available: bigint; thawing: bigint; earned: bigint; earmarked: bigint; locked: bigint; fees: bigint }
}

export interface EscrowNeeds {
  readonly machine: Machine
  readonly tokens: Tokens
  readonly registry: RegistryModel
  readonly credits: CreditsModel
  readonly genesis: number
  readonly isActiveRoot: RootCheck
}

/** Model of Escrow, in the parts of its contracts. */
export function createEscrow({ machine, tokens, registry, credits, genesis, isActiveRoot }: EscrowNeeds): EscrowModel {
  const base = createEscrowBooks(machine, tokens, registry, genesis)
  const { channels, functions } = createEscrowChannels(machine, base, isActiveRoot)
  const collectors = createEscrowLocks(machine, base)
  const accounts = createEscrowAccounts(machine, tokens, credits, base)
  return {
    functions: { ...base.functions, ...functions, ...collectors.functions, ...accounts },
    account: base.account,
    channel: (key) => channels.get(key),
    fees: (net, period) => base.feeBooks.get(`${net} ${period}`),
    holdings(asset) {
      const sum = { available: 0n, thawing: 0n, earned: 0n, earmarked: 0n, locked: 0n, fees: 0n }
      for (const [key, row] of base.books.entries()) {
        if (!key.endsWith(` ${asset}`)) continue
        sum.available += row.available
        sum.thawing += row.thawing
        sum.earned += row.earned
      }
      for (const [, row] of channels.entries()) if (row.asset === asset) sum.earmarked += row.earmark
      for (const [, row] of collectors.locks.entries()) if (row.asset === asset) sum.locked += row.amount
      if (asset === machine.addresses.credits)
        for (const [, row] of base.feeBooks.entries()) sum.fees += row.counted - row.burned + row.network
      return sum
    },
  }
}
