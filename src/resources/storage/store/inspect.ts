/** How an object is kept: every piece of every segment, as its provider answers now. Reads only. */
import type { Account, DeviceId, Digest } from '../../../protocol/ids.ts'
import type { Redundancy } from '../layout.ts'
import { manageOrder, receiveReply, sendRequest } from './exchange.ts'
import { segmentsOf } from './metadata.ts'
import type { StoreParts } from './parts.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'

export interface PieceHealth {
  readonly shard: number
  /** Null when no provider is to have it: it is to be rebuilt. */
  readonly device: DeviceId | null
  readonly operator: Account | null
  readonly pieceId: Digest | null
  /** `lost`: its provider answers and does not have it. `missing`: its provider does not answer, or there is none. */
  readonly state: 'alive' | 'lost' | 'missing'
  readonly why: string
}

export interface SegmentReport {
  readonly id: Digest
  readonly plainBytes: number
  readonly k: number
  readonly n: number
  readonly alive: number
  readonly lost: number
  readonly missing: number
  readonly pieces: readonly PieceHealth[]
}

export interface ObjectHealth {
  readonly bucket: string
  readonly key: string
  readonly size: number
  /** Kept in the metadata log instead of segments. */
  readonly inline: boolean
  readonly redundancy: Redundancy
  readonly segments: readonly SegmentReport[]
}

/** Ids of one `stat` request: the protocol's limit. */
const STAT_IDS = 1024

/** Null when there is no such object. Providers that do not answer count as missing; it throws for nobody's fault. */
export async function inspectObject(parts: StoreParts, bucket: string, key: string, signal: AbortSignal): Promise<ObjectHealth | null> {
  const record = parts.metadata.object(bucket, key)
  if (record === null) return null
  const segments = segmentsOf(record.parts).map((segment) => parts.metadata.segments.get(segment.id) ?? segment)
  const byDevice = new Map<DeviceId, PlacedPiece[]>()
  for (const piece of segments.flatMap((segment) => segment.pieces)) {
    const known = byDevice.get(piece.device)
    if (known === undefined) byDevice.set(piece.device, [piece])
    else known.push(piece)
  }
  const answers = new Map<Digest, number>()
  const silent = new Map<DeviceId, string>()
  await Promise.all(
    [...byDevice].map(async ([device, pieces]) => {
      try {
        const ids = pieces.map((piece) => piece.pieceId)
        for (let at = 0; at < ids.length; at += STAT_IDS) await statPieces(parts, device, ids.slice(at, at + STAT_IDS), answers, signal)
      } catch (error) {
        signal.throwIfAborted()
        silent.set(device, error instanceof Error ? error.message : String(error))
      }
    }),
  )
  const pieceOf = (segment: SegmentRecord, shard: number): PieceHealth => {
    const piece = segment.pieces.find((one) => one.shard === shard)
    if (piece === undefined) return { shard, device: null, operator: null, pieceId: null, state: 'missing', why: 'no provider has it yet' }
    const { device, pieceId } = piece
    const at = { shard, device, operator: parts.providers.operator(device), pieceId }
    const why = silent.get(device)
    if (why !== undefined) return { ...at, state: 'missing', why }
    const size = answers.get(pieceId) ?? -1
    if (size === segment.pieceBytes) return { ...at, state: 'alive', why: '' }
    return { ...at, state: 'lost', why: size < 0 ? 'the provider does not have it' : `it has ${size} bytes, not ${segment.pieceBytes}` }
  }
  return {
    bucket,
    key,
    size: record.size,
    inline: record.inline !== null,
    redundancy: parts.at.redundancy,
    segments: segments.map((segment) => {
      const pieces = Array.from({ length: segment.n }, (_, shard) => pieceOf(segment, shard))
      const count = (state: PieceHealth['state']): number => pieces.filter((piece) => piece.state === state).length
      const { id, plainBytes, k, n } = segment
      return { id, plainBytes, k, n, alive: count('alive'), lost: count('lost'), missing: count('missing'), pieces }
    }),
  }
}

async function statPieces(
  parts: StoreParts,
  device: DeviceId,
  ids: readonly Digest[],
  answers: Map<Digest, number>,
  signal: AbortSignal,
): Promise<void> {
  const { at, providers, orders } = parts
  const io = await providers.open(device, signal)
  try {
    await sendRequest(io, { op: 'stat', order: manageOrder(orders, device), pieces: [...ids] })
    const reply = await receiveReply(at.clock, io, 'stat')
    await io.end()
    for (const [i, id] of ids.entries()) answers.set(id, reply.pieces[i]?.size ?? -1)
  } catch (error) {
    io.abort(error)
    throw error
  }
}
