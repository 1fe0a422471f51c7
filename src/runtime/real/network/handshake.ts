import type { OnReadOpts } from 'node:net'
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Crypto } from '../../../protocol/crypto.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { HANDSHAKE_MS } from '../../../protocol/limits.ts'
import type { Clock } from '../../index.ts'
import type { Endpoint } from './address.ts'
import { type CertificateCheck, checkCertificate, type HostCertificate } from './certificate.ts'
import { Inlet } from './inlet.ts'
import { Link } from './link.ts'

/** What TLS calls our protocol (RFC 7301); another version of the framing gets another number. */
const ALPN = 'cairn/1'
/** AES-128-GCM first: every server CPU has it in hardware, and it is a third faster than AES-256 there. */
export const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384'
/** What Node may queue before `write` asks to wait; sends are awaited one by one, so this only avoids needless signals. */
export const SOCKET_BUFFER_BYTES = 1024 * 1024

/** What every handshake of this host needs. */
export interface Host {
  readonly crypto: Crypto
  readonly clock: Clock
  readonly context: SecureContext
}

/** The settings that both sides share: TLS 1.3 only, both certificates, and our own judgement instead of a list of authorities. */
export const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ALPNProtocols: [ALPN],
  requestCert: true,
  // Certificates are self-signed by design; `identify` decides, before a byte of the connection is used.
  rejectUnauthorized: false,
  highWaterMark: SOCKET_BUFFER_BYTES,
} as const

export function createContext({ key, cert }: HostCertificate): SecureContext {
  return createSecureContext({ key, cert, ciphers: CIPHERS, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })
}

/** Who is at the other end of a finished handshake. */
export function identify(socket: TLSSocket, { crypto, clock }: Host): CertificateCheck {
  if (socket.alpnProtocol !== ALPN) return { ok: false, why: `it does not speak ${ALPN}` }
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return { ok: false, why: 'it showed no certificate' }
  return checkCertificate(certificate, crypto, clock.now())
}

/**
 * Connects to `peer` at one endpoint. Throws `UNREACHABLE` when nobody answers within `HANDSHAKE_MS`, or someone else
 * does; and what `signal` gives as its reason when that fires.
 */
export function connect(host: Host, peer: PeerId, endpoint: Endpoint, signal?: AbortSignal): Promise<Link> {
  const away = (why: string, cause?: unknown): CairnError =>
    new CairnError('UNREACHABLE', { peer, why: `${endpoint.host}:${endpoint.port}: ${why}` }, { cause })
  return new Promise((resolve, reject) => {
    const limit = host.clock.deadline('a handshake', HANDSHAKE_MS, signal)
    const inlet = new Inlet()
    // The types leave out `onread`, which the documentation of `tls.connect` names.
    const settings: ConnectionOptions & { onread: OnReadOpts } = {
      ...TLS_OPTIONS,
      host: endpoint.host,
      port: endpoint.port,
      secureContext: host.context,
      // Names mean nothing here: the key is the identity.
      servername: '',
      checkServerIdentity: () => undefined,
      onread: inlet,
    }
    const socket = tlsConnect(settings)
    const settle = (error: unknown): void => {
      limit[Symbol.dispose]()
      limit.signal.removeEventListener('abort', late)
      socket.removeListener('error', refused)
      socket.removeListener('close', closed)
      socket.removeListener('secureConnect', secured)
      if (error === null) return
      // Destroying may still report an error that no one waits for.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const late = (): void => settle(signal?.aborted === true ? signal.reason : away(`no handshake within ${HANDSHAKE_MS} ms`))
    const refused = (cause: Error): void => settle(away(cause.message, cause))
    const closed = (): void => settle(away('it closed the connection'))
    const secured = (): void => {
      const found = identify(socket, host)
      if (!found.ok) settle(away(found.why))
      else if (found.peer !== peer) settle(away(`another peer answers there, ${found.peer}`))
      else {
        settle(null)
        resolve(new Link(socket, peer, inlet))
      }
    }
    limit.signal.addEventListener('abort', late, { once: true })
    socket.on('error', refused)
    socket.on('close', closed)
    socket.on('secureConnect', secured)
    if (limit.signal.aborted) late()
  })
}
