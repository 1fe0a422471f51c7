/** What bytes cost on their way between two processes of this machine, and on their way to its disk. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { type Server, type Socket, connect as tcpConnect, createServer as tcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls'
import { createClock, createCrypto, createRandom } from '../../src/runtime/real/index.ts'
import { makeCertificate } from '../../src/runtime/real/network/certificate.ts'

const CIPHER = { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' } as const
const MESSAGE_BYTES = 64 * 1024
const TOTAL_BYTES = 256 * 1024 * 1024
const DISK_BYTES = 64 * 1024 * 1024

/** Processor nanoseconds per byte. */
export interface WireCost {
  readonly send: number
  readonly receive: number
}

const cpuNs = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) * 1000
}

/** Processor time per byte, at both ends, of 64 KiB writes through node:net or node:tls on loopback. */
export async function wireCost(kind: 'tcp' | 'tls'): Promise<WireCost> {
  const child = spawn(process.execPath, [import.meta.filename, kind], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<number> => Number((await lines.next()).value)
  try {
    const port = await next()
    const socket = kind === 'tcp' ? tcpConnect(port, '127.0.0.1') : tlsConnect(port, '127.0.0.1', { rejectUnauthorized: false, ...CIPHER })
    await once(socket, kind === 'tcp' ? 'connect' : 'secureConnect')
    const message = Buffer.alloc(MESSAGE_BYTES, 7)
    await pump(socket, message, TOTAL_BYTES / 8)
    await next()
    const before = process.cpuUsage()
    await pump(socket, message, TOTAL_BYTES)
    const receive = await next()
    const send = cpuNs(before) / TOTAL_BYTES
    socket.destroy()
    return { send, receive }
  } finally {
    child.kill()
  }
}

async function pump(socket: Socket, message: Buffer, total: number): Promise<void> {
  for (let sent = 0; sent < total; sent += message.length) if (!socket.write(message)) await once(socket, 'drain')
}

/** The other end: says its port, then its cost per byte of the warm-up and of each measurement. */
async function serve(kind: string): Promise<void> {
  const take = (socket: Socket): void => {
    let left = TOTAL_BYTES / 8
    let before = process.cpuUsage()
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      left -= bytes.length
      if (left > 0) return
      console.log(cpuNs(before) / TOTAL_BYTES)
      left += TOTAL_BYTES
      before = process.cpuUsage()
    })
  }
  const certificate = makeCertificate({ identity: createRandom().bytes(32), crypto: createCrypto(), now: createClock().now() })
  const server: Server = kind === 'tcp' ? tcpServer(take) : tlsServer({ ...certificate, ...CIPHER }, take)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = server.address()
  console.log(at !== null && typeof at === 'object' ? at.port : 0)
  // The parent's end of the pipe closes when it exits, however it does.
  process.stdin.on('close', () => process.exit(0)).resume()
}

export interface DiskCost {
  /** Processor nanoseconds per byte written, and per byte read back from the page cache. */
  readonly write: number
  readonly read: number
  /** Bytes per second that are on the disk when fdatasync returns. */
  readonly bytesPerSecond: number
  /** Milliseconds of one fdatasync after 4 KiB. */
  readonly syncMs: number
}

/** Sequential 64 KiB writes with an fdatasync after each 8 MiB, as a provider's log sees them. */
export async function diskCost(): Promise<DiskCost> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-bench-disk-'))
  const file = await open(join(folder, 'log'), 'w+')
  const message = Buffer.alloc(MESSAGE_BYTES, 7)
  try {
    const began = performance.now()
    let before = process.cpuUsage()
    for (let at = 0; at < DISK_BYTES; at += message.length) {
      await file.write(message, 0, message.length, at)
      if ((at + message.length) % (8 * 1024 * 1024) === 0) await file.datasync()
    }
    const write = cpuNs(before) / DISK_BYTES
    const bytesPerSecond = DISK_BYTES / ((performance.now() - began) / 1000)
    before = process.cpuUsage()
    for (let at = 0; at < DISK_BYTES; at += message.length) await file.read(message, 0, message.length, at)
    const read = cpuNs(before) / DISK_BYTES
    const syncs = performance.now()
    for (let i = 0; i < 20; i += 1) {
      await file.write(message, 0, 4096, DISK_BYTES + i * 4096)
      await file.datasync()
    }
    return { write, read, bytesPerSecond, syncMs: (performance.now() - syncs) / 20 }
  } finally {
    await file.close()
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) await serve(process.argv[2] ?? 'tcp')
