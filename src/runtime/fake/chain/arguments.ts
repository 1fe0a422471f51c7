/** Arguments of a call as viem takes them: tuples are objects, integers are bigints or numbers. */
import { type Account, type Address, account, address, type Digest, digest, type Hex } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'

export type Struct = Readonly<Record<string, unknown>>

export function amountOf(value: unknown): bigint {
  assert(typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)), 'an integer argument')
  return BigInt(value)
}

export function textOf(value: unknown): string {
  assert(typeof value === 'string', 'a hexadecimal argument')
  return value
}

export function structOf(value: unknown): Struct {
  assert(typeof value === 'object' && value !== null, 'a tuple argument')
  return Object.fromEntries(Object.entries(value))
}

export function listOf(value: unknown): readonly unknown[] {
  assert(Array.isArray(value), 'a list argument')
  return value
}

export const accountOf = (value: unknown): Account => account(textOf(value))
export const addressOf = (value: unknown): Address => address(textOf(value))
export const digestOf = (value: unknown): Digest => digest(textOf(value))
export const numberOf = (value: unknown): number => Number(amountOf(value))
export function hexOf(value: unknown): Hex {
  const text = textOf(value).toLowerCase()
  assert(text.startsWith('0x'), 'a hexadecimal argument')
  return `0x${text.slice(2)}`
}

export const amountArg = (args: readonly unknown[], at: number): bigint => amountOf(args[at])
export const numberArg = (args: readonly unknown[], at: number): number => numberOf(args[at])
export const accountArg = (args: readonly unknown[], at: number): Account => accountOf(args[at])
export const addressArg = (args: readonly unknown[], at: number): Address => addressOf(args[at])
export const digestArg = (args: readonly unknown[], at: number): Digest => digestOf(args[at])
export const structArg = (args: readonly unknown[], at: number): Struct => structOf(args[at])
