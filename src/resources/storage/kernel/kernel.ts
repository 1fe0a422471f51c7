/**
 * What the storage pipeline asks of the machine's processors: frames, erasure code and hashes, stripe by stripe, on
 * memory that the workers share with the thread that moves sockets. Every job is stateless, so any worker takes any
 * stripe; slabs are the only memory, so a slow peer bounds how much is in flight.
 */
import type { Digest } from '../../../protocol/ids.ts'

/** The memory of one stripe. `plain` is filled by the caller for encode and by the kernel for decode. */
export interface Slab {
  /** k × FRAME_PLAIN_BYTES. */
  readonly plain: Uint8Array
  /** n shards of FRAME_BYTES: 0…k−1 data, k…n−1 parity. */
  readonly shards: readonly Uint8Array[]
  /** n × 16 × 32 bytes: SHA-256 of each 4 KiB leaf; shard i's begin at i × 512, however short it is. */
  readonly leaves: Uint8Array
}

/** Key and position of a stripe's frames. AAD and nonce are derived from the position: see frames.ts. */
export interface FramePosition {
  /** 32-byte AES-256 key, random for each uploaded part, so that a counter nonce never repeats under one key. */
  readonly key: Uint8Array
  /** 16-byte id of the uploaded part. */
  readonly partId: Uint8Array
  /** Index of the segment within its part. */
  readonly segment: number
  /** Index within the segment of the stripe's first frame. */
  readonly firstFrame: number
}

export type DigestKind = 'md5' | 'sha256' | 'sha1' | 'crc32' | 'crc32c' | 'crc64nvme'

/** Running digests of a body, kept in one worker and fed in order. */
export interface Digester {
  /** Feeds slab.plain[start, end). Must be awaited before the slab is released. */
  update(slab: Slab, start: number, end: number): Promise<void>
  /** Feeds bytes that are not in a slab (small bodies). */
  updateBytes(bytes: Uint8Array): Promise<void>
  /** Raw digest bytes of each kind asked for. */
  finish(): Promise<ReadonlyMap<DigestKind, Uint8Array>>
  /** Frees the worker's state when the body is abandoned. */
  abort(): void
}

export interface Kernel {
  readonly k: number
  readonly n: number
  /** A free slab; waits while all are in use. Rejects when `signal` fires. */
  acquire(signal?: AbortSignal): Promise<Slab>
  release(slab: Slab): void
  /**
   * slab.plain[0, plainBytes) → frames → slab.shards[i][0, shardBytes) for all n, and their leaf hashes in slab.leaves.
   * `shardBytes` is that of layout.ts.
   */
  encode(slab: Slab, at: FramePosition, plainBytes: number, shardBytes: number): Promise<void>
  /**
   * The shards named in `have` (any k or more, ascending) → slab.plain[0, plainBytes). Data shards that are missing are
   * rebuilt first. Frames that fail authentication are named, and no byte of them is left in slab.plain.
   */
  decode(slab: Slab, at: FramePosition, plainBytes: number, shardBytes: number, have: readonly number[]): Promise<DecodeResult>
  /** Rebuilds the shards named in `want` from those in `have`, and their leaf hashes, without decrypting: for repair. */
  rebuild(slab: Slab, shardBytes: number, have: readonly number[], want: readonly number[]): Promise<void>
  /** Root of the tree over concatenated 32-byte leaf hashes (SHA-256, inner node = SHA-256(left‖right), padded to a power of two with all-zero leaves, so that the depth follows from the count). */
  root(leaves: Uint8Array): Promise<Digest>
  /**
   * Leaf hashes of arbitrary bytes (a provider checking its piece): ⌈length / 4096⌉ × 32 bytes. A part of a slab is hashed
   * where it is, other bytes are copied; cut them at multiples of 4096.
   */
  leavesOf(bytes: Uint8Array): Promise<Uint8Array>
  digester(kinds: readonly DigestKind[]): Digester
  close(): Promise<void>
}

/** `badFrames` are indices within the segment, as `firstFrame` is. */
export type DecodeResult = { readonly ok: true } | { readonly ok: false; readonly badFrames: readonly number[] }
