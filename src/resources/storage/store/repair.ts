/**
 * Brings a segment back to full health: reads k pieces, rebuilds the missing shards without decrypting them, and puts
 * them on other providers. What was read is checked against the roots of its pieces before the move is recorded, so a
 * lying provider cannot spread its damage.
 */

import { CairnError } from '../../../protocol/errors.ts'
import { type Account, type DeviceId, type Digest, digestOf } from '../../../protocol/ids.ts'
import type { Duplex } from '../../../runtime/index.ts'
import { assert } from '../../../std/assert.ts'
import type { Slab } from '../kernel/kernel.ts'
import { FRAME_BYTES, LEAF_BYTES, type SegmentLayout, segmentLayout, shardBytes } from '../layout.ts'
import { place } from '../match.ts'
import { receiveReply, sendRequest } from './exchange.ts'
import { openPiece, receiveShard } from './fetch.ts'
import type { StoreParts } from './parts.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'

const HASH = 32
const LEAVES_PER_FRAME = FRAME_BYTES / LEAF_BYTES

export interface SegmentHealth {
  readonly segment: SegmentRecord
  readonly alive: readonly PlacedPiece[]
  /** Shards without a piece that counts. */
  readonly missing: readonly number[]
}

/** Pieces found corrupt since the start; they count as lost until they are replaced. */
export type Corrupt = Set<Digest>

export function healthOf(parts: StoreParts, corrupt: Corrupt, segment: SegmentRecord): SegmentHealth {
  const alive = segment.pieces.filter((piece) => !parts.providers.lost(piece.device) && !corrupt.has(piece.pieceId))
  const held = new Set(alive.map((piece) => piece.shard))
  const missing = Array.from({ length: segment.n }, (_, shard) => shard).filter((shard) => !held.has(shard))
  return { segment, alive, missing }
}

export type RepairOutcome =
  | { readonly is: 'repaired'; readonly pieces: readonly PlacedPiece[] }
  | { readonly is: 'too-few'; readonly have: number; readonly need: number }
  | { readonly is: 'corrupt-source'; readonly pieces: readonly PlacedPiece[] }
  | { readonly is: 'no-place'; readonly why: string }

/** Rebuilds what is missing. A source or target that fails is left out and the rest tried again; each try leaves out one more. */
export async function repairSegment(parts: StoreParts, health: SegmentHealth, signal: AbortSignal): Promise<RepairOutcome> {
  const badSources = new Set<Digest>()
  const badTargets = new Set<DeviceId>()
  for (;;) {
    try {
      return await tryRepair(parts, health, badSources, badTargets, signal)
    } catch (error) {
      if (!(error instanceof Unfit) || signal.aborted) throw error
      parts.at.log.debug('a repair goes on without a provider', { segment: health.segment.id, why: error.message })
      if ('source' in error.who) badSources.add(error.who.source.pieceId)
      else badTargets.add(error.who.target)
    }
  }
}

async function tryRepair(
  parts: StoreParts,
  { segment, alive, missing }: SegmentHealth,
  badSources: ReadonlySet<Digest>,
  badTargets: ReadonlySet<DeviceId>,
  signal: AbortSignal,
): Promise<RepairOutcome> {
  const { at, providers } = parts
  const usable = alive.filter((piece) => providers.reachable(piece.device) && !badSources.has(piece.pieceId))
  const sources = usable.slice(0, segment.k)
  if (sources.length < segment.k) return { is: 'too-few', have: sources.length, need: segment.k }
  const held = new Map<Account, number>()
  for (const piece of alive) {
    const operator = providers.operator(piece.device)
    if (operator !== null) held.set(operator, (held.get(operator) ?? 0) + 1)
  }
  const request = { want: missing.length, total: segment.n, held }
  const draw = (least: number, except: ReadonlySet<DeviceId>) =>
    place(at.crypto, providers.candidates(), at.random.bytes(32), { ...request, least, except })
  // A second piece on a device goes with the first, so that others come before it; but a piece in a bad place is better
  // than none, as long as its operator's share allows it.
  const apart = draw(missing.length, new Set([...badTargets, ...alive.map((piece) => piece.device)]))
  const placement = apart.ok ? apart : draw(1, badTargets)
  if (!placement.ok) return { is: 'no-place', why: placement.why }
  const layout = segmentLayout(segment.plainBytes, segment.k)
  const want = missing.slice(0, placement.devices.length)
  return rebuild(parts, layout, sources, want, placement.devices, signal)
}

interface Target {
  readonly shard: number
  readonly device: DeviceId
  readonly pieceId: Digest
  readonly io: Duplex
  readonly leaves: Uint8Array
}

async function rebuild(
  parts: StoreParts,
  layout: SegmentLayout,
  sources: readonly PlacedPiece[],
  want: readonly number[],
  devices: readonly DeviceId[],
  signal: AbortSignal,
): Promise<RepairOutcome> {
  const { at } = parts
  const reads: Duplex[] = []
  const targets: Target[] = []
  try {
    for (const piece of sources) {
      const open = openPiece(parts.reading, piece, 0, layout.pieceBytes, signal)
      reads.push(await open.catch((error: unknown) => Promise.reject(new Unfit({ source: piece }, error))))
    }
    for (const [i, shard] of want.entries()) {
      const device = devices[i] as DeviceId
      const open = openTarget(parts, shard, device, layout.pieceBytes, signal)
      targets.push(await open.catch((error: unknown) => Promise.reject(new Unfit({ target: device }, error))))
    }
    const seen = sources.map(() => new Uint8Array(HASH * Math.ceil(layout.pieceBytes / LEAF_BYTES)))
    for (let stripe = 0; stripe < layout.stripes; stripe += 1) {
      const slab = await at.kernel.acquire(signal)
      try {
        await rebuildStripe(parts, { slab, stripe, size: shardBytes(layout, stripe) }, sources, reads, seen, targets)
      } finally {
        at.kernel.release(slab)
      }
    }
    const wrong: PlacedPiece[] = []
    for (const [i, piece] of sources.entries()) if ((await at.kernel.root(seen[i] as Uint8Array)) !== piece.root) wrong.push(piece)
    if (wrong.length > 0) throw new CorruptSource(wrong)
    for (const io of reads) await io.end()
    const pieces: PlacedPiece[] = []
    for (const target of targets) {
      try {
        await receiveReply(at.clock, target.io, 'stored')
        await target.io.end()
      } catch (error) {
        throw new Unfit({ target: target.device }, error)
      }
      pieces.push({ shard: target.shard, device: target.device, pieceId: target.pieceId, root: await at.kernel.root(target.leaves) })
    }
    return { is: 'repaired', pieces }
  } catch (error) {
    for (const io of [...reads, ...targets.map((target) => target.io)]) io.abort(error)
    if (error instanceof CorruptSource) return { is: 'corrupt-source', pieces: error.pieces }
    throw error
  }
}

/** One source or target did not work out; the others may. */
class Unfit extends Error {
  override readonly name = 'Unfit'
  readonly who: { readonly source: PlacedPiece } | { readonly target: DeviceId }
  constructor(who: Unfit['who'], cause: unknown) {
    super(String(cause), { cause })
    this.who = who
  }
}

class CorruptSource extends Error {
  override readonly name = 'CorruptSource'
  readonly pieces: readonly PlacedPiece[]
  constructor(pieces: readonly PlacedPiece[]) {
    super('a source piece is not what its root says')
    this.pieces = pieces
  }
}

async function openTarget(parts: StoreParts, shard: number, device: DeviceId, size: number, signal: AbortSignal): Promise<Target> {
  const { at, providers, orders } = parts
  const io = await providers.open(device, signal)
  const pieceId = digestOf(at.random.bytes(32))
  await sendRequest(io, { op: 'put', order: orders.sign('put', device, pieceId, size), size })
  return { shard, device, pieceId, io, leaves: new Uint8Array(HASH * Math.ceil(size / LEAF_BYTES)) }
}

async function rebuildStripe(
  parts: StoreParts,
  work: { readonly slab: Slab; readonly stripe: number; readonly size: number },
  sources: readonly PlacedPiece[],
  reads: readonly Duplex[],
  seen: readonly Uint8Array[],
  targets: readonly Target[],
): Promise<void> {
  const { at } = parts
  const { slab, stripe, size } = work
  const shard = (index: number): Uint8Array => (slab.shards[index] as Uint8Array).subarray(0, size)
  await all(
    sources.map((piece, i) =>
      receiveShard(at, reads[i] as Duplex, piece.device, shard(piece.shard)).catch((error: unknown) => {
        throw new Unfit({ source: piece }, error)
      }),
    ),
  )
  const offset = stripe * LEAVES_PER_FRAME * HASH
  for (const [i, piece] of sources.entries()) (seen[i] as Uint8Array).set(await at.kernel.leavesOf(shard(piece.shard)), offset)
  const have = sources.map((piece) => piece.shard).sort((a, b) => a - b)
  const want = targets.map((target) => target.shard)
  assert(want.length > 0, 'a repair has something to rebuild')
  await at.kernel.rebuild(slab, size, have, want)
  const bytes = HASH * Math.ceil(size / LEAF_BYTES)
  for (const target of targets) {
    const from = target.shard * LEAVES_PER_FRAME * HASH
    target.leaves.set(slab.leaves.subarray(from, from + bytes), offset)
  }
  await all(
    targets.map((target) =>
      target.io.send(shard(target.shard)).catch((error: unknown) => {
        throw new Unfit({ target: target.device }, error)
      }),
    ),
  )
}

/** Waits for all before it throws the first failure: until then the slab is written to and read from. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Segments looked at between two breaths, so that a scan never holds the thread. */
const SCAN_PAGE = 64

export interface RepairReport {
  readonly looked: number
  readonly repaired: number
  readonly lost: number
}

/** One pass over all segments: repairs those below `repairBelow`. */
export async function repairAll(parts: StoreParts, corrupt: Corrupt, signal: AbortSignal): Promise<RepairReport> {
  const report = { looked: 0, repaired: 0, lost: 0 }
  await parts.providers.probe(signal)
  for (let after = ''; ; ) {
    const page = parts.metadata.segments.scan(after, SCAN_PAGE)
    for (const segment of page) {
      signal.throwIfAborted()
      after = segment.id
      report.looked += 1
      const health = healthOf(parts, corrupt, segment)
      // A piece that is known to be wrong is replaced at once, or every read that meets it pays for it.
      const wrong = segment.pieces.filter((piece) => corrupt.has(piece.pieceId))
      const leaving = segment.pieces.filter((piece) => parts.providers.leaving(piece.device))
      if (health.alive.length >= parts.at.redundancy.repairBelow && wrong.length === 0 && leaving.length === 0) continue
      const outcome = await repairSafely(parts, health, signal)
      if (outcome.is === 'repaired') {
        parts.metadata.move(segment.id, outcome.pieces)
        const replaced = new Set(outcome.pieces.map((piece) => piece.shard))
        for (const piece of wrong) if (replaced.has(piece.shard)) corrupt.delete(piece.pieceId)
        report.repaired += 1
      } else if (leaving.length > 0 && wrong.length === 0 && health.alive.length >= parts.at.redundancy.repairBelow) {
        // There is no other place, and enough pieces are elsewhere: whoever leaves is not held.
        parts.database.transaction(() => {
          for (const piece of leaving) parts.metadata.segments.forget(piece.device, piece.pieceId)
        })
      } else {
        if (outcome.is === 'too-few') report.lost += 1
        if (outcome.is === 'corrupt-source') for (const piece of outcome.pieces) corrupt.add(piece.pieceId)
        parts.at.log.warn('a segment is not repaired', {
          segment: segment.id,
          alive: health.alive.length,
          outcome: JSON.stringify(outcome).slice(0, 300),
        })
      }
    }
    if (page.length < SCAN_PAGE) break
    await parts.at.clock.sleep(0, signal)
  }
  releaseLeaving(parts)
  return report
}

/** Of the log's copies the others suffice; a device that left keeps none in its set. */
function releaseLeaving(parts: StoreParts): void {
  const { segments } = parts.metadata
  const leaving = segments.devices().filter((device) => parts.providers.leaving(device))
  if (leaving.length > 0) parts.database.transaction(() => leaving.forEach(segments.dropCopies))
}

async function repairSafely(parts: StoreParts, health: SegmentHealth, signal: AbortSignal): Promise<RepairOutcome> {
  try {
    return await repairSegment(parts, health, signal)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CairnError && error.code === 'ABORTED') throw error
    return { is: 'no-place', why: String(error) }
  }
}
