import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { EXCHANGES_PER_PEER_MAX, HANDSHAKE_MS, INBOUND_CONNECTIONS_MAX, PENDING_HANDSHAKES_MAX } from '../../../protocol/limits.ts'
import type { Log } from '../../index.ts'
import type { Endpoint } from './address.ts'
import type { HostCertificate } from './certificate.ts'
import { CIPHERS, type Host, identify, SOCKET_BUFFER_BYTES, TLS_OPTIONS } from './handshake.ts'
import { Link } from './link.ts'

/** Connections that one peer may hold: a dialer closes and opens at once, so it may briefly be over its own bound. */
const CONNECTIONS_PER_PEER_MAX = 2 * EXCHANGES_PER_PEER_MAX

export interface Listener {
  readonly endpoint: Endpoint
  close(): Promise<void>
}

/** Accepts connections, and gives `accept` those whose other side has shown who it is. Throws `CONFIG` when it cannot listen. */
export async function listen(
  host: Host,
  certificate: HostCertificate,
  at: Endpoint,
  log: Log,
  accept: (link: Link, gone: () => void) => void,
): Promise<Listener> {
  const sockets = new Set<Socket>()
  const perPeer = new Map<PeerId, number>()
  let pending = 0
  const tls = createTlsServer({ ...TLS_OPTIONS, ...certificate, ciphers: CIPHERS, handshakeTimeout: HANDSHAKE_MS })
  // Every connection given to the TLS server ends its handshake in one of these two events, a lost one in the second.
  tls.on('secureConnection', (socket: TLSSocket) => {
    pending -= 1
    const found = identify(socket, host)
    const held = found.ok ? (perPeer.get(found.peer) ?? 0) : 0
    if (!found.ok || held >= CONNECTIONS_PER_PEER_MAX) {
      log.debug('refused a connection', { from: socket.remoteAddress, why: found.ok ? 'too many from one peer' : found.why })
      socket.on('error', () => {}).destroy()
      return
    }
    const { peer } = found
    perPeer.set(peer, held + 1)
    accept(new Link(socket, peer), () => {
      const left = (perPeer.get(peer) ?? 1) - 1
      if (left === 0) perPeer.delete(peer)
      else perPeer.set(peer, left)
    })
  })
  // Scanners and broken clients end here; the socket is destroyed by Node.
  tls.on('tlsClientError', (error) => {
    pending -= 1
    log.debug('a handshake failed', { why: error.message })
  })

  const tcp = createServer({ highWaterMark: SOCKET_BUFFER_BYTES, noDelay: true }, (socket) => {
    if (pending >= PENDING_HANDSHAKES_MAX) {
      socket.destroy()
      return
    }
    pending += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    tls.emit('connection', socket)
  })
  tcp.maxConnections = INBOUND_CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', (cause) => {
      const what = `listening on ${at.host}:${at.port}`
      reject(new CairnError('CONFIG', { what, why: cause.message, fix: 'choose another address or port' }, { cause }))
    })
    tcp.listen(at.port, at.host, resolve)
  })
  const bound = tcp.address()
  return {
    endpoint: { host: at.host, port: typeof bound === 'object' && bound !== null ? bound.port : at.port },
    async close() {
      const closed = new Promise<void>((resolve) => tcp.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
