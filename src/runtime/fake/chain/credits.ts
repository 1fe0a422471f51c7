/** Model of Credits over a fixed price. */
import { accountArg, amountArg } from './arguments.ts'
import { ceilDiv, DAY, least, type Machine, must, refuse, type Tokens } from './machine.ts'
import type { Functions } from './registry.ts'

/** value(µcredits) = tokens(wei) · price(USD · 1e18) / SCALE. */
const SCALE = 10n ** 25n
const ONE = 10n ** 18n
const HALT_AT = (9n * ONE) / 10n
const RESUME_AT = (95n * ONE) / 100n

export interface CreditsModel {
  readonly functions: Functions
  /** Escrow's call for earned credits; CAIRN wei paid. */
  redeem(to: string, credits: bigint, minTokens: bigint): bigint
  vault(): bigint
  topUpReserve(): bigint
}

interface Window {
  readonly day: number
  readonly base: bigint
  readonly minted: bigint
}

export function createCredits(machine: Machine, tokens: Tokens, of: { price: bigint; dailyMintFloor: bigint }): CreditsModel {
  const { addresses, emit } = machine
  const amounts = machine.table(0n)
  const halted = machine.table(false)
  const windows = machine.table<Window>({ day: 0, base: 0n, minted: 0n })
  const supply = (): bigint => tokens.supply(addresses.credits)

  function touch(): void {
    const c = supply()
    const ratio = c === 0n ? null : (amounts.get('vault') * of.price * ONE) / (c * SCALE)
    const was = halted.get('')
    const is = ratio !== null && ratio < (was ? RESUME_AT : HALT_AT)
    if (is === was) return
    halted.set('', is)
    emit('credits', 'MintHaltSet', { halted: is })
  }

  function consume(credits: bigint): void {
    const day = Math.floor(machine.now() / DAY)
    const seen = windows.get('')
    const window = seen.day === day ? seen : { day, base: supply(), minted: 0n }
    const tenth = window.base / 10n
    const most = tenth > of.dailyMintFloor ? tenth : of.dailyMintFloor
    must(credits <= most - window.minted, 'MintLimitExceeded', { credits, available: most - window.minted })
    windows.set('', { ...window, minted: window.minted + credits })
  }

  function buy(from: string, to: string, tokensIn: bigint, credits: bigint): void {
    must(credits !== 0n, 'ZeroAmount')
    must(to !== addresses.escrow, 'NotTransferable', { from: '', to })
    consume(credits)
    amounts.set('vault', amounts.get('vault') + tokensIn)
    tokens.mint(addresses.credits, to, credits)
    emit('credits', 'CreditsMinted', { from, to, tokensIn, credits, price: of.price })
    tokens.pull(addresses.token, addresses.credits, from, tokensIn)
  }

  function ready(): void {
    touch()
    if (halted.get('')) refuse('MintHalted')
  }

  return {
    functions: {
      mint(call, args) {
        ready()
        const credits = amountArg(args, 1)
        const tokensIn = ceilDiv(credits * SCALE, of.price)
        must(tokensIn <= amountArg(args, 2), 'Slippage', { actual: tokensIn, bound: amountArg(args, 2) })
        buy(call.sender, accountArg(args, 0), tokensIn, credits)
      },
      mintExactIn(call, args) {
        ready()
        const tokensIn = amountArg(args, 1)
        const credits = (tokensIn * of.price) / SCALE
        must(credits >= amountArg(args, 2), 'Slippage', { actual: credits, bound: amountArg(args, 2) })
        buy(call.sender, accountArg(args, 0), tokensIn, credits)
      },
      topUp(call, args) {
        const amount = amountArg(args, 0)
        must(amount !== 0n, 'ZeroAmount')
        amounts.set('topUp', amounts.get('topUp') + amount)
        emit('credits', 'ToppedUp', { from: call.sender, tokens: amount })
        tokens.pull(addresses.token, addresses.credits, call.sender, amount)
      },
      poke: touch,
      burn: (call, args) => tokens.burn(addresses.credits, call.sender, amountArg(args, 0)),
      approve: (call, args) => tokens.approve(addresses.credits, call.sender, accountArg(args, 0), amountArg(args, 1)),
      transfer: (call, args) => refuse('NotTransferable', { from: call.sender, to: accountArg(args, 0) }),
    },
    redeem(to, credits, minTokens) {
      touch()
      const vault = amounts.get('vault')
      const reserve = amounts.get('topUp')
      const value = (credits * SCALE) / of.price
      const c = supply()
      const fromVault = least(value, c === 0n ? 0n : (vault * credits) / c)
      const fromTopUp = least(value - fromVault, reserve)
      const paid = fromVault + fromTopUp
      must(credits !== 0n, 'ZeroAmount')
      must(paid >= minTokens, 'Slippage', { actual: paid, bound: minTokens })
      amounts.set('vault', vault - fromVault)
      amounts.set('topUp', reserve - fromTopUp)
      tokens.burn(addresses.credits, addresses.escrow, credits)
      emit('credits', 'CreditsRedeemed', { to, credits, fromVault, fromTopUp, price: of.price })
      tokens.move(addresses.token, addresses.credits, to, paid)
      return paid
    },
    vault: () => amounts.get('vault'),
    topUpReserve: () => amounts.get('topUp'),
  }
}
