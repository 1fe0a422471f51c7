/**
 * Frames: what is encrypted and authenticated as one. A frame is AES-256-GCM ciphertext of up to FRAME_PLAIN_BYTES and
 * its tag. Its nonce is its position, u32 segment ‖ u64 frame, big-endian: the key is random for each uploaded part, so no
 * nonce repeats under one key. The associated data is partId ‖ u32 segment ‖ u32 frame, so that a frame opens nowhere else.
 *
 * The frames of a stripe stand one after the other, zero-padded to k × shardBytes, and shard i is the i-th piece of
 * that. In a full stripe a frame is therefore exactly a shard; in the last one it may lie across shards.
 */
import type { Native } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, TAG_BYTES } from '../layout.ts'
import type { FramePosition } from './kernel.ts'

const PART_ID_BYTES = 16

export function frameNonce(segment: number, frame: number): Uint8Array {
  const nonce = new Uint8Array(12)
  const view = new DataView(nonce.buffer)
  view.setUint32(0, segment)
  view.setBigUint64(4, BigInt(frame))
  return nonce
}

export function frameAad(partId: Uint8Array, segment: number, frame: number): Uint8Array {
  assert(partId.length === PART_ID_BYTES, 'a part id is 16 bytes')
  const aad = new Uint8Array(PART_ID_BYTES + 8)
  aad.set(partId)
  const view = new DataView(aad.buffer)
  view.setUint32(PART_ID_BYTES, segment)
  view.setUint32(PART_ID_BYTES + 4, frame)
  return aad
}

/** The k data shards of a stripe, as one run of bytes. */
export interface Run {
  /** At least k shards, each of at least shardBytes. */
  readonly shards: readonly Uint8Array[]
  readonly k: number
  readonly shardBytes: number
}

/** The pieces of the run's bytes [from, to), in order, without copying. */
function* pieces({ shards, k, shardBytes }: Run, from: number, to: number): Generator<Uint8Array> {
  assert(to <= k * shardBytes, 'the stripe must hold its frames')
  for (let at = from; at < to; ) {
    const start = at % shardBytes
    const length = Math.min(to - at, shardBytes - start)
    const shard = shards[(at - start) / shardBytes]
    assert(shard !== undefined, 'a run has k shards')
    yield shard.subarray(start, start + length)
    at += length
  }
}

function place(run: Run, at: number, bytes: Uint8Array): void {
  let taken = 0
  for (const piece of pieces(run, at, at + bytes.length)) {
    piece.set(bytes.subarray(taken, taken + piece.length))
    taken += piece.length
  }
}

/** Encrypts `plain` into the run and zeroes what is left of it. */
export function sealFrames(native: Native, at: FramePosition, plain: Uint8Array, run: Run): void {
  let end = 0
  for (let i = 0; i * FRAME_PLAIN_BYTES < plain.length; i += 1) {
    const frame = at.firstFrame + i
    const text = plain.subarray(i * FRAME_PLAIN_BYTES, (i + 1) * FRAME_PLAIN_BYTES)
    const sealed = native.seal(at.key, frameNonce(at.segment, frame), frameAad(at.partId, at.segment, frame), text)
    place(run, i * FRAME_BYTES, sealed.text)
    place(run, i * FRAME_BYTES + text.length, sealed.tag)
    end = i * FRAME_BYTES + text.length + TAG_BYTES
  }
  for (const rest of pieces(run, end, run.k * run.shardBytes)) rest.fill(0)
}

/**
 * Decrypts the run into `plain`. Returns the frames (indices within the segment) that are not authentic: their place in
 * `plain` is zeroed. Nothing is copied to `plain` before its tag has been checked, because other threads see it.
 */
export function openFrames(native: Native, at: FramePosition, run: Run, plain: Uint8Array): number[] {
  const bad: number[] = []
  for (let i = 0; i * FRAME_PLAIN_BYTES < plain.length; i += 1) {
    const frame = at.firstFrame + i
    const target = plain.subarray(i * FRAME_PLAIN_BYTES, (i + 1) * FRAME_PLAIN_BYTES)
    const textEnd = i * FRAME_BYTES + target.length
    const parts = [...pieces(run, i * FRAME_BYTES, textEnd)]
    const tag = new Uint8Array(TAG_BYTES)
    let taken = 0
    for (const piece of pieces(run, textEnd, textEnd + TAG_BYTES)) {
      tag.set(piece, taken)
      taken += piece.length
    }
    const opened = native.open(at.key, frameNonce(at.segment, frame), frameAad(at.partId, at.segment, frame), parts, tag)
    if (opened === null) {
      target.fill(0)
      bad.push(frame)
      continue
    }
    let end = 0
    for (const part of opened) {
      target.set(part, end)
      end += part.length
    }
  }
  return bad
}
