/** What judges decide, as rows of the chain's view: demands for proofs, disputes, and devices that were proved to lie. */
import type { Account, Address, DeviceId, Digest, Epoch, NetworkId } from '../protocol/ids.ts'

/** IStorageProofs.Head: what customer and provider both signed of a data set (SET_HEAD of typed-data.ts). */
export interface StorageHead {
  readonly net: number
  readonly setId: Digest
  readonly provider: Account
  readonly customer: Account
  readonly root: Digest
  readonly count: bigint
  readonly totalBytes: bigint
  readonly version: bigint
  /** Unix seconds. */
  readonly expiresAt: number
}

/** A demand for one byte of a set. */
export interface DemandRow {
  readonly id: bigint
  readonly net: NetworkId
  readonly provider: Account
  readonly setId: Digest
  readonly demander: Account
  readonly head: StorageHead
  /** Byte of the set that an answer must show, as the contract drew it. */
  readonly position: bigint
  readonly bond: bigint
  /** Unix seconds. */
  readonly openedAt: number
  readonly openedBlock: bigint
  readonly state: 'open' | 'answered' | 'superseded' | 'faulted'
  /** What the fault took of the provider's stake. */
  readonly slashed: bigint
}

/** IDisputeManager.Verdict, by its number. */
export const VERDICTS = ['accept', 'reject', 'draw', 'default'] as const
export type Verdict = (typeof VERDICTS)[number]

export interface DisputeRow {
  readonly id: bigint
  readonly net: NetworkId
  /** Null for a dispute about a root: storage says who signed for the network then. */
  readonly accused: Account | null
  readonly root: { readonly asset: Address; readonly index: number } | null
  readonly challenger: Account
  readonly bond: bigint
  /** Hash of what the challenger publishes. */
  readonly evidence: Digest
  /** Hash of what the accused publishes. */
  readonly answer: Digest | null
  /** Unix seconds. */
  readonly openedAt: number
  readonly openedBlock: bigint
  readonly answeredAt: number | null
  readonly state: 'open' | 'answered' | 'closed'
  readonly verdict: Verdict | null
  readonly slashed: bigint
}

/** A device that signed two receipts which exclude each other. */
export interface PunishedRow {
  readonly device: DeviceId
  readonly net: NetworkId
  readonly accused: Account
  readonly reporter: Account
  readonly slashed: bigint
  /** Unix seconds. */
  readonly at: number
}

/** A verifier that signed two roots for one slot. */
export interface PunishedSignerRow {
  readonly signer: Account
  /** The network whose roots it signed; its stake is in the one that verifies it. */
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly attempt: number
  readonly reporter: Account
  readonly slashed: bigint
  /** Unix seconds. */
  readonly at: number
}

/** IDisputeManager.Receipt: what a device signs of its work (RECEIPT of typed-data.ts). */
export interface DeviceReceipt {
  readonly net: NetworkId
  readonly deviceId: DeviceId
  /** Sequences begin anew with it. */
  readonly boot: Digest
  /** Never used twice under one boot. */
  readonly sequence: bigint
  /** Unix seconds. */
  readonly timestamp: number
  readonly contentHash: Digest
}

/** The judges' part of `ChainView`. */
export interface JudgesView {
  demand(id: bigint): DemandRow | null
  /** Demands of a network, or of one provider in it, by id; the oldest closed ones are forgotten. */
  demands(net: NetworkId, provider: Account | null): readonly DemandRow[]
  dispute(id: bigint): DisputeRow | null
  disputes(net: NetworkId): readonly DisputeRow[]
  /** Devices that were proved to equivocate. */
  punished(net: NetworkId): readonly PunishedRow[]
  /** Verifiers that were proved to sign two roots for one slot, oldest first; the oldest of many are forgotten. */
  punishedSigners(net: NetworkId): readonly PunishedSignerRow[]
}
