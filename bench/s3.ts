/**
 * The speed that a customer sees: PUT and GET of large and of small objects through the S3 endpoint of a network of its
 * own (eight nodes, a gateway, a verifier and a chain, each a process, all on this machine), beside what the machine's
 * primitives, measured in the same run, would allow.
 *
 *   ./cairn bench s3 [--json] [--data FOLDER] [--rounds 7] [--small 3000] [--parallel 64]
 */
import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { LOCAL_REDUNDANCY } from '../src/resources/storage/layout.ts'
import { benchArguments } from './parts/arguments.ts'
import { whileBusy } from './parts/busy.ts'
import { brief, load, median } from './parts/figures.ts'
import { httpFloor } from './parts/http-floor.ts'
import { type LocalNetwork, startNetwork } from './parts/local-network.ts'
import { primitives } from './parts/primitives.ts'
import { Connection, type Signed, signer } from './parts/s3-client.ts'
import { diskCost, wireCost } from './parts/wire.ts'

const { k: K, n: N, ack: ACK } = LOCAL_REDUNDANCY
const LARGE_BYTES = 64 * 1024 * 1024
const SMALL_BYTES = 1024
const CORES = availableParallelism()

/** Processor time per unit (byte or request), in nanoseconds, of each party. */
interface Spent {
  readonly client: number
  readonly gateway: number
  readonly nodes: number
}
interface Figure {
  /** Units per second, the median over the rounds. */
  readonly rate: number
  readonly rounds: readonly number[]
  readonly spent: Spent | null
}

/** Runs `round` so often; each gives how many units it moved. */
async function measure(network: LocalNetwork, rounds: number, round: (index: number) => Promise<number>): Promise<Figure> {
  const rates: number[] = []
  const cpu = await network.cpu()
  const mine = process.cpuUsage()
  let units = 0
  for (let i = 0; i < rounds; i += 1) {
    const start = performance.now()
    const moved = await round(i)
    rates.push(moved / ((performance.now() - start) / 1000))
    units += moved
  }
  const { user, system } = process.cpuUsage(mine)
  const after = await network.cpu()
  const per = (ms: number): number => (ms * 1e6) / units
  const spent =
    cpu === null || after === null
      ? null
      : { client: per((user + system) / 1000), gateway: per(after.gateway - cpu.gateway), nodes: per(after.nodes - cpu.nodes) }
  return { rate: median(rates), rounds: rates, spent }
}

interface Options {
  readonly rounds: number
  readonly small: number
  readonly parallel: number
}

async function customer(network: LocalNetwork, options: Options): Promise<Record<'put64' | 'get64' | 'put1' | 'get1', Figure>> {
  const { s3 } = network.facts
  const sign = signer(s3)
  const one = await Connection.open(s3.endpoint)
  await one.ask(sign('PUT', '/bench', null))
  const body = randomBytes(LARGE_BYTES)
  const put = (index: number): Signed => sign('PUT', `/bench/large-${index}`, body)
  // The first object opens the gateway's connections and compiles its code.
  for (let i = 0; i < 2; i += 1) await one.ask(put(i))
  await checkBytes(one, sign('GET', '/bench/large-0', null), body)
  const put64 = await measure(network, options.rounds, async (i) => {
    await one.ask(put(i))
    return LARGE_BYTES
  })
  await one.ask(sign('GET', '/bench/large-1', null))
  const get64 = await measure(network, options.rounds, async (i) => {
    let got = 0
    await one.ask(sign('GET', `/bench/large-${i}`, null), (piece) => {
      got += piece.length
    })
    if (got !== LARGE_BYTES) throw new Error(`${got} bytes came back of ${LARGE_BYTES}`)
    return got
  })
  one.close()
  return { put64, get64, ...(await small(network, sign, options)) }
}

async function checkBytes(connection: Connection, get: Signed, body: Buffer): Promise<void> {
  const hash = createHash('sha256')
  await connection.ask(get, (piece) => hash.update(piece))
  if (!hash.digest().equals(createHash('sha256').update(body).digest())) throw new Error('other bytes came back than were put')
}

async function small(network: LocalNetwork, sign: ReturnType<typeof signer>, options: Options): Promise<Record<'put1' | 'get1', Figure>> {
  const { endpoint } = network.facts.s3
  const connections = await Promise.all(Array.from({ length: options.parallel }, () => Connection.open(endpoint)))
  const run = async (requests: readonly Signed[], bytes: number): Promise<number> => {
    let next = 0
    let got = 0
    const count = (piece: Buffer): void => {
      got += piece.length
    }
    await Promise.all(
      connections.map(async (connection) => {
        for (let request = requests[next++]; request !== undefined; request = requests[next++]) await connection.ask(request, count)
      }),
    )
    if (got !== bytes * requests.length) throw new Error(`${got} bytes came back of ${bytes * requests.length}`)
    return requests.length
  }
  const rounds = 5
  const bodies = randomBytes(options.small * SMALL_BYTES)
  // Signed beforehand: the client's own work would be taken from what is measured.
  const puts = Array.from({ length: rounds + 1 }, (_, round) =>
    Array.from({ length: options.small }, (_, i) =>
      sign('PUT', `/bench/small/${round}/${i}`, bodies.subarray(i * SMALL_BYTES, (i + 1) * SMALL_BYTES)),
    ),
  )
  await run(puts[rounds] ?? [], 0)
  const put1 = await measure(network, rounds, (round) => run(puts[round] ?? [], 0))
  const gets = Array.from({ length: rounds + 1 }, (_, round) =>
    Array.from({ length: options.small * 3 }, (_, i) => sign('GET', `/bench/small/${round}/${i % options.small}`, null)),
  )
  await run(gets[rounds] ?? [], SMALL_BYTES)
  const get1 = await measure(network, rounds, (round) => run(gets[round] ?? [], SMALL_BYTES))
  for (const connection of connections) connection.close()
  return { put1, get1 }
}

/** Nanoseconds of processor time for each byte or request that the primitives alone take, by name. */
type Bill = Readonly<Record<string, number>>
const total = (bill: Bill): number => Object.values(bill).reduce((sum, ns) => sum + ns, 0)

/**
 * What the machine allows: the same bytes through the same primitives with nothing in between. `perSecond` is what all
 * cores together would do; for the small ones one thread accepts every request, so one core is the bound.
 */
async function bounds() {
  const cost = await primitives()
  const of = (name: string): number => cost.get(name) ?? Number.NaN
  const tcp = await wireCost('tcp')
  const tls = await wireCost('tls')
  const disk = await diskCost()
  const [getFloor, putFloor] = [await httpFloor('GET'), await httpFloor('PUT')]
  const copies = N / K
  const put: Bill = {
    'client to gateway (TCP, both ends)': tcp.send + tcp.receive,
    'MD5 for the ETag': of('md5'),
    'AES-256-GCM': of('seal') + of('copy'),
    'Reed–Solomon': of('parity'),
    'leaf hashes at the gateway': copies * of('leaves'),
    'gateway to nodes (TLS, both ends)': copies * (tls.send + tls.receive),
    'CRC-32 of records': copies * of('crc32'),
    'writing and fsync': copies * disk.write,
    'leaf hashes at the nodes': copies * of('leaves'),
  }
  const get: Bill = {
    'reading the page cache': disk.read,
    'CRC-32 of records': of('crc32'),
    'nodes to gateway (TLS, both ends)': tls.send + tls.receive,
    'AES-256-GCM': of('open') + of('copy'),
    'gateway to client (TCP, both ends)': tcp.send + tcp.receive,
  }
  const bytes = (bill: Bill): number => (CORES * 1e3) / total(bill)
  const diskMBps = disk.bytesPerSecond / 1e6 / copies
  const floor = (us: number, clientUs: number): number => 1e6 / Math.max(us, (us + clientUs) / CORES)
  return {
    cost,
    tcp,
    tls,
    disk,
    getFloor,
    putFloor,
    put,
    get,
    put64: Math.min(bytes(put), diskMBps),
    get64: bytes(get),
    diskMBps,
    put1: floor(putFloor.serverUs, putFloor.clientUs),
    get1: floor(getFloor.serverUs, getFloor.clientUs),
  }
}

/** The limits of a quiet machine, and those of one whose other processors are at work, as they are in the network. */
interface Limits extends Bounds {
  readonly busy: Bounds
}
type Bounds = Awaited<ReturnType<typeof bounds>>
type Figures = Awaited<ReturnType<typeof customer>>

function print(figures: Figures, limits: Limits, loads: readonly number[]): void {
  const row = (name: string, figure: Figure, scale: number, unit: string, limit: number, busy: number): void => {
    const spread = figure.rounds.map((rate) => brief(rate / scale))
    console.log(
      `${name.padEnd(14)} ${String(brief(figure.rate / scale)).padStart(7)} ${unit.padEnd(5)} of ${brief(busy)} that the primitives allow (${brief(limit)} by their cost on a quiet machine)`,
    )
    console.log(`${''.padEnd(14)} rounds ${spread.join(' ')}`)
    if (figure.spent === null) return
    const { client, gateway, nodes } = figure.spent
    const each = scale === 1 ? (ns: number) => `${brief(ns / 1000)} µs` : (ns: number) => `${brief(ns)} ns/byte`
    console.log(`${''.padEnd(14)} processor time: client ${each(client)}, gateway ${each(gateway)}, nodes ${each(nodes)}`)
  }
  console.log(`${CORES} cores, ${K} of ${N} with ${ACK} acknowledgements; load before ${loads[0]}, after ${loads[1]}`)
  row('PUT 64 MiB', figures.put64, 1e6, 'MB/s', limits.put64, limits.busy.put64)
  row('GET 64 MiB', figures.get64, 1e6, 'MB/s', limits.get64, limits.busy.get64)
  row('PUT 1 KiB', figures.put1, 1, '/s', limits.put1, limits.busy.put1)
  row('GET 1 KiB', figures.get1, 1, '/s', limits.get1, limits.busy.get1)
  for (const [name, busy, quiet] of [
    ['PUT', limits.busy.put, limits.put],
    ['GET', limits.busy.get, limits.get],
  ] as const) {
    console.log(`\n${name} of a byte takes at least ${brief(total(busy))} ns of processor time (quiet: ${brief(total(quiet))})`)
    for (const [what, ns] of Object.entries(busy))
      console.log(
        `  ${brief(ns).toFixed(2).padStart(6)}  ${brief(quiet[what] ?? 0)
          .toFixed(2)
          .padStart(6)}  ${what}`,
      )
  }
  const { disk, getFloor, putFloor } = limits
  console.log(`\ndisk: ${brief(disk.bytesPerSecond / 1e6)} MB/s with fdatasync, ${brief(disk.syncMs)} ms for one of 4 KiB`)
  console.log(
    `node:http that only answers: GET ${brief(getFloor.perSecond)}/s (${brief(getFloor.serverUs)} µs, client ${brief(getFloor.clientUs)} µs), PUT ${brief(putFloor.perSecond)}/s`,
  )
}

function asJson(figures: Figures, limits: Limits, loads: readonly number[]): string {
  const spent = (figure: Figure) => (figure.spent === null ? {} : { cpuNs: mapped(figure.spent) })
  const mapped = (bill: object) => Object.fromEntries(Object.entries(bill).map(([name, value]) => [name, brief(Number(value))]))
  const limitsOf = (of: Bounds) => ({
    put64MiB: { MBps: brief(of.put64), diskMBps: brief(of.diskMBps), nsPerByte: mapped(of.put) },
    get64MiB: { MBps: brief(of.get64), nsPerByte: mapped(of.get) },
    put1KiB: { perSecond: Math.round(of.put1) },
    get1KiB: { perSecond: Math.round(of.get1) },
    primitivesNsPerByte: mapped(Object.fromEntries(of.cost)),
  })
  return JSON.stringify({
    put64MiB: { MBps: brief(figures.put64.rate / 1e6), ...spent(figures.put64) },
    get64MiB: { MBps: brief(figures.get64.rate / 1e6), ...spent(figures.get64) },
    put1KiB: { perSecond: Math.round(figures.put1.rate), ...spent(figures.put1) },
    get1KiB: { perSecond: Math.round(figures.get1.rate), ...spent(figures.get1) },
    limits: limitsOf(limits),
    limitsBusy: limitsOf(limits.busy),
    cores: CORES,
    load: loads,
  })
}

const { json, data, numbers } = benchArguments('s3', {
  rounds: { about: 'rounds of large objects', value: 7 },
  small: { about: 'small objects in each round', value: 3000 },
  parallel: { about: 'requests of small objects in flight', value: 64 },
})
const before = load()
const network = await startNetwork(N, data)
let figures: Figures
try {
  figures = await customer(network, numbers)
} finally {
  await network.stop()
}
const limits = { ...(await bounds()), busy: await whileBusy(CORES - 1, bounds) }
const loads = [before, load()]
if (json) console.log(asJson(figures, limits, loads))
else print(figures, limits, loads)
process.exit(0)
