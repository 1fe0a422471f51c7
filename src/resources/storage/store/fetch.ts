/** Opening a piece on its provider and taking shards from it; and what to say when too few are left. */
import { CairnError } from '../../../protocol/errors.ts'
import type { DeviceId } from '../../../protocol/ids.ts'
import type { Duplex } from '../../../runtime/index.ts'
import type { FramePosition } from '../kernel/kernel.ts'
import { type StoreContext, TIMING } from './context.ts'
import { isFailure, type Orders, Refusal, receiveReply, sendRequest, within } from './exchange.ts'
import type { Providers } from './providers.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'

export interface ReaderParts {
  readonly at: StoreContext
  readonly providers: Providers
  readonly orders: Orders
  /** A provider served bytes that are not what it was given. */
  onCorrupt(segment: SegmentRecord, piece: PlacedPiece): void
}

export interface ReadPlan {
  readonly segment: SegmentRecord
  readonly position: FramePosition
  /** For the error message. */
  readonly object: string
  readonly fromStripe: number
  readonly toStripe: number
}

/** Opens bytes [offset, end) of a piece; resolves when the provider has begun to answer, and gives up when `signal` fires. */
export async function openPiece(parts: ReaderParts, piece: PlacedPiece, offset: number, end: number, signal: AbortSignal): Promise<Duplex> {
  const io = await parts.providers.open(piece.device, signal)
  const cut = (): void => io.abort(signal.reason)
  signal.addEventListener('abort', cut, { once: true })
  try {
    signal.throwIfAborted()
    const order = parts.orders.sign('get', piece.device, piece.pieceId, end - offset)
    await sendRequest(io, { op: 'get', order, offset, length: end - offset })
    await receiveReply(parts.at.clock, io, 'data')
    return io
  } catch (error) {
    io.abort(error)
    if (error instanceof Refusal) parts.providers.refused(piece.device, error)
    else if (isFailure(error) && !signal.aborted) parts.providers.bad(piece.device, error)
    throw error
  } finally {
    signal.removeEventListener('abort', cut)
  }
}

/** Reads one shard as one message, straight into the slab. */
export async function receiveShard(at: StoreContext, io: Duplex, device: DeviceId, target: Uint8Array): Promise<void> {
  const length = await within(at.clock, io, TIMING.message, 'a shard', io.receiveInto(target))
  if (length !== target.length)
    throw new CairnError('PROTOCOL', { peer: io.peer, why: `sent ${length} bytes of a shard of ${target.length}` })
  at.served.add(device, target.length)
}

/** Says which segment is lost, and why each missing piece is. */
export function lost(parts: ReaderParts, plan: ReadPlan, have: number): CairnError<'SEGMENT_LOST'> {
  const { segment } = plan
  const missing = Array.from({ length: segment.n }, (_, shard) => {
    const piece = segment.pieces.find((candidate) => candidate.shard === shard)
    if (piece === undefined) return `piece ${shard} was never stored`
    const trouble = parts.providers.trouble(piece.device)
    return trouble === null ? null : `piece ${shard} on ${piece.device.slice(0, 10)}: ${trouble}`
  }).filter((line) => line !== null)
  return new CairnError('SEGMENT_LOST', {
    object: plan.object,
    segment: plan.position.segment,
    need: segment.k,
    have,
    missing: missing.join('; ').slice(0, 1000),
  })
}
