/** A gateway: the same store, loops and payments as `cairn run gateway`, without the HTTP server before it. */
import type { PeerId } from '../protocol/ids.ts'
import type { Payees } from '../resources/payees.ts'
import type { Kind, Resource } from '../resources/resource.ts'
import { openStorageBackend, type StorageBackend, storagePayees } from '../resources/storage/gateway.ts'
import type { Kernel, Redundancy } from '../resources/storage/index.ts'
import { createKernel } from '../resources/storage/index.ts'
import { payLoop } from '../roles/gateway/index.ts'
import { present } from '../std/assert.ts'
import { type Machine, type Process, startProcess } from './process.ts'
import { RATES } from './rates.ts'
import type { SimVerifier } from './verifier.ts'
import type { World } from './world.ts'

/** Stripes in memory at once. Simulated objects have one or two. */
const SLABS = 8
/** Starts within one epoch at most. */
const KERNELS_READY = 2

/** Where a planted bug takes hold. */
export interface GatewayBend {
  kernel?(kernel: Kernel): Kernel
  payees?(payees: Payees): Payees
}

export interface SimGateway {
  readonly machine: Machine
  readonly backend: StorageBackend | null
  /** Makes what a start needs that takes real time. Called while no simulated time passes. */
  prepare(): Promise<void>
  start(): void
  crash(): void
}

export interface GatewayOptions {
  readonly world: World
  readonly resource: Resource<Kind>
  readonly verifiers: readonly SimVerifier[]
  readonly redundancy: Redundancy
  readonly bend: GatewayBend
}

export function createGateway({ world, resource, verifiers, redundancy, bend }: GatewayOptions): SimGateway {
  const prng = world.prng.fork('gateway')
  const machine = world.machine('gateway', prng.fork('disk'))
  const { customer, chain } = world
  let life = 0
  let process: Process | null = null
  let backend: StorageBackend | null = null
  const kernels: Kernel[] = []

  function boot(running: Process, kernel: Kernel): StorageBackend {
    const network = world.hub.join(customer.transport)
    const peers: PeerId[] = verifiers.map((verifier) => {
      network.know(verifier.keys.transport, [verifier.keys.address])
      return verifier.keys.transport
    })
    const runtime = world.runtime('gateway', running, prng.fork(`life ${life}`))
    const rt = { ...runtime, network, disk: running.disk, database: running.database, chain: chain.view }
    const { account } = customer.key
    const opened = openStorageBackend(rt, bend.kernel?.(kernel) ?? kernel, {
      net: world.net,
      account,
      sessionKey: customer.session.secret,
      storageRoot: customer.storageRoot,
      redundancy,
      sync: false,
      signer: chain.signer(customer.session.account),
    })
    const payees = { ...storagePayees(opened.store), rates: RATES }
    const pay = {
      rt,
      resource,
      payees: bend.payees?.(payees) ?? payees,
      net: world.net,
      account,
      sessionKey: customer.session.secret,
      verifiers: peers,
      asOf: chain.asOf,
    }
    for (const work of [opened.run(running.signal), payLoop(pay, running.signal)]) {
      work.catch((error: unknown) => runtime.log.error('the gateway stopped', { why: String(error) }))
    }
    return opened
  }

  return {
    machine,
    get backend() {
      return backend
    },
    async prepare() {
      // Compiled on another thread: awaited inside simulated time, it would end at another event in each run.
      while (kernels.length < KERNELS_READY) {
        kernels.push(await createKernel({ compute: world.compute, k: redundancy.k, n: redundancy.n, slabs: SLABS }))
      }
    },
    start() {
      life += 1
      process = startProcess(world.clock, machine)
      backend = boot(process, present(kernels.pop(), 'a kernel is prepared for each start'))
    },
    crash() {
      process?.kill()
      process = null
      backend = null
      world.hub.crash(customer.transport)
      machine.disk.crash()
    },
  }
}
