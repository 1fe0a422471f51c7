/**
 * TCP ports for servers of this machine, drawn once and kept for as long as the folder lives that they were drawn for:
 * what clients and a chain know of them stays true over restarts. A port is drawn long before its server listens on it,
 * and nobody else may draw it meanwhile, so what is drawn is written down where everybody of this user looks.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import type { Database } from '../index.ts'
import { openDatabase } from './database.ts'
import { createRandom } from './random.ts'

export interface DrawOptions {
  /** Whose ports they are: they are nobody else's for as long as it exists. */
  readonly folder: string
  readonly host?: string
  readonly count: number
  /** First and last port to draw from; by default those that systems leave to servers. */
  readonly range?: PortRange
}

export interface PortRange {
  readonly first: number
  readonly last: number
}

const HOST = '127.0.0.1'
/** Above the ports of well-known servers. */
const FIRST = 15_000
/**
 * Below the ports that systems draw for outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those may be
 * in use whenever a server is started again.
 */
const LAST = 31_999
/** A system set up to draw nearly everything leaves fewer; then ours are as good as any. */
const RANGE_LEAST = 1_000
const TRIES = 400

/**
 * Draws free ports that no other folder holds.
 * @throws `CONFIG` when there are none, `DISK`.
 */
export async function drawPorts({ folder, host = HOST, count, range }: DrawOptions): Promise<readonly number[]> {
  const { first, last } = range ?? (await serverRange())
  const holder = resolve(folder)
  const random = createRandom()
  const ports: number[] = []
  const database = await openHeld()
  try {
    for (let tries = 0; ports.length < count; tries += 1) {
      if (tries === TRIES + count) throw noPorts(count, first, last)
      const port = first + random.below(last - first + 1)
      // Held before it is tried: trying it takes it for a moment, which others would see.
      if (hold(database, port, holder) && (await isFree(port, host))) ports.push(port)
    }
    return ports
  } finally {
    database.close()
  }
}

const noPorts = (count: number, first: number, last: number): CairnError =>
  new CairnError('CONFIG', {
    what: `${count} ports between ${first} and ${last}`,
    why: 'too many of them are taken',
    fix: 'stop or delete networks that are not needed',
  })

/** Takes a port for a folder in one step; false when another one, or the same, has it already. */
function hold(database: Database, port: number, folder: string): boolean {
  return database.transaction(() => {
    const row = database.prepare('SELECT folder FROM held WHERE port = ?').get(port)
    if (row !== null && (row['folder'] === folder || existsSync(String(row['folder'])))) return false
    database.prepare('INSERT OR REPLACE INTO held (port, folder) VALUES (?, ?)').run(port, folder)
    return true
  })
}

/** One file for each user, since nobody can write another's; between users only trying a port tells. */
async function openHeld(): Promise<Database> {
  const folder = join(tmpdir(), `cairn-ports-${userInfo().uid}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const database = openDatabase(join(folder, 'held.sqlite'))
  database.exec('CREATE TABLE IF NOT EXISTS held (port INTEGER PRIMARY KEY, folder TEXT NOT NULL) STRICT')
  return database
}

async function serverRange(): Promise<PortRange> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const outgoing = Number.parseInt(text, 10)
  return outgoing - FIRST >= RANGE_LEAST && outgoing <= LAST ? { first: FIRST, last: outgoing - 1 } : { first: FIRST, last: LAST }
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)))
  })
}
