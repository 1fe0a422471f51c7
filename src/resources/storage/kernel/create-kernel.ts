import { type Digest, digest } from '../../../protocol/ids.ts'
import type { Compute, Lanes } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { toHex } from '../../../std/bytes.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LEAF_BYTES, SHARD_ALIGN } from '../layout.ts'
import { writeConstants } from './constants.ts'
import { createDigester, type DigesterHome, LaneLoad } from './digester.ts'
import { Digests } from './digests.ts'
import type { DecodeResult, Digester, DigestKind, FramePosition, Kernel, Slab } from './kernel.ts'
import { DIGEST_BYTES, type MemoryPlan, planMemory, SHARD_LEAVES, STAGING_BYTES } from './memory.ts'
import { Pool } from './pool.ts'
import { type KernelJob, type KernelReply, program } from './program.ts'
import { compileKernel, instantiateKernel } from './wasm.ts'

/** A 64 MiB segment at 4-of-8 has 65 stripes; this many in flight (19 MiB) keep two workers and eight sockets busy. */
const SLABS = 24
/** One that a worker reads while the next is filled, for each worker. */
const STAGINGS_PER_LANE = 2
/** Leaf hashes of the largest piece, a whole segment (k = 1), fit with room. */
const MAX_LEAVES_BYTES = 1024 * 1024

export interface KernelOptions {
  readonly compute: Compute
  readonly k: number
  readonly n: number
  /** Stripes that may be in memory at once. */
  readonly slabs?: number
}

interface KernelParts {
  readonly plan: MemoryPlan
  readonly memory: WebAssembly.Memory
  readonly lanes: Lanes<KernelJob, KernelReply>
  readonly local: (kinds: readonly DigestKind[]) => Digests
}

class LaneKernel implements Kernel {
  readonly k: number
  readonly n: number
  readonly #plan: MemoryPlan
  readonly #memory: WebAssembly.Memory
  readonly #lanes: Lanes<KernelJob, KernelReply>
  readonly #addresses: ReadonlyMap<Slab, number>
  readonly #slabs: Pool<Slab>
  readonly #staging: Pool<number>
  readonly #digesters: DigesterHome

  constructor({ plan, memory, lanes, local }: KernelParts) {
    this.k = plan.k
    this.n = plan.n
    this.#plan = plan
    this.#memory = memory
    this.#lanes = lanes
    this.#addresses = new Map(plan.slabs.map((address) => [makeSlab(memory, plan, address), address]))
    this.#slabs = new Pool([...this.#addresses.keys()])
    this.#staging = new Pool(plan.staging)
    const load = new LaneLoad(lanes.count)
    this.#digesters = {
      lanes,
      local,
      staged: (bytes, use) => this.#staged(bytes, (at) => use(at.address)),
      plainAddress: (slab) => this.#address(slab) + plan.slab.plain,
      join: () => load.join(),
      leave: (lane) => load.leave(lane),
    }
  }

  acquire(signal?: AbortSignal): Promise<Slab> {
    return this.#slabs.acquire(signal)
  }

  release(slab: Slab): void {
    this.#slabs.release(slab)
  }

  async encode(slab: Slab, at: FramePosition, plainBytes: number, shardBytes: number): Promise<void> {
    this.#checkStripe(plainBytes, shardBytes)
    await this.#lanes.run({ is: 'encode', slab: this.#address(slab), at, plainBytes, shardBytes })
  }

  async decode(slab: Slab, at: FramePosition, plainBytes: number, shardBytes: number, have: readonly number[]): Promise<DecodeResult> {
    this.#checkStripe(plainBytes, shardBytes)
    this.#checkHave(have)
    const reply = await this.#lanes.run({ is: 'decode', slab: this.#address(slab), at, plainBytes, shardBytes, have })
    assert(reply.is === 'decoded', 'a decode is answered as one')
    return reply.badFrames.length === 0 ? { ok: true } : { ok: false, badFrames: reply.badFrames }
  }

  async rebuild(slab: Slab, shardBytes: number, have: readonly number[], want: readonly number[]): Promise<void> {
    this.#checkStripe(1, shardBytes)
    this.#checkHave(have)
    assert(
      want.every((shard) => shard >= 0 && shard < this.n && !have.includes(shard)),
      'only missing shards are rebuilt',
    )
    await this.#lanes.run({ is: 'rebuild', slab: this.#address(slab), shardBytes, have, want })
  }

  async root(leaves: Uint8Array): Promise<Digest> {
    assert(leaves.length <= MAX_LEAVES_BYTES, 'a piece is at most a segment')
    // Copied on its way: 32 bytes for every 4096 that were hashed are not worth a buffer to wait for.
    const reply = await this.#lanes.run({ is: 'root', leaves })
    assert(reply.is === 'root', 'a root is answered as one')
    return digest(`0x${toHex(reply.root)}`)
  }

  async leavesOf(bytes: Uint8Array): Promise<Uint8Array> {
    const out = new Uint8Array(Math.ceil(bytes.length / LEAF_BYTES) * DIGEST_BYTES)
    const work: Promise<void>[] = []
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      work.push(this.#leavesOfChunk(bytes.subarray(start, start + STAGING_BYTES), out.subarray((start / LEAF_BYTES) * DIGEST_BYTES)))
    }
    await Promise.all(work)
    return out
  }

  digester(kinds: readonly DigestKind[]): Digester {
    return createDigester(this.#digesters, [...new Set(kinds)])
  }

  close(): Promise<void> {
    return this.#lanes.close()
  }

  async #leavesOfChunk(chunk: Uint8Array, out: Uint8Array): Promise<void> {
    const { stage } = this.#plan
    const count = Math.ceil(chunk.length / LEAF_BYTES)
    const buffer = await this.#staging.acquire()
    try {
      const address = this.#within(chunk) ?? this.#fill(buffer + stage.data, chunk)
      const job = { is: 'leaves', address, length: chunk.length, out: buffer + stage.leaves, scratch: buffer + stage.hash } as const
      await this.#lanes.run(job)
      out.set(new Uint8Array(this.#memory.buffer, buffer + stage.leaves, count * DIGEST_BYTES))
    } finally {
      this.#staging.release(buffer)
    }
  }

  async #staged<T>(bytes: Uint8Array, use: (at: { address: number }) => Promise<T>): Promise<T> {
    assert(bytes.length <= STAGING_BYTES, 'callers cut what they stage')
    const address = this.#within(bytes)
    if (address !== null) return use({ address })
    const buffer = await this.#staging.acquire()
    try {
      return await use({ address: this.#fill(buffer + this.#plan.stage.data, bytes) })
    } finally {
      this.#staging.release(buffer)
    }
  }

  /** The address of bytes that are already in the kernel's memory (a slab's), or null. */
  #within(bytes: Uint8Array): number | null {
    return bytes.buffer === this.#memory.buffer ? bytes.byteOffset : null
  }

  #fill(address: number, bytes: Uint8Array): number {
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes)
    return address
  }

  #address(slab: Slab): number {
    const address = this.#addresses.get(slab)
    assert(address !== undefined, 'a slab belongs to the kernel that it came from')
    return address
  }

  #checkStripe(plainBytes: number, shardBytes: number): void {
    assert(Number.isInteger(plainBytes) && plainBytes > 0 && plainBytes <= this.k * FRAME_PLAIN_BYTES, 'a stripe holds 1 byte to k frames')
    assert(shardBytes > 0 && shardBytes <= FRAME_BYTES && shardBytes % SHARD_ALIGN === 0, 'shards are whole rows of at most a frame')
  }

  #checkHave(have: readonly number[]): void {
    assert(have.length >= this.k, 'k shards are needed')
    const ascending = have.every((shard, i) => Number.isInteger(shard) && shard < this.n && shard > (have[i - 1] ?? -1))
    assert(ascending, 'shards are named once each, in ascending order')
  }
}

function makeSlab(memory: WebAssembly.Memory, { k, n, slab }: MemoryPlan, address: number): Slab {
  return {
    plain: new Uint8Array(memory.buffer, address + slab.plain, k * FRAME_PLAIN_BYTES),
    shards: Array.from({ length: n }, (_, i) => new Uint8Array(memory.buffer, address + slab.shards + i * FRAME_BYTES, FRAME_BYTES)),
    leaves: new Uint8Array(memory.buffer, address + slab.leaves, n * SHARD_LEAVES * DIGEST_BYTES),
  }
}

/** Starts the storage kernel on the lanes of `compute`. Rejects with `COMPUTE` when they do not start. */
export async function createKernel({ compute, k, n, slabs = SLABS }: KernelOptions): Promise<Kernel> {
  assert(Number.isInteger(slabs) && slabs > 0, 'a kernel has at least one slab')
  assert(k > 0 && n >= k && n <= 256, 'a code has 0 < k ≤ n ≤ 256')
  // The number of lanes is known only after loading, and the memory is needed for that: plan for the most there are.
  const plan = planMemory(k, n, slabs, 4 * STAGINGS_PER_LANE)
  const memory = new WebAssembly.Memory({ initial: plan.pages, maximum: plan.pages, shared: true })
  writeConstants(memory, plan)
  const module = compileKernel()
  const lanes = await compute.load(program, { module, memory, plan })
  const tools = { exports: instantiateKernel(module, memory), native: compute.native, memory, plan }
  return new LaneKernel({ plan, memory, lanes, local: (kinds) => new Digests(kinds, tools) })
}
