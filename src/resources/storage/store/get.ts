/** An object on its way out: which stripes a range needs, read and authenticated before the first byte is promised. */
import { CairnError } from '../../../protocol/errors.ts'
import type { Sink } from '../../../runtime/index.ts'
import { FRAME_PLAIN_BYTES } from '../layout.ts'
import type { ObjectInfo, OpenObject, RangeRequest } from '../object-store.ts'
import type { ReaderParts, ReadPlan } from './fetch.ts'
import { type Keyring, openInline, unwrapKey } from './keys.ts'
import { openSegmentReader, type ReadStripe, type SegmentReader } from './reader.ts'
import type { InlineRecord, ObjectRecord, SegmentRecord } from './records.ts'

export interface GetParts extends ReaderParts {
  readonly keyring: Keyring
  /** Small objects that were opened already, by their records. */
  readonly opened: WeakMap<ObjectRecord, Uint8Array>
  segment(id: SegmentRecord['id']): SegmentRecord | null
}

/** [start, end) that a range means for an object of `size` bytes; null when it cannot be satisfied (RFC 9110 §14.1.2). */
export function resolveRange(range: RangeRequest | null, size: number): { start: number; end: number } | null {
  if (range === null) return { start: 0, end: size }
  if ('last' in range) return range.last === 0 || size === 0 ? null : { start: Math.max(0, size - range.last), end: size }
  if (range.from >= size || (range.to !== null && range.to < range.from)) return null
  return { start: range.from, end: range.to === null ? size : Math.min(size, range.to + 1) }
}

/** A run of bytes of one segment that the range covers. */
interface Run {
  readonly plan: ReadPlan
  /** Offsets within the segment. */
  readonly from: number
  readonly to: number
}

export async function openObject(
  parts: GetParts,
  info: ObjectInfo,
  record: ObjectRecord,
  range: { start: number; end: number },
  signal: AbortSignal,
): Promise<OpenObject> {
  const { start, end } = range
  if (record.inline !== null) {
    const bytes = inlineOf(parts, info.bucket, record, record.inline).subarray(start, end)
    return { is: 'open', info, start, end, bytes, send: (sink) => sink.write(bytes), abandon: () => undefined }
  }
  const runs = start === end ? [] : runsOf(parts, info, record, start, end)
  const stream = createStream(parts, runs, signal)
  await stream.prime()
  return { is: 'open', info, start, end, bytes: null, send: stream.send, abandon: stream.abandon }
}

/** The bytes of a small object. They are kept beside its record, and so no longer than the metadata holds that. */
function inlineOf(parts: GetParts, bucket: string, record: ObjectRecord, inline: InlineRecord): Uint8Array {
  const known = parts.opened.get(record)
  if (known !== undefined) return known
  const { crypto } = parts.at
  const key = unwrapKey(crypto, parts.keyring.bucket(bucket), inline.partId, inline.wrappedKey)
  const plain = openInline(crypto, key, inline.partId, inline.sealed)
  parts.opened.set(record, plain)
  return plain
}

function runsOf(parts: GetParts, info: ObjectInfo, record: ObjectRecord, start: number, end: number): Run[] {
  const runs: Run[] = []
  let at = 0
  for (const part of record.parts) {
    if (at >= end) break
    if (at + part.size <= start) {
      at += part.size
      continue
    }
    const key = unwrapKey(parts.at.crypto, parts.keyring.bucket(info.bucket), part.partId, part.wrappedKey)
    part.segments.forEach((placed, index) => {
      const from = Math.max(0, start - at)
      const to = Math.min(placed.plainBytes, end - at)
      at += placed.plainBytes
      if (from >= placed.plainBytes || to <= 0) return
      const segment = parts.segment(placed.id)
      if (segment === null)
        throw new CairnError('CORRUPT', { what: `${info.bucket}/${info.key}`, why: `segment ${placed.id} is not in the metadata` })
      const stripe = segment.k * FRAME_PLAIN_BYTES
      runs.push({
        plan: {
          segment,
          position: { key, partId: part.partId, segment: index, firstFrame: 0 },
          object: `${info.bucket}/${info.key}`,
          fromStripe: Math.floor(from / stripe),
          toStripe: Math.ceil(to / stripe),
        },
        from,
        to,
      })
    })
  }
  return runs
}

interface Stream {
  prime(): Promise<void>
  send(sink: Sink): Promise<void>
  abandon(): void
}

function createStream(parts: GetParts, runs: readonly Run[], signal: AbortSignal): Stream {
  let reader: SegmentReader | null = null
  let first: ReadStripe | null = null
  const spare: ArrayBuffer[] = []
  const open = (run: Run): SegmentReader => openSegmentReader(parts, run.plan, signal, spare)
  const abandon = (): void => {
    first = null
    reader?.close()
    reader = null
  }
  return {
    async prime() {
      const run = runs[0]
      if (run === undefined) return
      reader = open(run)
      try {
        first = await reader.next()
      } catch (error) {
        abandon()
        throw error
      }
    },
    async send(sink) {
      try {
        for (const run of runs) {
          const current: SegmentReader = reader ?? open(run)
          reader = current
          for (let stripe = first ?? (await current.next()); stripe !== null; stripe = await current.next()) {
            first = null
            const from = Math.max(0, run.from - stripe.start)
            const to = Math.min(stripe.plain.length, run.to - stripe.start)
            await sink.write(stripe.plain.subarray(from, to))
          }
          current.close()
          reader = null
        }
      } finally {
        abandon()
      }
    },
    abandon,
  }
}
