/**
 * Rebuilds a gateway's metadata from the account's seed and the chain: the pointer names the snapshot, the snapshot
 * where the log begins, and every provider is asked for what follows. The highest log found wins.
 */

import { CairnError } from '../../../protocol/errors.ts'
import { bytesOf, type DeviceId, type Digest, digestOf } from '../../../protocol/ids.ts'
import type { PointerRow } from '../../../runtime/chain.ts'
import { equalBytes, utf8 } from '../../../std/bytes.ts'
import { FRAME_BYTES, segmentLayout } from '../layout.ts'
import { manageOrder, receiveReply, sendRequest } from './exchange.ts'
import { batchPiece, batchSchema, NO_BATCH, openBatch } from './log.ts'
import type { StoreParts } from './parts.ts'
import { openSegmentReader } from './reader.ts'
import { changeSchema, type PartRecord, partSchema } from './records.ts'
import { parseStream, setFact, snapshotHead, snapshotPiece } from './snapshot.ts'

export interface RecoverReport {
  readonly snapshot: bigint | null
  readonly batches: number
  readonly buckets: number
  readonly objects: number
}

/** Fills an empty database. `progress` is told what happens, for people. */
export async function recover(
  parts: StoreParts,
  pointer: PointerRow | null,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<RecoverReport> {
  const { metadata, database } = parts
  if (metadata.stats().buckets > 0 || metadata.lastSeq() > 0) {
    throw new CairnError('CONFIG', {
      what: 'recovery',
      why: 'this data folder has metadata already',
      fix: 'give an empty folder with --data',
    })
  }
  let position = { number: 0, last: 0, hash: NO_BATCH }
  if (pointer !== null) position = await loadSnapshot(parts, pointer, progress, signal)
  const from = position.number
  for (;;) {
    const batch = await findBatch(parts, position.number + 1, position.hash, signal)
    if (batch === null) break
    database.transaction(() => {
      for (const change of batch.changes) metadata.apply(change)
      database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)').run(batch.number, batch.first, batch.last, batch.hash)
      for (const [device, size] of batch.kept) metadata.segments.addBatchPiece(batch.number, device, batch.idOn(device), size, batch.root)
    })
    position = { number: batch.number, last: batch.last, hash: batch.hash }
    if (batch.number % 100 === 0) progress(`log batch ${batch.number}`)
  }
  const { buckets, objects } = metadata.stats()
  return { snapshot: pointer?.seq ?? null, batches: position.number - from, buckets, objects }
}

/** A whole piece of at most `maxBytes` from a provider, or null when it does not have it. */
async function fetchPiece(
  parts: StoreParts,
  device: DeviceId,
  pieceId: Digest,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const { at, providers, orders } = parts
  const stat = await providers.open(device, signal)
  await sendRequest(stat, { op: 'stat', order: manageOrder(orders, device), pieces: [pieceId] })
  const size = (await receiveReply(at.clock, stat, 'stat')).pieces[0]?.size ?? -1
  await stat.end()
  if (size < 0 || size > maxBytes) return null
  const io = await providers.open(device, signal)
  await sendRequest(io, { op: 'get', order: orders.sign('manage', device, pieceId, size), offset: 0, length: size })
  await receiveReply(at.clock, io, 'data')
  const out = new Uint8Array(size)
  for (let offset = 0; offset < size; ) {
    const got = await io.receiveInto(out.subarray(offset, Math.min(size, offset + FRAME_BYTES)))
    if (got === null || got === 0) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'ended in the middle of a piece' })
    offset += got
  }
  await io.end()
  return out
}

/** Copies of one piece as every provider has it; those that do not answer count as not having it. */
async function copies(
  parts: StoreParts,
  idOn: (device: DeviceId) => Digest,
  maxBytes: number,
  signal: AbortSignal,
): Promise<readonly { device: DeviceId; bytes: Uint8Array }[]> {
  const found = await Promise.all(
    parts.providers.known().map(async ({ id: device }) => {
      const bytes = await fetchPiece(parts, device, idOn(device), maxBytes, signal).catch(() => null)
      return bytes === null ? null : { device, bytes }
    }),
  )
  return found.filter((copy) => copy !== null)
}

async function loadSnapshot(
  parts: StoreParts,
  pointer: PointerRow,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<{ number: number; last: number; hash: Digest }> {
  const { at, keyring, metadata, database } = parts
  const idOn = (device: DeviceId): Digest => snapshotPiece(at.crypto, keyring, pointer.seq, device)
  const found = await copies(parts, idOn, snapshotHead.maxBytes + 64, signal)
  const good = found.filter((copy) => equalBytes(at.crypto.sha256(copy.bytes), bytesOf(pointer.digest)))
  const sealed = good[0]?.bytes
  if (sealed === undefined) {
    throw new CairnError('NOT_FOUND', {
      what: `snapshot ${pointer.seq} of the metadata on any of ${parts.providers.known().length} providers, hash`,
      id: pointer.digest,
    })
  }
  const plain = at.crypto.open(keyring.log, sealed.subarray(0, 12), utf8('snapshot'), sealed.subarray(12))
  if (plain === null)
    throw new CairnError('CONFIG', {
      what: 'the mnemonic',
      why: 'it does not open the snapshot on chain',
      fix: 'give the one of this account',
    })
  const head = snapshotHead.decode(plain)
  const part = partSchema.decode(head.part)
  progress(`snapshot ${head.seq}: ${part.size} bytes`)
  const bytes = await readPart(parts, part, head.key, signal)
  const root = await at.kernel.root(await at.kernel.leavesOf(sealed))
  database.transaction(() => {
    for (const change of parseStream(bytes)) metadata.apply(change)
    for (const segment of part.segments) metadata.segments.add(segment)
    for (const copy of good) metadata.segments.addBatchPiece(-Number(head.seq), copy.device, idOn(copy.device), sealed.length, root)
    database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)').run(head.batch, head.last, head.last, head.hash)
    setFact(parts, 'snapshot', JSON.stringify({ batch: head.batch, segments: part.segments.map((segment) => segment.id) }))
  })
  return { number: head.batch, last: head.last, hash: head.hash }
}

async function readPart(parts: StoreParts, part: PartRecord, key: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const out = new Uint8Array(part.size)
  let base = 0
  for (const [index, segment] of part.segments.entries()) {
    const position = { key, partId: part.partId, segment: index, firstFrame: 0 }
    const toStripe = segmentLayout(segment.plainBytes, segment.k).stripes
    const reader = openSegmentReader(parts.reading, { segment, position, object: 'the metadata snapshot', fromStripe: 0, toStripe }, signal)
    for (let stripe = await reader.next(); stripe !== null; stripe = await reader.next()) {
      out.set(stripe.plain, base + stripe.start)
    }
    reader.close()
    base += segment.plainBytes
  }
  return out
}

async function findBatch(parts: StoreParts, number: number, previous: Digest, signal: AbortSignal) {
  const { at, keyring } = parts
  const idOn = (device: DeviceId): Digest => batchPiece(at.crypto, keyring, number, device)
  const found = await copies(parts, idOn, batchSchema.maxBytes + 64, signal)
  const count = (bytes: Uint8Array): number => found.filter((copy) => equalBytes(copy.bytes, bytes)).length
  // Two batches of one number exist only when an earlier recovery did not find the first: most providers keep the later.
  for (const { bytes } of found.toSorted((a, b) => count(b.bytes) - count(a.bytes))) {
    const plain = openBatch(at.crypto, keyring, bytes)
    if (plain === null) continue
    const batch = batchSchema.decode(plain)
    if (batch.number !== number || batch.previous !== previous) continue
    const same = found.filter((copy) => equalBytes(copy.bytes, bytes))
    return {
      ...batch,
      hash: digestOf(at.crypto.sha256(plain)),
      root: await at.kernel.root(await at.kernel.leavesOf(bytes)),
      changes: batch.entries.map((entry) => changeSchema.decode(entry)),
      kept: same.map((copy) => [copy.device, bytes.length] as const),
      idOn,
    }
  }
  return null
}
