/** `cairn run gateway`: the customer's side of a network, on this machine. */
import { CairnError } from '../../protocol/errors.ts'
import { account as accountOf, type PeerId } from '../../protocol/ids.ts'
import { peerId } from '../../protocol/peer-id.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { DEFAULT_RATES, grantReads, openStorageGateway, type Store, storagePayees } from '../../resources/storage/gateway.ts'
import { storage } from '../../resources/storage/index.ts'
import { giveTickets } from '../../resources/tickets.ts'
import { payLoop } from '../../roles/gateway/index.ts'
import type { PointerRow } from '../../runtime/chain.ts'
import { createHttpServer } from '../../runtime/real/http.ts'
import { gatewayConfig, readConfig } from '../config.ts'
import { startAdmin } from './admin.ts'
import { runDaemon } from './lifecycle.ts'
import { openWorld, untilKnown } from './world.ts'

/** A chain that has just been started answers within seconds; longer means that it is not there. */
const CHAIN_MS = 60_000

export async function gatewayDaemon(folder: string): Promise<never> {
  const config = await readConfig(folder, gatewayConfig)
  return runDaemon(async (life) => {
    const world = await openWorld({ folder, ...config, listen: { host: config.host, port: 0 } })
    const chain = world.access.view
    await untilKnown(world, 'reading the network from the chain', () => chain.network(world.net), CHAIN_MS, life.signal)
    const { account, sessionKey, storageRoot, redundancy, region, sync, host, port } = config
    const signer = world.access.signer(sessionKey)
    const rt = { ...world, chain, http: createHttpServer(world.log) }
    const owner = accountOf(account)
    const gateway = await openStorageGateway(rt, {
      net: world.net,
      account: owner,
      sessionKey,
      storageRoot,
      redundancy,
      region,
      sync,
      rates: DEFAULT_RATES,
      signer,
      at: { host, port },
    })
    mustKnowItsObjects(folder, gateway.store, chain.pointer(owner))
    if (config.firstKey !== undefined && gateway.keys.find(config.firstKey.accessKey) === null) {
      gateway.keys.add({
        ...config.firstKey,
        account: owner,
        buckets: null,
        prefix: '',
        permissions: ['read', 'write', 'delete', 'list'],
        expires: null,
      })
    }
    const verifiers = config.verifiers.map((verifier): PeerId => {
      const peer = peerId(verifier.peer)
      world.network.know(peer, [verifier.address])
      return peer
    })
    const running = Promise.all([
      gateway.run(life.signal),
      payLoop(
        {
          rt,
          resource: storage as unknown as Resource<Kind>,
          payees: storagePayees(gateway.store),
          net: world.net,
          account: owner,
          sessionKey,
          verifiers,
          asOf: world.access.asOf,
        },
        life.signal,
      ),
      giveTickets({ rt, payer: owner, sessionKey, verifiers, grant: grantReads(gateway.store, config.readsPpm) }, life.signal),
    ])
    running.catch((error: unknown) => {
      if (life.signal.aborted) return
      world.log.error('the gateway stopped', { why: String(error) })
      process.exit(1)
    })
    const admin = await startAdmin({
      folder,
      role: 'gateway',
      http: rt.http,
      port: config.adminPort,
      metrics: world.metrics,
      ready: () => reasonsOf(gateway.store, redundancy.ack, chain.degraded()),
      status: async () => ({
        account: owner,
        net: world.net,
        s3: gateway.address,
        redundancy,
        ...gateway.store.metadata.stats(),
        providers: gateway.store.providers.known().map(({ id, owner: operator, status }) => ({
          device: id,
          operator,
          status,
          trouble: gateway.store.providers.trouble(id),
        })),
      }),
    })
    life.ready({ role: 'gateway', port: gateway.port })
    return async () => {
      await admin.close()
      await gateway.close()
      await running.catch(() => undefined)
      await world.close()
    }
  })
}

function reasonsOf({ providers }: Store, ack: number, away: boolean): readonly string[] {
  const reachable = providers.candidates().length
  const few = reachable < ack ? [`${reachable} providers take pieces, ${ack} are needed to store`] : []
  return away ? [...few, 'the chain is away'] : few
}

/** An empty gateway of an account that has a snapshot on chain would write over what its providers keep for it. */
function mustKnowItsObjects(folder: string, store: Store, pointer: PointerRow | null): void {
  if (pointer === null || store.metadata.lastSeq() > 0) return
  throw new CairnError('DATA_FOLDER', {
    path: folder,
    why: `it is empty, and the account has snapshot ${pointer.seq} of its metadata on chain`,
    fix: 'rebuild it with `cairn storage recover`',
  })
}
