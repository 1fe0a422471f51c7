/**
 * Where everything lies in the kernel's one memory: constants, then slabs, then staging buffers. A slab or buffer carries
 * the scratch space of whatever job works on it, so that threads need none of their own.
 */
import { assert } from '../../../std/assert.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, LEAF_BYTES } from '../layout.ts'
import { CELL_TABLE_BYTES } from './gf256.ts'

export const DIGEST_BYTES = 32
/** Leaves of a full shard; the stride of `Slab.leaves`. */
export const SHARD_LEAVES = FRAME_BYTES / LEAF_BYTES
/** A staging buffer: bytes that came from elsewhere, on their way through a worker. */
export const STAGING_BYTES = 256 * 1024

const PAGE_BYTES = 64 * 1024
/** WebAssembly addresses 4 GiB; more slabs than fit 2 GiB are a mistake in a setting. */
const MAX_MEMORY_BYTES = 2 * 1024 * 1024 * 1024
/** A cache line, so that two threads never write to the same one. */
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** Scratch of `sha256x4`: eight addresses, then state (8 words) and schedule (64 words), four lanes each. */
export const HASH_SCRATCH = { jobs: 0, state: 64, bytes: 64 + 128 + 1024 }

export interface SlabPlan {
  readonly hash: number
  /** u32 addresses of the sources and of the targets of one multiplication. */
  readonly sources: number
  readonly targets: number
  readonly tables: number
  readonly leaves: number
  readonly shards: number
  readonly plain: number
  readonly bytes: number
}

export interface MemoryPlan {
  readonly k: number
  readonly n: number
  /** The round constants of SHA-256. */
  readonly sha256: number
  readonly crc32c: number
  readonly crc64nvme: number
  /** Tables that make the parity shards. */
  readonly parity: number
  readonly slabs: readonly number[]
  /** Offsets within a slab. */
  readonly slab: SlabPlan
  readonly staging: readonly number[]
  /** Offsets within a staging buffer. */
  readonly stage: { readonly hash: number; readonly leaves: number; readonly data: number; readonly bytes: number }
  readonly pages: number
}

function planSlab(k: number, n: number): SlabPlan {
  const hash = 0
  const sources = align(HASH_SCRATCH.bytes)
  const targets = sources + align(4 * k)
  const tables = targets + align(4 * n)
  const leaves = tables + align(n * k * CELL_TABLE_BYTES)
  const shards = leaves + n * SHARD_LEAVES * DIGEST_BYTES
  const plain = shards + n * FRAME_BYTES
  return { hash, sources, targets, tables, leaves, shards, plain, bytes: plain + align(k * FRAME_PLAIN_BYTES) }
}

export function planMemory(k: number, n: number, slabs: number, stagings: number): MemoryPlan {
  // Address 0 stays unused: a forgotten address then meets nobody's bytes.
  let end = 1024
  const take = (bytes: number): number => {
    const at = end
    end = align(end + bytes)
    return at
  }
  const slab = planSlab(k, n)
  const leaves = align(HASH_SCRATCH.bytes)
  const data = leaves + align((STAGING_BYTES / LEAF_BYTES) * DIGEST_BYTES)
  const stage = { hash: 0, leaves, data, bytes: data + STAGING_BYTES }
  const plan = {
    k,
    n,
    sha256: take(64 * 4),
    crc32c: take(16 * 256 * 4),
    crc64nvme: take(16 * 256 * 8),
    parity: take((n - k) * k * CELL_TABLE_BYTES),
    slabs: Array.from({ length: slabs }, () => take(slab.bytes)),
    slab,
    staging: Array.from({ length: stagings }, () => take(stage.bytes)),
    stage,
  }
  assert(end <= MAX_MEMORY_BYTES, `${slabs} slabs of ${slab.bytes} bytes must fit 2 GiB`)
  return { ...plan, pages: Math.ceil(end / PAGE_BYTES) }
}
