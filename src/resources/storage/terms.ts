/** What a storage offer says. CLI flags, configuration and docs derive from this schema. */
import { z } from 'zod'
import { schema, wire } from '../../protocol/schema.ts'
import type { Rate } from '../../protocol/units.ts'

/** What is sold: bytes kept for a second, and bytes sent to the customer. */
export const BYTE_SECOND = 'byte-second'
export const BYTE_SERVED = 'byte-served'

/**
 * $4 for a TB kept for 30 days, the list price that decentralized stores had settled on when this was written: 10^12 B ×
 * 2 592 000 s = 2.592 × 10^18 byte-seconds for 4 × 10^11 µcredits, so 1 µcredit for 6 480 000 byte-seconds.
 */
const KEPT: Rate = { numerator: 1n, denominator: 6_480_000n }
/** $7 for a TB served, the list price of the same stores: 7 × 10^11 µcredits for 10^12 bytes. */
const SERVED: Rate = { numerator: 7n, denominator: 10n }

/** µcredits per unit, by the unit's id. */
export type UnitRates = Readonly<Record<typeof BYTE_SECOND | typeof BYTE_SERVED, Rate>>
export const DEFAULT_RATES: UnitRates = {
  [BYTE_SECOND]: KEPT,
  [BYTE_SERVED]: SERVED,
}

/** The same as a provider's offer names them. */
export const PROVIDER_RATES = { kept: KEPT, served: SERVED } as const

/** 64 bits: with usage below 2^64 byte-years no price leaves the 128 bits of credits. */
const rate = z.strictObject({ numerator: wire.bigint(64), denominator: wire.bigint(64).refine((value) => value > 0n, 'zero') })

export const termsSchema = schema(
  'storage terms',
  512,
  z.strictObject({
    /** µcredits per byte-second. */
    kept: rate,
    /** µcredits per byte served. */
    served: rate,
    /** Bytes that the provider sells at most. */
    capacity: wire.bigint(64),
    /** Where it stands, as its operator says: a preference for customers and not a promise. ISO 3166 or free text. */
    region: wire.text(64),
  }),
)
export type StorageTerms = ReturnType<typeof termsSchema.decode>
