import type { Address } from '../../../protocol/ids.ts'
import { accountArg, amountArg } from './arguments.ts'
import { type Machine, must, type Tokens } from './machine.ts'
import type { Functions } from './registry.ts'

const MAX = (1n << 256n) - 1n

export interface TokenModel extends Tokens {
  /** What a wallet calls of the CAIRN token. */
  readonly functions: Functions
}

/** Balances of every ERC-20. */
export function createTokens(machine: Machine): TokenModel {
  const balances = machine.table(0n)
  const allowances = machine.table(0n)
  const supplies = machine.table(0n)
  const burnt = machine.table(0n)
  const at = (asset: string, owner: string): string => `${asset} ${owner}`

  function take(asset: Address, from: string, amount: bigint): void {
    const held = balances.get(at(asset, from))
    must(held >= amount, 'ERC20InsufficientBalance', { sender: from, balance: held, needed: amount })
    balances.set(at(asset, from), held - amount)
  }

  const tokens: TokenModel = {
    balanceOf: (asset, owner) => balances.get(at(asset, owner)),
    supply: (asset) => supplies.get(asset),
    burned: (asset) => burnt.get(asset),
    approve: (asset, owner, spender, amount) => allowances.set(`${at(asset, owner)} ${spender}`, amount),
    move(asset, from, to, amount) {
      take(asset, from, amount)
      balances.set(at(asset, to), balances.get(at(asset, to)) + amount)
    },
    pull(asset, spender, from, amount) {
      const key = `${at(asset, from)} ${spender}`
      const allowed = allowances.get(key)
      must(allowed >= amount, 'ERC20InsufficientAllowance', { spender, allowance: allowed, needed: amount })
      // OpenZeppelin leaves an infinite allowance as it is.
      if (allowed !== MAX) allowances.set(key, allowed - amount)
      tokens.move(asset, from, spender, amount)
    },
    mint(asset, to, amount) {
      supplies.set(asset, supplies.get(asset) + amount)
      balances.set(at(asset, to), balances.get(at(asset, to)) + amount)
    },
    burn(asset, from, amount) {
      take(asset, from, amount)
      supplies.set(asset, supplies.get(asset) - amount)
      burnt.set(asset, burnt.get(asset) + amount)
    },
    *balances(asset) {
      for (const [key, amount] of balances.entries()) {
        if (key.startsWith(`${asset} `)) yield [key.slice(asset.length + 1), amount] as const
      }
    },
    functions: {
      approve: (call, args) => tokens.approve(machine.addresses.token, call.sender, accountArg(args, 0), amountArg(args, 1)),
      transfer: (call, args) => tokens.move(machine.addresses.token, call.sender, accountArg(args, 0), amountArg(args, 1)),
      burn: (call, args) => tokens.burn(machine.addresses.token, call.sender, amountArg(args, 0)),
    },
  }
  return tokens
}
