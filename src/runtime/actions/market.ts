/** Leases by signed quotes. */
import type { Account, Address, Digest, Hex, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** IMarket.Quote: what a provider offers one customer. Amounts in base units of the asset, times in seconds. */
export interface Quote {
  readonly provider: Account
  readonly customer: Account
  readonly net: NetworkId
  readonly asset: Address
  /** Per second. */
  readonly rate: bigint
  /** Longest life, at most 366 days. */
  readonly term: number
  /** What the provider gives before it ends early, and the least that the customer prepays. */
  readonly notice: number
  /** Digest of what is leased. */
  readonly spec: Digest
  /** Unix seconds after which it opens nothing. */
  readonly expiry: number
  /** The provider's own; a used or cancelled one opens nothing. */
  readonly nonce: bigint
}

/** Market.SETTLE_GRACE: how long after a lease's end its provider can still settle it, in seconds. */
export const SETTLE_GRACE_SECONDS = 30 * 86_400

/**
 * Sets what a collector, such as Market, may lock of the signer's money in Escrow from now on, and for how many seconds
 * at most. It replaces what was set before. Errors: `ZeroAddress`.
 */
export const approveCollector = (
  signer: ChainSigner,
  p: { collector: Address; asset: Address; allowance: bigint; maxLockSeconds: number },
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'approveCollector', args: [p.collector, p.asset, p.allowance, p.maxLockSeconds] }, o)

/**
 * Opens a lease by a provider's signed quote; the signer is its customer, has approved Market as a collector of `prepay`,
 * and locks no more than the whole term costs.
 * Errors: `NotCustomer`, `QuoteExpired`, `QuoteUsed`, `BadQuote`, `PrepayTooLow`, `NotEligible`, `BadSignature`,
 * `Paused`, and Escrow's `AllowanceExceeded`, `BadExpiry`, `Insufficient`.
 */
export const openLease = (signer: ChainSigner, p: { quote: Quote; signature: Hex; prepay: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'market', function: 'openLease', args: [p.quote, p.signature, p.prepay] }, o)

/** Pays a lease's provider for the time until now; past the lease's end it closes it. Anyone may. Errors: `LeaseNotOpen`. */
export const settleLease = (signer: ChainSigner, p: { id: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'market', function: 'settle', args: [p.id] }, o)

/** The same for several; those that are not open are passed over. */
export const settleLeases = (signer: ChainSigner, p: { ids: readonly bigint[] }, o: ActionOptions = {}) =>
  act(signer, { contract: 'market', function: 'settleMany', args: [p.ids] }, o)

/**
 * Ends a lease: at once by its customer, after the notice by its provider; what lies beyond returns to the customer.
 * Errors: `LeaseNotOpen`, `NotParty`.
 */
export const closeLease = (signer: ChainSigner, p: { id: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'market', function: 'close', args: [p.id] }, o)

/** Makes every quote of the signer that names this nonce worthless. */
export const cancelQuote = (signer: ChainSigner, p: { nonce: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'market', function: 'cancelQuote', args: [p.nonce] }, o)

/**
 * Returns what an expired lock of a collector still holds to its payer. Anyone may; `lockId` of a lease is its id as
 * 32 bytes. Errors: `LockNotExpired`, `ZeroAmount`.
 */
export const returnExpiredLock = (
  signer: ChainSigner,
  p: { collector: Address; payer: Account; asset: Address; lockId: Digest },
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'returnExpired', args: [p.collector, p.payer, p.asset, p.lockId] }, o)
