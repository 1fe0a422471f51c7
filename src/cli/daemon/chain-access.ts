/** A daemon's way to the chain: an index of confirmed state and a signer, both kept in its database. */
import { isAbsolute, join } from 'node:path'
import type { Crypto } from '../../protocol/crypto.ts'
import { CairnError } from '../../protocol/errors.ts'
import type { ChainSigner, ChainView } from '../../runtime/chain.ts'
import type { Clock, Database, Log } from '../../runtime/index.ts'
import {
  createRpc,
  createSigner,
  type Deployment,
  type Indexer,
  loadDeployment,
  openTxQueue,
  startIndexer,
} from '../../runtime/real/chain/index.ts'

/** DESIGN §5: act on blocks that are three deep. */
const CONFIRMATIONS = 3
/** Half of the local chain's block time. */
const POLL_MS = 400

export interface ChainAccess {
  readonly deployment: Deployment
  readonly view: ChainView
  /** Confirmed state as of the last block before `seconds`; null while the chain has not passed it. */
  asOf: Indexer['asOf']
  signer(secret: Uint8Array): ChainSigner
  close(): Promise<void>
}

export async function openChainAccess(options: {
  readonly folder: string
  readonly rpc: string
  readonly deployment: string
  readonly clock: Clock
  readonly log: Log
  readonly crypto: Crypto
  readonly database: Database
}): Promise<ChainAccess> {
  const { clock, log, crypto, database } = options
  const path = isAbsolute(options.deployment) ? options.deployment : join(options.folder, options.deployment)
  const deployment = await loadDeployment(path)
  if (deployment === null) {
    throw new CairnError('CONFIG', {
      what: path,
      why: 'there is no deployment file',
      fix: 'run `cairn up`, or give a network’s descriptor to `cairn node join`',
    })
  }
  const { chain, chainId, addresses, fromBlock } = deployment
  const rpc = createRpc(options.rpc)
  const indexer = await startIndexer({
    rpc,
    clock,
    log,
    crypto,
    database,
    chainId,
    chain,
    addresses,
    fromBlock,
    confirmations: CONFIRMATIONS,
    pollMs: POLL_MS,
  })
  const queues: { close(): Promise<void> }[] = []
  return {
    deployment,
    view: indexer.view,
    asOf: remembered(indexer),
    signer(secret) {
      const queue = openTxQueue({ rpc, clock, log, database, chain, chainId, secret, confirmations: CONFIRMATIONS, pollMs: POLL_MS })
      queues.push(queue)
      return createSigner(queue, addresses)
    },
    async close() {
      await Promise.all([indexer.close(), ...queues.map((queue) => queue.close())])
    },
  }
}

/** Epochs that are being settled or paid at a time; each is asked about every second until it is done. */
const REMEMBERED = 4

/** A replay reads every stored event, so the last few are kept; a reorg forgets them. */
function remembered(indexer: Indexer): Indexer['asOf'] {
  const kept = new Map<string, NonNullable<ReturnType<Indexer['asOf']>>>()
  return (seconds) => {
    const key = `${indexer.rebuilds()} ${seconds}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const state = indexer.asOf(seconds)
    if (state === null) return null
    kept.set(key, state)
    for (const oldest of kept.keys()) if (kept.size > REMEMBERED) kept.delete(oldest)
    return state
  }
}
