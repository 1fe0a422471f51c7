/**
 * The metadata log on its way to the providers. Entries leave in hash-chained, sealed batches, each kept whole by at
 * least `ack` providers as a piece whose id follows from the account's key and the batch's number, so that recovery
 * finds them by asking. Small objects wait for their batch; others are covered within a second or 256 KiB.
 */
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { bytesOf, type DeviceId, type Digest, digest, digestOf } from '../../../protocol/ids.ts'
import { schema, wire } from '../../../protocol/schema.ts'
import type { Database } from '../../../runtime/index.ts'
import { bigEndian, concat } from '../../../std/bytes.ts'
import { FRAME_BYTES } from '../layout.ts'
import { TIMING } from './context.ts'
import { receiveReply, sendRequest } from './exchange.ts'
import type { Keyring } from './keys.ts'
import type { Metadata } from './metadata.ts'
import type { WriterParts } from './writer.ts'

/** A batch leaves at this size at the latest (DESIGN §6)… */
const BATCH_BYTES = 256 * 1024
/** …or at this age. */
const BATCH_MS = 1000
/** Entries read for one batch at most; a single larger entry (a huge object's record) makes a batch of its own. */
const BATCH_ENTRIES = 4096
/** A small object is refused when its batch is not kept by `ack` providers within this. */
const DURABLE_MS = 10_000
const RETRY_MS = 500
/** What a batch waits at most for those that the one before released. */
const GATHER_MS_MAX = 50

export const batchSchema = schema(
  'log batch',
  72 * 1024 * 1024,
  z.strictObject({
    number: wire.uint(),
    first: wire.uint(),
    last: wire.uint(),
    /** SHA-256 of the previous batch's plaintext; zero for the first. */
    previous: wire.digest,
    entries: z.array(wire.bytes(1, 64 * 1024 * 1024)).max(BATCH_ENTRIES),
  }),
)

export const NO_BATCH = digestOf(new Uint8Array(32))

/** Where batch `number` is on `device`. */
export function batchPiece(crypto: WriterParts['at']['crypto'], keyring: Keyring, number: number, device: DeviceId): Digest {
  return digestOf(crypto.sha256(keyring.logName, bigEndian(BigInt(number), 8), bytesOf(device)))
}

const NONCE = 12

/**
 * nonce ‖ ciphertext ‖ tag. The nonce follows from the key and the plaintext: the same batch always gives the same bytes,
 * which providers that keep them accept again, and another batch of the same number (after a recovery that did not find
 * the first) never shares its nonce.
 */
export function sealBatch(crypto: WriterParts['at']['crypto'], keyring: Keyring, plain: Uint8Array): Uint8Array {
  const nonce = crypto.sha256(keyring.log, plain).slice(0, NONCE)
  return concat([nonce, crypto.seal(keyring.log, nonce, keyring.logName, plain)])
}

/** The plaintext of a batch, or null when it is not one of this account's. */
export function openBatch(crypto: WriterParts['at']['crypto'], keyring: Keyring, sealed: Uint8Array): Uint8Array | null {
  return crypto.open(keyring.log, sealed.subarray(0, NONCE), keyring.logName, sealed.subarray(NONCE))
}

export interface LogShipper {
  /** Resolves when every entry up to `seq` is kept by `ack` providers; rejects NOT_DURABLE when that takes too long. */
  durable(seq: number): Promise<void>
  /** Runs until aborted. */
  run(signal: AbortSignal): Promise<void>
  /** Last batch that left, for the snapshot. */
  position(): { number: number; last: number; hash: Digest }
}

interface Waiter {
  readonly seq: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Batch {
  readonly number: number
  readonly first: number
  readonly last: number
  readonly plain: Uint8Array
}

/** A batch as it lies on providers. */
interface Shipped {
  readonly number: number
  readonly pieceBytes: number
  readonly root: Digest
}

export function createLogShipper(parts: WriterParts, keyring: Keyring, database: Database, metadata: Metadata): LogShipper {
  const { at } = parts
  const sql = {
    entries: database.prepare('SELECT seq, entry FROM log WHERE seq > ? ORDER BY seq LIMIT ?'),
    last: database.prepare('SELECT number, last, hash FROM log_batches ORDER BY number DESC LIMIT 1'),
    add: database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)'),
    tried: database.prepare("SELECT value FROM facts WHERE name = 'log batch'"),
    has: database.prepare('SELECT number FROM log_batches WHERE number = ?'),
    try: database.prepare("INSERT OR REPLACE INTO facts VALUES ('log batch', ?)"),
  }
  const row = sql.last.get()
  let position =
    row === null
      ? { number: 0, last: 0, hash: NO_BATCH }
      : { number: Number(row['number']), last: Number(row['last']), hash: digest(String(row['hash'])) }
  /** Last entry that enough providers keep; ahead of `position` until that is noted. */
  let durableTo = position.last
  let drafted: Batch | null = null
  /** Bounded by how long copies may straggle. Lost in a crash, they are copies that nobody names, which their providers drop in time. */
  let late: { readonly shipped: Shipped; readonly copies: readonly Copy[] }[] = []
  let waiters: Waiter[] = []
  let wake: (() => void) | null = null
  let expected: { readonly count: number; readonly come: () => void } | null = null

  /** Last entry of batch `number` if it has been tried before, since its first copies may lie on providers already. */
  const triedLast = (number: number): number | null => {
    const [tried, last] = String(sql.tried.get()?.['value'] ?? '').split(' ')
    return Number(tried) === number ? Number(last) : null
  }

  /** What follows `position`; what it is made of must be on disk before the first copy of it leaves. */
  const draft = (): Batch | null => {
    const number = position.number + 1
    const tried = triedLast(number)
    const entries: Uint8Array[] = []
    let bytes = 0
    let first = 0
    let last = 0
    for (const entry of sql.entries.all(position.last, BATCH_ENTRIES)) {
      const body = entry['entry'] as Uint8Array
      if (tried === null ? entries.length > 0 && bytes + body.length > BATCH_BYTES : Number(entry['seq']) > tried) break
      first ||= Number(entry['seq'])
      last = Number(entry['seq'])
      bytes += body.length
      entries.push(body)
    }
    if (entries.length === 0) return null
    if (tried === null) sql.try.run(`${number} ${last}`)
    return { number, first, last, plain: batchSchema.encode({ number, first, last, previous: position.hash, entries }) }
  }

  const note = ({ number, pieceBytes, root }: Shipped, copies: readonly Copy[]): void => {
    for (const { device, pieceId } of copies) metadata.segments.addBatchPiece(number, device, pieceId, pieceBytes, root)
  }

  /** Copies that came after their batch was kept by enough. */
  const noteLate = (): void => {
    for (const { shipped, copies } of late) if (sql.has.get(shipped.number) !== null) note(shipped, copies)
    late = []
  }

  const release = (last: number): number => {
    const done = waiters.filter((waiter) => waiter.seq <= last)
    waiters = waiters.filter((waiter) => waiter.seq > last)
    for (const waiter of done) waiter.resolve()
    return done.length
  }

  /**
   * A batch costs its eight providers and this thread about the same whatever it brings, and who was released now comes
   * back soon. So the next one leaves when as many wait again, or after as long as the last one took: under load, what a
   * write waits for is at most doubled, and a write alone waits for nobody.
   */
  const gather = async (released: number, tookMs: number, signal: AbortSignal): Promise<void> => {
    if (released < 2 || waiters.length >= released) return
    const full = new AbortController()
    expected = { count: released, come: () => full.abort() }
    await at.clock.sleep(Math.min(tookMs, GATHER_MS_MAX), AbortSignal.any([signal, full.signal])).catch(() => undefined)
    expected = null
  }

  /**
   * One batch to its providers. That it is kept, the late copies of those before it, and what the next one is made of share
   * a transaction: each is an fsync in which this thread can do nothing else.
   */
  const shipOne = async (signal: AbortSignal): Promise<boolean> => {
    const batch = drafted ?? database.transaction(draft)
    drafted = batch
    if (batch === null) return false
    const sealed = sealBatch(at.crypto, keyring, batch.plain)
    const idOn = (device: DeviceId): Digest => batchPiece(at.crypto, keyring, batch.number, device)
    const began = at.clock.monotonic()
    const hashed = at.kernel.leavesOf(sealed).then((leaves) => at.kernel.root(leaves))
    const [{ kept, rest }, root] = await Promise.all([replicate(parts, sealed, idOn, signal), hashed])
    // It is kept, whatever this gateway notes of that: after a crash the same batch leaves again, and is there already.
    durableTo = batch.last
    await gather(release(batch.last), at.clock.monotonic() - began, signal)
    const hash = digestOf(at.crypto.sha256(batch.plain))
    const shipped = { number: batch.number, pieceBytes: sealed.length, root }
    const before = position
    try {
      drafted = database.transaction(() => {
        sql.add.run(batch.number, batch.first, batch.last, hash)
        note(shipped, kept)
        noteLate()
        position = { number: batch.number, last: batch.last, hash }
        return draft()
      })
    } catch (error) {
      position = before
      throw error
    }
    // Kept by enough is kept: neither who waits for this batch nor the next one waits for the slowest.
    void rest.then((copies) => {
      if (copies.length > 0) late.push({ shipped, copies })
    })
    return true
  }

  return {
    position: () => position,
    async durable(seq) {
      if (seq <= durableTo) return
      using deadline = at.clock.deadline('keeping the metadata log', DURABLE_MS)
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = { seq, resolve, reject }
        waiters.push(waiter)
        deadline.signal.addEventListener('abort', () => {
          waiters = waiters.filter((other) => other !== waiter)
          const need = at.redundancy.ack
          reject(
            new CairnError('NOT_DURABLE', {
              what: 'the metadata log',
              need,
              have: parts.providers.candidates().length,
              why: 'too few providers keep it',
            }),
          )
        })
        wake?.()
        if (expected !== null && waiters.length >= expected.count) expected.come()
      })
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          while (waiters.length > 0 || metadata.lastSeq() > position.last) if (!(await shipOne(signal))) break
          if (late.length > 0) database.transaction(noteLate)
        } catch (error) {
          if (signal.aborted) break
          at.log.warn('the metadata log is behind', { why: String(error) })
          await at.clock.sleep(RETRY_MS, signal).catch(() => undefined)
          continue
        }
        const idle = new AbortController()
        wake = () => idle.abort()
        if (waiters.length === 0) await at.clock.sleep(BATCH_MS, AbortSignal.any([signal, idle.signal])).catch(() => undefined)
        wake = null
      }
    },
  }
}

/** Once enough keep it, the others get so many times as long as those took. */
const STRAGGLER_FACTOR = 3
const STRAGGLER_MS_MIN = 200

interface Copy {
  readonly device: DeviceId
  readonly pieceId: Digest
}

/**
 * Gives whole copies of `bytes` to up to n providers. Resolves once `ack` have fsynced theirs, with these and a promise,
 * which never rejects, of those that come in time after them. Throws NOT_DURABLE below `ack`.
 */
export async function replicate(
  parts: WriterParts,
  bytes: Uint8Array,
  idOn: (device: DeviceId) => Digest,
  signal: AbortSignal,
): Promise<{ readonly kept: readonly Copy[]; readonly rest: Promise<readonly Copy[]> }> {
  const { at, providers } = parts
  const { n, ack } = at.redundancy
  const placement = providers.place(keepSeed, { want: n, least: ack, total: n })
  if (!placement.ok) throw providers.tooFew(ack, placement.have, placement.why)
  const began = at.clock.monotonic()
  const kept: Copy[] = []
  const enough = Promise.withResolvers<void>()
  const late = new AbortController()
  const puts = placement.devices.map(async (device) => {
    const pieceId = idOn(device)
    try {
      await putWhole(parts, device, pieceId, bytes, AbortSignal.any([signal, late.signal]))
      kept.push({ device, pieceId })
      if (kept.length === ack) enough.resolve()
    } catch (error) {
      at.log.debug('a provider kept no copy', { device, why: String(error) })
    }
  })
  const all = Promise.all(puts)
  await Promise.race([enough.promise, all])
  if (kept.length < ack) throw new CairnError('NOT_DURABLE', { what: 'a log batch', need: ack, have: kept.length, why: 'providers failed' })
  const first = [...kept]
  const patience = Math.max(STRAGGLER_MS_MIN, STRAGGLER_FACTOR * (at.clock.monotonic() - began))
  const limit = at.clock.deadline('a straggling copy', Math.min(patience, TIMING.straggler), signal)
  limit.signal.addEventListener('abort', () => late.abort(limit.signal.reason))
  const rest = all.then(() => {
    limit[Symbol.dispose]()
    return kept.slice(first.length)
  })
  return { kept: first, rest }
}

/** The log prefers the same providers from batch to batch, so that connections stay warm. */
const keepSeed = new Uint8Array(32)

async function putWhole(parts: WriterParts, device: DeviceId, pieceId: Digest, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const { at, providers, orders } = parts
  const io = await providers.open(device, signal)
  const stop = (): void => io.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    await sendRequest(io, { op: 'put', order: orders.sign('put', device, pieceId, bytes.length), size: bytes.length })
    for (let from = 0; from < bytes.length; from += FRAME_BYTES) await io.send(bytes.subarray(from, from + FRAME_BYTES))
    await receiveReply(at.clock, io, 'stored')
    await io.end()
    providers.good(device)
  } catch (error) {
    io.abort(error)
    if (!signal.aborted) providers.tookNone(device, error)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
