/** A gateway's store opened by a verb: beside the running gateway, or in its place. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { account as accountOf } from '../../protocol/ids.ts'
import { DEFAULT_RATES, openStorageBackend, type Store } from '../../resources/storage/gateway.ts'
import { createKernel } from '../../resources/storage/index.ts'
import type { Database } from '../../runtime/index.ts'
import { createCompute } from '../../runtime/real/compute/pool.ts'
import { createMetrics, openDatabase, openDisk } from '../../runtime/real/index.ts'
import { createTlsNetwork } from '../../runtime/real/network/index.ts'
import type { GatewayConfig } from '../config.ts'
import type { ChainDesk } from './desk.ts'

export interface Backend {
  readonly store: Store
  readonly database: Database
  /** Everything a role's runtime has, without a door. */
  readonly rt: Parameters<typeof openStorageBackend>[0]
  close(): Promise<void>
}

export type BackendConfig = Pick<GatewayConfig, 'net' | 'account' | 'sessionKey' | 'storageRoot' | 'redundancy' | 'transportKey'>

/** Opens `folder`/state.db over the chain of `desk`; nothing runs until it is asked to. */
export async function openBackend(desk: ChainDesk, folder: string, config: BackendConfig): Promise<Backend> {
  await mkdir(folder, { recursive: true })
  const { clock, crypto, log, random } = desk
  const compute = createCompute()
  const network = await createTlsNetwork({ identity: config.transportKey, crypto, clock, log })
  const database = openDatabase(join(folder, 'state.db'))
  const disk = await openDisk(folder)
  const rt = { clock, crypto, log, random, compute, metrics: createMetrics(), network, disk, database, chain: desk.access.view }
  const { redundancy, sessionKey, storageRoot } = config
  const kernel = await createKernel({ compute, k: redundancy.k, n: redundancy.n })
  const net = desk.network.id
  const account = accountOf(config.account)
  const signer = desk.signer(sessionKey)
  const { store } = openStorageBackend(rt, kernel, {
    net,
    account,
    sessionKey,
    storageRoot,
    redundancy,
    sync: false,
    rates: DEFAULT_RATES,
    signer,
  })
  return {
    store,
    database,
    rt,
    async close() {
      await network.close()
      await kernel.close()
      await compute.close()
      database.close()
    },
  }
}
