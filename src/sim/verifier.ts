/** A verifier: the same loop as `cairn run verifier`, on a machine that can crash. */
import { bytesOf, type PeerId, type SubjectId } from '../protocol/ids.ts'
import { peerIdOf } from '../protocol/peer-id.ts'
import type { Kind, Resource, Visit } from '../resources/resource.ts'
import { openTicketDesk } from '../resources/tickets.ts'
import { type Book, openBook, runVerifier } from '../roles/verifier/index.ts'
import type { Prng } from '../std/prng.ts'
import { type Machine, type Process, startProcess } from './process.ts'
import type { VerifierKeys, World } from './world.ts'

export interface SimVerifier {
  readonly keys: VerifierKeys
  readonly machine: Machine
  readonly up: boolean
  /** What it keeps, readable also while it is down: it lies on its disk. */
  readonly book: Book
  start(): void
  crash(): void
}

export interface VerifierOptions {
  readonly world: World
  readonly keys: VerifierKeys
  readonly resource: Resource<Kind>
  /** The first of the verifiers publishes, the others only commit their evidence. */
  readonly publishes: boolean
  /** Where a planted bug takes hold. */
  bendBook(book: Book): Book
}

export function createVerifier({ world, keys, resource, publishes, bendBook }: VerifierOptions): SimVerifier {
  const name = `verifier${keys.index}`
  const prng = world.prng.fork(name)
  const machine = world.machine(name, prng.fork('disk'))
  const book = openBook(machine.database, machine.disk)
  let life = 0
  let process: Process | null = null

  function boot(running: Process, stream: Prng): void {
    const { chain } = world
    const network = world.hub.join(keys.transport)
    const peerOf = (subject: SubjectId): PeerId | null => {
      const row = chain.view.device(subject)
      if (row === null || row.endpoint === '') return null
      const peer = peerIdOf(bytesOf(row.transportKey))
      network.know(peer, [row.endpoint])
      return peer
    }
    /** Under a new identity each time, as `cairn run verifier` does. */
    const visit = async (subject: SubjectId): Promise<Visit | null> => {
      const row = chain.view.device(subject)
      if (row === null || row.endpoint === '') return null
      const self = peerIdOf(world.crypto.ed25519.publicKey(runtime.random.bytes(32)))
      const visitor = world.hub.join(self, { listens: false, machine: keys.transport })
      const peer = peerIdOf(bytesOf(row.transportKey))
      visitor.know(peer, [row.endpoint])
      return { dial: (protocol, stop) => visitor.dial(peer, protocol, stop), close: () => visitor.close() }
    }
    const signer = chain.signer(keys.key.account)
    const others = world.verifiers.filter((other) => other.index !== keys.index)
    for (const other of others) network.know(other.transport, [other.address])
    const runtime = world.runtime(name, running, stream)
    const work = runVerifier(
      {
        rt: { ...runtime, network, chain: chain.view, peerOf, visit, tickets: openTicketDesk({ ...runtime, network, chain: chain.view }) },
        resource,
        net: world.net,
        book: bendBook(openBook(running.database, running.disk)),
        signer,
        stateAt: chain.asOf,
        peers: others.map((other) => other.transport),
        signRoot: publishes ? (hash) => world.crypto.secp256k1.sign(keys.key.secret, hash) : null,
        underWay: new Set(),
      },
      running.signal,
    )
    work.catch((error: unknown) => runtime.log.error('the verifier stopped', { why: String(error) }))
  }

  return {
    keys,
    machine,
    book,
    get up() {
      return process !== null
    },
    start() {
      life += 1
      process = startProcess(world.clock, machine)
      boot(process, prng.fork(`life ${life}`))
    },
    crash() {
      process?.kill()
      process = null
      world.hub.crash(keys.transport)
      machine.disk.crash()
    },
  }
}
