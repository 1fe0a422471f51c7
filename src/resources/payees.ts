/** How the core pays a resource's providers without knowing the resource. */
import type { Account, Address } from '../protocol/ids.ts'
import type { Rate } from '../protocol/units.ts'

export interface VoucherBody {
  readonly payer: Account
  readonly payee: Account
  readonly asset: Address
  readonly net: number
  readonly channelId: bigint
  readonly cumulative: bigint
}

/** Room for what a voucher pays in a handful of units, and a signature. */
export const NOTE_BYTES_MAX = 512

export interface SignedVoucher {
  readonly voucher: VoucherBody
  readonly signature: Uint8Array
  /** The payer's own note of what the voucher pays, kept for it by the payee and shown when it asks; up to NOTE_BYTES_MAX. */
  readonly note: Uint8Array
}

export interface Payees {
  readonly rates: Readonly<Record<string, Rate>>
  /** Gives the providers of `operator` their voucher; throws when none of them takes it. */
  deliver(operator: Account, voucher: SignedVoucher): Promise<void>
  /** What was served since the last call, by operator and unit. */
  served(): readonly { readonly operator: Account; readonly unit: string; readonly amount: bigint }[]
  /** The highest voucher that the providers of `operator` hold; null when they hold none. Throws when none of them answers. */
  held(operator: Account): Promise<SignedVoucher | null>
}
