import type { Crypto } from '../../../protocol/crypto.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId, ProtocolId } from '../../../protocol/ids.ts'
import { ADDRESSES_PER_PEER_MAX, DRAIN_MS, KNOWN_PEERS_MAX, PROTOCOL_ID_BYTES_MAX } from '../../../protocol/limits.ts'
import { peerIdOf } from '../../../protocol/peer-id.ts'
import { assert } from '../../../std/assert.ts'
import { utf8 } from '../../../std/bytes.ts'
import type { Clock, Duplex, Log, Network } from '../../index.ts'
import { type Endpoint, formatAddress, parseAddress } from './address.ts'
import { makeCertificate } from './certificate.ts'
import { Exchange } from './exchange.ts'
import { connect, createContext, type Host } from './handshake.ts'
import type { Link } from './link.ts'
import { type Listener, listen } from './listener.ts'
import { PeerPool } from './pool.ts'
import { type Handler, type Served, serveLink } from './serve.ts'

export interface TlsNetworkOptions {
  /** The host's Ed25519 secret, 32 bytes. */
  readonly identity: Uint8Array
  readonly crypto: Crypto
  readonly clock: Clock
  readonly log: Log
  /** Where to accept connections; port 0 takes a free one. Without it this peer only dials. */
  readonly listen?: Endpoint
}

/**
 * The network of peers over mutual TLS 1.3, each side's certificate bound to its Ed25519 key as libp2p's TLS
 * specification does. Connections are kept and used again, so that most dials cost nothing. Throws `CONFIG` when the
 * port cannot be had.
 */
export async function createTlsNetwork(options: TlsNetworkOptions): Promise<Network> {
  const { identity, crypto, clock, log } = options
  const certificate = makeCertificate({ identity, crypto, now: clock.now() })
  const network = new TlsNetwork({ crypto, clock, context: createContext(certificate) }, peerIdOf(crypto.ed25519.publicKey(identity)), log)
  if (options.listen !== undefined) {
    const { host } = network
    network.listener = await listen(host, certificate, options.listen, log, (link, gone) => network.accept(link, gone))
  }
  return network
}

class TlsNetwork implements Network {
  readonly self: PeerId
  readonly host: Host
  listener: Listener | null = null
  readonly #served: Served
  readonly #handlers = new Map<string, Handler>()
  readonly #known = new Map<PeerId, readonly Endpoint[]>()
  readonly #pools = new Map<PeerId, PeerPool>()
  /** Accepted connections, and what serves each. */
  readonly #accepted = new Map<Link, Promise<void>>()
  #closed = false

  constructor(host: Host, self: PeerId, log: Log) {
    this.host = host
    this.self = self
    this.#served = { clock: host.clock, log, handlers: this.#handlers }
  }

  get addresses(): readonly string[] {
    return this.listener === null ? [] : [formatAddress(this.listener.endpoint)]
  }

  know(peer: PeerId, addresses: readonly string[]): void {
    const endpoints = addresses.slice(0, ADDRESSES_PER_PEER_MAX).flatMap((address) => parseAddress(address) ?? [])
    this.#known.delete(peer)
    this.#known.set(peer, endpoints)
    if (this.#known.size <= KNOWN_PEERS_MAX) return
    for (const oldest of this.#known.keys()) if (this.#known.delete(oldest)) break
  }

  async dial(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Duplex> {
    const opening = utf8(protocol)
    assert(opening.length <= PROTOCOL_ID_BYTES_MAX, `the protocol id ${protocol} is too long`)
    if (this.#closed) throw new CairnError('ABORTED', { what: 'a dial of a network that is closed' })
    const pool = this.#pool(peer)
    const link = await pool.take(signal)
    if (signal?.aborted === true) {
      // It fired while the connection was on its way here: nothing was sent on it, so the next dial may have it.
      pool.release(link)
      throw signal.reason
    }
    return new Exchange(link, opening, () => pool.release(link), signal)
  }

  handle(protocol: ProtocolId, serve: Handler): void {
    assert(!this.#handlers.has(protocol), `${protocol} is served already`)
    this.#handlers.set(protocol, serve)
  }

  accept(link: Link, gone: () => void): void {
    const serving = serveLink(link, this.#served).finally(() => {
      this.#accepted.delete(link)
      gone()
    })
    this.#accepted.set(link, serving)
    if (this.#closed) link.fail(link.gone('the network was closed'))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const why = new CairnError('ABORTED', { what: 'a network that was closed' })
    for (const pool of this.#pools.values()) pool.close(why)
    const serving = [...this.#accepted.values()]
    for (const link of [...this.#accepted.keys()]) link.fail(why)
    await this.listener?.close()
    // Handlers saw their signal; one that ignores it must not keep the process.
    using limit = this.host.clock.deadline('handlers', DRAIN_MS)
    const late = new Promise<void>((resolve) => limit.signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([Promise.allSettled(serving), late])
  }

  #pool(peer: PeerId): PeerPool {
    const known = this.#pools.get(peer)
    if (known !== undefined) return known
    // Peers come and go; a pool without connections holds nothing that a new one would miss.
    if (this.#pools.size >= KNOWN_PEERS_MAX) for (const [old, pool] of this.#pools) if (pool.empty) this.#pools.delete(old)
    const pool = new PeerPool(peer, this.host.clock, (signal) => this.#connect(peer, signal))
    this.#pools.set(peer, pool)
    return pool
  }

  /** Tries the known addresses in turn. */
  async #connect(peer: PeerId, signal?: AbortSignal): Promise<Link> {
    const endpoints = this.#known.get(peer) ?? []
    let last: unknown = new CairnError('UNREACHABLE', { peer, why: 'no address is known' })
    for (const endpoint of endpoints) {
      signal?.throwIfAborted()
      try {
        return await connect(this.host, peer, endpoint, signal)
      } catch (error) {
        last = error
      }
    }
    throw last
  }
}
