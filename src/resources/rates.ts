/**
 * What a proved unit of a channel costs, signed by its payer: with it a provider takes what it proved when the payer is gone
 * or refuses to pay (Escrow.redeemProved). So a resource has it signed before anything is proved, and not with the first pay.
 */
import type { Crypto } from '../protocol/crypto.ts'
import type { Account, Address, Digest, NetworkId } from '../protocol/ids.ts'
import { channelKey, unitId } from '../protocol/rewards.ts'
import { domainSeparator, escrowDomain, RATE, typedDataHash } from '../protocol/typed-data.ts'
import type { Rate } from '../protocol/units.ts'

/** The one channel of a pair that resources are paid through. */
export const CHANNEL_ID = 0n

export interface SignedRate extends Rate {
  readonly channel: Digest
  readonly unit: Digest
  /** 65 bytes r‖s‖v by the payer or a key of it with the scope of vouchers. */
  readonly signature: Uint8Array
}

/** A unit of the channel between two accounts. */
export interface PricedUnit {
  readonly payer: Account
  readonly payee: Account
  readonly asset: Address
  readonly net: NetworkId
  readonly resource: string
  readonly unit: string
}

/** What is signed of a rate, and its EIP-712 hash. */
export function rateTerms(
  crypto: Crypto,
  chain: { readonly chainId: number; readonly escrow: Address },
  { payer, payee, asset, net, resource, unit }: PricedUnit,
  { numerator, denominator }: Rate,
): { readonly terms: Omit<SignedRate, 'signature'>; readonly hash: Uint8Array } {
  const channel = channelKey(crypto, payer, payee, asset, net, CHANNEL_ID)
  const terms = { channel, unit: unitId(crypto, `${resource}.${unit}`), numerator, denominator }
  return { terms, hash: typedDataHash(crypto, domainSeparator(crypto, escrowDomain(chain.chainId, chain.escrow)), RATE, terms) }
}

/** Whether a rate is at least another: both are positive fractions. */
export const isAtLeast = (a: Rate, b: Rate): boolean => a.numerator * b.denominator >= b.numerator * a.denominator
