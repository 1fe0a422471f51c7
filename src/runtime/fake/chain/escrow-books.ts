/** Escrow's books: accounts, fees, and what session keys may spend (EscrowBase.sol, EscrowKeys.sol). */
import type { Account, Address } from '../../../protocol/ids.ts'
import { accountArg, accountOf, addressArg, amountArg, amountOf, listOf, numberArg, numberOf } from './arguments.ts'
import { BPS, type Call, ceilDiv, DAY, least, type Machine, must, NOBODY, type Table, type Tokens } from './machine.ts'
import type { Functions, RegistryModel } from './registry.ts'

const MAX_128 = (1n << 128n) - 1n
const VOUCHER_SCOPE = 1
const PROTOCOL_FEE_BPS = 100n
const MAX_NETWORK_FEE_BPS = 1000n

export interface Books {
  readonly available: bigint
  readonly thawing: bigint
  readonly earned: bigint
  readonly thawEnd: number
}

interface KeyUsage {
  readonly spent: bigint
  readonly limit: bigint
  readonly earmarked: bigint
}

export interface FeeBook {
  readonly counted: bigint
  readonly burned: bigint
  /** The network's own fees that its recipient has not collected. */
  readonly network: bigint
  /** The network's fee as of the day's first payment; `null` before that. */
  readonly bps: bigint | null
}

export interface EscrowBooks {
  readonly books: Table<Books>
  readonly feeBooks: Table<FeeBook>
  readonly functions: Functions
  account(owner: string, asset: string): Books
  change(owner: string, asset: string, by: Partial<Books>): void
  takeAvailable(owner: string, asset: string, amount: bigint): void
  takeEarned(owner: string, asset: string, amount: bigint): void
  addAvailable(owner: string, asset: string, amount: bigint): void
  /** Splits what payers' books gave into fees and the payee's earnings. */
  settle(payee: Account, asset: Address, net: number, total: bigint): void
  maySpend(payer: string, signer: string): boolean
  spendable(payer: string, signer: string, asset: string): bigint
  spend(payer: string, signer: string, asset: string, amount: bigint): void
  earmarkBy(payer: string, key: string, asset: string, amount: bigint): void
}

export function createEscrowBooks(machine: Machine, tokens: Tokens, registry: RegistryModel, genesis: number): EscrowBooks {
  const { addresses, emit, now } = machine
  const books = machine.table<Books>({ available: 0n, thawing: 0n, earned: 0n, thawEnd: 0 })
  const usages = machine.table<KeyUsage>({ spent: 0n, limit: 0n, earmarked: 0n })
  const feeBooks = machine.table<FeeBook>({ counted: 0n, burned: 0n, network: 0n, bps: null })
  const at = (owner: string, asset: string): string => `${owner} ${asset}`

  function change(owner: string, asset: string, by: Partial<Books>): void {
    books.set(at(owner, asset), { ...books.get(at(owner, asset)), ...by })
  }

  function takeAvailable(owner: string, asset: string, amount: bigint): void {
    must(amount !== 0n, 'ZeroAmount')
    const held = books.get(at(owner, asset)).available
    must(held >= amount, 'Insufficient', { needed: amount, held })
    change(owner, asset, { available: held - amount })
  }

  function takeEarned(owner: string, asset: string, amount: bigint): void {
    must(amount !== 0n, 'ZeroAmount')
    const held = books.get(at(owner, asset)).earned
    must(held >= amount, 'Insufficient', { needed: amount, held })
    change(owner, asset, { earned: held - amount })
  }

  const addAvailable = (owner: string, asset: string, amount: bigint): void =>
    change(owner, asset, { available: books.get(at(owner, asset)).available + amount })
  const addEarned = (owner: string, asset: string, amount: bigint): void =>
    change(owner, asset, { earned: books.get(at(owner, asset)).earned + amount })

  function feeOf(net: number): { bps: bigint; recipient: string } {
    const params = registry.network(net)?.params
    const recipient = params === undefined ? NOBODY : accountOf(params['feeRecipient'])
    const bps = params === undefined || recipient === NOBODY ? 0n : least(amountOf(params['feeBps']), MAX_NETWORK_FEE_BPS)
    return { bps, recipient }
  }

  function creditFees(net: number, total: bigint): { networkFee: bigint; protocolFee: bigint } {
    const period = `${net} ${Math.floor((now() - genesis) / DAY)}`
    const book = feeBooks.get(period)
    const bps = book.bps ?? feeOf(net).bps
    const networkFee = ceilDiv(total * bps, BPS)
    const protocolFee = least(ceilDiv(total * PROTOCOL_FEE_BPS, BPS), total - networkFee)
    feeBooks.set(period, { ...book, counted: book.counted + protocolFee, network: book.network + networkFee, bps })
    return { networkFee, protocolFee }
  }

  function foreignFee(asset: Address, net: number, total: bigint): { networkFee: bigint; protocolFee: bigint } {
    const { bps, recipient } = feeOf(net)
    const networkFee = ceilDiv(total * bps, BPS)
    if (networkFee !== 0n) addEarned(recipient, asset, networkFee)
    return { networkFee, protocolFee: 0n }
  }

  function settle(payee: Account, asset: Address, net: number, total: bigint): void {
    if (total === 0n) return
    const { networkFee, protocolFee } = asset === addresses.credits ? creditFees(net, total) : foreignFee(asset, net, total)
    addEarned(payee, asset, total - networkFee - protocolFee)
    emit('escrow', 'Settled', { payee, asset, net, total, networkFee, protocolFee })
  }

  // ------------------------------------------------------------ session keys

  const maySpend = (payer: string, signer: string): boolean =>
    signer === payer || registry.sessionIsRedeemable(payer, signer, VOUCHER_SCOPE)
  const usageOf = (payer: string, key: string, asset: string): KeyUsage => usages.get(`${payer} ${key} ${asset}`)
  const limitOf = (payer: string, key: string, asset: string): bigint =>
    asset === addresses.credits ? registry.sessionLimit(payer, key) : usageOf(payer, key, asset).limit

  function spendable(payer: string, signer: string, asset: string): bigint {
    if (signer === payer) return MAX_128
    const left = limitOf(payer, signer, asset) - usageOf(payer, signer, asset).spent
    return left > 0n ? left : 0n
  }

  function spend(payer: string, signer: string, asset: string, amount: bigint): void {
    if (signer === payer) return
    const usage = usageOf(payer, signer, asset)
    usages.set(`${payer} ${signer} ${asset}`, { ...usage, spent: usage.spent + amount })
  }

  function earmarkBy(payer: string, key: string, asset: string, amount: bigint): void {
    must(registry.sessionIsActive(payer, key, VOUCHER_SCOPE), 'KeyNotActive', { account: payer, key })
    const usage = usageOf(payer, key, asset)
    const room = limitOf(payer, key, asset) - usage.earmarked
    const left = room > 0n ? room : 0n
    must(amount <= left, 'KeyLimitExceeded', { needed: amount, left })
    usages.set(`${payer} ${key} ${asset}`, { ...usage, earmarked: usage.earmarked + amount })
  }

  function burnFees(_: Call, args: readonly unknown[]): void {
    const [net, period] = [numberArg(args, 0), numberArg(args, 1)]
    const book = feeBooks.get(`${net} ${period}`)
    const amount = book.counted - book.burned
    if (amount === 0n) return
    feeBooks.set(`${net} ${period}`, { ...book, burned: book.counted })
    emit('escrow', 'FeesBurned', { net, period, amount })
    tokens.burn(addresses.credits, addresses.escrow, amount)
  }

  function collectFees(_: Call, args: readonly unknown[]): void {
    const net = numberArg(args, 0)
    const { recipient } = feeOf(net)
    if (recipient === NOBODY) return
    let amount = 0n
    for (const period of listOf(args[1]).map(numberOf)) {
      const book = feeBooks.get(`${net} ${period}`)
      amount += book.network
      feeBooks.set(`${net} ${period}`, { ...book, network: 0n })
    }
    if (amount === 0n) return
    addEarned(recipient, addresses.credits, amount)
    emit('escrow', 'FeesCollected', { net, recipient, amount })
  }

  return {
    books,
    feeBooks,
    account: (owner, asset) => books.get(at(owner, asset)),
    change,
    takeAvailable,
    takeEarned,
    addAvailable,
    settle,
    maySpend,
    spendable,
    spend,
    earmarkBy,
    functions: {
      burnFees,
      collectFees,
      setKeyLimit(call, args) {
        const [key, asset, limit] = [accountArg(args, 0), addressArg(args, 1), amountArg(args, 2)]
        const usage = usageOf(call.sender, key, asset)
        must(limit >= usage.limit, 'LimitCannotShrink', { current: usage.limit })
        usages.set(`${call.sender} ${key} ${asset}`, { ...usage, limit })
        emit('escrow', 'KeyLimitSet', { account: call.sender, key, asset, limit })
      },
    },
  }
}
