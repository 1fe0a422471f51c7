/** When a stripe does not authenticate: fetch every shard there is, find k that do, and name the providers that lied. */
import { equalBytes } from '../../../std/bytes.ts'
import type { FramePosition, Slab } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../layout.ts'
import { lost, openPiece, type ReaderParts, type ReadPlan, receiveShard } from './fetch.ts'
import type { PlacedPiece } from './records.ts'

export interface BadStripe {
  readonly slab: Slab
  readonly stripe: number
  readonly position: FramePosition
  readonly bytes: number
  readonly size: number
  /** Shards in the slab now, ascending. */
  readonly have: readonly number[]
}

/** Combinations tried at most: all of 4 of 8, and a bounded search for wider codes. */
const TRIES_MAX = 512

/** Leaves the stripe's plaintext in the slab, or throws SEGMENT_LOST. */
export async function solveStripe(parts: ReaderParts, plan: ReadPlan, bad: BadStripe, signal: AbortSignal): Promise<void> {
  const { at } = parts
  const { slab, size } = bad
  const have = [...bad.have]
  for (const piece of plan.segment.pieces) {
    if (!have.includes(piece.shard) && (await fetchShard(parts, piece, bad, signal))) have.push(piece.shard)
  }
  have.sort((a, b) => a - b)
  const copies = new Map(have.map((shard) => [shard, (slab.shards[shard] as Uint8Array).slice(0, size)]))
  let tries = 0
  for (const chosen of combinations(have, plan.segment.k)) {
    if (tries >= TRIES_MAX) break
    tries += 1
    for (const shard of have) (slab.shards[shard] as Uint8Array).set(copies.get(shard) as Uint8Array)
    const decoded = await at.kernel.decode(slab, bad.position, bad.bytes, size, chosen)
    if (!decoded.ok) continue
    await blame(parts, plan, bad, chosen, copies)
    return
  }
  throw lost(parts, plan, 0)
}

async function fetchShard(parts: ReaderParts, piece: PlacedPiece, bad: BadStripe, signal: AbortSignal): Promise<boolean> {
  const offset = bad.stripe * FRAME_BYTES
  try {
    const io = await openPiece(parts, piece, offset, offset + bad.size, signal)
    await receiveShard(parts.at, io, piece.device, (bad.slab.shards[piece.shard] as Uint8Array).subarray(0, bad.size))
    await io.end()
    return true
  } catch (error) {
    signal.throwIfAborted()
    parts.at.log.debug('no shard to compare with', { device: piece.device, why: String(error) })
    return false
  }
}

/** Re-encodes the other shards from the good ones and compares them with what was served. */
async function blame(
  parts: ReaderParts,
  plan: ReadPlan,
  bad: BadStripe,
  good: readonly number[],
  served: ReadonlyMap<number, Uint8Array>,
): Promise<void> {
  const others = [...served.keys()].filter((shard) => !good.includes(shard))
  await parts.at.kernel.rebuild(bad.slab, bad.size, good, others)
  for (const shard of others) {
    const right = (bad.slab.shards[shard] as Uint8Array).subarray(0, bad.size)
    if (equalBytes(right, served.get(shard) as Uint8Array)) continue
    const piece = plan.segment.pieces.find((candidate) => candidate.shard === shard)
    if (piece !== undefined) parts.onCorrupt(plan.segment, piece)
  }
}

/** All ways to choose `k` of `items`, in order. */
function* combinations(items: readonly number[], k: number): Generator<readonly number[]> {
  if (k === 0) {
    yield []
    return
  }
  for (let i = 0; i + k <= items.length; i += 1) {
    for (const rest of combinations(items.slice(i + 1), k - 1)) yield [items[i] as number, ...rest]
  }
}
