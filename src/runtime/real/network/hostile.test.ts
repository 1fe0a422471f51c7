/** Peers that do not keep to the rules, below the level of `Network`: each must cost the other side nothing but the connection. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createTcpServer, type Socket, connect as tcpConnect } from 'node:net'
import { test } from 'node:test'
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { isCairnError } from '../../../protocol/errors.ts'
import { MESSAGE_BYTES_MAX, PROBE_AFTER_MS } from '../../../protocol/limits.ts'
import { peerIdOf } from '../../../protocol/peer-id.ts'
import { utf8 } from '../../../std/bytes.ts'
import type { Duplex, Log, Network } from '../../index.ts'
import { createClock } from '../clock.ts'
import { createCrypto } from '../crypto.ts'
import { parseAddress } from './address.ts'
import { makeCertificate } from './certificate.ts'
import { END, PROBE, REFUSED } from './frames.ts'
import { createTlsNetwork } from './index.ts'

const PROTOCOL = '/cairn/hostile/1'
const quiet: Log = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }
const crypto = createCrypto()
const clock = createClock()
const identity = (n: number) => new Uint8Array(32).fill(n)
const options = { crypto, clock, log: quiet }
const certificate = (n: number) => makeCertificate({ identity: identity(n), crypto, now: clock.now() })

async function server(): Promise<{ node: Network; port: number; close: () => Promise<void> }> {
  const node = await createTlsNetwork({ ...options, identity: identity(1), listen: { host: '127.0.0.1', port: 0 } })
  node.handle(PROTOCOL, async (io: Duplex) => {
    const message = await io.receive()
    if (message !== null) await io.send(message)
  })
  return { node, port: parseAddress(node.addresses[0] ?? '')?.port ?? 0, close: () => node.close() }
}

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const frame = (bytes: Uint8Array): Buffer => Buffer.concat([word(bytes.length), bytes])

/** A connection to `port` whose handshake is as `extra` says; resolves when TLS thinks that it is up. */
async function raw(port: number, extra: object = { ...certificate(2), ALPNProtocols: ['cairn/1'] }): Promise<TLSSocket> {
  const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...extra })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', () => resolve())
    socket.once('close', () => resolve())
  })
  return socket
}

/** Waits until the other side has closed, and gives what it said before. */
async function closed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return Buffer.concat(chunks)
}

async function stillServes(node: Network): Promise<void> {
  const honest = await createTlsNetwork({ ...options, identity: identity(9) })
  honest.know(node.self, node.addresses)
  const io = await honest.dial(node.self, PROTOCOL)
  await io.send(Uint8Array.of(4))
  await io.end()
  assert.equal((await io.receive())?.[0], 4)
  await honest.close()
}

test('connections without a certificate, with a foreign one, with another protocol or an older TLS are not served', {
  timeout: 10_000,
}, async () => {
  const { node, port, close } = await server()
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const cases: Record<string, object> = {
    'no certificate': { ALPNProtocols: ['cairn/1'] },
    'no ALPN': { ...certificate(2) },
    'another ALPN': { ...certificate(2), ALPNProtocols: ['h2'] },
    'TLS 1.2': { ...certificate(2), ALPNProtocols: ['cairn/1'], maxVersion: 'TLSv1.2' },
  }
  for (const [name, extra] of Object.entries(cases)) {
    const socket = await raw(port, extra)
    if (!socket.destroyed) socket.write(Buffer.concat([frame(utf8(PROTOCOL)), frame(Uint8Array.of(1))]))
    assert.equal((await closed(socket)).length, 0, name)
  }
  // A certificate and a key that do not belong together fail before anything is sent.
  assert.throws(() => tlsConnect({ port, key: foreign, cert: certificate(2).cert }))
  await stillServes(node)
  await close()
})

test('frames that break the rules end the connection, and only that', { timeout: 10_000 }, async () => {
  const { node, port, close } = await server()
  const opening = frame(utf8(PROTOCOL))
  const cases: Record<string, Buffer> = {
    'an opening longer than any protocol id': frame(new Uint8Array(65)),
    'an opening that is not text': frame(Uint8Array.of(0xff, 0xfe)),
    'an end before the opening': word(END),
    'a message over the bound': Buffer.concat([opening, word(MESSAGE_BYTES_MAX + 1)]),
    'a flood of questions for signs of life': Buffer.concat(Array.from({ length: 1000 }, () => word(PROBE))),
    'no TLS record': Buffer.alloc(0),
  }
  for (const [name, bytes] of Object.entries(cases)) {
    const socket = await raw(port)
    if (bytes.length > 0) socket.write(bytes)
    else socket.end()
    assert.ok((await closed(socket)).length <= 4, name)
  }
  const plain = tcpConnect(port, '127.0.0.1')
  plain.on('error', () => {})
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await closed(plain)
  await stillServes(node)
  await close()
})

test('an unknown protocol is answered with a mark, and bytes after it are not taken for anything', { timeout: 10_000 }, async () => {
  const { node, port, close } = await server()
  const socket = await raw(port)
  socket.write(Buffer.concat([frame(utf8('/cairn/unknown/1')), frame(new Uint8Array(1000)), word(END)]))
  assert.equal((await closed(socket)).toString('hex'), word(REFUSED).toString('hex'))
  await stillServes(node)
  await close()
})

test('signs of life are answered between exchanges, and exchanges follow each other on one connection', { timeout: 10_000 }, async () => {
  const { port, close } = await server()
  const socket = await raw(port)
  const exchange = Buffer.concat([frame(utf8(PROTOCOL)), frame(Uint8Array.of(7)), word(END)])
  // Everything at once: what belongs to the next exchange waits until the one before is over.
  socket.write(Buffer.concat([word(PROBE), exchange, exchange, word(PROBE)]))
  const answer = Buffer.concat([frame(Uint8Array.of(7)), word(END)])
  const expected = Buffer.concat([word(PROBE), answer, answer, word(PROBE)])
  let got = Buffer.alloc(0)
  while (got.length < expected.length) {
    const [chunk] = await once(socket, 'data')
    got = Buffer.concat([got, chunk])
  }
  assert.equal(got.toString('hex'), expected.toString('hex'))
  socket.destroy()
  await close()
})

test('a kept connection whose peer has fallen silent is replaced without the caller noticing', { timeout: 10_000 }, async () => {
  // A peer that serves each connection once and then neither answers nor closes, as one behind a dead NAT entry does.
  let connections = 0
  const silent = createServer({ ...certificate(5), ALPNProtocols: ['cairn/1'], requestCert: true, rejectUnauthorized: false }, (socket) => {
    connections += 1
    socket.on('error', () => {})
    socket.once('data', () => socket.write(Buffer.concat([frame(Uint8Array.of(connections)), word(END)])))
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const at = silent.address()
  const port = typeof at === 'object' && at !== null ? at.port : 0
  const peer = peerIdOf(crypto.ed25519.publicKey(identity(5)))
  const node = await createTlsNetwork({ ...options, identity: identity(6) })
  node.know(peer, [`/ip4/127.0.0.1/tcp/${port}`])
  const ask = async (): Promise<number | undefined> => {
    const io = await node.dial(peer, PROTOCOL)
    await io.send(Uint8Array.of(1))
    await io.end()
    return (await io.receive())?.[0]
  }
  assert.equal(await ask(), 1)
  await clock.sleep(PROBE_AFTER_MS + 50)
  assert.equal(await ask(), 2)
  await node.close()
  silent.close()
})

test('a handshake that never ends is given up, and the dialer is told', { timeout: 10_000 }, async () => {
  const mute = createTcpServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const at = mute.address()
  const port = typeof at === 'object' && at !== null ? at.port : 0
  const peer = peerIdOf(crypto.ed25519.publicKey(identity(5)))
  const node = await createTlsNetwork({ ...options, identity: identity(6) })
  node.know(peer, [`/ip4/127.0.0.1/tcp/${port}`])
  using limit = clock.deadline('a dial', 100)
  await assert.rejects(node.dial(peer, PROTOCOL, limit.signal), (error) => isCairnError(error, 'DEADLINE'))
  await node.close()
  mute.close()
})
