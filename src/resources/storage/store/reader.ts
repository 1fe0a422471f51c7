/**
 * One segment on its way back. k slots read k shards; a slot whose provider fails, refuses or lags takes the next shard
 * that is left, so that the slowest are cut. Frames authenticate what is read; a lying provider is found and named.
 */
import { CairnError } from '../../../protocol/errors.ts'
import type { Duplex } from '../../../runtime/index.ts'
import type { Slab } from '../kernel/kernel.ts'
import { FRAME_BYTES, FRAME_PLAIN_BYTES, type SegmentLayout, segmentLayout, shardBytes, stripePlainBytes } from '../layout.ts'
import { TIMING } from './context.ts'
import { isFailure } from './exchange.ts'
import { lost, openPiece, type ReaderParts, type ReadPlan, receiveShard } from './fetch.ts'
import type { PlacedPiece, SegmentRecord } from './records.ts'
import { solveStripe } from './solve.ts'

/**
 * A stripe's plaintext, which starts at segment offset `start`. It is a copy: a customer may take as long as it likes for
 * it, and slabs are few and everybody's. It lasts until the next one is asked for.
 */
export interface ReadStripe {
  readonly plain: Uint8Array
  readonly start: number
}

export interface SegmentReader {
  /** The next stripe, or null after the last one asked for. The one before it is not to be used any more. */
  next(): Promise<ReadStripe | null>
  close(): void
}

/** Stripes being fetched ahead of the customer: enough to hide a round trip, little enough to bound memory. */
const READ_AHEAD = 4

interface Slot {
  piece: PlacedPiece | null
  io: Duplex | null
  /** Set while a piece is being opened. */
  opening: AbortController | null
  /** Its piece was cut for another's, and that has not been noticed yet. */
  cut: boolean
  /** Next stripe that `io` will deliver. */
  at: number
  tail: Promise<unknown>
}

/**
 * @param spare Memory of stripes that were read, which is used again; readers of one object, one after the other, share it.
 *   A stripe in memory of its own was a third of the garbage of a download.
 */
export function openSegmentReader(parts: ReaderParts, plan: ReadPlan, signal: AbortSignal, spare: ArrayBuffer[] = []): SegmentReader {
  const layout = segmentLayout(plan.segment.plainBytes, plan.segment.k)
  const state = createSlots(parts, plan, layout, signal)
  const ahead: Promise<ReadStripe>[] = []
  let next = plan.fromStripe
  let closed = false
  let given: ReadStripe | null = null
  const keep = (plain: Uint8Array): Uint8Array => {
    const room = spare.pop()
    const into =
      room !== undefined && room.byteLength >= plain.length ? new Uint8Array(room, 0, plain.length) : new Uint8Array(plain.length)
    into.set(plain)
    return into
  }
  const fetchAhead = (): void => {
    while (!closed && next < plan.toStripe && ahead.length < READ_AHEAD) {
      const promise = readStripe(parts, plan, { layout, state, keep }, next, signal)
      promise.catch(() => undefined)
      ahead.push(promise)
      next += 1
    }
  }
  return {
    async next() {
      if (given !== null && given.plain.buffer instanceof ArrayBuffer) spare.push(given.plain.buffer)
      given = null
      fetchAhead()
      const first = ahead.shift()
      if (first === undefined) return null
      given = await first
      fetchAhead()
      return given
    },
    close() {
      closed = true
      state.close()
      ahead.length = 0
    },
  }
}

interface Slots {
  readonly slots: readonly Slot[]
  /** Reads stripe `stripe` into the slab through slot `i`; the shard that arrived, or null when none is left. */
  read(i: number, slab: Slab, stripe: number): Promise<PlacedPiece | null>
  close(): void
}

/** Data shards first, then parity; then providers that lagged lately, and those known to be in trouble last. */
function order({ providers }: ReaderParts, segment: SegmentRecord): PlacedPiece[] {
  const rank = ({ device, shard }: PlacedPiece): number => (providers.reachable(device) ? (providers.slow(device) ? 500 : 0) : 1000) + shard
  return [...segment.pieces].sort((a, b) => rank(a) - rank(b))
}

function createSlots(parts: ReaderParts, plan: ReadPlan, layout: SegmentLayout, signal: AbortSignal): Slots {
  const { at } = parts
  const spare = order(parts, plan.segment)
  const slots: Slot[] = Array.from({ length: plan.segment.k }, () => ({
    piece: null,
    io: null,
    opening: null,
    cut: false,
    at: plan.fromStripe,
    tail: Promise.resolve(),
  }))
  const end = plan.toStripe === layout.stripes ? layout.pieceBytes : plan.toStripe * FRAME_BYTES
  /** Slots that wait for a shard, and since when. */
  const reading = new Map<Slot, number>()
  let watching = false

  let closed = false

  const open = async (slot: Slot, stripe: number): Promise<boolean> => {
    for (let piece = spare.shift(); piece !== undefined; piece = spare.shift()) {
      signal.throwIfAborted()
      const opening = new AbortController()
      const stop = (): void => opening.abort(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      Object.assign(slot, { piece, opening, cut: false })
      try {
        const io = await openPiece(parts, piece, stripe * FRAME_BYTES, end, opening.signal)
        if (closed) {
          io.abort('the reader was closed')
          return false
        }
        Object.assign(slot, { io, at: stripe })
        return true
      } catch (error) {
        if (signal.aborted) throw error
        at.log.debug('a provider gave no piece', { device: piece.device, why: String(error) })
      } finally {
        signal.removeEventListener('abort', stop)
        slot.opening = null
      }
    }
    return false
  }

  const readOnce = async (slot: Slot, slab: Slab, stripe: number): Promise<PlacedPiece | null> => {
    for (;;) {
      if (slot.io === null && !(await open(slot, stripe))) return null
      const { io, piece } = slot
      if (io === null || piece === null) return null
      try {
        await receiveShard(at, io, piece.device, (slab.shards[piece.shard] as Uint8Array).subarray(0, shardBytes(layout, stripe)))
        slot.at = stripe + 1
        if (slot.at === plan.toStripe) {
          await io.end()
          parts.providers.good(piece.device)
        }
        return piece
      } catch (error) {
        io.abort(error)
        slot.io = null
        if (signal.aborted || closed) throw error
        if (!slot.cut && isFailure(error)) parts.providers.bad(piece.device, error)
        slot.cut = false
      }
    }
  }

  return {
    slots,
    read(i, slab, stripe) {
      const slot = slots[i] as Slot
      const reading = slot.tail.then(() => hedged(slot, () => readOnce(slot, slab, stripe)))
      slot.tail = reading.catch(() => undefined)
      return reading
    },
    close() {
      closed = true
      for (const slot of slots) {
        slot.opening?.abort(new CairnError('ABORTED', { what: 'a read that was closed' }))
        if (slot.io !== null && slot.at < plan.toStripe) slot.io.abort('the reader was closed')
        slot.io = null
      }
      spare.length = 0
    },
  }

  /** Runs while stripes are being read: cuts a slot that lags while half of the others are ahead and another shard is left to try. */
  async function watch(): Promise<void> {
    while (reading.size > 0) {
      await at.clock.sleep(TIMING.hedge / 2)
      const now = at.clock.monotonic()
      for (const [slot, since] of reading) {
        if (now - since < TIMING.hedge) continue
        // Half of the others, and not all, or two that hang would each wait for the other.
        const ahead = slots.filter((other) => other.at > slot.at).length * 2 >= slots.length - 1
        if (!ahead || !spare.some((piece) => parts.providers.reachable(piece.device))) continue
        // What takes its place gets as long.
        reading.set(slot, now)
        const why = new CairnError('DEADLINE', { what: 'a lagging shard', ms: TIMING.hedge })
        if (slot.piece !== null) parts.providers.lagged(slot.piece.device)
        slot.cut = true
        slot.opening?.abort(why)
        slot.io?.abort(why)
      }
    }
    watching = false
  }

  /** One timer for the whole reader: one for each shard would cost as much as opening its frame. */
  async function hedged(slot: Slot, read: () => Promise<PlacedPiece | null>): Promise<PlacedPiece | null> {
    reading.set(slot, at.clock.monotonic())
    if (!watching) {
      watching = true
      void watch()
    }
    try {
      return await read()
    } finally {
      reading.delete(slot)
    }
  }
}

async function readStripe(
  parts: ReaderParts,
  plan: ReadPlan,
  { layout, state, keep }: { layout: SegmentLayout; state: Slots; keep: (plain: Uint8Array) => Uint8Array },
  stripe: number,
  signal: AbortSignal,
): Promise<ReadStripe> {
  const { at } = parts
  const { segment } = plan
  const slab = await at.kernel.acquire(signal)
  try {
    const arrived = await allOf(
      state.slots.map((_, i) => state.read(i, slab, stripe)),
      state.close,
    )
    const have = arrived.filter((piece) => piece !== null)
    if (have.length < segment.k) throw lost(parts, plan, have.length)
    const bytes = stripePlainBytes(layout, stripe, segment.k)
    const position = { ...plan.position, firstFrame: plan.position.firstFrame + stripe * segment.k }
    const size = shardBytes(layout, stripe)
    const shards = have.map((piece) => piece.shard).sort((a, b) => a - b)
    const decoded = await at.kernel.decode(slab, position, bytes, size, shards)
    if (!decoded.ok) await solveStripe(parts, plan, { slab, stripe, position, bytes, size, have: shards }, signal)
    return { plain: keep(slab.plain.subarray(0, bytes)), start: stripe * segment.k * FRAME_PLAIN_BYTES }
  } finally {
    at.kernel.release(slab)
  }
}

/** All results, or the first failure once every read has ended: until then they write into the slab. `stop` ends the others. */
async function allOf<T>(reads: readonly Promise<T>[], stop: () => void): Promise<readonly T[]> {
  for (const read of reads) read.catch(stop)
  const settled = await Promise.allSettled(reads)
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
