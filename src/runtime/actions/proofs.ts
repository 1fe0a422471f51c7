/** Demands for proofs of possession: StorageProofs. Bonds are CAIRN wei, the network's dispute bond. */
import type { Digest, Hex } from '../../protocol/ids.ts'
import type { ChainSigner } from '../chain.ts'
import type { StorageHead } from '../chain-judges.ts'
import { type ActionOptions, act } from './action.ts'

/** A head with what both parties signed over it, 65 bytes each. */
export interface SignedHead {
  readonly head: StorageHead
  readonly providerSignature: Hex
  /** May be `0x` when the customer himself demands. */
  readonly customerSignature: Hex
}

/** StorageTree.Proof: the interval that holds the byte and its leaf, with both paths from below. */
export interface PossessionProof {
  readonly index: bigint
  readonly start: bigint
  readonly size: bigint
  readonly pieceId: Digest
  readonly pieceRoot: Digest
  readonly setPath: readonly Digest[]
  readonly leaf: Hex
  readonly piecePath: readonly Digest[]
}

/**
 * Demands one byte of a set; the bond must be approved to StorageProofs and is the provider's if it answers. Errors:
 * `EmptySet`, `HeadExpired`, `HeadTooLong`, `AlreadyDemanded(id)`, `NotSignedBy(party)`, `NoBond`, `ERC20InsufficientAllowance`.
 */
export const demandProof = (signer: ChainSigner, p: SignedHead, o: ActionOptions = {}) =>
  act(signer, { contract: 'proofs', function: 'demand', args: [p.head, p.providerSignature, p.customerSignature] }, o)

/** Shows the demanded byte; the bond goes to the provider, whoever calls. Errors: `NoDemand`, `WrongHead`, `BadProof`. */
export const answerDemand = (signer: ChainSigner, p: { id: bigint; head: StorageHead; proof: PossessionProof }, o: ActionOptions = {}) =>
  act(signer, { contract: 'proofs', function: 'answer', args: [p.id, p.head, p.proof] }, o)

/**
 * Closes a demand on a head that both have replaced; the bond goes to the provider. Errors: `NoDemand`, `WrongHead`,
 * `OtherSet`, `StaleVersion`, `NotSignedBy(party)`.
 */
export const supersedeDemand = (signer: ChainSigner, p: { id: bigint; head: StorageHead; newer: SignedHead }, o: ActionOptions = {}) => {
  const { head, providerSignature, customerSignature } = p.newer
  return act(signer, { contract: 'proofs', function: 'supersede', args: [p.id, p.head, head, providerSignature, customerSignature] }, o)
}

/**
 * Faults a provider that was silent for the network's response window and 600 blocks: its stake is slashed, the demander
 * gets bond and reporter's part, whoever calls. Errors: `NoDemand`, `WrongHead`, `TooEarly(readyAt, readyBlock)`.
 */
export const faultDemand = (signer: ChainSigner, p: { id: bigint; head: StorageHead }, o: ActionOptions = {}) =>
  act(signer, { contract: 'proofs', function: 'fault', args: [p.id, p.head] }, o)
