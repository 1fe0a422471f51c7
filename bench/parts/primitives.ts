/** The primitives that the storage pipeline is made of, each on one core: nanoseconds per byte of input. */
import { writeConstants } from '../../src/resources/storage/kernel/constants.ts'
import { LeafHasher } from '../../src/resources/storage/kernel/leaf-hasher.ts'
import { planMemory } from '../../src/resources/storage/kernel/memory.ts'
import { compileKernel, instantiateKernel } from '../../src/resources/storage/kernel/wasm.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LEAF_BYTES, LOCAL_REDUNDANCY } from '../../src/resources/storage/layout.ts'
import { createCompute } from '../../src/runtime/real/compute/pool.ts'
import { pace } from './figures.ts'

const { k: K, n: N } = LOCAL_REDUNDANCY

/** By name: seal, open, parity, sha256 simd, sha256 native, leaves, tree, md5, crc32, crc32c, crc64nvme, copy. */
export async function primitives(): Promise<Map<string, number>> {
  const compute = createCompute(1)
  const { native } = compute
  const plan = planMemory(K, N, 1, 1)
  const memory = new WebAssembly.Memory({ initial: plan.pages, maximum: plan.pages, shared: true })
  writeConstants(memory, plan)
  const exports = instantiateKernel(compileKernel(), memory)
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
