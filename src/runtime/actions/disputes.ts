/** Evidence that slashes at once, and disputes that an arbiter rules: DisputeManager. Amounts in CAIRN wei. */
import type { Account, Address, DeviceId, Digest, Hex, NetworkId } from '../../protocol/ids.ts'
import type { RootMessage } from '../../protocol/roots.ts'
import type { ChainSigner } from '../chain.ts'
import { type DeviceReceipt, VERDICTS, type Verdict } from '../chain-judges.ts'
import { type ActionOptions, act } from './action.ts'

/** Something with the signature over it: 64 bytes (P-256) or 65 (secp256k1). */
export interface Signed<T> {
  readonly message: T
  readonly signature: Hex
}

/**
 * Two receipts of one device under one (boot, sequence) that differ. `signer` are the device's ERC-7913 bytes. The caller is
 * the reporter. Errors: `NotConflicting`, `BadEvidence`, `AlreadyPunished`, `TooOld`.
 */
export const submitEquivocation = (
  signer: ChainSigner,
  p: { signer: Hex; a: Signed<DeviceReceipt>; b: Signed<DeviceReceipt> },
  o: ActionOptions = {},
) => {
  const args = [p.signer, p.a.message, p.a.signature, p.b.message, p.b.signature]
  return act(signer, { contract: 'disputes', function: 'submitEquivocation', args }, o)
}

/** Ends a device that was proved to equivocate; anyone may. Errors: `NotActive`, `NotPunished`. */
export const revokePunished = (signer: ChainSigner, p: { device: DeviceId }, o: ActionOptions = {}) =>
  act(signer, { contract: 'devices', function: 'revokePunished', args: [p.device] }, o)

/** Two roots that one verifier signed for one epoch and attempt. Errors: `NotConflicting`, `BadEvidence`, `AlreadyPunished`, `TooOld`. */
export const submitRootEquivocation = (
  signer: ChainSigner,
  p: { a: Signed<RootMessage>; b: Signed<RootMessage> },
  o: ActionOptions = {},
) => {
  const args = [p.a.message, p.a.signature, p.b.message, p.b.signature]
  return act(signer, { contract: 'disputes', function: 'submitRootEquivocation', args }, o)
}

/**
 * Accuses an operator; the network's dispute bond must be approved to DisputeManager. `evidence` is the hash of what the
 * challenger publishes. Errors: `NoBond`, `TooManyOpen`, `EvidenceUsed`, `NothingAtStake`, `ERC20InsufficientAllowance`.
 */
export const openDispute = (signer: ChainSigner, p: { net: NetworkId; accused: Account; evidence: Digest }, o: ActionOptions = {}) =>
  act(signer, { contract: 'disputes', function: 'open', args: [p.net, p.accused, p.evidence] }, o)

/**
 * Challenges a pending root, which freezes; `rootBondOf` must be approved to DisputeManager. Errors: `NoBond`, `TooManyOpen`,
 * `NotPending`, `ERC20InsufficientAllowance`.
 */
export const openRootDispute = (
  signer: ChainSigner,
  p: { net: NetworkId; asset: Address; index: number; reason: Digest },
  o: ActionOptions = {},
) => act(signer, { contract: 'disputes', function: 'openRoot', args: [p.net, p.asset, p.index, p.reason] }, o)

/** The accused posts as much as the challenger did. Errors: `WrongState`, `NotAccused`, `TooLate`, `ERC20InsufficientAllowance`. */
export const respondDispute = (signer: ChainSigner, p: { id: bigint; answer: Digest }, o: ActionOptions = {}) =>
  act(signer, { contract: 'disputes', function: 'respond', args: [p.id, p.answer] }, o)

/** The arbiter's verdict; `amount` is slashed, with `accept` alone. Errors: `WrongState`, `NotArbiter`, `TooLate`, `BadVerdict`, `SlashTooHigh`. */
export const ruleDispute = (
  signer: ChainSigner,
  p: { id: bigint; verdict: Exclude<Verdict, 'default'>; amount: bigint },
  o: ActionOptions = {},
) => act(signer, { contract: 'disputes', function: 'rule', args: [p.id, VERDICTS.indexOf(p.verdict), p.amount] }, o)

/** Closes what somebody was silent about: default against the accused, a draw for a silent arbiter. Errors: `WrongState`, `TooEarly`. */
export const finalizeDispute = (signer: ChainSigner, p: { id: bigint }, o: ActionOptions = {}) =>
  act(signer, { contract: 'disputes', function: 'finalize', args: [p.id] }, o)

/** Pays the signer what disputes left him. Errors: `NothingToWithdraw`. */
export const withdrawBond = (signer: ChainSigner, o: ActionOptions = {}) =>
  act(signer, { contract: 'disputes', function: 'withdrawBond', args: [] }, o)
