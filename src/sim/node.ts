/** A storage node: the same provider and the same earning loop as `cairn run node`, on a machine that can crash. */

import type { Fault } from '../resources/resource.ts'
import { openStorageProvider, type StorageKind, type StorageProvider } from '../resources/storage/index.ts'
import { earnLoop } from '../roles/node/index.ts'
import type { FakeDisk } from '../runtime/fake/index.ts'
import type { Disk, Network } from '../runtime/index.ts'
import type { Prng } from '../std/prng.ts'
import { type Machine, type Process, startProcess } from './process.ts'
import { RATES } from './rates.ts'
import type { SimVerifier } from './verifier.ts'
import type { NodeKeys, World } from './world.ts'

/** Bytes that a simulated node sells: far more than any workload fills. */
const QUOTA_BYTES = 1e9
/** A transaction must bring something at all: gas is free here, and the more calls the better tested. */
const WORTH = { credits: 1n, cairn: 1n }
const PATIENCE_EPOCHS = 3

/** How a node differs from an honest one on a sound machine. */
export interface NodeBend {
  network?(network: Network): Network
  disk?(disk: Disk): Disk
  /** Who serves in place of the honest provider. */
  cheat?: Fault<StorageKind>
}

export interface SimNode {
  readonly keys: NodeKeys
  readonly machine: Machine & { readonly disk: FakeDisk }
  /** Null while it is down or starting, and for cheaters, whose insides are nobody's business. */
  readonly provider: StorageProvider | null
  /** Running, or on its way up. */
  readonly up: boolean
  start(): Promise<void>
  /** Power loss. */
  crash(): void
}

export interface NodeOptions {
  readonly world: World
  readonly keys: NodeKeys
  readonly bend: NodeBend
  readonly verifiers: readonly SimVerifier[]
}

export function createNode({ world, keys, bend, verifiers }: NodeOptions): SimNode {
  const name = `node${keys.index}`
  const prng = world.prng.fork(name)
  const machine = world.machine(name, prng.fork('disk'))
  let life = 0
  let process: Process | null = null
  let provider: StorageProvider | null = null

  async function boot(running: Process, stream: Prng): Promise<StorageProvider | null> {
    const { chain, crypto } = world
    const joined = world.hub.join(keys.transport)
    const network = bend.network?.(joined) ?? joined
    for (const { keys: verifier } of verifiers) network.know(verifier.transport, [verifier.address])
    const runtime = world.runtime(name, running, stream)
    const identity = {
      net: world.net,
      device: { id: keys.device.id, sign: (hash: Uint8Array) => crypto.secp256k1.sign(keys.device.secret, hash) },
      operator: { account: keys.operator.account, sign: (hash: Uint8Array) => crypto.secp256k1.sign(keys.operator.secret, hash) },
    }
    const files = { disk: bend.disk?.(running.disk) ?? running.disk, database: running.database }
    const onFatal = (error: unknown): void => runtime.log.error('the disk is failing; the node stops', { why: String(error) })
    const prices = { kept: RATES['byte-second'], served: RATES['byte-served'] }
    if (bend.cheat !== undefined) {
      const terms = { ...prices, capacity: BigInt(QUOTA_BYTES), region: '' }
      await bend.cheat.provide({ ...runtime, ...files, identity, onFatal, network, chain: chain.view }, terms)
      return null
    }
    const opened = await openStorageProvider({
      runtime,
      ...files,
      ...identity,
      chain: chain.view,
      network,
      asset: chain.addresses.credits,
      rates: prices,
      quotaBytes: QUOTA_BYTES,
      reserveBytes: 0,
      onFatal,
    })
    const earning = earnLoop(
      {
        rt: { ...runtime, network, chain: chain.view },
        net: world.net,
        operator: keys.operator.account,
        signer: chain.signer(keys.operator.account),
        verifiers: verifiers.map((verifier) => verifier.keys.transport),
        promises: opened.promises,
        unredeemable: opened.unredeemable,
        settled: opened.settled,
        worth: WORTH,
        patienceEpochs: PATIENCE_EPOCHS,
      },
      running.signal,
    )
    earning.catch((error: unknown) => runtime.log.error('earning stopped', { why: String(error) }))
    return opened
  }

  return {
    keys,
    machine,
    get provider() {
      return provider
    },
    get up() {
      return process !== null
    },
    async start() {
      life += 1
      const running = startProcess(world.clock, machine)
      process = running
      const opened = await boot(running, prng.fork(`life ${life}`))
      if (running.alive) provider = opened
    },
    crash() {
      process?.kill()
      process = null
      provider = null
      world.hub.crash(keys.transport)
      machine.disk.crash()
    },
  }
}
