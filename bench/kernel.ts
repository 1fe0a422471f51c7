/**
 * The storage kernel alone: each primitive on one core, then whole stripes on all lanes, beside what the primitives add up
 * to. Rates are bytes of plaintext (primitives: of input) per second; the median of several rounds. `--json` for programs.
 */

import { createKernel, type DigestKind, type FramePosition, type Kernel, type Slab } from '../src/resources/storage/kernel/index.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LOCAL_REDUNDANCY } from '../src/resources/storage/layout.ts'
import { createCompute } from '../src/runtime/real/compute/pool.ts'
import { benchArguments } from './parts/arguments.ts'
import { median } from './parts/figures.ts'
import { primitives } from './parts/primitives.ts'

const { k: K, n: N } = LOCAL_REDUNDANCY
const LANES = 2
const MIB = 1024 * 1024
/** One round of whole stripes: about a 64 MiB object. */
const STRIPES = 256
const ROUNDS = 7

interface Row {
  readonly name: string
  /** 10^9 bytes per second. */
  readonly gbPerSecond: number
  /** Processor time of all threads per byte: unlike the rate, it says little of who else uses the machine. */
  readonly cpuNsPerByte?: number
}

/** Runs `job` on STRIPES stripes with as many in flight as there are slabs; medians over the rounds. */
async function stripes(name: string, kernel: Kernel, job: (slab: Slab, index: number) => Promise<void>): Promise<Row> {
  const size = STRIPES * K * FRAME_PLAIN_BYTES
  const rates: number[] = []
  const costs: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now()
    const before = process.cpuUsage()
    const running: Promise<void>[] = []
    for (let i = 0; i < STRIPES; i += 1) {
      const slab = await kernel.acquire()
      running.push(job(slab, i).finally(() => kernel.release(slab)))
    }
    await Promise.all(running)
    const { user, system } = process.cpuUsage(before)
    rates.push(size / ((performance.now() - start) * 1e6))
    costs.push(((user + system) * 1000) / size)
  }
  return { name, gbPerSecond: median(rates.slice(2)), cpuNsPerByte: median(costs.slice(2)) }
}

async function pipeline(): Promise<{ rows: Row[]; turnMicroseconds: number }> {
  const compute = createCompute(LANES)
  const kernel = await createKernel({ compute, k: K, n: N })
  const at = (index: number): FramePosition => ({ key: new Uint8Array(32), partId: new Uint8Array(16), segment: 0, firstFrame: index * K })
  const bytes = K * FRAME_PLAIN_BYTES
  const encode = (slab: Slab, i: number): Promise<void> => kernel.encode(slab, at(i), bytes, FRAME_BYTES)
  const withDigests = async (kinds: readonly DigestKind[]): Promise<Row> => {
    const digester = kernel.digester(kinds)
    const row = await stripes(`encode + ${kinds.join()}`, kernel, async (slab, i) => {
      await Promise.all([encode(slab, i), digester.update(slab, 0, bytes)])
    })
    digester.abort()
    return row
  }
  const decode = (have: readonly number[]) => async (slab: Slab) => {
    await kernel.decode(slab, at(0), bytes, FRAME_BYTES, have)
  }
  const rows = [await stripes('encode', kernel, encode), await withDigests(['md5']), await withDigests(['crc64nvme'])]
  // Every slab holds stripe 0, so that whatever slab a decode gets is authentic.
  const held = await Promise.all(Array.from({ length: 24 }, () => kernel.acquire()))
  for (const slab of held) await encode(slab, 0)
  for (const slab of held) kernel.release(slab)
  rows.push(await stripes('decode, data shards', kernel, decode([0, 1, 2, 3])))
  rows.push(await stripes('decode, 4 erasures', kernel, decode([4, 5, 6, 7])))

  const piece = new Uint8Array(16 * MIB)
  const start = performance.now()
  for (let i = 0; i < 4; i += 1) await kernel.leavesOf(piece)
  rows.push({ name: 'leavesOf (bytes from elsewhere)', gbPerSecond: (4 * piece.length) / ((performance.now() - start) * 1e6) })

  const turns: number[] = []
  for (let i = 0; i < 500; i += 1) {
    const sent = performance.now()
    await kernel.root(new Uint8Array(32))
    turns.push((performance.now() - sent) * 1000)
  }
  await compute.close()
  return { rows, turnMicroseconds: median(turns) }
}

const { json } = benchArguments('kernel', {})
const paces = await primitives()
const { rows: measured, turnMicroseconds } = await pipeline()
const cost = (name: string): number => paces.get(name) as number
/** n/k bytes are hashed for each byte of plaintext; every byte is sealed, copied and multiplied once. */
const limits: Row[] = [
  { name: 'encode', gbPerSecond: LANES / (cost('seal') + cost('copy') + cost('parity') + (N / K) * cost('leaves')) },
  {
    name: 'encode + md5',
    gbPerSecond: LANES / (cost('seal') + cost('copy') + cost('parity') + (N / K) * cost('leaves') + cost('md5')),
  },
  { name: 'decode, data shards', gbPerSecond: LANES / (cost('open') + cost('copy')) },
  { name: 'decode, 4 erasures', gbPerSecond: LANES / (cost('open') + cost('copy') + cost('parity')) },
]

if (json) {
  const primitive = Object.fromEntries([...paces].map(([name, ns]) => [name, 1 / ns]))
  console.log(JSON.stringify({ unit: 'GB/s', lanes: LANES, primitive, measured, limits, turnMicroseconds }))
} else {
  const line = (name: string, rate: number, more = ''): void => console.log(`${name.padEnd(34)} ${rate.toFixed(3).padStart(8)} GB/s${more}`)
  console.log('one core')
  for (const [name, ns] of paces) line(`  ${name}`, 1 / ns)
  console.log(`${LANES} lanes, ${K} of ${N}`)
  for (const { name, gbPerSecond, cpuNsPerByte } of measured) {
    const limit = limits.find((row) => row.name === name)
    const allowed = limit === undefined ? '' : `   of ${limit.gbPerSecond.toFixed(3)} that the primitives allow`
    line(
      `  ${name}`,
      gbPerSecond,
      `${allowed}${cpuNsPerByte === undefined ? '' : `   ${cpuNsPerByte.toFixed(2)} ns of processor per byte`}`,
    )
  }
  console.log(`  to a lane and back ${turnMicroseconds.toFixed(0).padStart(16)} µs`)
}
