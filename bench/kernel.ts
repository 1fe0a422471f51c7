/**
 * The storage kernel alone: each primitive on one core, then whole stripes on all lanes, beside what the primitives add up
 * to. Rates are bytes of plaintext (primitives: of input) per second; the median of several rounds. `--json` for programs.
 */

import { writeConstants } from '../src/resources/storage/kernel/constants.ts'
import { createKernel, type DigestKind, type FramePosition, type Kernel, type Slab } from '../src/resources/storage/kernel/index.ts'
import { LeafHasher } from '../src/resources/storage/kernel/leaf-hasher.ts'
import { planMemory } from '../src/resources/storage/kernel/memory.ts'
import { compileKernel, instantiateKernel } from '../src/resources/storage/kernel/wasm.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LEAF_BYTES, LOCAL_REDUNDANCY } from '../src/resources/storage/layout.ts'
import { createCompute } from '../src/runtime/real/compute/pool.ts'

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

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

/** Nanoseconds per byte of a synchronous step, after `warm` calls that let the machine code settle. */
function pace(bytes: number, step: () => void, warm = 40): number {
  for (let i = 0; i < warm; i += 1) step()
  const rounds: number[] = []
  for (let round = 0; round < 25; round += 1) {
    const start = performance.now()
    step()
    rounds.push(((performance.now() - start) * 1e6) / bytes)
  }
  return median(rounds)
}

async function primitives(): Promise<Map<string, number>> {
  const compute = createCompute(1)
  const { native } = compute
  const plan = planMemory(K, N, 1, 1)
  const memory = new WebAssembly.Memory({ initial: plan.pages, maximum: plan.pages, shared: true })
  writeConstants(memory, plan)
  const exports = instantiateKernel(await compileKernel(), memory)
  const bytes = new Uint8Array(memory.buffer)
  const words = new Uint32Array(memory.buffer)
  const slab = plan.slabs[0] as number
  const shards = slab + plan.slab.shards
  for (let i = 0; i < N * FRAME_BYTES; i += 1) bytes[shards + i] = Math.imul(i, 2654435761) >>> 13
  for (let i = 0; i < K; i += 1) words[(slab + plan.slab.sources) / 4 + i] = shards + i * FRAME_BYTES
  for (let i = K; i < N; i += 1) words[(slab + plan.slab.targets) / 4 + i - K] = shards + i * FRAME_BYTES

  const key = new Uint8Array(32)
  const nonce = new Uint8Array(12)
  const data = bytes.subarray(shards, shards + K * FRAME_BYTES)
  const frame = data.subarray(0, FRAME_PLAIN_BYTES)
  const sealed = native.seal(key, nonce, key, frame)
  const hasher = new LeafHasher(exports, native, memory, plan)
  const run = { address: shards, length: data.length, out: slab + plan.slab.leaves }
  const half = new Uint8Array(data.length / 2)
  const simd = (): void => {
    for (let i = 0; i < 4; i += 1) {
      words[slab / 4 + i] = shards + i * LEAF_BYTES
      words[slab / 4 + 4 + i] = slab + plan.slab.leaves + i * 32
    }
    exports.sha256x4(slab, LEAF_BYTES, plan.sha256, slab + 64)
  }
  const leaf = data.subarray(0, LEAF_BYTES)
  const md5 = native.hash('md5')
  const rows = new Map<string, number>()
  const parity = (): void => exports.gfMultiply(plan.parity, slab + plan.slab.sources, K, slab + plan.slab.targets, N - K, FRAME_BYTES)
  const all: [string, number, () => void, number?][] = [
    ['seal', frame.length, () => native.seal(key, nonce, key, frame)],
    ['open', frame.length, () => native.open(key, nonce, key, [sealed.text], sealed.tag)],
    ['parity', data.length, parity],
    ['sha256 simd', 4 * LEAF_BYTES, simd, 2000],
    ['sha256 native', LEAF_BYTES, () => native.sha256(leaf), 2000],
    ['leaves', data.length, () => hasher.hash([run], slab), 80],
    ['tree', data.length, () => native.sha256Pairs(data, half)],
    ['md5', data.length, () => md5.update(data)],
    ['crc32', data.length, () => native.crc32(data, 0)],
    ['crc32c', data.length, () => exports.crc32Update(0, shards, data.length, plan.crc32c)],
    ['crc64nvme', data.length, () => exports.crc64Update(0n, shards, data.length, plan.crc64nvme)],
    ['copy', frame.length, () => bytes.set(sealed.text, shards)],
  ]
  for (const [name, size, step, warm] of all) rows.set(name, pace(size, step, warm))
  return rows
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

if (process.argv.includes('--json')) {
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
