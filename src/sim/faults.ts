/**
 * What goes wrong, when, and to whom: drawn from the seed before each epoch and carried out in virtual time. What it did is
 * written down, since the invariants must know who had a right to be served or paid.
 */
import type { FakeDisk } from '../runtime/fake/index.ts'
import type { Prng } from '../std/prng.ts'
import type { SimNetwork } from './network.ts'
import type { World } from './world.ts'

/** Chances per epoch, in ppm. */
export interface FaultRates {
  readonly nodeCrash: number
  /** A node goes and never comes back. */
  readonly nodeLoss: number
  /** Every machine of the network loses power at the same moment. */
  readonly blackout: number
  readonly gatewayCrash: number
  /** Its machine is gone for good: the gateway is rebuilt on another one. */
  readonly gatewayLoss: number
  /** The customer's gateway is given another session key, and the old one is revoked. */
  readonly keyChange: number
  readonly verifierCrash: number
  readonly gatewayCut: number
  readonly verifierCut: number
  readonly connectionsDropped: number
  readonly clockJump: number
  readonly chainAway: number
  readonly reorg: number
  readonly deepReorg: number
  readonly rot: number
}

export const NO_FAULTS: FaultRates = {
  nodeCrash: 0,
  nodeLoss: 0,
  blackout: 0,
  gatewayCrash: 0,
  gatewayLoss: 0,
  keyChange: 0,
  verifierCrash: 0,
  gatewayCut: 0,
  verifierCut: 0,
  connectionsDropped: 0,
  clockJump: 0,
  chainAway: 0,
  reorg: 0,
  deepReorg: 0,
  rot: 0,
}

/** Far worse than any real network: every few epochs each kind happens at least once. */
export const ALL_FAULTS: FaultRates = {
  nodeCrash: 600_000,
  nodeLoss: 60_000,
  blackout: 50_000,
  gatewayCrash: 150_000,
  // A recovery needs one good copy of each batch of the log, and cheaters and lost nodes together may leave none: it has runs of its own.
  gatewayLoss: 0,
  keyChange: 60_000,
  verifierCrash: 120_000,
  gatewayCut: 300_000,
  verifierCut: 150_000,
  connectionsDropped: 300_000,
  clockJump: 150_000,
  chainAway: 80_000,
  reorg: 250_000,
  deepReorg: 20_000,
  rot: 60_000,
}

/** Who was kept from working as it would, from when until when; true milliseconds. */
interface Disturbance {
  readonly who: string
  readonly from: number
  readonly to: number
}

export interface FaultLog {
  /** Nodes that will not come back. */
  readonly lost: ReadonlySet<number>
  /** Nodes whose disk changed bytes behind their back: what they hold is anybody's guess. */
  readonly rotted: ReadonlySet<number>
  /** Whether the gateway can reach the node now. */
  connected(node: number): boolean
  disturbed(who: 'chain' | 'verifier' | 'gateway' | `node ${number}`, from: number, to: number): boolean
}

export interface Faults extends FaultLog {
  /** Plans the faults of the epoch that begins now and sets their timers. */
  plan(rates: FaultRates): void
  /** Ends every fault that lasts. */
  heal(): void
}

const NODE_DOWN_MS = { min: 500, max: 60_000 }
const CUT_MS = { min: 500, max: 40_000 }
const AWAY_MS = { min: 2_000, max: 25_000 }
const SHORT_MS = { min: 200, max: 15_000 }
/** Seconds to hours, both ways. */
const JUMPS_MS = [-3_600_000, -40_000, -5_000, 2_000, 15_000, 45_000, 3_600_000]
/** What a view acts on is this deep at least (DESIGN §5). */
const CONFIRMED = 3
const DEEP_MAX = 12
/** A process that starts again needs a moment to open its files; its peers rest it for up to ten seconds. */
const RECOVERY_MS = 12_000
/** At most this share of the nodes is ever lost, so that enough operators are left for every piece. */
const LOSSES_MAX = 4
/** A bad sector, on whatever it falls. */
const ROT_BYTES = 512
const FOREVER_MS = 1e15

export function createFaults(world: World, network: SimNetwork, prng: Prng): Faults {
  const { clock, hub, chain } = world
  const { nodes, verifiers } = network
  const lost = new Set<number>()
  const rotted = new Set<number>()
  const cuts = new Map<number, number>()
  const verifierCuts = new Set<number>()
  const log: Disturbance[] = []
  const lasts: { at: number; end: () => void; done: boolean }[] = []
  const between = ({ min, max }: { min: number; max: number }): number => min + prng.below(max - min)
  const epochMs = world.options.epochSeconds * 1000
  const gatewayPeer = world.customer.transport

  function say(line: string): void {
    world.trace.add(`${Math.floor(clock.monotonic())} FAULT ${line}`)
  }

  /** Whatever ends by itself ends at the latest when faults are healed. */
  function until(ms: number, end: () => void): void {
    const entry = { at: clock.now() + ms, end, done: false }
    lasts.push(entry)
    clock.after(ms, () => finish(entry))
  }

  function finish(entry: (typeof lasts)[number]): void {
    if (entry.done) return
    entry.done = true
    entry.end()
  }

  function disturb(who: string, ms: number, before = 0): void {
    log.push({ who, from: clock.now() - before, to: clock.now() + ms + RECOVERY_MS })
  }

  function start(index: number): void {
    const node = nodes[index]
    if (node === undefined || node.up || lost.has(index)) return
    say(`node ${index} starts`)
    node.start().catch((error: unknown) => say(`node ${index} does not start: ${String(error)}`))
  }

  function crashNode(index: number, ms: number): void {
    if (lost.has(index)) return
    say(`node ${index} crashes for ${ms} ms`)
    nodes[index]?.crash()
    disturb(`node ${index}`, ms)
    until(ms, () => start(index))
  }

  function loseNode(index: number): void {
    if (lost.size >= Math.floor(nodes.length / LOSSES_MAX) || lost.has(index)) return
    say(`node ${index} is lost`)
    nodes[index]?.crash()
    lost.add(index)
  }

  function crashGateway(ms: number): void {
    if (network.gateway.backend === null) return
    say(`the gateway crashes for ${ms} ms`)
    network.crashGateway()
    disturb('gateway', ms)
    until(ms, () => {
      if (network.gateway.backend === null) network.startGateway()
    })
  }

  function loseGateway(ms: number): void {
    if (network.gateway.backend === null) return
    say(`the gateway’s machine is gone, the next one is there in ${ms} ms`)
    network.loseGateway()
    // However long it takes until it is rebuilt.
    disturb('gateway', ms + 2 * epochMs)
    until(ms, () => network.startGateway())
  }

  /** As an operator would: the new key is known on chain before the gateway starts with it, the old one goes while it is down. */
  async function changeKey(ms: number): Promise<void> {
    const old = world.customer.session
    await world.renewSession()
    crashGateway(ms)
    await world.revokeSession(old)
    say('the gateway has another key')
  }

  function crashVerifier(index: number, ms: number): void {
    const verifier = verifiers[index]
    if (verifier === undefined || !verifier.up) return
    say(`verifier ${index} crashes for ${ms} ms`)
    verifier.crash()
    disturb('verifier', ms)
    until(ms, () => {
      if (!verifier.up) verifier.start()
    })
  }

  function blackout(): void {
    say('blackout')
    for (const node of nodes) if (!lost.has(node.keys.index)) crashNode(node.keys.index, between({ min: 100, max: 5_000 }))
    crashGateway(between({ min: 100, max: 5_000 }))
    for (const verifier of verifiers) crashVerifier(verifier.keys.index, between({ min: 100, max: 5_000 }))
  }

  function cutGateway(index: number, ms: number): void {
    const peer = nodes[index]?.keys.transport
    if (peer === undefined || cuts.has(index)) return
    say(`node ${index} is cut from the gateway for ${ms} ms`)
    hub.cut(gatewayPeer, peer)
    cuts.set(index, clock.now())
    until(ms, () => {
      cuts.delete(index)
      hub.heal(gatewayPeer, peer)
    })
  }

  function cutVerifier(index: number, ms: number): void {
    const peer = nodes[index]?.keys.transport
    if (peer === undefined || verifierCuts.has(index)) return
    say(`node ${index} is cut from the verifiers for ${ms} ms`)
    verifierCuts.add(index)
    for (const verifier of verifiers) hub.cut(verifier.keys.transport, peer)
    disturb(`node ${index}`, ms)
    until(ms, () => {
      verifierCuts.delete(index)
      for (const verifier of verifiers) hub.heal(verifier.keys.transport, peer)
    })
  }

  function jump(ms: number): void {
    const by = prng.pick(JUMPS_MS)
    const which = prng.below(nodes.length + verifiers.length + 1)
    const node = nodes[which]
    const machine = node?.machine ?? verifiers[which - nodes.length]?.machine ?? network.gateway.machine
    if (machine.skewMs !== 0) return
    say(`clock ${which} jumps by ${by} ms for ${ms} ms`)
    machine.skewMs = by
    // Its claims may have been fixed by the wrong epoch's clock, and for later epochs too.
    if (node !== undefined) disturb(`node ${which}`, ms + 2 * epochMs + Math.max(0, by), Math.max(0, -by))
    until(ms, () => {
      machine.skewMs = 0
    })
  }

  function reorg(depth: number): void {
    say(`reorg of ${depth} blocks`)
    // What was confirmed is only in question when more than that is taken back.
    if (depth > CONFIRMED) disturb('chain', epochMs, 2 * epochMs)
    chain.reorg(depth)
  }

  function away(ms: number): void {
    say(`the chain is away for ${ms} ms`)
    chain.setAway(true)
    disturb('chain', ms)
    until(ms, () => chain.setAway(false))
  }

  function rot(): void {
    const index = prng.below(nodes.length)
    const node = nodes[index]
    if (node === undefined || !node.up || lost.has(index)) return
    say(`the disk of node ${index} rots`)
    rotted.add(index)
    disturb(`node ${index}`, FOREVER_MS)
    rotSome(node.machine.disk).catch((error: unknown) => say(`nothing rots: ${String(error)}`))
  }

  async function rotSome(disk: FakeDisk): Promise<void> {
    const logs = (await disk.list('pieces')).filter((name) => name.endsWith('.log'))
    if (logs.length === 0) return
    const path = `pieces/${prng.pick(logs)}`
    const size = (await disk.read(path))?.length ?? 0
    if (size > 2 * ROT_BYTES) disk.rot(path, prng.below(size - ROT_BYTES), ROT_BYTES)
  }

  return {
    lost,
    rotted,
    connected: (node) => !cuts.has(node),
    disturbed: (who, from, to) => log.some((entry) => entry.who === who && entry.from < to && entry.to > from),
    plan(rates) {
      const draw = (chance: number, act: () => void): void => {
        // Drawn whether it happens or not, so that one rate does not change the rest of the plan.
        const [hit, at] = [prng.chance(chance), prng.below(epochMs)]
        if (hit) clock.after(at, act)
      }
      const someNode = (): number => prng.below(nodes.length)
      draw(rates.nodeCrash, () => crashNode(someNode(), between(NODE_DOWN_MS)))
      draw(rates.nodeCrash / 3, () => {
        for (let i = 0; i < 3; i += 1) crashNode(someNode(), between(SHORT_MS))
      })
      draw(rates.nodeLoss, () => loseNode(someNode()))
      draw(rates.blackout, blackout)
      draw(rates.gatewayCrash, () => crashGateway(between(SHORT_MS)))
      draw(rates.gatewayLoss, () => loseGateway(between(SHORT_MS)))
      draw(rates.keyChange, () => {
        changeKey(between(SHORT_MS)).catch((error: unknown) => say(`no other key: ${String(error)}`))
      })
      draw(rates.verifierCrash, () => crashVerifier(prng.below(verifiers.length), between(SHORT_MS)))
      draw(rates.gatewayCut, () => cutGateway(someNode(), between(CUT_MS)))
      draw(rates.gatewayCut / 2, () => cutGateway(someNode(), between(CUT_MS)))
      draw(rates.verifierCut, () => cutVerifier(someNode(), between(CUT_MS)))
      draw(rates.connectionsDropped, () => hub.drop(gatewayPeer, nodes[someNode()]?.keys.transport ?? gatewayPeer))
      draw(rates.clockJump, () => jump(between(SHORT_MS)))
      draw(rates.chainAway, () => away(between(AWAY_MS)))
      draw(rates.reorg, () => reorg(1 + prng.below(CONFIRMED)))
      draw(rates.deepReorg, () => reorg(CONFIRMED + 1 + prng.below(DEEP_MAX - CONFIRMED)))
      draw(rates.rot, rot)
    },
    heal() {
      say('faults end')
      for (const entry of lasts) finish(entry)
    },
  }
}
