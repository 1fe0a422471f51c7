/** The snapshot that the pointer on chain names, from the providers into an empty database, segment after segment. */
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { bytesOf, type Digest } from '../../../protocol/ids.ts'
import type { PointerRow } from '../../../runtime/chain.ts'
import { concat, equalBytes, fromHex, toHex, utf8 } from '../../../std/bytes.ts'
import { segmentLayout } from '../layout.ts'
import type { StoreParts } from './parts.ts'
import { openSegmentReader } from './reader.ts'
import { type PartRecord, partSchema } from './records.ts'
import { dropFact, fact, parseStream, rememberSnapshot, setFact, snapshotHead, snapshotPiece } from './snapshot.ts'
import type { Survey } from './survey.ts'

/** How far a recovery got: segments whose changes are applied, and the beginning of the change that the next one ends. */
const progressSchema = z.object({ segments: z.number().int(), rest: z.string() })
const APPLIED = 'snapshot applied'
/** A segment whose providers come and go is tried again. */
const TRIES = 5
const AGAIN_MS = 2_000

type Say = (line: string, part?: number, whole?: number) => void

/** Applies the snapshot; where the log goes on after it. Throws NOT_FOUND when no provider has its head. */
export async function loadSnapshot(
  parts: StoreParts,
  survey: Survey,
  pointer: PointerRow,
  say: Say,
  signal: AbortSignal,
): Promise<{ number: number; last: number; hash: Digest }> {
  const { at, keyring, metadata, database } = parts
  const { sealed, kept } = await findHead(parts, survey, pointer, signal)
  const plain = at.crypto.open(keyring.log, sealed.subarray(0, 12), utf8('snapshot'), sealed.subarray(12))
  if (plain === null) {
    const why = 'it does not open the snapshot on chain'
    throw new CairnError('CONFIG', { what: 'the mnemonic', why, fix: 'give the one of this account' })
  }
  const head = snapshotHead.decode(plain)
  const part = partSchema.decode(head.part)
  await applySegments(parts, part, head.key, say, signal)
  const root = await at.kernel.root(await at.kernel.leavesOf(sealed))
  database.transaction(() => {
    for (const segment of part.segments) metadata.segments.add(segment)
    for (const copy of kept) metadata.segments.addBatchPiece(-Number(head.seq), copy.device, copy.id, sealed.length, root)
    database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)').run(head.batch, head.last, head.last, head.hash)
    rememberSnapshot(parts, { batch: head.batch, segments: part.segments.map((segment) => segment.id), seq: head.seq.toString() })
    dropFact(parts, APPLIED)
  })
  return { number: head.batch, last: head.last, hash: head.hash }
}

async function findHead(parts: StoreParts, survey: Survey, pointer: PointerRow, signal: AbortSignal) {
  const { at, keyring } = parts
  const idOn = (device: Parameters<typeof snapshotPiece>[3]): Digest => snapshotPiece(at.crypto, keyring, pointer.seq, device)
  const question = await survey.ask((device) => [idOn(device)], snapshotHead.maxBytes + 64, signal)
  do {
    const found = await Promise.all(
      [...question.answers.keys()].map(async (device) => ({
        device,
        id: idOn(device),
        bytes: await survey.fetch(question, device, 0, signal),
      })),
    )
    const good = found.filter(({ bytes }) => bytes !== null && equalBytes(at.crypto.sha256(bytes), bytesOf(pointer.digest)))
    const sealed = good[0]?.bytes
    if (sealed !== undefined && sealed !== null) return { sealed, kept: good }
  } while (await survey.insist(question, signal))
  const silent = survey.silent(question)
  const said = silent.size === 0 ? '' : `, ${silent.size} of which do not answer (${[...silent.values()].join('; ').slice(0, 500)})`
  throw new CairnError('NOT_FOUND', {
    what: `snapshot ${pointer.seq} of the metadata on any of ${survey.devices.length} providers${said}, hash`,
    id: pointer.digest,
  })
}

/** Each segment's changes in one transaction with how far that is; redoing one is harmless, since changes are whole states. */
async function applySegments(parts: StoreParts, part: PartRecord, key: Uint8Array, say: Say, signal: AbortSignal): Promise<void> {
  const { database, metadata } = parts
  const before = fact(parts, APPLIED)
  const { segments, rest } = before === null ? { segments: 0, rest: '' } : progressSchema.parse(JSON.parse(before))
  let carried: Uint8Array = fromHex(rest) ?? new Uint8Array()
  for (let index = segments; index < part.segments.length; index += 1) {
    say('reading the snapshot of the metadata', index, part.segments.length)
    const bytes = concat([carried, await readSegment(parts, part, index, key, signal)])
    const whole = wholeChanges(bytes)
    carried = bytes.subarray(whole)
    database.transaction(() => {
      for (const change of parseStream(bytes.subarray(0, whole))) metadata.apply(change)
      setFact(parts, APPLIED, JSON.stringify({ segments: index + 1, rest: toHex(carried) }))
    })
  }
  if (carried.length > 0) throw new CairnError('CORRUPT', { what: 'the metadata snapshot', why: 'it ends in the middle of a change' })
}

/** Bytes up to the end of the last change that is there in full. */
function wholeChanges(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  while (at + 4 <= bytes.length && at + 4 + view.getUint32(at) <= bytes.length) at += 4 + view.getUint32(at)
  return at
}

async function readSegment(parts: StoreParts, part: PartRecord, index: number, key: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readOnce(parts, part, index, key, signal)
    } catch (error) {
      if (tries === TRIES || signal.aborted) throw error
      parts.at.log.warn('a segment of the snapshot is read again', { index, why: String(error) })
      await parts.at.clock.sleep(AGAIN_MS * tries, signal)
    }
  }
}

async function readOnce(parts: StoreParts, part: PartRecord, index: number, key: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const segment = part.segments[index]
  if (segment === undefined) throw new RangeError(`a snapshot has ${part.segments.length} segments`)
  const out = new Uint8Array(segment.plainBytes)
  const position = { key, partId: part.partId, segment: index, firstFrame: 0 }
  const toStripe = segmentLayout(segment.plainBytes, segment.k).stripes
  const reader = openSegmentReader(parts.reading, { segment, position, object: 'the metadata snapshot', fromStripe: 0, toStripe }, signal)
  try {
    for (let stripe = await reader.next(); stripe !== null; stripe = await reader.next()) out.set(stripe.plain, stripe.start)
  } finally {
    reader.close()
  }
  return out
}
