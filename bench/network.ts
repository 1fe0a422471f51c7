/**
 * How fast peers talk: 64 KiB messages through `Network`, beside raw node:tls and raw TCP in the same run, so that the
 * numbers of different machines can be compared; then small requests, each on a new exchange. Two processes on loopback.
 *
 *   ./cairn bench network [--json] [--mib 256] [--rounds 3]
 */
import { spawn } from 'node:child_process'
import { createServer as createTcpServer, type Socket, connect as tcpConnect } from 'node:net'
import { createInterface } from 'node:readline'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { peerId } from '../src/protocol/peer-id.ts'
import type { Duplex, Log } from '../src/runtime/index.ts'
import { createClock, createCrypto, createRandom } from '../src/runtime/real/index.ts'
import { makeCertificate } from '../src/runtime/real/network/certificate.ts'
import { createTlsNetwork } from '../src/runtime/real/network/index.ts'
import { benchArguments } from './parts/arguments.ts'

const MESSAGE_BYTES = 64 * 1024
const SINK = '/cairn/bench-sink/1'
const ECHO = '/cairn/bench-echo/1'
const REQUEST_BYTES = 128
const REQUESTS = 4000
const CIPHER = { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' } as const

const crypto = createCrypto()
const clock = createClock()
const quiet: Log = { error: console.error, warn: console.error, info() {}, debug() {}, child: () => quiet }
const options = { crypto, clock, log: quiet }

interface Ports {
  readonly tcp: number
  readonly tls: number
  readonly self: string
  readonly addresses: readonly string[]
}

/** Counts what arrives and says so with one byte for each `total`. */
function sinkSocket(socket: Socket, total: number): void {
  let got = 0
  socket.on('data', (chunk) => {
    got += chunk.length
    if (got < total) return
    got -= total
    socket.write(Buffer.of(1))
  })
  socket.on('error', () => {})
}

async function serve(total: number): Promise<void> {
  const certificate = makeCertificate({ identity: createRandom().bytes(32), crypto, now: clock.now() })
  const tcp = createTcpServer({ highWaterMark: 1024 * 1024 }, (socket) => sinkSocket(socket, total))
  const tls = createTlsServer({ ...certificate, ...CIPHER, highWaterMark: 1024 * 1024 }, (socket) => sinkSocket(socket, total))
  const network = await createTlsNetwork({ ...options, identity: createRandom().bytes(32), listen: { host: '127.0.0.1', port: 0 } })
  network.handle(SINK, async (io) => {
    const target = new Uint8Array(MESSAGE_BYTES)
    for (let got = 0; ; ) {
      const length = await io.receiveInto(target)
      if (length === null) return
      got += length
      if (got < total) continue
      got = 0
      await io.send(Uint8Array.of(1))
    }
  })
  network.handle(ECHO, async (io) => {
    const message = await io.receive()
    if (message !== null) await io.send(message)
  })
  const port = async (server: typeof tcp): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const at = server.address()
    return typeof at === 'object' && at !== null ? at.port : 0
  }
  const ports: Ports = { tcp: await port(tcp), tls: await port(tls), self: network.self, addresses: network.addresses }
  console.log(JSON.stringify(ports))
  // The parent's end of the pipe closes when it exits, however it does.
  process.stdin.on('close', () => process.exit(0)).resume()
}

/** Megabytes per second of `total` bytes through `socket`, written as fast as it takes them. */
function rawRate(socket: Socket, total: number): Promise<number> {
  const chunk = Buffer.alloc(MESSAGE_BYTES, 7)
  return new Promise((resolve, reject) => {
    const start = performance.now()
    let sent = 0
    const pump = (): void => {
      while (sent < total) {
        sent += chunk.length
        if (!socket.write(chunk)) return
      }
    }
    socket.removeAllListeners('drain')
    socket.on('drain', pump)
    socket.once('data', () => resolve(total / 1e3 / (performance.now() - start)))
    socket.once('error', reject)
    pump()
  })
}

async function networkRate(io: Duplex, total: number, ahead: number): Promise<number> {
  const message = new Uint8Array(MESSAGE_BYTES).fill(7)
  const start = performance.now()
  const sends: Promise<void>[] = []
  for (let sent = 0; sent < total; sent += message.length) {
    sends.push(io.send(message))
    if (sends.length >= ahead) await sends.shift()
  }
  await Promise.all(sends)
  await io.receive()
  return total / 1e3 / (performance.now() - start)
}

async function requestRate(ask: () => Promise<void>, parallel: number): Promise<number> {
  let left = REQUESTS
  const start = performance.now()
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask()
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return REQUESTS / ((performance.now() - start) / 1e3)
}

const best = (values: readonly number[]): number => Math.round(Math.max(...values))

async function measure(ports: Ports, total: number, rounds: number): Promise<Record<string, number>> {
  const network = await createTlsNetwork({ ...options, identity: createRandom().bytes(32) })
  const peer = peerId(ports.self)
  network.know(peer, ports.addresses)
  const ask = async (): Promise<void> => {
    const io = await network.dial(peer, ECHO)
    await Promise.all([io.send(new Uint8Array(REQUEST_BYTES)), io.end()])
    while ((await io.receive()) !== null);
  }
  const tcp = tcpConnect(ports.tcp, '127.0.0.1')
  const tls = tlsConnect(ports.tls, '127.0.0.1', { rejectUnauthorized: false, ...CIPHER })
  await new Promise<void>((resolve) => tls.once('secureConnect', resolve))
  const io = await network.dial(peer, SINK)
  const rates: Record<string, number[]> = { tcp: [], tls: [], network: [], networkAhead2: [], requests: [], requests8: [] }
  for (let round = 0; round < rounds; round += 1) {
    rates.tcp?.push(await rawRate(tcp, total))
    rates.tls?.push(await rawRate(tls, total))
    rates.network?.push(await networkRate(io, total, 1))
    rates.networkAhead2?.push(await networkRate(io, total, 2))
    rates.requests?.push(await requestRate(ask, 1))
    rates.requests8?.push(await requestRate(ask, 8))
  }
  tcp.destroy()
  tls.destroy()
  await io.end()
  await network.close()
  return Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, best(values)]))
}

const NAMES: Record<string, string> = {
  tcp: 'raw TCP, MB/s',
  tls: 'raw node:tls, MB/s',
  network: 'send → receiveInto, MB/s',
  networkAhead2: 'the same with two sends in flight, MB/s',
  requests: 'requests of 128 bytes, each a new exchange, per second',
  requests8: 'the same, eight at once, per second',
}

async function main(): Promise<void> {
  const [, , part, bytes] = process.argv
  if (part === 'serve') return serve(Number(bytes))
  const { json, numbers } = benchArguments('network', {
    mib: { about: 'MiB that are sent each time', value: 256 },
    rounds: { about: 'rounds, of which the best counts', value: 3 },
  })
  const total = numbers.mib * 1024 * 1024
  const child = spawn(process.execPath, [import.meta.filename, 'serve', String(total)], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve))
    const result = await measure(JSON.parse(line) as Ports, total, numbers.rounds)
    if (json) console.log(JSON.stringify(result))
    else for (const [name, value] of Object.entries(result)) console.log(`${String(value).padStart(8)}  ${NAMES[name]}`)
  } finally {
    child.kill()
  }
}

if (import.meta.main) await main()
