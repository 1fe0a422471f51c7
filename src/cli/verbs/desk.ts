/** A verb's view of the chain and of its peers: an index of its own under DIR/cli, brought up to date before it answers. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { networkId, type PeerId } from '../../protocol/ids.ts'
import { peerId } from '../../protocol/peer-id.ts'
import type { ChainSigner, NetworkRow } from '../../runtime/chain.ts'
import type { Clock, Database, Network, Random, Runtime } from '../../runtime/index.ts'
import { type ContractReader, createReader, createRpc, type Rpc } from '../../runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, createRandom, openDatabase } from '../../runtime/real/index.ts'
import { createTlsNetwork } from '../../runtime/real/network/index.ts'
import { claim } from '../claim.ts'
import { type ChainAccess, openChainAccess } from '../daemon/chain-access.ts'
import type { Place } from './place.ts'

/** Blocks at the top that are not confirmed yet; the view is as new as it can be when it is this close. */
const CONFIRMATIONS = 3n
/** Reading a long chain anew takes a while; standing still for this long does not. */
const STALL_MS = 20_000

export interface Bench {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: Runtime['crypto']
  readonly log: Runtime['log']
}

export const createBench = (): Bench => {
  const clock = createClock()
  return { clock, random: createRandom(), crypto: createCrypto(), log: createLog(clock, 'error') }
}

export interface ChainDesk extends Bench {
  readonly access: ChainAccess
  readonly rpc: Rpc
  /** Contract storage, for what no event tells. */
  readonly contracts: ContractReader
  readonly network: NetworkRow
  readonly database: Database
  signer(secret: Uint8Array): ChainSigner
  close(): Promise<void>
}

/** Opens the chain of a place. Throws CHAIN_AWAY when nothing answers, CONFIG when it is another chain. */
export async function openChainDesk(place: Pick<Place, 'folder' | 'rpc' | 'deployment' | 'net'>): Promise<ChainDesk> {
  const bench = createBench()
  const folder = join(place.folder, 'cli')
  await mkdir(folder, { recursive: true })
  const rpc = createRpc(place.rpc)
  const latest = await rpc.blockNumber()
  // Two verbs at a time must not write one index; the second reads the chain into memory instead.
  const own = await claim(join(folder, 'cli.pid'))
  const database = openDatabase(own.is === 'held' ? ':memory:' : join(folder, 'chain.db'))
  const { clock, log, crypto } = bench
  const access = await openChainAccess({ folder: place.folder, rpc: place.rpc, deployment: place.deployment, clock, log, crypto, database })
  const close = async (): Promise<void> => {
    await access.close()
    database.close()
    if (own.is === 'ours') await own.release()
  }
  try {
    await caughtUp(access, clock, latest, place.rpc)
    const network = access.view.network(networkId(place.net))
    if (network === null) throw new CairnError('NOT_FOUND', { what: `network on the chain at ${place.rpc}`, id: String(place.net) })
    return { ...bench, access, rpc, contracts: createReader(rpc, access.view.addresses), network, database, signer: access.signer, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function caughtUp(access: ChainAccess, clock: Clock, latest: bigint, rpc: string): Promise<void> {
  let movedAt = clock.monotonic()
  for (let seen = -1n; seen < latest - CONFIRMATIONS; ) {
    await access.view.advanced(250)
    const now = access.view.head()?.number ?? -1n
    if (now > seen) movedAt = clock.monotonic()
    else if (clock.monotonic() - movedAt > STALL_MS)
      throw new CairnError('CHAIN_AWAY', { rpc, why: 'the index of its events does not advance' })
    seen = now
  }
}

/** A peer of its own that only asks; its identity lasts as long as the command. */
export async function openPeers(
  bench: Bench,
  place: Pick<Place, 'verifiers'>,
): Promise<{ network: Network; verifiers: readonly PeerId[] }> {
  const { crypto, clock, log, random } = bench
  const network = await createTlsNetwork({ identity: random.bytes(32), crypto, clock, log })
  const verifiers = place.verifiers.map((at) => {
    const peer = peerId(at.peer)
    network.know(peer, [at.address])
    return peer
  })
  return { network, verifiers }
}
