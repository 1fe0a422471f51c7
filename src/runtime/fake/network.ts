import { CairnError } from '../../protocol/errors.ts'
import type { PeerId, ProtocolId } from '../../protocol/ids.ts'
import {
  ADDRESSES_PER_PEER_MAX,
  EXCHANGES_PER_PEER_MAX,
  HANDSHAKE_MS,
  IDLE_CONNECTION_MS,
  WAITING_DIALS_MAX,
} from '../../protocol/limits.ts'
import { assert } from '../../std/assert.ts'
import type { Duplex, Network, Random } from '../index.ts'
import type { FakeClock } from './clock.ts'
import { FakeExchange } from './exchange.ts'
import { Pipe, type Way } from './pipe.ts'

export interface FakeNetworkOptions {
  readonly clock: FakeClock
  readonly random: Random
  /** One-way milliseconds, drawn uniformly for each message; 1 to 20 unless told otherwise. */
  readonly latency?: { readonly min: number; readonly max: number }
}

/** The wires between all nodes of a simulation, and the hands that cut them. */
export interface FakeNetworkHub {
  /**
   * Puts a node on the network, or back after a crash; it listens unless it only dials. With `machine` it is another name of a
   * node that is there: what cuts or crashes that one does so to it.
   */
  join(self: PeerId, options?: { readonly listens?: boolean; readonly machine?: PeerId }): Network
  /** Nothing passes between the two until `heal`: dials time out, messages under way wait. */
  cut(a: PeerId, b: PeerId): void
  heal(a: PeerId, b: PeerId): void
  /** Loses every connection between the two; new ones can be made. */
  drop(a: PeerId, b: PeerId): void
  /** The node's process dies: its connections are reset, its handlers are aborted, dials are refused until it joins again. */
  crash(peer: PeerId): void
}

export function createFakeNetwork(options: FakeNetworkOptions): FakeNetworkHub {
  return new Hub(options)
}

type Handler = (io: Duplex, signal: AbortSignal) => Promise<void>

class Hub implements FakeNetworkHub {
  readonly clock: FakeClock
  readonly nodes = new Map<PeerId, FakeNode>()
  /** Who answers at an address. A node keeps its address over crashes, as a machine does. */
  readonly homes = new Map<string, PeerId>()
  readonly #random: Random
  readonly #latency: { readonly min: number; readonly max: number }
  readonly #cuts = new Set<string>()
  /** Nodes by another name. */
  readonly #machines = new Map<PeerId, PeerId>()

  constructor({ clock, random, latency = { min: 1, max: 20 } }: FakeNetworkOptions) {
    assert(latency.min >= 0 && latency.max >= latency.min, 'latencies are a range of milliseconds')
    this.clock = clock
    this.#random = random
    this.#latency = latency
  }

  join(self: PeerId, { listens = true, machine }: { readonly listens?: boolean; readonly machine?: PeerId } = {}): Network {
    assert(!this.nodes.has(self), `${self} is on the network already`)
    if (machine !== undefined) this.#machines.set(self, machine)
    let address = [...this.homes].find(([, peer]) => peer === self)?.[0] ?? null
    if (address === null && listens) {
      const n = this.homes.size + 1
      address = `/ip4/10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}/tcp/4001`
      this.homes.set(address, self)
    }
    const node = new FakeNode(this, self, listens && address !== null ? [address] : [])
    this.nodes.set(self, node)
    return node
  }

  cut(a: PeerId, b: PeerId): void {
    this.#cuts.add(pair(a, b))
  }

  heal(a: PeerId, b: PeerId): void {
    this.#cuts.delete(pair(a, b))
    for (const node of this.#on(a)) for (const end of node.ends()) if (this.#machineOf(end.peer) === b) end.resume()
  }

  drop(a: PeerId, b: PeerId): void {
    for (const end of this.nodes.get(a)?.endsWith(b) ?? []) end.lose('the connection was lost', true)
    this.nodes.get(a)?.forget(b)
    this.nodes.get(b)?.forget(a)
  }

  crash(peer: PeerId): void {
    for (const node of this.#on(peer)) node.die(new CairnError('ABORTED', { what: 'a node that crashed' }))
  }

  left(peer: PeerId): void {
    this.nodes.delete(peer)
    this.#machines.delete(peer)
  }

  #machineOf(peer: PeerId): PeerId {
    return this.#machines.get(peer) ?? peer
  }

  /** The node and those that are it by another name. */
  #on(machine: PeerId): readonly FakeNode[] {
    const names = [machine, ...[...this.#machines].filter(([, at]) => at === machine).map(([name]) => name)]
    return names.flatMap((name) => this.nodes.get(name) ?? [])
  }

  way(a: PeerId, b: PeerId): Way {
    return { latency: () => this.latency(), cut: () => this.isCut(a, b) }
  }

  latency(): number {
    const { min, max } = this.#latency
    return min + this.#random.below(Math.floor(max - min) + 1)
  }

  isCut(a: PeerId, b: PeerId): boolean {
    return this.#cuts.has(pair(this.#machineOf(a), this.#machineOf(b)))
  }
}

const pair = (a: PeerId, b: PeerId): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

class FakeNode implements Network {
  readonly self: PeerId
  readonly addresses: readonly string[]
  readonly hub: Hub
  readonly #handlers = new Map<string, Handler>()
  readonly #known = new Map<PeerId, readonly string[]>()
  readonly #ends = new Set<FakeExchange>()
  /** Dialed exchanges per peer, and until when a connection to it is kept. */
  readonly #dialed = new Map<PeerId, number>()
  readonly #warmUntil = new Map<PeerId, number>()
  readonly #waiting = new Map<PeerId, Set<() => void>>()
  #alive = true

  constructor(hub: Hub, self: PeerId, addresses: readonly string[]) {
    this.hub = hub
    this.self = self
    this.addresses = addresses
  }

  know(peer: PeerId, addresses: readonly string[]): void {
    this.#known.set(peer, addresses.slice(0, ADDRESSES_PER_PEER_MAX))
  }

  handle(protocol: ProtocolId, serve: Handler): void {
    assert(!this.#handlers.has(protocol), `${protocol} is served already`)
    this.#handlers.set(protocol, serve)
  }

  async dial(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Duplex> {
    for (;;) {
      signal?.throwIfAborted()
      if (!this.#alive) throw new CairnError('ABORTED', { what: 'a dial of a network that is closed' })
      if ((this.#dialed.get(peer) ?? 0) < EXCHANGES_PER_PEER_MAX) break
      await this.#turn(peer, signal)
    }
    this.#dialed.set(peer, (this.#dialed.get(peer) ?? 0) + 1)
    try {
      const target = await this.#reach(peer, signal)
      signal?.throwIfAborted()
      return this.#connect(target, protocol, signal)
    } catch (error) {
      this.#release(peer)
      throw error
    }
  }

  async close(): Promise<void> {
    this.die(new CairnError('ABORTED', { what: 'a network that was closed' }))
  }

  ends(): readonly FakeExchange[] {
    return [...this.#ends]
  }

  endsWith(peer: PeerId): readonly FakeExchange[] {
    return this.ends().filter((end) => end.peer === peer)
  }

  forget(peer: PeerId): void {
    this.#warmUntil.delete(peer)
  }

  die(why: CairnError): void {
    if (!this.#alive) return
    this.#alive = false
    this.hub.left(this.self)
    for (const end of [...this.#ends]) end.abort(why)
    for (const node of this.hub.nodes.values()) node.forget(this.self)
    for (const waiting of [...this.#waiting.values()]) for (const wake of [...waiting]) wake()
  }

  /** Makes the two ends of an exchange with `target`. */
  #connect(target: FakeNode, protocol: ProtocolId, signal?: AbortSignal): Duplex {
    const { hub } = this
    const there = new Pipe(hub.clock, hub.way(this.self, target.self))
    const back = new Pipe(hub.clock, hub.way(this.self, target.self))
    const mine = new FakeExchange(hub.clock, target.self, back, there, true, signal)
    const theirs = new FakeExchange(hub.clock, this.self, there, back, false)
    mine.other = theirs
    theirs.other = mine
    this.#ends.add(mine)
    mine.onOver = () => {
      this.#ends.delete(mine)
      this.#warmUntil.set(target.self, mine.failed ? 0 : hub.clock.monotonic() + IDLE_CONNECTION_MS)
      this.#release(target.self)
    }
    theirs.onOpened = () => target.#serve(protocol, theirs)
    return mine
  }

  #serve(protocol: ProtocolId, io: FakeExchange): void {
    const handler = this.#handlers.get(protocol)
    if (!this.#alive || handler === undefined) {
      io.lose(this.#alive ? 'it does not serve this protocol' : 'the connection was lost', true)
      return
    }
    const gone = new AbortController()
    this.#ends.add(io)
    io.onOver = () => {
      this.#ends.delete(io)
      if (io.failed) gone.abort(io.failure)
    }
    const run = async (): Promise<void> => {
      await handler(io, gone.signal)
      await io.end()
      await io.drain()
    }
    run().catch((error: unknown) => io.abort(error))
  }

  /** The node that `peer` is, after the time that a handshake takes. */
  async #reach(peer: PeerId, signal?: AbortSignal): Promise<FakeNode> {
    const away = (why: string): CairnError => new CairnError('UNREACHABLE', { peer, why })
    const { hub } = this
    const addresses = this.#known.get(peer) ?? []
    const warm = (this.#warmUntil.get(peer) ?? 0) > hub.clock.monotonic()
    const kept = hub.nodes.get(peer)
    if (warm && kept !== undefined && !hub.isCut(this.self, peer)) return kept
    let last = away('no address is known')
    for (const address of addresses) {
      const home = hub.homes.get(address)
      if (home !== undefined && hub.isCut(this.self, home)) {
        await this.#pass(HANDSHAKE_MS, signal)
        last = away(`${address}: no handshake within ${HANDSHAKE_MS} ms`)
        continue
      }
      await this.#pass(2 * hub.latency(), signal)
      const node = home === undefined ? undefined : hub.nodes.get(home)
      if (node === undefined || !node.addresses.includes(address)) last = away(`${address}: connection refused`)
      else if (node.self !== peer) last = away(`${address}: another peer answers there, ${node.self}`)
      else return node
    }
    throw last
  }

  /** Lets `ms` pass, or throws the signal's reason. */
  #pass(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.hub.clock.after(ms, () => {
        signal?.removeEventListener('abort', stop)
        if (this.#alive) resolve()
        else reject(new CairnError('ABORTED', { what: 'a dial of a network that is closed' }))
      })
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  #turn(peer: PeerId, signal?: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(peer) ?? new Set()
    this.#waiting.set(peer, waiting)
    if (waiting.size >= WAITING_DIALS_MAX) throw new CairnError('LIMIT', { what: `dials waiting for ${peer}`, limit: WAITING_DIALS_MAX })
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        waiting.delete(wake)
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const stop = (): void => {
        waiting.delete(wake)
        reject(signal?.reason)
      }
      waiting.add(wake)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  #release(peer: PeerId): void {
    const left = (this.#dialed.get(peer) ?? 1) - 1
    if (left === 0) this.#dialed.delete(peer)
    else this.#dialed.set(peer, left)
    const [first] = this.#waiting.get(peer) ?? []
    first?.()
  }
}
