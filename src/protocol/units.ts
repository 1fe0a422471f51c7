import { assert } from '../std/assert.ts'
import type { Brand } from '../std/brand.ts'

/** µcredits: 1 credit = $0.00001 = 1 000 000 µcredits. */
export type Credits = Brand<bigint, 'Credits'>
/** Wei of CAIRN (18 decimals). */
export type Cairn = Brand<bigint, 'Cairn'>
/** Parts per million: the only form in which a score or a share exists. */
export type Ppm = Brand<number, 'Ppm'>
/** Milliseconds since the Unix epoch. */
export type UnixMs = Brand<number, 'UnixMs'>

export const PPM = 1_000_000

export function credits(value: bigint): Credits {
  assert(value >= 0n && value < 1n << 128n, 'credits are a uint128 of µcredits')
  return value as Credits
}

export function ppm(value: number): Ppm {
  assert(Number.isInteger(value) && value >= 0 && value <= PPM, 'a share is 0 … 1 000 000 ppm')
  return value as Ppm
}

/** A price as a rational number of µcredits per unit, so that epoch length never changes it. */
export type Rate = { readonly numerator: bigint; readonly denominator: bigint }

/** What `units` (cumulative) cost at `rate`: rounded once, down. */
export function priceOf(units: bigint, rate: Rate): Credits {
  assert(units >= 0n && rate.numerator >= 0n && rate.denominator > 0n, 'usage and rates are not negative')
  return credits((units * rate.numerator) / rate.denominator)
}
