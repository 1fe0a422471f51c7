/** What the parts of a storage provider share. Built once by `openStorageProvider`. */
import type { Account, Address, DeviceId, Digest, NetworkId } from '../../../protocol/ids.ts'
import type { Rate, UnixMs } from '../../../protocol/units.ts'
import type { ChainView } from '../../../runtime/chain.ts'
import type { Database, Disk, Network, Runtime } from '../../../runtime/index.ts'
import type { LeafHashing } from '../kernel/index.ts'
import type { SetHead, StorageReply } from '../messages.ts'
import type { TreeHash } from '../piece-tree.ts'
import type { PieceStore } from '../pieces/index.ts'
import type { Ledger } from './ledger.ts'

/** What the provider charges, in µcredits. */
export interface StorageRates {
  /** Per byte and second kept in a co-signed data set. */
  readonly kept: Rate
  /** Per byte served. */
  readonly served: Rate
}

export interface StorageProviderOptions {
  readonly runtime: Runtime
  readonly disk: Disk
  readonly database: Database
  readonly chain: ChainView
  readonly network: Network
  readonly net: NetworkId
  /** Signs receipts and answers: 64 bytes (P-256) or 65 (secp256k1) over a 32-byte hash. */
  readonly device: { readonly id: DeviceId; sign(hash: Uint8Array): Uint8Array }
  /** The operator that heads name and vouchers pay; the signature is its own or a STORAGE session key's, 65 bytes. */
  readonly operator: { readonly account: Account; sign(hash: Uint8Array): Uint8Array }
  /** What vouchers are denominated in: the Credits contract. */
  readonly asset: Address
  readonly rates: StorageRates
  /** Bytes that pieces and what compaction has not returned yet may take. */
  readonly quotaBytes: number
  /** Bytes of the disk that stay free whatever the quota says. */
  readonly reserveBytes: number
  /** Hashes the leaves of arriving pieces; without it the runtime's SHA-256 does. */
  readonly leavesOf?: LeafHashing
  /** Called once when the disk fails: the node must stop. */
  readonly onFatal: (error: unknown) => void
}

export interface ProviderContext {
  readonly options: StorageProviderOptions
  readonly pieces: PieceStore
  readonly ledger: Ledger
  readonly hash: TreeHash
  readonly headHash: (head: SetHead) => Uint8Array
  setIdOf(account: Account): Digest
  now(): UnixMs
  /** The running epoch of the network, or null before the chain view knows the network. */
  epoch(): number | null
}

export type Refused = StorageReply & { readonly is: 'refused' }
export const refuse = (code: Refused['code'], why: string): Refused => ({ is: 'refused', code, why: why.slice(0, 500) })

/** Bounds of one provider, each with its reason. */
export const LIMIT = {
  /** Exchanges served at once: each may pin two 64 KiB buffers and a file. */
  exchanges: 512,
  /** Entries of one proposed change of a manifest: about 300 MiB of ids and roots. */
  changes: 2 ** 20,
  /** Orders expire within a day, or the set of seen serials would grow without bound. */
  orderMs: 24 * 3600 * 1000,
  /** Serials remembered: a day of 10 orders per second; past it orders are refused as `busy`. */
  serials: 1_000_000,
  /** A change of the manifest waits this long for roots that the background work has not reached. */
  rootsMs: 10_000,
  /** Sets of this many pieces together stay in memory, about 400 bytes each. */
  cachedEntries: 1_000_000,
} as const
