/** A provider's store with one piece of random bytes, on this machine's disk, and a data set that is made of nothing but such pieces. */
import { join } from 'node:path'
import { type Account, type Digest, digestOf } from '../../src/protocol/ids.ts'
import { buildSet, type DataSet, type ProveLeaf } from '../../src/resources/storage/data-set.ts'
import { createLeafHashing } from '../../src/resources/storage/index.ts'
import { treeHash } from '../../src/resources/storage/piece-tree.ts'
import { CHUNK_BYTES, openPieceStore, type PieceStore } from '../../src/resources/storage/pieces/index.ts'
import type { Log } from '../../src/runtime/index.ts'
import { createNative } from '../../src/runtime/real/compute/native.ts'
import { createClock, createCrypto, createRandom, openDisk } from '../../src/runtime/real/index.ts'
import { bigEndian, utf8 } from '../../src/std/bytes.ts'

const RESERVE_BYTES = 16 * 1024 * 1024
const quiet: Log = { error: console.error, warn: console.error, info() {}, debug() {}, child: () => quiet }

export const crypto = createCrypto()
export const native = createNative()
const hash = treeHash(crypto, native.sha256Pairs)
const random = createRandom()

export interface StoredPiece {
  readonly store: PieceStore
  readonly pieceId: Digest
  /** A set of `count` pieces with the bytes of the stored one, each under a name of its own. */
  readonly set: DataSet
  /** Shows any piece of the set by the one that is stored, whose bytes and root they share. */
  readonly proveLeaf: ProveLeaf
  close(): Promise<void>
}

/** Stores a piece of `size` bytes in a folder of its own inside `folder`. */
export async function storePiece(folder: string, size: number, count: number, account: Account): Promise<StoredPiece> {
  const disk = await openDisk(join(folder, `pieces-of-${size}`))
  const fail = (error: unknown): never => {
    throw error
  }
  const options = { disk, clock: createClock(), log: quiet, crc32: native.crc32, salt: random.bytes(8), reserveBytes: RESERVE_BYTES }
  const store = await openPieceStore({ ...options, quotaBytes: 4 * size + RESERVE_BYTES, onFailing: fail }, hash, createLeafHashing(native))
  const pieceId = digestOf(random.bytes(32))
  const begun = await store.begin({ pieceId, account, size, keepUntil: 0 })
  if (begun.is !== 'writer') throw new Error(`the store does not take the piece: ${begun.is}`)
  const chunk = random.bytes(CHUNK_BYTES)
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    // Other bytes in each chunk, without asking the system for so much randomness.
    chunk.set(bigEndian(BigInt(at), 8))
    await begun.writer.write(chunk.subarray(0, Math.min(CHUNK_BYTES, size - at)))
  }
  await begun.writer.commit()
  const root = store.stat(pieceId)?.root
  if (root === undefined || root === null) throw new Error('the store has no root of the piece')
  const entries = Array.from({ length: count }, (_, i) => ({
    pieceId: digestOf(crypto.sha256(utf8('bench piece'), bigEndian(BigInt(i), 4))),
    size,
    root: digestOf(root),
  })).sort((a, b) => (a.pieceId < b.pieceId ? -1 : 1))
  return {
    store,
    pieceId,
    set: buildSet(hash, entries),
    proveLeaf: (_, index) => store.prove(pieceId, index),
    close: () => store.close(),
  }
}
