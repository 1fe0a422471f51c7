/** The real world of one daemon: its runtime, data folder, network and chain. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type NetworkId, networkId } from '../../protocol/ids.ts'
import type { Database, Disk, Network, Runtime } from '../../runtime/index.ts'
import type { LogLevel } from '../../runtime/line-log.ts'
import { createCompute } from '../../runtime/real/compute/pool.ts'
import { createRealRuntime, openDatabase, openDisk } from '../../runtime/real/index.ts'
import { createTlsNetwork } from '../../runtime/real/network/index.ts'
import { type ChainAccess, openChainAccess } from './chain-access.ts'

export interface World extends Runtime {
  readonly network: Network
  readonly disk: Disk
  readonly database: Database
  readonly access: ChainAccess
  readonly net: NetworkId
  close(): Promise<void>
}

export interface WorldOptions {
  readonly folder: string
  readonly rpc: string
  readonly deployment: string
  readonly net: number
  readonly log: LogLevel
  readonly transportKey: Uint8Array
  readonly listen?: { readonly host: string; readonly port: number }
}

/** Opens everything a daemon stands on; what was opened is closed again when a later step fails. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const { folder } = options
  await mkdir(folder, { recursive: true })
  const runtime = createRealRuntime({ level: options.log, compute: createCompute() })
  const { clock, crypto, log } = runtime
  const database = openDatabase(join(folder, 'state.db'))
  const disk = await openDisk(folder)
  const network = await createTlsNetwork({
    identity: options.transportKey,
    crypto,
    clock,
    log,
    ...(options.listen === undefined ? {} : { listen: options.listen }),
  })
  const { rpc, deployment } = options
  const access = await openChainAccess({ folder, rpc, deployment, clock, log, crypto, database })
  return {
    ...runtime,
    network,
    disk,
    database,
    access,
    net: networkId(options.net),
    async close() {
      await network.close()
      await access.close()
      await runtime.compute.close()
      database.close()
    },
  }
}

/** Waits until the chain's view shows what a daemon needs to start; the chain may still be starting itself. */
export async function untilKnown<T>(world: World, what: string, look: () => T | null, ms: number, signal: AbortSignal): Promise<T> {
  using deadline = world.clock.deadline(what, ms, signal)
  for (;;) {
    const found = look()
    if (found !== null) return found
    deadline.signal.throwIfAborted()
    await world.access.view.advanced(1000, deadline.signal)
  }
}
