/** The customer's side of storage: the S3 door over the object store, and the loops that keep what it stored healthy. */
import type { Account, NetworkId } from '../../protocol/ids.ts'
import type { ChainSigner } from '../../runtime/chain.ts'
import type { GatewayRuntime } from '../resource.ts'
import { createS3Door } from './doors/s3/index.ts'
import { createKernel, type Kernel } from './kernel/index.ts'
import type { Redundancy } from './layout.ts'
import { type KeyTable, openKeyTable } from './store/access-keys.ts'
import { dropOldOrphans } from './store/adopt.ts'
import { type Corrupt, repairAll } from './store/repair.ts'
import { createServed } from './store/served.ts'
import { takeSnapshot } from './store/snapshot.ts'
import { openStore, type Store } from './store/store.ts'
import { syncAll } from './store/sync.ts'
import type { UnitRates } from './terms.ts'

export type { BodySource, ObjectStore, Tenant } from './object-store.ts'
export { storagePayees } from './payees.ts'
export { drawKey, type KeyTable, openKeys } from './store/access-keys.ts'
export { adoptManifest } from './store/adopt.ts'
export { grantReads } from './store/grant.ts'
export { inspectObject, type ObjectHealth, type PieceHealth, type SegmentReport } from './store/inspect.ts'
export { concludeRecovery, RECOVER_PATIENCE_MS, type RecoverOptions, type RecoverReport, recover } from './store/recover.ts'
export { openSignedHeads } from './store/signed-heads.ts'
export type { Store } from './store/store.ts'
export { DEFAULT_RATES } from './terms.ts'

/** The world of a gateway without its doors: what the simulator has too. */
export type BackendRuntime = Omit<GatewayRuntime, 'http'>

export interface StorageBackendOptions {
  readonly net: NetworkId
  readonly account: Account
  readonly sessionKey: Uint8Array
  readonly storageRoot: Uint8Array
  readonly redundancy: Redundancy
  readonly sync: boolean
  /** What the account pays for each unit. */
  readonly rates: UnitRates
  /** The session key's own transactions: the pointer on chain. */
  readonly signer: ChainSigner
}

export interface StorageGatewayOptions extends StorageBackendOptions {
  readonly region: string
  readonly at: { readonly host: string; readonly port: number }
}

/** The object store and the loops that keep what it stored healthy. */
export interface StorageBackend {
  readonly store: Store
  /** Pieces whose providers served wrong bytes, until repair has replaced them. */
  readonly corrupt: Corrupt
  /** Runs until aborted. */
  run(signal: AbortSignal): Promise<void>
}

export interface StorageGateway extends Pick<StorageBackend, 'store' | 'run'> {
  readonly keys: KeyTable
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** The pointer's transaction is waited for this long; serving does not. */
const POINTER_MS = 60_000
/** Multipart uploads that nobody completed are dropped after this, as S3's usual lifecycle rule does. */
const UPLOAD_DAYS = 7
/** Repair looks at all segments at least this often, in parts of an epoch. */
const REPAIRS_PER_EPOCH = 2
/** Data sets are signed this far into an epoch, so that they are fixed before the next begins. */
const SYNC_AT = 0.5

/** Opens the store over `kernel`, which stays the caller's to close. */
export function openStorageBackend(rt: BackendRuntime, kernel: Kernel, options: StorageBackendOptions): StorageBackend {
  const corrupt: Corrupt = new Set()
  const at = { ...rt, kernel, served: createServed(), ...options }
  const store = openStore(at, rt.database, {
    sync: options.sync,
    onCorrupt(segment, piece) {
      corrupt.add(piece.pieceId)
      rt.log.warn('a provider served wrong bytes', { segment: segment.id, shard: piece.shard, device: piece.device })
    },
  })
  return {
    store,
    corrupt,
    async run(signal) {
      await Promise.all([store.run(signal), epochs(rt, options, store, signal), repairs(rt, options, store, corrupt, signal)])
    },
  }
}

/** A backend behind the S3 door. */
export async function openStorageGateway(rt: GatewayRuntime, options: StorageGatewayOptions): Promise<StorageGateway> {
  const { k, n } = options.redundancy
  const kernel = await createKernel({ compute: rt.compute, k, n })
  const { store, run } = openStorageBackend(rt, kernel, options)
  const keys = openKeyTable(rt.database, rt.clock)
  const handle = createS3Door({ ...rt, store: store.objects, keys, region: options.region })
  const listening = await rt.http.listen(options.at, handle)
  return {
    store,
    keys,
    address: listening.address,
    port: listening.port,
    run,
    async close() {
      await listening.close()
      await kernel.close()
    },
  }
}

const epochSeconds = (rt: BackendRuntime, net: NetworkId): number => rt.chain.network(net)?.epochSeconds ?? 60

/** Once an epoch: sign data sets, then take a snapshot and put its hash on chain. */
async function epochs(rt: BackendRuntime, options: StorageBackendOptions, store: Store, signal: AbortSignal): Promise<void> {
  for (let done = -1; !signal.aborted; ) {
    const length = epochSeconds(rt, options.net) * 1000
    const now = rt.clock.now()
    const epoch = Math.floor(now / length)
    const due = epoch * length + SYNC_AT * length
    if (epoch > done && now >= due) {
      done = epoch
      await step(rt, 'dropping orphans', async () => {
        const dropped = dropOldOrphans(store)
        if (dropped > 0) rt.log.info('dropped pieces that nothing named for 30 days', { pieces: dropped })
      })
      await step(rt, 'signing data sets', async () => {
        const report = await syncAll(store)
        if (report.signed + report.failed + report.missing > 0) rt.log.info('signed data sets', report)
      })
      await step(rt, 'taking a snapshot', () => snapshot(rt, options, store, signal))
      await step(rt, 'dropping old uploads', async () => {
        const before = rt.clock.now() - UPLOAD_DAYS * 86_400_000
        for (const id of store.uploads.startedBefore(before as typeof now, 1000)) store.uploads.abort(id)
      })
    }
    const next = now < due ? due : (epoch + 1) * length + SYNC_AT * length
    await rt.clock.sleep(Math.max(100, Math.min(next - rt.clock.now(), 5_000)), signal).catch(() => undefined)
  }
}

async function snapshot(rt: BackendRuntime, options: StorageBackendOptions, store: Store, signal: AbortSignal): Promise<void> {
  const known = rt.chain.pointer(options.account)
  await takeSnapshot(
    store,
    known,
    async ({ digest, seq }) => {
      const args = [options.account, digest, seq, `0x${'00'.repeat(32)}`]
      const outcome = await options.signer.send({ contract: 'pointers', function: 'set', args, key: `pointer:${digest}` }, POINTER_MS)
      if (outcome.is === 'reverted') rt.log.warn('the pointer was refused', { error: outcome.error })
      return outcome.is === 'confirmed'
    },
    signal,
  )
}

async function repairs(
  rt: BackendRuntime,
  options: StorageBackendOptions,
  store: Store,
  corrupt: Corrupt,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const pause = (epochSeconds(rt, options.net) * 1000) / REPAIRS_PER_EPOCH
    await rt.clock.sleep(Math.min(pause, 3_600_000), signal).catch(() => undefined)
    if (signal.aborted) return
    await step(rt, 'repairing', async () => {
      const report = await repairAll(store, corrupt, signal)
      if (report.repaired + report.lost > 0) rt.log.info('repaired segments', { ...report })
    })
  }
}

/** A loop outlives a failed step: the world may be better the next time. */
async function step(rt: BackendRuntime, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    rt.log.warn(`${what} failed and is tried again`, { why: String(error) })
  }
}
