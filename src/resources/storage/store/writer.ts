/**
 * One segment on its way out: stripes are filled, encoded and sent while the next are being read. A provider that fails
 * is dropped; the segment stands when `ack` providers have fsynced their pieces, and stragglers are cut for repair.
 */

import { verifyDevice } from '../../../protocol/device-signature.ts'
import { CairnError } from '../../../protocol/errors.ts'
import { type DeviceId, type Digest, digestOf } from '../../../protocol/ids.ts'
import type { Duplex } from '../../../runtime/index.ts'
import type { FramePosition, Slab } from '../kernel/kernel.ts'
import { FRAME_BYTES, LEAF_BYTES, type SegmentLayout, segmentLayout, shardBytes, stripePlainBytes } from '../layout.ts'
import { type StoreContext, TIMING } from './context.ts'
import { type Orders, Refusal, receiptBytes, receiveReply, sendRequest } from './exchange.ts'
import type { Providers } from './providers.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'

const LEAVES_PER_FRAME = FRAME_BYTES / LEAF_BYTES
const HASH = 32

export interface SegmentSource {
  readonly plainBytes: number
  /** Fills `target` with the next bytes of the segment. */
  fill(target: Uint8Array): Promise<void>
  /** Called with each filled slab in order; must settle before the slab is reused. */
  digest(slab: Slab, bytes: number): Promise<void>
}

interface PieceWriter {
  readonly shard: number
  readonly device: DeviceId
  readonly pieceId: Digest
  readonly io: Duplex
  /** Settles when everything queued so far was taken; sends stay in order behind it. */
  tail: Promise<void>
  failed: boolean
}

export interface WriterParts {
  readonly at: StoreContext
  readonly providers: Providers
  readonly orders: Orders
}

/** A refusal that explains a failed send has already arrived or never will. */
const REASON_MS = 200

/** Stores a segment. Throws NO_PROVIDERS or NOT_DURABLE; pieces already sent are dropped by their providers in time. */
export async function writeSegment(
  parts: WriterParts,
  source: SegmentSource,
  position: FramePosition,
  signal: AbortSignal,
): Promise<SegmentRecord> {
  const { at } = parts
  const layout = segmentLayout(source.plainBytes, at.redundancy.k)
  const writers = await openWriters(parts, layout, signal)
  const leaves = writers.map(() => new Uint8Array(HASH * Math.ceil(layout.pieceBytes / LEAF_BYTES)))
  const incoming = new Uint8Array(stripePlainBytes(layout, 0, at.redundancy.k))
  const inFlight: Promise<void>[] = []
  let failure: unknown = null
  try {
    for (let stripe = 0; stripe < layout.stripes; stripe += 1) {
      if (failure !== null) throw failure
      signal.throwIfAborted()
      // A customer may be slow, and slabs are few and everybody's: none is held while its bytes are on their way.
      const plain = stripePlainBytes(layout, stripe, at.redundancy.k)
      const bytes = incoming.subarray(0, plain)
      await source.fill(bytes)
      const slab = await at.kernel.acquire(signal)
      slab.plain.set(bytes)
      const work = sendStripe(parts, writers, leaves, { slab, stripe, plain, layout, position, source })
        .catch((error: unknown) => {
          failure ??= error
        })
        .finally(() => at.kernel.release(slab))
      inFlight.push(work)
    }
    await Promise.all(inFlight)
    if (failure !== null) throw failure
    const roots = Promise.all(writers.map((writer, i) => (writer.failed ? null : at.kernel.root(leaves[i] as Uint8Array))))
    await collectReceipts(parts, writers, layout.pieceBytes)
    const known = await roots
    const pieces = writers.flatMap((writer, i): PlacedPiece[] => {
      const root = known[i]
      if (writer.failed || root === null || root === undefined) return []
      return [{ shard: writer.shard, device: writer.device, pieceId: writer.pieceId, root }]
    })
    const id = digestOf(at.random.bytes(32))
    return { id, plainBytes: source.plainBytes, pieceBytes: layout.pieceBytes, k: at.redundancy.k, n: at.redundancy.n, pieces }
  } catch (error) {
    for (const writer of writers) writer.io.abort(error)
    await Promise.all(inFlight)
    throw error
  }
}

/** Places the segment and opens an exchange with each chosen provider; tries again while more can be reached. */
async function openWriters(parts: WriterParts, layout: SegmentLayout, signal: AbortSignal): Promise<PieceWriter[]> {
  const { at, providers } = parts
  const { n, ack } = at.redundancy
  const writers: PieceWriter[] = []
  for (let attempt = 0; attempt < 3 && writers.length < n; attempt += 1) {
    const taken = new Set(writers.map((writer) => writer.device))
    const free = freeShards(n, writers)
    const placement = providers.place(at.random.bytes(32), {
      want: free.length,
      least: Math.max(0, ack - writers.length),
      total: n,
      except: taken,
    })
    if (!placement.ok && writers.length < ack) {
      for (const writer of writers) writer.io.abort(placement.why)
      throw providers.tooFew(ack, placement.have + writers.length, placement.why)
    }
    const devices = placement.ok ? placement.devices : []
    if (devices.length === 0) break
    const opened = await Promise.all(devices.map((device, i) => openWriter(parts, device, free[i] as number, layout.pieceBytes, signal)))
    for (const writer of opened) if (writer !== null) writers.push(writer)
    if (opened.every((writer) => writer !== null)) break
  }
  if (writers.length < ack) {
    for (const writer of writers) writer.io.abort('too few providers')
    throw providers.tooFew(ack, writers.length, 'the others did not answer')
  }
  return writers.sort((a, b) => a.shard - b.shard)
}

function freeShards(n: number, writers: readonly PieceWriter[]): number[] {
  const used = new Set(writers.map((writer) => writer.shard))
  return Array.from({ length: n }, (_, shard) => shard).filter((shard) => !used.has(shard))
}

async function openWriter(
  parts: WriterParts,
  device: DeviceId,
  shard: number,
  size: number,
  signal: AbortSignal,
): Promise<PieceWriter | null> {
  const { at, providers, orders } = parts
  try {
    const io = await providers.open(device, signal)
    const pieceId = digestOf(at.random.bytes(32))
    await sendRequest(io, { op: 'put', order: orders.sign('put', device, pieceId, size), size })
    return { shard, device, pieceId, io, tail: Promise.resolve(), failed: false }
  } catch (error) {
    signal.throwIfAborted()
    at.log.debug('a provider took no piece', { device, why: String(error) })
    return null
  }
}

interface Stripe {
  readonly slab: Slab
  readonly stripe: number
  readonly plain: number
  readonly layout: SegmentLayout
  readonly position: FramePosition
  readonly source: SegmentSource
}

/** Encodes a filled stripe and gives each provider its shard; the slab is free again when this settles. */
async function sendStripe(parts: WriterParts, writers: readonly PieceWriter[], leaves: readonly Uint8Array[], work: Stripe): Promise<void> {
  const { at } = parts
  const { slab, stripe, layout } = work
  const size = shardBytes(layout, stripe)
  const first = { ...work.position, firstFrame: work.position.firstFrame + stripe * at.redundancy.k }
  const digested = work.source.digest(slab, work.plain)
  const encoded = at.kernel.encode(slab, first, work.plain, size).then(() => {
    const bytes = HASH * Math.ceil(size / LEAF_BYTES)
    writers.forEach((writer, i) => {
      const from = writer.shard * LEAVES_PER_FRAME * HASH
      ;(leaves[i] as Uint8Array).set(slab.leaves.subarray(from, from + bytes), stripe * LEAVES_PER_FRAME * HASH)
    })
  })
  const sends = writers.map((writer) => {
    writer.tail = Promise.all([writer.tail, encoded]).then(async () => {
      if (writer.failed) return
      try {
        await writer.io.send((slab.shards[writer.shard] as Uint8Array).subarray(0, size))
      } catch (error) {
        fail(parts, writer, await saidWhy(parts, writer, error))
      }
    })
    return writer.tail
  })
  try {
    await encoded
    await cutStragglers(parts, writers, sends)
  } finally {
    await Promise.allSettled([digested, ...sends])
  }
  await digested
}

/** A provider that refuses a piece says so while its bytes are still on their way, and then stops listening. */
async function saidWhy(parts: WriterParts, writer: PieceWriter, error: unknown): Promise<unknown> {
  try {
    await receiveReply(parts.at.clock, writer.io, 'stored', REASON_MS)
    return error
  } catch (reason) {
    return reason instanceof Refusal ? reason : error
  }
}

function fail(parts: WriterParts, writer: PieceWriter, error: unknown): void {
  if (writer.failed) return
  writer.failed = true
  writer.io.abort(error)
  parts.providers.tookNone(writer.device, error)
}

/** Waits for all of `waits` (one per writer); once `ack` are done, the others get a moment and are then given up. */
async function cutStragglers(parts: WriterParts, writers: readonly PieceWriter[], waits: readonly Promise<void>[]): Promise<void> {
  const { at } = parts
  const { ack } = at.redundancy
  const done = new Set<PieceWriter>()
  // Deadlines that are let go cost nothing; a wait that is broken off would make an error for each stripe.
  using limits = new DisposableStack()
  const limit = (ms: number, least: number): void => {
    const { signal } = limits.use(at.clock.deadline('a straggling piece', ms))
    signal.addEventListener('abort', () => {
      if (done.size < least) return
      for (const writer of writers) if (!done.has(writer)) fail(parts, writer, signal.reason)
    })
  }
  let straggling = false
  const all = waits.map((wait, i) =>
    wait.then(() => {
      done.add(writers[i] as PieceWriter)
      if (done.size < ack || straggling) return
      straggling = true
      limit(TIMING.straggler, ack)
    }),
  )
  limit(TIMING.message, 0)
  await Promise.all(all)
  const alive = writers.filter((writer) => !writer.failed).length
  if (alive < ack)
    throw new CairnError('NOT_DURABLE', { what: 'a segment', need: ack, have: alive, why: 'providers failed during the write' })
}

/** Waits until providers say that their pieces are fsynced, and checks the signatures they say it with. */
async function collectReceipts(parts: WriterParts, writers: readonly PieceWriter[], size: number): Promise<void> {
  const { at, providers } = parts
  const waits = writers.map(async (writer) => {
    if (writer.failed) return
    try {
      const reply = await receiveReply(at.clock, writer.io, 'stored')
      const signer = at.chain.device(writer.device)?.signer
      const hash = at.crypto.sha256(receiptBytes(writer.pieceId, size))
      if (signer === undefined || !verifyDevice(at.crypto, signer, hash, reply.receipt)) {
        throw new CairnError('PROTOCOL', { peer: writer.io.peer, why: 'the receipt is not signed by the device' })
      }
      await writer.io.end()
      providers.good(writer.device)
    } catch (error) {
      fail(parts, writer, error)
    }
  })
  await cutStragglers(parts, writers, waits)
}
