/** `cairn run verifier`: challenges providers, commits the evidence, settles epochs and publishes roots. */
import { type Account, bytesOf, type NetworkId, networkId, type PeerId } from '../../protocol/ids.ts'
import { peerId, peerIdOf } from '../../protocol/peer-id.ts'
import type { Kind, Resource, Visit } from '../../resources/resource.ts'
import { storage } from '../../resources/storage/index.ts'
import { openTicketDesk } from '../../resources/tickets.ts'
import { openBook, runVerifier, type VerifierParts } from '../../roles/verifier/index.ts'
import type { ChainView } from '../../runtime/chain.ts'
import { createHttpServer } from '../../runtime/real/http.ts'
import { createTlsNetwork } from '../../runtime/real/network/index.ts'
import { readConfig, verifierConfig } from '../config.ts'
import { startAdmin } from './admin.ts'
import { runDaemon } from './lifecycle.ts'
import { openWorld, untilKnown } from './world.ts'

const CHAIN_MS = 60_000
/** Of its status; everything is in `cairn epoch list`. */
const EPOCHS_SHOWN = 16

/** What tests bend of a verifier; every resource is a Resource of some kind, whatever it says. */
interface VerifierBends {
  readonly resource?: Resource<Kind>
  readonly bend?: (parts: VerifierParts) => VerifierParts
}

export async function verifierDaemon(folder: string, bends: VerifierBends = {}): Promise<never> {
  const { resource = storage as unknown as Resource<Kind>, bend = (parts) => parts } = bends
  const config = await readConfig(folder, verifierConfig)
  return runDaemon(async (life) => {
    const world = await openWorld({ folder, ...config, listen: { host: config.host, port: config.port } })
    const chain = world.access.view
    await untilKnown(world, 'reading the network from the chain', () => chain.network(world.net), CHAIN_MS, life.signal)
    const signer = world.access.signer(config.verifierKey)
    const book = openBook(world.database, world.disk)
    const peerOf = (subject: string): PeerId | null => {
      const row = chain.devices(world.net).find((device) => device.id === subject)
      if (row === undefined || row.endpoint === '') return null
      const peer = peerIdOf(bytesOf(row.transportKey))
      world.network.know(peer, [row.endpoint])
      return peer
    }
    /** Under a new identity each time, or providers would learn whom to serve well. */
    const visit = async (subject: string): Promise<Visit | null> => {
      const row = chain.devices(world.net).find((device) => device.id === subject)
      if (row === undefined || row.endpoint === '') return null
      const { crypto, clock, log, random } = world
      const network = await createTlsNetwork({ identity: random.bytes(32), crypto, clock, log })
      const peer = peerIdOf(bytesOf(row.transportKey))
      network.know(peer, [row.endpoint])
      return { dial: (protocol, signal) => network.dial(peer, protocol, signal), close: () => network.close() }
    }
    const tickets = openTicketDesk({ ...world, chain })
    const running = runVerifier(
      bend({
        rt: { ...world, chain, peerOf, visit, tickets },
        resource,
        net: world.net,
        book,
        signer,
        stateAt: world.access.asOf,
        peers: config.peers.map(({ peer, address }) => {
          const known = peerId(peer)
          world.network.know(known, [address])
          return known
        }),
        signRoot: config.publish ? (hash) => world.crypto.secp256k1.sign(config.verifierKey, hash) : null,
        underWay: new Set(),
      }),
      life.signal,
    )
    running.catch((error: unknown) => {
      if (life.signal.aborted) return
      world.log.error('the verifier stopped', { why: String(error) })
      process.exit(1)
    })
    const admin = await startAdmin({
      folder,
      role: 'verifier',
      http: createHttpServer(world.log),
      port: config.adminPort,
      metrics: world.metrics,
      ready: () => (chain.degraded() ? ['the chain is away'] : whyNoSignature(chain, world.net, signer.account)),
      status: async () => ({
        account: signer.account,
        net: world.net,
        address: world.network.addresses[0] ?? '',
        epochs: book.epochs(EPOCHS_SHOWN).map(({ epoch, state }) => ({ epoch, state })),
      }),
    })
    life.ready({ role: 'verifier', peer: world.network.self, address: world.network.addresses[0] ?? '' })
    return async () => {
      await admin.close()
      await running.catch(() => undefined)
      await world.close()
    }
  })
}

/** Why a verifier of a network whose roots a quorum signs does not sign this week; empty when it does. */
function whyNoSignature(chain: ChainView, net: NetworkId, own: Account): readonly string[] {
  const network = chain.network(net)
  if (network === null || network.publisher !== chain.addresses.quorum) return []
  const set = chain.rootSet(networkId(network.verifierNet))
  if (set === null) return ['no set of verifiers signs this week']
  return set.members.some(({ account }) => account === own) ? [] : ['it is not in the set of verifiers that signs this week']
}
