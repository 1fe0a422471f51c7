/** A gateway: the same store, loops and payments as `cairn run gateway`, without the HTTP server before it. */
import type { Payees } from '../resources/payees.ts'
import type { Kind, Resource } from '../resources/resource.ts'
import {
  adoptManifest,
  concludeRecovery,
  grantReads,
  openStorageBackend,
  recover,
  type StorageBackend,
  storagePayees,
} from '../resources/storage/gateway.ts'
import type { Kernel, Redundancy } from '../resources/storage/index.ts'
import { createKernel } from '../resources/storage/index.ts'
import { giveTickets } from '../resources/tickets.ts'
import { adoptVouchers, type PayParts, payLoop } from '../roles/gateway/index.ts'
import { present } from '../std/assert.ts'
import { type Machine, type Process, startProcess } from './process.ts'
import { RATES } from './rates.ts'
import type { SimVerifier } from './verifier.ts'
import type { World } from './world.ts'

/** Of a few kilobytes kept for half a minute even their whole price would buy no read: verifiers are lent what they ask for. */
const READS_PPM = 1e13
/** Stripes in memory at once. Simulated objects have one or two. */
const SLABS = 8
/** Starts within one epoch at most: after a crash, a blackout, a change of its key and a lost machine, some of which began in the epoch before. */
const KERNELS_READY = 6

/** Where a planted bug takes hold. */
export interface GatewayBend {
  kernel?(kernel: Kernel): Kernel
  payees?(payees: Payees): Payees
}

export interface SimGateway {
  readonly machine: Machine
  /** Null while it is down, or being rebuilt. */
  readonly backend: StorageBackend | null
  /** Makes what a start needs that takes real time. Called while no simulated time passes. */
  prepare(): Promise<void>
  /** On a machine that is new, the gateway is first rebuilt from the account's seed and the chain. */
  start(): void
  crash(): void
  /** Takes it away with all that was on its machine. */
  lose(): void
}

export interface GatewayOptions {
  readonly world: World
  readonly resource: Resource<Kind>
  readonly verifiers: readonly SimVerifier[]
  readonly redundancy: Redundancy
  readonly bend: GatewayBend
}

/** Who rebuilds a gateway gives the command again a while after it was refused. */
const REBUILD_AGAIN_MS = 5_000
/** Of one attempt: providers that are silent for longer are waited for by the next. */
const REBUILD_PATIENCE_MS = 5_000

export function createGateway({ world, resource, verifiers, redundancy, bend }: GatewayOptions): SimGateway {
  const prng = world.prng.fork('gateway')
  const { customer, chain } = world
  let machine = world.machine('gateway', prng.fork('disk'))
  let life = 0
  let isNew = false
  let process: Process | null = null
  let backend: StorageBackend | null = null
  const kernels: Kernel[] = []

  /** The gateway's parts in a process, with the key that it has now. */
  function open(rt: PayParts['rt'], kernel: Kernel) {
    const { account } = customer.key
    const sessionKey = customer.session.secret
    const opened = openStorageBackend(rt, bend.kernel?.(kernel) ?? kernel, {
      net: world.net,
      account,
      sessionKey,
      storageRoot: customer.storageRoot,
      redundancy,
      sync: false,
      rates: RATES,
      signer: chain.signer(customer.session.account),
    })
    const payees = storagePayees(opened.store)
    const pay: PayParts = {
      rt,
      resource,
      payees: bend.payees?.(payees) ?? payees,
      net: world.net,
      account,
      sessionKey,
      verifiers: verifiers.map((verifier) => verifier.keys.transport),
      asOf: chain.asOf,
    }
    return { opened, pay }
  }

  function boot(running: Process, kernel: Kernel): void {
    const network = world.hub.join(customer.transport)
    for (const { keys } of verifiers) network.know(keys.transport, [keys.address])
    const runtime = world.runtime('gateway', running, prng.fork(`life ${life}`))
    const rt = { ...runtime, network, disk: running.disk, database: running.database, chain: chain.view }
    const serve = (): void => {
      const { opened, pay } = open(rt, kernel)
      const grant = grantReads(opened.store, READS_PPM)
      const lending = giveTickets({ rt, payer: pay.account, sessionKey: pay.sessionKey, verifiers: pay.verifiers, grant }, running.signal)
      for (const work of [opened.run(running.signal), payLoop(pay, running.signal), lending]) {
        work.catch((error: unknown) => runtime.log.error('the gateway stopped', { why: String(error) }))
      }
      backend = opened
    }
    if (!isNew) serve()
    else
      rebuild(running, rt, kernel).then(serve, (error: unknown) => runtime.log.error('the gateway is not rebuilt', { why: String(error) }))
  }

  /** As `cairn storage recover` does, given again until nothing is missing. */
  async function rebuild(running: Process, rt: PayParts['rt'], kernel: Kernel): Promise<void> {
    while (isNew) {
      const { opened, pay } = open(rt, kernel)
      const { store } = opened
      try {
        const how = { progress: () => undefined, patienceMs: REBUILD_PATIENCE_MS, allowLoss: false }
        const found = await recover(store, chain.view.pointer(customer.key.account), how, running.signal)
        for (const { id } of store.providers.known()) await adoptManifest(store, id).catch(() => null)
        await adoptVouchers(pay)
        concludeRecovery(store, found)
        isNew = false
        rt.log.info('the gateway is rebuilt', { objects: found.objects, batches: found.batches })
      } catch (error) {
        rt.log.info('the gateway is not rebuilt yet', { why: String(error) })
        await running.clock.sleep(REBUILD_AGAIN_MS)
      }
    }
  }

  function crash(): void {
    process?.kill()
    process = null
    backend = null
    world.hub.crash(customer.transport)
    machine.disk.crash()
  }

  return {
    get machine() {
      return machine
    },
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
      boot(process, present(kernels.pop(), 'a kernel is prepared for each start'))
    },
    crash,
    lose() {
      crash()
      machine = world.machine('gateway', prng.fork(`disk ${life}`))
      isNew = true
    },
  }
}
