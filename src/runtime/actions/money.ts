/** Tokens, credits, and what customers set apart for providers. */
import type { Account, Address, Digest, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

/** What identifies a channel of Escrow. */
export interface ChannelId {
  readonly payer: Account
  readonly payee: Account
  readonly asset: Address
  readonly net: NetworkId
  readonly channelId: bigint
}

/** IEscrow.Voucher; (r, vs) is the EIP-2098 form of the signature. */
export interface SignedVoucher {
  readonly payer: Account
  readonly channelId: bigint
  readonly cumulative: bigint
  readonly r: Digest
  readonly vs: Digest
}

/** IEscrow.UsageRoot: the payee's reward leaf under an active root. */
export interface UsageRoot {
  readonly rewardAsset: Address
  readonly index: number
  readonly root: Digest
  readonly cumulative: bigint
  readonly detailRoot: Digest
  readonly proof: readonly Digest[]
}

/** IEscrow.ProvedUnit: a detail line with the rate that the payer signed for it. */
export interface ProvedUnit {
  readonly unit: Digest
  readonly units: bigint
  readonly numerator: bigint
  readonly denominator: bigint
  readonly r: Digest
  readonly vs: Digest
  readonly proof: readonly Digest[]
}

/** Lets `spender`, one of the contracts, take up to `amount` of the signer's CAIRN or credits. */
export const approve = (signer: ChainSigner, p: { asset: 'token' | 'credits'; spender: Address; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: p.asset, function: 'approve', args: [p.spender, p.amount] }, o)

/**
 * Buys exactly `credits` µcredits for at most `maxTokens` CAIRN wei (approved to Credits).
 * Errors: `PriceInvalid`, `MintHalted`, `MintLimitExceeded`, `Slippage`.
 */
export const mintCredits = (signer: ChainSigner, p: { to: Account; credits: bigint; maxTokens: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'credits', function: 'mint', args: [p.to, p.credits, p.maxTokens] }, o)

/** Moves an asset (approved to Escrow) into the account of `to`. */
export const depositEscrow = (signer: ChainSigner, p: { to: Account; asset: Address; amount: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'deposit', args: [p.to, p.asset, p.amount] }, o)

/** Earmarks available money of the payer, by itself or by its VOUCHER session key. Errors: `Insufficient`, `KeyNotActive`. */
export const openChannel = (signer: ChainSigner, p: { channel: ChannelId; earmark: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'openChannel', args: [p.channel, p.earmark] }, o)

/** Starts the week after which a channel's earmark returns to its payer. Errors: `NotPayer`, `StillClosing`. */
export const closeChannel = (signer: ChainSigner, p: { channel: ChannelId }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'closeChannel', args: [p.channel] }, o)

/** Pays one payee what vouchers of one asset and network add, one per channel. Bad items are skipped with an event. */
export const redeemVouchers = (
  signer: ChainSigner,
  p: { payee: Account; asset: Address; net: NetworkId; vouchers: readonly SignedVoucher[] },
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'redeem', args: [p.payee, p.asset, p.net, p.vouchers] }, o)

/**
 * Takes the value of proved units from a channel's earmark, without the payer. `units` ascend by their id.
 * Errors: `RootNotActive`, `BadProof`, `BadSignature`, `MixedSigners`, `KeyNotRedeemable`, `NothingDue`, `Insufficient`.
 */
export const redeemProved = (
  signer: ChainSigner,
  p: { channel: ChannelId; root: UsageRoot; units: readonly ProvedUnit[] },
  o: ActionOptions = {},
) => act(signer, { contract: 'escrow', function: 'redeemProved', args: [p.channel, p.root, p.units] }, o)

/** Credits a network's own fees of some days to its fee recipient, in µcredits. Anybody; nothing happens when there are none. */
export const collectFees = (signer: ChainSigner, p: { net: NetworkId; periods: readonly number[] }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'collectFees', args: [p.net, p.periods] }, o)

/** Turns earned µcredits into CAIRN; reverts below `minTokens` and leaves the credits. Errors: `PriceInvalid`, `Slippage`. */
export const redeemEarned = (signer: ChainSigner, p: { credits: bigint; minTokens: bigint; to: Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'redeemEarned', args: [p.credits, p.minTokens, p.to] }, o)

/** The same without a price for 14 days: the plain share of the vault. Errors: `PriceIsValid`, `TooEarly`, `Slippage`. */
export const redeemEarnedProRata = (signer: ChainSigner, p: { credits: bigint; minTokens: bigint; to: Account }, o: ActionOptions = {}) =>
  act(signer, { contract: 'escrow', function: 'redeemEarnedProRata', args: [p.credits, p.minTokens, p.to] }, o)

/** Records whether there is a price and whether minting is halted, which a refused mint cannot. Anybody. */
export const pokeCredits = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'credits', function: 'poke', args: [] }, o)
