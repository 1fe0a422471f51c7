/** How money enters and leaves Escrow (EscrowAccounts.sol). */
import { accountArg, addressArg, amountArg } from './arguments.ts'
import type { CreditsModel } from './credits.ts'
import type { EscrowBooks } from './escrow-books.ts'
import { type Call, type Machine, must, NOBODY, type Tokens, WEEK } from './machine.ts'
import type { Functions } from './registry.ts'

export function createEscrowAccounts(machine: Machine, tokens: Tokens, credits: CreditsModel, base: EscrowBooks): Functions {
  const { addresses, emit, now } = machine
  const { account, change, takeAvailable, takeEarned, addAvailable } = base

  // ------------------------------------------------------- accounts and exits

  function deposit(call: Call, args: readonly unknown[]): void {
    const [to, asset, amount] = [accountArg(args, 0), addressArg(args, 1), amountArg(args, 2)]
    must(amount !== 0n, 'ZeroAmount')
    tokens.pull(asset, addresses.escrow, call.sender, amount)
    must(to !== NOBODY, 'ZeroAddress')
    addAvailable(to, asset, amount)
    emit('escrow', 'Deposited', { from: call.sender, to, asset, amount })
  }

  function thaw(call: Call, args: readonly unknown[]): void {
    const [asset, amount] = [addressArg(args, 0), amountArg(args, 1)]
    takeAvailable(call.sender, asset, amount)
    const thawEnd = now() + WEEK
    change(call.sender, asset, { thawing: account(call.sender, asset).thawing + amount, thawEnd })
    emit('escrow', 'Thawing', { owner: call.sender, asset, amount, thawEnd })
  }

  function cancelThaw(call: Call, args: readonly unknown[]): void {
    const asset = addressArg(args, 0)
    const amount = account(call.sender, asset).thawing
    must(amount !== 0n, 'ZeroAmount')
    change(call.sender, asset, { thawing: 0n, thawEnd: 0 })
    addAvailable(call.sender, asset, amount)
    emit('escrow', 'ThawCancelled', { owner: call.sender, asset, amount })
  }

  function withdraw(call: Call, args: readonly unknown[]): void {
    const [asset, to] = [addressArg(args, 0), accountArg(args, 1)]
    const { thawing: amount, thawEnd } = account(call.sender, asset)
    must(amount !== 0n, 'ZeroAmount')
    must(now() >= thawEnd, 'StillThawing', { thawEnd })
    change(call.sender, asset, { thawing: 0n, thawEnd: 0 })
    emit('escrow', 'Withdrawn', { owner: call.sender, asset, to, amount })
    tokens.move(asset, addresses.escrow, to, amount)
  }

  function withdrawEarned(call: Call, args: readonly unknown[]): void {
    const [asset, amount, to] = [addressArg(args, 0), amountArg(args, 1), accountArg(args, 2)]
    takeEarned(call.sender, asset, amount)
    emit('escrow', 'EarnedWithdrawn', { owner: call.sender, asset, to, amount })
    tokens.move(asset, addresses.escrow, to, amount)
  }

  function earnedToAvailable(call: Call, args: readonly unknown[]): void {
    const [asset, amount] = [addressArg(args, 0), amountArg(args, 1)]
    takeEarned(call.sender, asset, amount)
    addAvailable(call.sender, asset, amount)
    emit('escrow', 'EarnedMadeAvailable', { owner: call.sender, asset, amount })
  }

  function redeemEarned(call: Call, args: readonly unknown[]): void {
    const [amount, minTokens, to] = [amountArg(args, 0), amountArg(args, 1), accountArg(args, 2)]
    takeEarned(call.sender, addresses.credits, amount)
    const paid = credits.redeem(to, amount, minTokens)
    emit('escrow', 'EarnedRedeemed', { owner: call.sender, to, credits: amount, tokens: paid })
  }

  return { deposit, thaw, cancelThaw, withdraw, withdrawEarned, earnedToAvailable, redeemEarned }
}
