/** Money set aside for collectors (EscrowCollectors.sol). */
import { type Account, type Address, bytesOf, type Digest, digestOf as digestOfBytes } from '../../../protocol/ids.ts'
import { concat } from '../../../std/bytes.ts'
import { accountArg, accountOf, addressArg, amountArg, amountOf, digestArg, digestOf, listOf, numberArg, structOf } from './arguments.ts'
import type { EscrowBooks } from './escrow-books.ts'
import { type Call, type Machine, must, NOBODY, type Table } from './machine.ts'
import type { Functions } from './registry.ts'

export interface Lock {
  readonly asset: string
  readonly amount: bigint
  readonly expiry: number
}

export function createEscrowLocks(machine: Machine, base: EscrowBooks): { functions: Functions; locks: Table<Lock> } {
  const { crypto, emit, now } = machine
  const { takeAvailable, addAvailable, settle } = base
  const approvals = machine.table({ allowance: 0n, maxLockSeconds: 0 })
  const locks = machine.table<Lock>({ asset: '', amount: 0n, expiry: 0 })

  // ------------------------------------------------------------------- locks

  const lockKeyOf = (collector: Account, payer: Account, asset: Address, lockId: Digest): Digest => {
    const words = [collector, payer, asset].map((id) => concat([new Uint8Array(12), bytesOf(id)]))
    return digestOfBytes(crypto.keccak256(...words, bytesOf(lockId)))
  }

  function takeLocked(lockKey: Digest, amount: bigint): void {
    must(amount !== 0n, 'ZeroAmount')
    const held = locks.get(lockKey)
    must(amount <= held.amount, 'Insufficient', { needed: amount, held: held.amount })
    locks.set(lockKey, { ...held, amount: held.amount - amount })
  }

  function lock(call: Call, args: readonly unknown[]): void {
    const [payer, asset, lockId, amount, expiry] = [
      accountArg(args, 0),
      addressArg(args, 1),
      digestArg(args, 2),
      amountArg(args, 3),
      numberArg(args, 4),
    ]
    const at = `${payer} ${call.sender} ${asset}`
    const granted = approvals.get(at)
    must(amount <= granted.allowance, 'AllowanceExceeded', { needed: amount, left: granted.allowance })
    must(expiry > now() && expiry - now() <= granted.maxLockSeconds, 'BadExpiry', { expiry })
    const lockKey = lockKeyOf(call.sender, payer, asset, lockId)
    must(locks.get(lockKey).amount === 0n, 'LockExists', { lockKey })
    approvals.set(at, { ...granted, allowance: granted.allowance - amount })
    takeAvailable(payer, asset, amount)
    locks.set(lockKey, { asset, amount, expiry })
    emit('escrow', 'Locked', { lockKey, collector: call.sender, payer, asset, amount, expiry })
  }

  function payLocked(lockKey: Digest, payee: Account, net: number, amount: bigint): void {
    must(payee !== NOBODY, 'ZeroAddress')
    must(now() < locks.get(lockKey).expiry, 'LockExpired', { expiry: locks.get(lockKey).expiry })
    takeLocked(lockKey, amount)
    emit('escrow', 'PaidFromLock', { lockKey, payee, net, amount })
  }

  function pay(call: Call, args: readonly unknown[]): void {
    const [payer, payee, asset] = [accountArg(args, 0), accountArg(args, 1), addressArg(args, 2)]
    const [net, amount] = [numberArg(args, 3), amountArg(args, 5)]
    payLocked(lockKeyOf(call.sender, payer, asset, digestArg(args, 4)), payee, net, amount)
    settle(payee, asset, net, amount)
  }

  function payMany(call: Call, args: readonly unknown[]): void {
    const [payee, asset, net] = [accountArg(args, 0), addressArg(args, 1), numberArg(args, 2)]
    let total = 0n
    for (const payment of listOf(args[3]).map(structOf)) {
      const amount = amountOf(payment['amount'])
      payLocked(lockKeyOf(call.sender, accountOf(payment['payer']), asset, digestOf(payment['lockId'])), payee, net, amount)
      total += amount
    }
    settle(payee, asset, net, total)
  }

  function unlock(call: Call, args: readonly unknown[]): void {
    const [payer, asset, amount] = [accountArg(args, 0), addressArg(args, 1), amountArg(args, 3)]
    const lockKey = lockKeyOf(call.sender, payer, asset, digestArg(args, 2))
    takeLocked(lockKey, amount)
    addAvailable(payer, asset, amount)
    emit('escrow', 'Unlocked', { lockKey, payer, amount })
  }

  function returnExpired(_: Call, args: readonly unknown[]): void {
    const [collector, payer, asset] = [accountArg(args, 0), accountArg(args, 1), addressArg(args, 2)]
    const lockKey = lockKeyOf(collector, payer, asset, digestArg(args, 3))
    const held = locks.get(lockKey)
    must(now() >= held.expiry, 'LockNotExpired', { expiry: held.expiry })
    takeLocked(lockKey, held.amount)
    addAvailable(payer, asset, held.amount)
    emit('escrow', 'Unlocked', { lockKey, payer, amount: held.amount })
  }

  return {
    locks,
    functions: {
      lock,
      pay,
      payMany,
      unlock,
      returnExpired,
      approveCollector(call, args) {
        const [collector, asset, allowance, maxLockSeconds] = [
          accountArg(args, 0),
          addressArg(args, 1),
          amountArg(args, 2),
          numberArg(args, 3),
        ]
        must(collector !== NOBODY, 'ZeroAddress')
        approvals.set(`${call.sender} ${collector} ${asset}`, { allowance, maxLockSeconds })
        emit('escrow', 'CollectorApproved', { payer: call.sender, collector, asset, allowance, maxLockSeconds })
      },
    },
  }
}
