/** All parties of a simulated network, started in the order in which `cairn up` starts them. */
import { ppm } from '../protocol/units.ts'
import type { Kind, Resource } from '../resources/resource.ts'
import type { Redundancy } from '../resources/storage/index.ts'
import { storage } from '../resources/storage/index.ts'
import { present } from '../std/assert.ts'
import { type Customer, createBuckets, createCustomer } from './customers.ts'
import { createGateway, type SimGateway } from './gateway.ts'
import type { Bends } from './mutants.ts'
import { createNode, type NodeBend, type SimNode } from './node.ts'
import { createVerifier, type SimVerifier } from './verifier.ts'
import type { World } from './world.ts'

export interface NetworkOptions {
  readonly world: World
  readonly redundancy: Redundancy
  readonly customers: number
  readonly keysPerCustomer: number
  readonly bends: Pick<Bends, 'gateway' | 'book' | 'verifierResource'>
  bendOf(node: number): NodeBend
  /** What the last verifier of a quorum is, who signs besides the first otherwise. */
  readonly odd: OddVerifier | null
}

/** One settles another way and signs that; one never comes. */
export type OddVerifier = 'lies' | 'away'

export interface SimNetwork {
  readonly nodes: readonly SimNode[]
  readonly verifiers: readonly SimVerifier[]
  readonly gateway: SimGateway
  readonly customers: readonly Customer[]
  /** Takes the gateway away; calls that were under way end with it. */
  crashGateway(): void
  /** The same, and with it everything that was on its machine. */
  loseGateway(): void
  startGateway(): void
}

// Every resource is a Resource of some kind; roles need to know no more of it.
export const storageKind = storage as unknown as Resource<Kind>

/** Pays half of the nodes half, whatever they proved. */
const unjust = (): Resource<Kind> => ({
  ...storageKind,
  score(group, carry) {
    const { scores, carry: next } = storageKind.score(group, carry)
    return {
      scores: scores.map((score) => (score.subject < '0x8' ? { ...score, score: ppm(Math.floor(score.score / 2)) } : score)),
      carry: next,
    }
  },
})

export async function startNetwork(options: NetworkOptions): Promise<SimNetwork> {
  const { world, redundancy } = options
  const { verifierResource, book: bendBook } = options.bends
  const isOdd = (index: number): boolean => options.odd !== null && index === world.verifiers.length - 1
  const verifiers = world.verifiers.map((keys) => {
    const resource = isOdd(keys.index) && options.odd === 'lies' ? unjust() : verifierResource
    return createVerifier({ world, keys, resource, publishes: keys.index === 0 || options.odd !== null, bendBook })
  })
  for (const verifier of verifiers) if (!isOdd(verifier.keys.index) || options.odd !== 'away') verifier.start()
  const nodes = world.nodes.map((keys) => createNode({ world, keys, bend: options.bendOf(keys.index), verifiers }))
  await world.clock.run(() => Promise.all(nodes.map((node) => node.start())))
  const gateway = createGateway({ world, resource: storageKind, verifiers, redundancy, bend: options.bends.gateway })
  let gone = Promise.withResolvers<void>()
  await gateway.prepare()
  gateway.start()
  const customers = Array.from({ length: options.customers }, (_, i) =>
    createCustomer({
      name: `c${i}`,
      account: world.customer.key.account,
      prng: world.prng.fork(`customer ${i}`),
      clock: world.clock,
      keys: options.keysPerCustomer,
      store: () => gateway.backend?.store.objects ?? null,
      gone: () => gone.promise,
      seq: () => gateway.backend?.store.metadata.lastSeq() ?? 0,
      trace: (line) => world.trace.add(`${Math.floor(world.clock.monotonic())} ${line}`),
    }),
  )
  const { objects } = present(gateway.backend, 'the gateway has started').store
  await world.clock.run(() => createBuckets(objects, world.customer.key.account))
  const cutOff = (): void => {
    gone.resolve()
    gone = Promise.withResolvers()
  }
  return {
    nodes,
    verifiers,
    gateway,
    customers,
    crashGateway() {
      gateway.crash()
      cutOff()
    },
    loseGateway() {
      // What the log had not taken to the providers by now is lost, as the store says that it may be.
      const kept = gateway.backend?.store.log.position().last ?? 0
      gateway.lose()
      for (const customer of customers) customer.doubt(kept)
      cutOff()
    },
    startGateway: () => gateway.start(),
  }
}
