/**
 * What people and roles do on chain, one action per call: parameters by name, the contract's own errors. Each is
 * simulated before it is sent; the outcome is that of `ChainSigner.send`. An action that must not happen twice takes a
 * `key`. `orThrow` turns a refusal into `REVERTED` for callers that cannot go on.
 */
import { CairnError } from '../protocol/errors.ts'
import type { Account, Address, DeviceId, Digest, Epoch, Hex, NetworkId } from '../protocol/ids.ts'
import type { CallOutcome, ChainCall, ChainSigner } from './chain.ts'

/** An action's options, the same for all. */
export interface ActionOptions {
  /** Two actions with one key are one intent, also over restarts. */
  readonly key?: string
  readonly deadlineMs?: number
}

/** INetworkRegistry.Params; amounts in CAIRN wei, times in seconds. */
export interface NetworkParams {
  readonly minStake: bigint
  readonly faultPenalty: bigint
  readonly equivocationPenalty: bigint
  readonly disputeBond: bigint
  readonly rootBond: bigint
  readonly epochLength: number
  readonly challengeWindow: number
  readonly rootEpochs: number
  readonly thawWeeks: number
  readonly maxSlashBps: number
  readonly feeRecipient: Account
  readonly responseWindow: number
  readonly feeBps: number
  readonly reporterBps: number
  readonly operatorCutMaxBps: number
  readonly delegationRatio: number
  /** Network whose stakers verify this one; 0 for none. */
  readonly verifierNet: number
}

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

/** IRootPublisher.RootMessage. */
export interface RootMessage {
  readonly net: NetworkId
  readonly asset: Address
  readonly epoch: Epoch
  readonly attempt: number
  readonly setId: number
  readonly root: Digest
  readonly total: bigint
  readonly dataHash: Digest
}

/** The outcome when it was confirmed. Throws `REVERTED` with the custom error's name. */
export async function orThrow(call: string, outcome: Promise<CallOutcome>): Promise<CallOutcome & { is: 'confirmed' }> {
  const result = await outcome
  if (result.is === 'confirmed') return result
  throw new CairnError('REVERTED', { call, reason: result.error })
}

function send(signer: ChainSigner, call: Omit<ChainCall, 'key'>, options: ActionOptions): Promise<CallOutcome> {
  return signer.send(options.key === undefined ? call : { ...call, key: options.key }, options.deadlineMs)
}

/** Lets `spender`, one of the contracts, take up to `amount` of the signer's CAIRN or credits. */
export const approve = (signer: ChainSigner, p: { asset: 'token' | 'credits'; spender: Address; amount: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: p.asset, function: 'approve', args: [p.spender, p.amount] }, o)

/**
 * Opens a network with the signer as its owner; the creation bond must be approved to NetworkRegistry. Its id is in the
 * view once confirmed. Errors: `OutOfBounds(param)`, `ERC20InsufficientAllowance`.
 */
export const createNetwork = (
  signer: ChainSigner,
  p: { params: NetworkParams; publisher: Address; verifier: Account; arbiter: Account; metadata: Digest },
  o: ActionOptions = {},
) => {
  const roles = { publisher: p.publisher, verifier: p.verifier, arbiter: p.arbiter }
  return send(signer, { contract: 'networks', function: 'create', args: [p.params, roles, p.metadata] }, o)
}

/**
 * Enrols a device by its own signature (EIP-712 `Register` of DeviceRegistry). Anyone may submit it.
 * Errors: `NetworkNotActive`, `Expired`, `AlreadyRegistered`, `BatchRequired`, `BadDeviceSignature`.
 */
export const registerDevice = (
  signer: ChainSigner,
  p: { net: NetworkId; owner: Account; signer: Hex; transportKey: Digest; deadline: number; signature: Hex },
  o: ActionOptions = {},
) => send(signer, { contract: 'devices', function: 'register', args: [p] }, o)

/** Announces where a device's peer is reached; at most 512 bytes. Errors: `NotActive`, `NotOwner`, `RecordTooLong`. */
export const updateEndpoint = (signer: ChainSigner, p: { device: DeviceId; record: Hex }, o: ActionOptions = {}) =>
  send(signer, { contract: 'devices', function: 'updateEndpoint', args: [p.device, p.record] }, o)

/** Bonds CAIRN (approved to Staking) as self stake. Errors: `NetworkNotActive`, `BelowMinimum`. */
export const bondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'staking', function: 'bond', args: [p.net, p.amount] }, o)

/** Starts the thaw of self stake. Errors: `InsufficientStake`, `BelowMinimum`. */
export const unbondStake = (signer: ChainSigner, p: { net: NetworkId; amount: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'staking', function: 'unbond', args: [p.net, p.amount] }, o)

/**
 * Buys exactly `credits` µcredits for at most `maxTokens` CAIRN wei (approved to Credits).
 * Errors: `PriceInvalid`, `MintHalted`, `MintLimitExceeded`, `Slippage`.
 */
export const mintCredits = (signer: ChainSigner, p: { to: Account; credits: bigint; maxTokens: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'credits', function: 'mint', args: [p.to, p.credits, p.maxTokens] }, o)

/** Moves an asset (approved to Escrow) into the account of `to`. */
export const depositEscrow = (signer: ChainSigner, p: { to: Account; asset: Address; amount: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'escrow', function: 'deposit', args: [p.to, p.asset, p.amount] }, o)

/** Earmarks available money of the payer, by itself or by its VOUCHER session key. Errors: `Insufficient`, `KeyNotActive`. */
export const openChannel = (signer: ChainSigner, p: { channel: ChannelId; earmark: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'escrow', function: 'openChannel', args: [p.channel, p.earmark] }, o)

/** Starts the week after which a channel's earmark returns to its payer. Errors: `NotPayer`, `StillClosing`. */
export const closeChannel = (signer: ChainSigner, p: { channel: ChannelId }, o: ActionOptions = {}) =>
  send(signer, { contract: 'escrow', function: 'closeChannel', args: [p.channel] }, o)

/** Delegates `scope` to a session key until `until` (unix seconds). Errors: `BadExpiry`, `CannotShrink`, `KeyRevoked`. */
export const registerSession = (
  signer: ChainSigner,
  p: { sessionKey: Address; scope: number; limit: bigint; until: number },
  o: ActionOptions = {},
) => send(signer, { contract: 'delegations', function: 'register', args: [p.sessionKey, p.scope, p.limit, p.until] }, o)

/** Revokes a session key for good. Errors: `NoSession`, `KeyRevoked`. */
export const revokeSession = (signer: ChainSigner, p: { sessionKey: Address }, o: ActionOptions = {}) =>
  send(signer, { contract: 'delegations', function: 'revoke', args: [p.sessionKey] }, o)

/** Moves an account's metadata pointer. Errors: `NotAllowed`, `StaleSequence`. */
export const setPointer = (
  signer: ChainSigner,
  p: { account: Account; digest: Digest; seq: bigint; extra: Digest },
  o: ActionOptions = {},
) => send(signer, { contract: 'pointers', function: 'set', args: [p.account, p.digest, p.seq, p.extra] }, o)

/** Adds CAIRN or another asset (approved to RewardsDistributor) to a network's pot. */
export const fundPot = (signer: ChainSigner, p: { net: NetworkId; asset: Address; amount: bigint }, o: ActionOptions = {}) =>
  send(signer, { contract: 'rewards', function: 'fund', args: [p.net, p.asset, p.amount] }, o)

/** Publishes a root that the network's verifier signed. Errors: `BadSignature`, `TooSoon`, `StaleEpoch`, `ExceedsFunding`. */
export const publishRoot = (signer: ChainSigner, p: { message: RootMessage; signatures: Hex }, o: ActionOptions = {}) =>
  send(signer, { contract: 'publisher', function: 'publish', args: [p.message, p.signatures] }, o)

/** Pays an owner what its leaf grants beyond what it got. Errors: `NotActive`, `BadProof`, `NothingToClaim`. */
export const claimReward = (
  signer: ChainSigner,
  p: { net: NetworkId; asset: Address; index: number; account: Account; cumulative: bigint; detailRoot: Digest; proof: readonly Digest[] },
  o: ActionOptions = {},
) => {
  const args = [p.net, p.asset, p.index, p.account, p.cumulative, p.detailRoot, p.proof]
  return send(signer, { contract: 'rewards', function: 'claim', args }, o)
}

/** Pays one payee what vouchers of one asset and network add, one per channel. Bad items are skipped with an event. */
export const redeemVouchers = (
  signer: ChainSigner,
  p: { payee: Account; asset: Address; net: NetworkId; vouchers: readonly SignedVoucher[] },
  o: ActionOptions = {},
) => send(signer, { contract: 'escrow', function: 'redeem', args: [p.payee, p.asset, p.net, p.vouchers] }, o)

/**
 * Takes the value of proved units from a channel's earmark, without the payer. `units` ascend by their id.
 * Errors: `RootNotActive`, `BadProof`, `BadSignature`, `MixedSigners`, `KeyNotRedeemable`, `NothingDue`, `Insufficient`.
 */
export const redeemProved = (
  signer: ChainSigner,
  p: { channel: ChannelId; root: UsageRoot; units: readonly ProvedUnit[] },
  o: ActionOptions = {},
) => send(signer, { contract: 'escrow', function: 'redeemProved', args: [p.channel, p.root, p.units] }, o)

/** Turns earned µcredits into CAIRN; reverts below `minTokens` and leaves the credits. Errors: `PriceInvalid`, `Slippage`. */
export const redeemEarned = (signer: ChainSigner, p: { credits: bigint; minTokens: bigint; to: Account }, o: ActionOptions = {}) =>
  send(signer, { contract: 'escrow', function: 'redeemEarned', args: [p.credits, p.minTokens, p.to] }, o)
