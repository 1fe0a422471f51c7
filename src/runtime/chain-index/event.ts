import { type Account, type Address, account, address, type Digest, digest, type Hex } from '../../protocol/ids.ts'
import { assert } from '../../std/assert.ts'
import type { Addresses } from '../chain.ts'

export type EventArgs = Readonly<Record<string, unknown>>

/** One event of one of our contracts, decoded, in chain order. Addresses are lower case. */
export interface ChainEvent {
  readonly contract: keyof Addresses
  readonly name: string
  readonly args: EventArgs
  readonly block: bigint
  /** Seconds, of the block. */
  readonly timestamp: number
}

/** What an event says of a field. The ABI has typed it, so another type is a bug and not bad input. */
export function numberIn(args: EventArgs, name: string): number {
  const value = args[name]
  assert(typeof value === 'number', `${name} is a number`)
  return value
}

export function bigintIn(args: EventArgs, name: string): bigint {
  const value = args[name]
  assert(typeof value === 'bigint', `${name} is a bigint`)
  return value
}

export function textIn(args: EventArgs, name: string): string {
  const value = args[name]
  assert(typeof value === 'string', `${name} is text`)
  return value
}

export function structIn(args: EventArgs, name: string): EventArgs {
  const value = args[name]
  assert(typeof value === 'object' && value !== null, `${name} is a struct`)
  return Object.fromEntries(Object.entries(value))
}

export const accountIn = (args: EventArgs, name: string): Account => account(textIn(args, name))
export const addressIn = (args: EventArgs, name: string): Address => address(textIn(args, name))
export const digestIn = (args: EventArgs, name: string): Digest => digest(textIn(args, name))
export function hexIn(args: EventArgs, name: string): Hex {
  const text = textIn(args, name)
  assert(text.startsWith('0x'), `${name} is hexadecimal`)
  return `0x${text.slice(2)}`
}
