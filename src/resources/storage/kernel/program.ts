/** What runs on a compute lane: one job on one slab or staging buffer, named by its address. */
import type { JobHandler, Native, Program } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { FRAME_BYTES } from '../layout.ts'
import { Digests } from './digests.ts'
import { openFrames, type Run, sealFrames } from './frames.ts'
import { createField, encodeMatrix, type Field, type Matrix, nibbleTables, rebuildMatrix } from './gf256.ts'
import type { DigestKind, FramePosition } from './kernel.ts'
import { LeafHasher } from './leaf-hasher.ts'
import { DIGEST_BYTES, type MemoryPlan, SHARD_LEAVES } from './memory.ts'
import { treeRoot } from './tree.ts'
import { instantiateKernel, type KernelExports } from './wasm.ts'

export interface KernelInit {
  readonly module: WebAssembly.Module
  /** Shared; its constants are written. */
  readonly memory: WebAssembly.Memory
  readonly plan: MemoryPlan
}

interface Stripe {
  /** Address of the slab. */
  readonly slab: number
  readonly shardBytes: number
}

interface Framed extends Stripe {
  readonly at: FramePosition
  readonly plainBytes: number
}

export type KernelJob =
  | (Framed & { readonly is: 'encode' })
  | (Framed & { readonly is: 'decode'; readonly have: readonly number[] })
  | (Stripe & { readonly is: 'rebuild'; readonly have: readonly number[]; readonly want: readonly number[] })
  /** `scratch` belongs to the buffer that the bytes are in. */
  | { readonly is: 'leaves'; readonly address: number; readonly length: number; readonly out: number; readonly scratch: number }
  | { readonly is: 'root'; readonly leaves: Uint8Array }
  | { readonly is: 'digest-start'; readonly id: number; readonly kinds: readonly DigestKind[] }
  | { readonly is: 'digest-update'; readonly id: number; readonly address: number; readonly length: number }
  | { readonly is: 'digest-finish'; readonly id: number }
  | { readonly is: 'digest-abort'; readonly id: number }

export type KernelReply =
  | { readonly is: 'done' }
  | { readonly is: 'decoded'; readonly badFrames: readonly number[] }
  | { readonly is: 'root'; readonly root: Uint8Array }
  | { readonly is: 'digests'; readonly digests: ReadonlyMap<DigestKind, Uint8Array> }

const DONE: KernelReply = { is: 'done' }

/** Bodies that are being hashed on one lane. A gateway has far fewer requests; reaching this means digesters leak. */
const MAX_DIGESTS = 4096
/** Erasure patterns whose tables are kept: a segment's stripes all miss the same pieces, and few segments are read at once. */
const MAX_PATTERNS = 32

class KernelLane {
  readonly #plan: MemoryPlan
  readonly #memory: WebAssembly.Memory
  readonly #native: Native
  readonly #exports: KernelExports
  readonly #hasher: LeafHasher
  readonly #words: Uint32Array
  readonly #field: Field = createField()
  readonly #code: Matrix
  readonly #patterns = new Map<string, Uint8Array>()
  readonly #digests = new Map<number, Digests>()

  constructor({ module, memory, plan }: KernelInit, native: Native) {
    this.#plan = plan
    this.#memory = memory
    this.#native = native
    this.#exports = instantiateKernel(module, memory)
    this.#hasher = new LeafHasher(this.#exports, native, memory, plan)
    this.#words = new Uint32Array(memory.buffer)
    this.#code = encodeMatrix(this.#field, plan.k, plan.n)
  }

  handle(job: KernelJob): KernelReply {
    switch (job.is) {
      case 'encode':
        return this.#encode(job)
      case 'decode':
        return this.#decode(job)
      case 'rebuild':
        this.#rebuild(job, job.have, job.want)
        this.#hashShards(job, job.want)
        return DONE
      case 'leaves':
        this.#hasher.hash([job], job.scratch)
        return DONE
      case 'root':
        return { is: 'root', root: treeRoot(this.#native, job.leaves) }
      case 'digest-start':
      case 'digest-update':
      case 'digest-finish':
      case 'digest-abort':
        return this.#digest(job)
    }
  }

  #encode({ slab, at, plainBytes, shardBytes }: Framed): KernelReply {
    const { k, n, parity } = this.#plan
    sealFrames(this.#native, at, this.#view(slab + this.#plan.slab.plain, plainBytes), this.#run(slab, shardBytes))
    const all = Array.from({ length: n }, (_, i) => i)
    this.#multiply(slab, parity, all.slice(0, k), all.slice(k), shardBytes)
    this.#hashShards({ slab, shardBytes }, all)
    return DONE
  }

  #decode({ slab, at, plainBytes, shardBytes, have }: Framed & { readonly have: readonly number[] }): KernelReply {
    const missing = Array.from({ length: this.#plan.k }, (_, i) => i).filter((i) => !have.includes(i))
    this.#rebuild({ slab, shardBytes }, have, missing)
    const plain = this.#view(slab + this.#plan.slab.plain, plainBytes)
    return { is: 'decoded', badFrames: openFrames(this.#native, at, this.#run(slab, shardBytes), plain) }
  }

  #rebuild({ slab, shardBytes }: Stripe, have: readonly number[], want: readonly number[]): void {
    if (want.length === 0) return
    const tables = this.#tables(have, want)
    const address = slab + this.#plan.slab.tables
    this.#view(address, tables.length).set(tables)
    this.#multiply(slab, address, have.slice(0, this.#plan.k), want, shardBytes)
  }

  #tables(have: readonly number[], want: readonly number[]): Uint8Array {
    const name = `${have.join()}>${want.join()}`
    const kept = this.#patterns.get(name)
    if (kept !== undefined) return kept
    const tables = nibbleTables(this.#field, rebuildMatrix(this.#field, this.#code, have, want))
    const oldest = this.#patterns.keys().next()
    if (this.#patterns.size >= MAX_PATTERNS && !oldest.done) this.#patterns.delete(oldest.value)
    this.#patterns.set(name, tables)
    return tables
  }

  #multiply(slab: number, tables: number, from: readonly number[], to: readonly number[], shardBytes: number): void {
    const { sources, targets, shards } = this.#plan.slab
    for (const [i, shard] of from.entries()) this.#words[(slab + sources) / 4 + i] = slab + shards + shard * FRAME_BYTES
    for (const [i, shard] of to.entries()) this.#words[(slab + targets) / 4 + i] = slab + shards + shard * FRAME_BYTES
    this.#exports.gfMultiply(tables, slab + sources, from.length, slab + targets, to.length, shardBytes)
  }

  #hashShards({ slab, shardBytes }: Stripe, shards: readonly number[]): void {
    const { slab: offsets } = this.#plan
    const runs = shards.map((shard) => ({
      address: slab + offsets.shards + shard * FRAME_BYTES,
      length: shardBytes,
      out: slab + offsets.leaves + shard * SHARD_LEAVES * DIGEST_BYTES,
    }))
    this.#hasher.hash(runs, slab + offsets.hash)
  }

  #digest(job: Extract<KernelJob, { is: `digest-${string}` }>): KernelReply {
    if (job.is === 'digest-start') {
      assert(this.#digests.size < MAX_DIGESTS, 'digesters are finished or aborted')
      const tools = { exports: this.#exports, native: this.#native, memory: this.#memory, plan: this.#plan }
      this.#digests.set(job.id, new Digests(job.kinds, tools))
      return DONE
    }
    const digests = this.#digests.get(job.id)
    if (job.is === 'digest-abort') {
      this.#digests.delete(job.id)
      return DONE
    }
    if (digests === undefined) throw new Error(`the digests of body ${job.id} were lost with their worker thread`)
    if (job.is === 'digest-update') {
      digests.update(job.address, job.length)
      return DONE
    }
    this.#digests.delete(job.id)
    return { is: 'digests', digests: digests.finish() }
  }

  #run(slab: number, shardBytes: number): Run {
    const { k, slab: offsets } = this.#plan
    const shards = Array.from({ length: k }, (_, i) => this.#view(slab + offsets.shards + i * FRAME_BYTES, FRAME_BYTES))
    return { shards, k, shardBytes }
  }

  #view(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, length)
  }
}

export const program: Program<KernelInit, KernelJob, KernelReply> = {
  url: import.meta.url,
  start(init: KernelInit, native: Native): JobHandler<KernelJob, KernelReply> {
    const lane = new KernelLane(init, native)
    return (job) => lane.handle(job)
  },
}
