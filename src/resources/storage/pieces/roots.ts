/**
 * Roots of held pieces, stored with the hash of each 64 KiB frame's subtree, so that a proof reads one frame. A writer works
 * them out while the bytes pass; here they are derived from the piece when their record was lost.
 */
import { isCairnError } from '../../../protocol/errors.ts'
import type { Account, Digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import { FRAME_BYTES } from '../layout.ts'
import { frameCount, frameHash, HASH_BYTES, proveLeaf, rootOfFrames, rootOfLeaves } from '../piece-tree.ts'
import { type Allocator, append, type Core, failed, isHeld } from './core.ts'
import type { LogFile } from './log-file.ts'
import type { PieceEntry } from './piece-index.ts'
import { openReader } from './reader.ts'
import { HEADER_BYTES, type RecordHeader } from './record.ts'

export interface Roots {
  /** The root of a held piece, worked out now if need be; null when the piece is not held or turns out damaged. */
  rootOf(pieceId: Digest): Promise<Uint8Array | null>
  /** Works out one missing root; false when none is missing. */
  step(): Promise<boolean>
  /** The leaf at `index` of a held piece with its path; null when the piece is not held or turns out damaged. */
  prove(pieceId: Digest, index: number): Promise<{ leaf: Uint8Array; path: Uint8Array; root: Uint8Array } | null>
}

export interface PieceRoots {
  readonly root: Uint8Array
  /** Hash of each frame's subtree, concatenated; empty for a piece of one frame. */
  readonly frames: Uint8Array
}

/** The roots of a piece of `size` bytes from its frames, which are added in order. */
export function gatherRoots({ hash, leavesOf }: Pick<Core, 'hash' | 'leavesOf'>, size: number) {
  const count = frameCount(size)
  const frames = new Uint8Array(count === 1 ? 0 : count * HASH_BYTES)
  let only: Uint8Array | null = null
  let added = 0
  return {
    add(frame: Uint8Array): void {
      const leaves = leavesOf(frame)
      if (count === 1) only = rootOfLeaves(hash, leaves)
      else frames.set(frameHash(hash, leaves), added * HASH_BYTES)
      added += 1
    },
    /** Once every frame was added. */
    roots(): PieceRoots {
      assert(added === count, 'a root is of all frames')
      return { root: only ?? rootOfFrames(hash, frames).root, frames }
    },
  }
}

export function appendRoots(
  core: Core,
  allocator: Allocator,
  { pieceId, account, seq }: { readonly pieceId: Digest; readonly account: Account; readonly seq: number },
  { root, frames }: PieceRoots,
): Promise<{ log: LogFile; record: RecordHeader }> {
  const bodyCrc = core.format.crc32(frames, 0)
  return append(core, allocator, { kind: 'roots', pieceId, account, size: frames.length, seq, mark: 0, root, bodyCrc }, frames)
}

export function createRoots(core: Core, allocator: Allocator): Roots {
  const { hash } = core
  const running = new Map<Digest, Promise<Uint8Array | null>>()

  async function frameHashes(entry: PieceEntry): Promise<PieceRoots> {
    const gathered = gatherRoots(core, entry.size)
    const buffer = new Uint8Array(Math.min(FRAME_BYTES, entry.size))
    const reader = openReader(core, entry)
    try {
      for (let at = 0; at < entry.size; at += FRAME_BYTES) {
        const frame = buffer.subarray(0, Math.min(FRAME_BYTES, entry.size - at))
        await reader.read(at, frame)
        gathered.add(frame)
      }
    } finally {
      reader.close()
    }
    return gathered.roots()
  }

  async function workOut(pieceId: Digest): Promise<Uint8Array | null> {
    const entry = core.index.get(pieceId)
    if (!isHeld(entry)) return null
    if (entry.root !== null) return entry.root
    const { root, frames } = await frameHashes(entry)
    const { record } = await appendRoots(core, allocator, entry, { root, frames })
    // Deleted meanwhile: the record names a version that is gone and counts for nothing.
    if (core.index.get(pieceId) === entry) core.index.setRoots(entry, record)
    return root
  }

  async function rootOf(pieceId: Digest): Promise<Uint8Array | null> {
    const known = core.index.get(pieceId)
    if (isHeld(known) && known.root !== null) return known.root
    const work = running.get(pieceId) ?? workOut(pieceId)
    running.set(pieceId, work)
    try {
      return await work
    } catch (error) {
      if (isCairnError(error, 'CORRUPT')) return null
      throw failed(core, error)
    } finally {
      running.delete(pieceId)
      core.rootless.delete(pieceId)
    }
  }

  async function framesOf(entry: PieceEntry): Promise<Uint8Array> {
    const log = core.logs.get(entry.rootsLog)
    if (entry.root === null || log === undefined) return (await frameHashes(entry)).frames
    const frames = new Uint8Array(entry.rootsSize)
    const unpin = log.pin()
    try {
      await log.readAt(entry.rootsOffset + HEADER_BYTES, frames)
    } catch (error) {
      throw failed(core, error)
    } finally {
      unpin()
    }
    return frames
  }

  async function proveHeld(entry: PieceEntry, index: number, root: Uint8Array) {
    const start = Math.floor((index * 4096) / FRAME_BYTES) * FRAME_BYTES
    const frame = new Uint8Array(Math.min(FRAME_BYTES, entry.size - start))
    const frames = await framesOf(entry)
    const reader = openReader(core, entry)
    try {
      await reader.read(start, frame)
    } finally {
      reader.close()
    }
    const proof = proveLeaf(hash, entry.size, index, frame, frames)
    if (proof.root.every((byte, i) => byte === root[i])) return proof
    // The stored frame hashes rotted (the frame itself has just matched its checksum): work them out again.
    core.index.dropRoots(entry)
    return proveLeaf(hash, entry.size, index, frame, (await frameHashes(entry)).frames)
  }

  return {
    rootOf,
    async step() {
      const [pieceId] = core.rootless
      if (pieceId === undefined) return false
      core.rootless.delete(pieceId)
      await rootOf(pieceId)
      return true
    },
    async prove(pieceId, index) {
      const root = await rootOf(pieceId)
      const entry = core.index.get(pieceId)
      if (root === null || !isHeld(entry)) return null
      try {
        return await proveHeld(entry, index, root)
      } catch (error) {
        if (isCairnError(error, 'CORRUPT')) return null
        throw error
      }
    },
  }
}
