/** Networks, devices, delegated keys and pointers. */
import type { Account, Address, DeviceId, Digest, Hex, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import { type ActionOptions, act } from './action.ts'

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
  return act(signer, { contract: 'networks', function: 'create', args: [p.params, roles, p.metadata] }, o)
}

/**
 * Enrols a device by its own signature (EIP-712 `Register` of DeviceRegistry). Anyone may submit it.
 * Errors: `NetworkNotActive`, `Expired`, `AlreadyRegistered`, `BatchRequired`, `BadDeviceSignature`.
 */
export const registerDevice = (
  signer: ChainSigner,
  p: { net: NetworkId; owner: Account; signer: Hex; transportKey: Digest; deadline: number; signature: Hex },
  o: ActionOptions = {},
) => act(signer, { contract: 'devices', function: 'register', args: [p] }, o)

/** Announces where a device's peer is reached; at most 512 bytes. Errors: `NotActive`, `NotOwner`, `RecordTooLong`. */
export const updateEndpoint = (signer: ChainSigner, p: { device: DeviceId; record: Hex }, o: ActionOptions = {}) =>
  act(signer, { contract: 'devices', function: 'updateEndpoint', args: [p.device, p.record] }, o)

/** Delegates `scope` to a session key until `until` (unix seconds). Errors: `BadExpiry`, `CannotShrink`, `KeyRevoked`. */
export const registerSession = (
  signer: ChainSigner,
  p: { sessionKey: Address; scope: number; limit: bigint; until: number },
  o: ActionOptions = {},
) => act(signer, { contract: 'delegations', function: 'register', args: [p.sessionKey, p.scope, p.limit, p.until] }, o)

/** Revokes a session key for good. Errors: `NoSession`, `KeyRevoked`. */
export const revokeSession = (signer: ChainSigner, p: { sessionKey: Address }, o: ActionOptions = {}) =>
  act(signer, { contract: 'delegations', function: 'revoke', args: [p.sessionKey] }, o)

/** Moves an account's metadata pointer. Errors: `NotAllowed`, `StaleSequence`. */
export const setPointer = (
  signer: ChainSigner,
  p: { account: Account; digest: Digest; seq: bigint; extra: Digest },
  o: ActionOptions = {},
) => act(signer, { contract: 'pointers', function: 'set', args: [p.account, p.digest, p.seq, p.extra] }, o)
