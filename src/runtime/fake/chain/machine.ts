import type { Crypto } from '../../../protocol/crypto.ts'
import type { Account, Address } from '../../../protocol/ids.ts'
import type { Addresses } from '../../chain.ts'
import type { EventArgs } from '../../chain-index/index.ts'

/** A contract's refusal, named and filled as its custom error is. Undoes everything the transaction did. */
export class ModelRevert extends Error {
  readonly error: string
  readonly data: EventArgs
  constructor(error: string, data: EventArgs = {}) {
    super(error)
    this.error = error
    this.data = data
  }
}

export function refuse(error: string, data: EventArgs = {}): never {
  throw new ModelRevert(error, data)
}

export function must(holds: boolean, error: string, data: EventArgs = {}): void {
  if (!holds) refuse(error, data)
}

export interface Emitted {
  readonly contract: keyof Addresses
  readonly name: string
  readonly args: EventArgs
}

/** A mapping in a contract's storage. Values are never changed in place: the old one must stay for the undoing. */
export interface Table<V> {
  get(key: string): V
  set(key: string, value: V): void
  entries(): IterableIterator<[string, V]>
}

/** State that a transaction or a block can be taken back from. */
export interface Machine {
  readonly crypto: Crypto
  readonly chainId: number
  readonly addresses: Addresses
  /** Seconds, of the block that is being made. */
  now(): number
  table<V>(absent: V): Table<V>
  emit(contract: keyof Addresses, name: string, args: EventArgs): void
  /** Runs one transaction in a block of time `at`; its events, or why it was refused. `keep: false` only simulates. */
  run(at: number, work: () => void, keep: boolean): readonly Emitted[] | ModelRevert
  mark(): number
  /** Takes back everything since the mark. */
  undo(mark: number): void
  /** Nothing before this mark will be taken back any more. */
  forget(mark: number): void
}

/** What a function of a contract knows of its call. */
export interface Call {
  readonly sender: Account
}

export function createMachine(of: { crypto: Crypto; chainId: number; addresses: Addresses }): Machine {
  let undoLog: (() => void)[] = []
  let forgotten = 0
  let time = 0
  let events: Emitted[] = []

  function undo(mark: number): void {
    while (forgotten + undoLog.length > mark) undoLog.pop()?.()
  }

  return {
    ...of,
    now: () => time,
    table<V>(absent: V): Table<V> {
      const values = new Map<string, V>()
      return {
        get: (key) => values.get(key) ?? absent,
        set(key, value) {
          const before = values.get(key)
          undoLog.push(() => (before === undefined ? values.delete(key) : values.set(key, before)))
          values.set(key, value)
        },
        entries: () => values.entries(),
      }
    },
    emit(contract, name, args) {
      events.push({ contract, name, args })
    },
    run(at, work, keep) {
      const start = forgotten + undoLog.length
      time = at
      events = []
      try {
        work()
      } catch (error) {
        undo(start)
        if (error instanceof ModelRevert) return error
        throw error
      }
      const emitted = events
      events = []
      if (!keep) undo(start)
      return emitted
    },
    mark: () => forgotten + undoLog.length,
    undo,
    forget(mark) {
      const count = mark - forgotten
      if (count <= 0) return
      undoLog = undoLog.slice(count)
      forgotten = mark
    },
  }
}

/** Of the contracts' own constants. */
export const WEEK = 7 * 86_400
export const DAY = 86_400
export const BPS = 10_000n
export const NOBODY = `0x${'00'.repeat(20)}` as const
export const ZERO_WORD = `0x${'00'.repeat(32)}` as const

/** OpenZeppelin's Math.ceilDiv. */
export const ceilDiv = (a: bigint, b: bigint): bigint => (a === 0n ? 0n : (a - 1n) / b + 1n)

export function least(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}

export function greatest(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}

/** The asset tokens that contracts move. */
export interface Tokens {
  balanceOf(asset: Address, owner: string): bigint
  move(asset: Address, from: string, to: string, amount: bigint): void
  /** `transferFrom` by `spender`: uses up its allowance. */
  pull(asset: Address, spender: string, from: string, amount: bigint): void
  mint(asset: Address, to: string, amount: bigint): void
  burn(asset: Address, from: string, amount: bigint): void
  supply(asset: Address): bigint
  burned(asset: Address): bigint
  approve(asset: Address, owner: string, spender: string, amount: bigint): void
  balances(asset: Address): Iterable<readonly [owner: string, amount: bigint]>
}
