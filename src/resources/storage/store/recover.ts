/**
 * Rebuilds a gateway's metadata from the account's seed and the chain: the pointer names the snapshot, the snapshot
 * where the log begins, and every provider is asked for what follows. What is done is in the database at once, so that a
 * recovery that was cut off goes on where it was.
 *
 * Where the log ends is told from where it cannot be read: a batch that counted was kept by `ack` providers, so it did not
 * exist when fewer than that are silent and all others say that they do not have it. With more of them silent, or with a
 * later batch in somebody's hands, the log is not complete, and recovery refuses rather than lose what was acknowledged.
 */
import { CairnError } from '../../../protocol/errors.ts'
import { type DeviceId, type Digest, digest, digestOf } from '../../../protocol/ids.ts'
import type { PointerRow } from '../../../runtime/chain.ts'
import { equalBytes } from '../../../std/bytes.ts'
import { batchPiece, batchSchema, NO_BATCH, openBatch } from './log.ts'
import type { StoreParts } from './parts.ts'
import { changeSchema } from './records.ts'
import { loadSnapshot } from './recover-snapshot.ts'
import { dropFact, fact, setFact } from './snapshot.ts'
import { createSurvey, type Question, type Survey } from './survey.ts'

export interface RecoverReport {
  readonly snapshot: bigint | null
  readonly batches: number
  readonly buckets: number
  readonly objects: number
  /** Set when the log may go on where nobody answered, and that was accepted. */
  readonly shortened: string | null
  /** Providers that did not say whether the log goes on. */
  readonly silent: number
  /** The last in which batches were found: how often the log was numbered anew. */
  readonly life: number
}

export interface RecoverOptions {
  /** Told what happens, for people; `part` of `whole` where that is known. */
  readonly progress: (line: string, part?: number, whole?: number) => void
  /** How long providers that do not answer are asked again, in all. */
  readonly patienceMs: number
  /** Take the log as far as it can be read, whatever may follow it. */
  readonly allowLoss: boolean
}

/** Providers that are being restarted, and a new session key on its way through the chain, take less. */
export const RECOVER_PATIENCE_MS = 60_000
/** Batches that a provider is asked about at a time; the schema allows 1024. An epoch of a minute has some 60. */
const WINDOW = 256
/**
 * A gateway that was rebuilt while providers were silent numbers its batches from the next multiple of this: the silent ones
 * may keep a batch of the number that follows, and would refuse another in its place for ever.
 */
const LIFE = 2 ** 32
/** Further lives that are looked for; each is one more disaster without a snapshot in between. */
const LIVES = 8
/** Later batches that are looked at when one is missing; a provider that only says to have them must not keep recovery busy. */
const LATER_MAX = 16

/** What is under way, and with which snapshot: in the facts until `concludeRecovery`. */
const RECOVERING = 'recovering'

/** Fills an empty database, or goes on where an earlier call ended. Throws INCOMPLETE when something must be missing. */
export async function recover(
  parts: StoreParts,
  pointer: PointerRow | null,
  options: RecoverOptions,
  signal: AbortSignal,
): Promise<RecoverReport> {
  const { metadata } = parts
  const survey = createSurvey(parts, options.patienceMs)
  const name = pointer?.digest ?? 'none'
  begin(parts, name)
  let position = lastBatch(parts) ?? { number: 0, last: 0, hash: NO_BATCH }
  if (position.number === 0 && pointer !== null) position = await loadSnapshot(parts, survey, pointer, options.progress, signal)
  const outcome = await readLog(parts, survey, position, options, signal)
  const { buckets, objects } = metadata.stats()
  if (pointer === null && outcome.batches === 0 && position.number === 0) {
    throw new CairnError('NOT_FOUND', {
      what: 'pointer of this account, nor a log of it; is it the right mnemonic? It is account',
      id: parts.at.account,
    })
  }
  return { snapshot: pointer?.seq ?? null, buckets, objects, ...outcome }
}

/** The recovery is over: from now on the database is a gateway's, and no recovery goes on in it. */
export function concludeRecovery(
  parts: StoreParts,
  { silent, shortened, life }: Pick<RecoverReport, 'silent' | 'shortened' | 'life'>,
): void {
  const { database } = parts
  database.transaction(() => {
    const last = lastBatch(parts)
    if (last !== null && (silent > 0 || shortened !== null)) {
      database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)').run((life + 1) * LIFE, last.last, last.last, last.hash)
    }
    dropFact(parts, RECOVERING)
  })
}

function lastBatch(parts: Pick<StoreParts, 'database'>): Position | null {
  const row = parts.database.prepare('SELECT number, last, hash FROM log_batches ORDER BY number DESC LIMIT 1').get()
  return row === null ? null : { number: Number(row['number']), last: Number(row['last']), hash: digest(String(row['hash'])) }
}

function begin(parts: StoreParts, name: string): void {
  const { metadata, database } = parts
  const under = fact(parts, RECOVERING)
  if (under === name) return
  if (under !== null || metadata.stats().buckets > 0 || metadata.lastSeq() > 0) {
    const why = under === null ? 'this data folder has metadata already' : 'the pointer on chain has moved since this recovery began'
    throw new CairnError('CONFIG', { what: 'recovery', why, fix: 'give an empty folder with --data' })
  }
  database.transaction(() => setFact(parts, RECOVERING, name))
}

export interface Position {
  readonly number: number
  readonly last: number
  readonly hash: Digest
}

/** Applies batch after batch, each in one transaction with its place in the log. */
async function readLog(
  parts: StoreParts,
  survey: Survey,
  from: Position,
  options: RecoverOptions,
  signal: AbortSignal,
): Promise<Pick<RecoverReport, 'batches' | 'shortened' | 'silent' | 'life'>> {
  let position = from
  let window = await openWindow(parts, survey, position.number + 1, signal)
  let batches = 0
  for (;;) {
    if (position.number + 1 >= window.from + WINDOW) window = await openWindow(parts, survey, position.number + 1, signal)
    const batch = await findBatch(parts, survey, window, position, signal)
    if (batch !== null) {
      apply(parts, batch)
      batches += 1
      position = batch
      // A further life begins far away.
      if (batch.number >= window.from + WINDOW) window = await openWindow(parts, survey, batch.number + 1, signal)
      options.progress('reading the log', batches, batches + Math.max(0, highest(window) - (batch.number - window.from)))
    } else if (window.from === position.number + 1) break
    // The end is judged by what lies within a whole window behind it.
    else window = await openWindow(parts, survey, position.number + 1, signal)
  }
  const why = await incomplete(parts, survey, window, position.number + 1, leastCopies(parts), signal)
  if (why !== null && !options.allowLoss) {
    const fix =
      'start them or wait for them and run the same command again; with --allow-loss what can be read is taken, and the rest is given up'
    throw new CairnError('INCOMPLETE', { what: 'the metadata log', why, fix })
  }
  return { batches, shortened: why, silent: survey.silent(window.question).size, life: lastLife(window) }
}

function apply({ database, metadata }: StoreParts, batch: Batch): void {
  database.transaction(() => {
    for (const change of batch.changes) metadata.apply(change)
    database.prepare('INSERT INTO log_batches VALUES (?, ?, ?, ?)').run(batch.number, batch.first, batch.last, batch.hash)
    for (const [device, id] of batch.kept) metadata.segments.addBatchPiece(batch.number, device, id, batch.size, batch.root)
  })
}

/** Copies that a batch had at least when it counted: `ack`, or what it was when the network was smaller (ack ≥ k + 2, DESIGN §6). */
function leastCopies(parts: StoreParts): number {
  const row = parts.database.prepare('SELECT min(k) AS k FROM segments').get()
  const k = row?.['k'] ?? null
  return k === null ? parts.at.redundancy.ack : Math.min(parts.at.redundancy.ack, Number(k) + 2)
}

interface Window {
  /** Number of the first batch asked about. */
  readonly from: number
  /** About WINDOW batches from there, and about the first of each of LIVES further lives. */
  readonly question: Question
}

const lifeOf = (number: number): number => Math.floor(number / LIFE)

async function openWindow(parts: StoreParts, survey: Survey, from: number, signal: AbortSignal): Promise<Window> {
  const near = Array.from({ length: WINDOW }, (_, i) => from + i)
  const far = Array.from({ length: LIVES }, (_, i) => (lifeOf(from) + 1 + i) * LIFE + 1)
  const ids = new Map<DeviceId, readonly Digest[]>()
  const idsOn = (device: DeviceId): readonly Digest[] => {
    const known = ids.get(device) ?? [...near, ...far].map((number) => batchPiece(parts.at.crypto, parts.keyring, number, device))
    ids.set(device, known)
    return known
  }
  return { from, question: await survey.ask(idsOn, batchSchema.maxBytes + 64, signal) }
}

const isHeld = ({ question }: Window, index: number): boolean => [...question.answers.values()].some((sizes) => (sizes[index] ?? -1) >= 0)

/** Index of the last batch of this life that anybody says to have; −1 when nobody has any. */
const highest = (window: Window): number => Array.from({ length: WINDOW }, (_, i) => i).findLastIndex((index) => isHeld(window, index))

/** The last life that anybody says to have a batch of. */
const lastLife = (window: Window): number =>
  lifeOf(window.from) + 1 + Array.from({ length: LIVES }, (_, i) => i).findLastIndex((i) => isHeld(window, WINDOW + i))

interface Copy {
  readonly device: DeviceId
  readonly id: Digest
  readonly bytes: Uint8Array
}

async function copiesOf(survey: Survey, question: Question, index: number, signal: AbortSignal): Promise<readonly Copy[]> {
  const found = await Promise.all(
    [...question.answers].map(async ([device, sizes]): Promise<Copy | null> => {
      const id = question.idsOn(device)[index]
      if (id === undefined || (sizes[index] ?? -1) < 0) return null
      const bytes = await survey.fetch(question, device, index, signal)
      return bytes === null ? null : { device, id, bytes }
    }),
  )
  return found.filter((copy) => copy !== null)
}

interface Batch extends Position {
  readonly first: number
  readonly size: number
  readonly root: Digest
  readonly changes: readonly ReturnType<typeof changeSchema.decode>[]
  readonly kept: readonly (readonly [DeviceId, Digest])[]
}

/** The batch after `after`; null when nobody who answers has it, and those who do not have been waited for. */
async function findBatch(parts: StoreParts, survey: Survey, window: Window, after: Position, signal: AbortSignal): Promise<Batch | null> {
  do {
    // Where the log was numbered anew, what may follow under the old numbers was given up then.
    for (let life = lastLife(window); life > lifeOf(window.from); life -= 1) {
      const index = WINDOW + life - lifeOf(window.from) - 1
      const batch = isHeld(window, index) ? await batchAt(parts, survey, window, index, after, signal) : null
      if (batch !== null) return batch
    }
    const batch = await batchAt(parts, survey, window, after.number + 1 - window.from, after, signal)
    if (batch !== null) return batch
  } while (await survey.insist(window.question, signal))
  return null
}

/** The batch at an index of the window, when it is the one that follows `after`. */
async function batchAt(
  parts: StoreParts,
  survey: Survey,
  window: Window,
  index: number,
  after: Position,
  signal: AbortSignal,
): Promise<Batch | null> {
  const { at } = parts
  const found = await copiesOf(survey, window.question, index, signal)
  const count = (bytes: Uint8Array): number => found.filter((copy) => equalBytes(copy.bytes, bytes)).length
  for (const { bytes } of found.toSorted((a, b) => count(b.bytes) - count(a.bytes))) {
    const plain = openBatch(at.crypto, parts.keyring, bytes)
    if (plain === null) continue
    const { number, first, last, previous, entries } = batchSchema.decode(plain)
    if (previous !== after.hash) continue
    return {
      number,
      first,
      last,
      hash: digestOf(at.crypto.sha256(plain)),
      size: bytes.length,
      root: await at.kernel.root(await at.kernel.leavesOf(bytes)),
      changes: entries.map((entry) => changeSchema.decode(entry)),
      kept: found.filter((copy) => equalBytes(copy.bytes, bytes)).map((copy) => [copy.device, copy.id] as const),
    }
  }
  return null
}

/** Why the log may go on after the batch before `number`, which nobody has; null when it ends there. */
async function incomplete(
  parts: StoreParts,
  survey: Survey,
  window: Window,
  number: number,
  needed: number,
  signal: AbortSignal,
): Promise<string | null> {
  const silent = survey.silent(window.question)
  const named = [...silent]
    .map(([device, why]) => `${device.slice(0, 10)}: ${why}`)
    .join('; ')
    .slice(0, 1000)
  const whoSilent = silent.size === 0 ? 'all providers answered' : `${silent.size} of ${survey.devices.length} do not answer (${named})`
  for (let index = number + 1 - window.from, looked = 0; index <= highest(window) && looked < LATER_MAX; index += 1) {
    const copies = await copiesOf(survey, window.question, index, signal)
    if (copies.length > 0) looked += 1
    // Only what opens under the account's key was ever a batch of this log.
    if (copies.some(({ bytes }) => openBatch(parts.at.crypto, parts.keyring, bytes) !== null)) {
      return `batch ${number} is with no provider that answers, while batch ${window.from + index} is there; ${whoSilent}`
    }
  }
  if (lastLife(window) > lifeOf(window.from)) {
    return `it was continued from an earlier batch than ${number - 1}, which was read when too few providers answered; ${whoSilent}`
  }
  return silent.size < needed ? null : `a batch ${number} may be with those that do not answer; ${whoSilent}`
}
