/** What every part of the gateway's object store shares. Built once by `openStore`. */
import type { Crypto } from '../../../protocol/crypto.ts'
import type { Account, NetworkId } from '../../../protocol/ids.ts'
import type { ChainView } from '../../../runtime/chain.ts'
import type { Clock, Compute, Log, Metrics, Network, Random } from '../../../runtime/index.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Redundancy } from '../layout.ts'
import type { UnitRates } from '../terms.ts'
import type { Served } from './served.ts'

export interface StoreContext {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: Crypto
  readonly log: Log
  readonly metrics: Metrics
  readonly network: Network
  readonly chain: ChainView
  readonly compute: Compute
  readonly kernel: Kernel
  readonly served: Served
  readonly net: NetworkId
  readonly redundancy: Redundancy
  /** Who pays, and whose session key signs. */
  readonly account: Account
  /** secp256k1 secret of the delegated session key. */
  readonly sessionKey: Uint8Array
  /** What it pays for each unit. */
  readonly rates: UnitRates
  /** 32-byte storage root of the account: bucket keys, log key and piece ids are derived from it. */
  readonly storageRoot: Uint8Array
}

/** Times of the storage pipeline, in milliseconds. */
export const TIMING = {
  /** A provider must take or give the next data message within this: a loopback or home line does it in far less. */
  message: 15_000,
  /** After `ack` providers have a stripe or a piece, stragglers get this long, then are cut and repaired (DESIGN §6). */
  straggler: 2_000,
  /** Opening an exchange on a live provider. */
  dial: 3_000,
  /** A data shard later than this makes a read ask for one more. */
  hedge: 150,
  /** Orders outlive the transfer of a segment over a slow line, and little more, since a piece may not be dropped before. */
  order: 3_600_000,
} as const
