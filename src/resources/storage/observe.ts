/**
 * A verifier reads what a provider has just shown to keep, as the customer would: with the customer's own orders, under an
 * identity that nobody knows, at moments that nobody can foresee. A proof's path tells right bytes from wrong ones, those of
 * the whole frame around its leaf, so the verifier needs no piece of its own.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { isCairnError } from '../../protocol/errors.ts'
import { type Account, address, bytesOf, type Digest, type SubjectId } from '../../protocol/ids.ts'
import { domainSeparator, STORAGE_ORDER, storageDomain, typedDataHash } from '../../protocol/typed-data.ts'
import type { UnixMs } from '../../protocol/units.ts'
import { SCOPE } from '../../runtime/chain.ts'
import { equalBytes, toHex } from '../../std/bytes.ts'
import { shuffled } from '../../std/shuffle.ts'
import type { Asking, Collected, Seen, VerifierRuntime, Visit } from '../resource.ts'
import { subjectSeed } from '../settle.ts'
import { challengesOf } from './challenge.ts'
import { verifyProof } from './data-set.ts'
import { FRAME_BYTES } from './layout.ts'
import {
  claimSchema,
  ORDER_OP,
  type Order,
  observationSchema,
  proofSchema,
  readTicket,
  readWish,
  STORAGE_PROTOCOL,
  type StorageObservation,
  type StorageProof,
  storageReply,
  storageRequest,
} from './messages.ts'
import { FRAME_HEIGHT, frameCount, frameHash, HASH_BYTES, leafHashes, rootOfLeaves, treeHash, verifyPath } from './piece-tree.ts'
import { gradeOf } from './verify.ts'

/** Sets of one provider that are read from in an epoch, with as many reads as there are challenges: 2 MiB at most. */
const SETS_MAX = 4
/** A read is given up after this; what takes longer than it should is judged by verify.ts, well before. */
const READ_MS = 5_000

/** Words of a provider that refuses an order (provider/orders.ts). */
const UNAUTHORIZED = 'unauthorized'
const REPLAYED = 'replayed'
/** Providers may know of a revoked key some blocks before this verifier. */
const VIEW_MS = 4_000
/** Clocks of verifiers and providers differ by less. */
const SKEW_MS = 60_000
/** Providers take no order that lasts longer. */
const ORDER_MS_MAX = 23 * 3_600_000

/** One read: the frame around the leaf that a proof showed. */
interface Probe {
  readonly claim: number
  readonly slot: number
  readonly setId: Digest
  readonly payer: Account
  readonly pieceId: Digest
  readonly offset: number
  readonly length: number
  /** Whether these are its bytes. */
  isRight(bytes: Uint8Array): boolean
}

/** `Resource.observe` of storage. Rejects only when `signal` fires. */
export async function observe(
  rt: VerifierRuntime,
  asking: Asking,
  subject: SubjectId,
  said: Collected,
  until: UnixMs,
  signal: AbortSignal,
): Promise<readonly Seen[]> {
  const probes = probesOf(rt, asking, subject, said)
  const allowed = await withOrders(rt, subject, probes, signal)
  const last = until - READ_MS
  const visit = allowed.length === 0 || rt.clock.now() > last ? null : await rt.visit(subject)
  if (visit === null) return []
  try {
    const from = rt.clock.now()
    const moments = allowed.map(() => from + rt.random.below(Math.max(1, last - from))).sort((a, b) => a - b)
    const seen: (Seen & { readonly order: Order; readonly code: string })[] = []
    for (const [i, { probe, order }] of shuffled(allowed, (bound) => rt.random.below(bound)).entries()) {
      const wait = (moments[i] as number) - rt.clock.now()
      if (wait > 0) await rt.clock.sleep(wait, signal)
      // Whatever a slow provider left no time for was not looked at.
      if (rt.clock.now() > last) break
      if (!isGood(rt, order)) continue
      const one = await look(rt, visit, probe, order, signal)
      const grade = gradeOf(one)
      const doubtful = grade === 'silent' || grade === 'slow'
      seen.push({ claim: probe.claim, bytes: observationSchema.encode(one), doubtful, order, code: one.code })
    }
    if (seen.some(({ code }) => code === UNAUTHORIZED)) await rt.clock.sleep(Math.min(VIEW_MS, Math.max(0, until - rt.clock.now())), signal)
    // An order may have been used before, or its key been revoked after it was lent: neither is the provider's fault.
    return seen
      .filter(({ code, order }) => code !== REPLAYED && (code !== UNAUTHORIZED || isGood(rt, order)))
      .map(({ claim, bytes, doubtful }) => ({ claim, bytes, doubtful }))
  } finally {
    await visit.close()
  }
}

/** The leaves that its proofs showed, of a few of its sets. What it could not show, it need not serve. */
function probesOf(rt: VerifierRuntime, asking: Asking, subject: SubjectId, said: Collected): readonly Probe[] {
  const seed = subjectSeed(rt.crypto, asking.seed, asking.nonce, subject)
  const sets = shuffled([...said.claims.keys()], (bound) => rt.random.below(bound)).slice(0, SETS_MAX)
  return sets.flatMap((claim) => {
    const { head } = claimSchema.decode(said.claims[claim] as Uint8Array)
    return challengesOf(rt.crypto, head, seed).flatMap((challenge): Probe[] => {
      const answer = said.answers.find((one) => one.claim === claim && one.slot === challenge.slot)
      const proof = decoded(answer?.blob ?? null, said)
      if (proof === null || !verifyProof(rt.crypto, challenge, challenge, proof).ok) return []
      const frame = Number((challenge.position - proof.start) / BigInt(FRAME_BYTES))
      const offset = frame * FRAME_BYTES
      const length = Math.min(FRAME_BYTES, Number(proof.size) - offset)
      const at = { claim, slot: challenge.slot, setId: challenge.setId, payer: head.customer, pieceId: proof.pieceId }
      return [{ ...at, offset, length, isRight: (bytes) => isFrame(rt.crypto, proof, frame, bytes) }]
    })
  })
}

/** Whether `bytes` are the `index`-th frame of the proved piece: above a frame, the path of its every leaf is the same. */
function isFrame(crypto: Crypto, proof: StorageProof, index: number, bytes: Uint8Array): boolean {
  const hash = treeHash(crypto)
  const leaves = leafHashes(hash, bytes)
  const root = bytesOf(proof.pieceRoot)
  const frames = frameCount(Number(proof.size))
  if (frames === 1) return equalBytes(rootOfLeaves(hash, leaves), root)
  return verifyPath(crypto.sha256, frameHash(hash, leaves), index, frames, proof.piecePath.subarray(FRAME_HEIGHT * HASH_BYTES), root)
}

function decoded(blob: Digest | null, said: Collected) {
  const bytes = blob === null ? undefined : said.blobs.get(blob)
  try {
    return bytes === undefined ? null : proofSchema.decode(bytes)
  } catch {
    return null
  }
}

/** Asks each customer for orders; what it gave that no provider would have to take is left out. */
async function withOrders(
  rt: VerifierRuntime,
  subject: SubjectId,
  probes: readonly Probe[],
  signal: AbortSignal,
): Promise<readonly { readonly probe: Probe; readonly order: Order }[]> {
  const payers = [...new Set(probes.map((probe) => probe.payer))]
  const given = await Promise.all(
    payers.map(async (payer) => {
      const mine = probes.filter((probe) => probe.payer === payer)
      const wishes = mine.map(({ pieceId, length }) => readWish.encode({ device: subject, pieceId, maxBytes: length }))
      const tickets = await rt.tickets(payer, wishes, signal)
      return mine.flatMap((probe, i) => {
        const order = orderOf(rt, subject, probe, tickets[i] ?? null)
        return order === null ? [] : [{ probe, order }]
      })
    }),
  )
  return given.flat()
}

/** A customer must not be able to have a provider blamed for refusing what it may refuse. */
function orderOf(rt: VerifierRuntime, subject: SubjectId, probe: Probe, ticket: Uint8Array | null): Order | null {
  if (ticket === null) return null
  try {
    const order = readTicket.decode(ticket)
    const { signature, ...body } = order
    const fits =
      body.account === probe.payer &&
      body.device === subject &&
      body.op === ORDER_OP.get &&
      body.pieceId === probe.pieceId &&
      body.maxBytes >= BigInt(probe.length)
    return fits && isGood(rt, order) ? order : null
  } catch (error) {
    if (isCairnError(error)) return null
    throw error
  }
}

/** Whether every provider would take the order now: its customer, or a key that is one, signed it for a time that is now. */
function isGood({ crypto, chain, clock }: VerifierRuntime, { signature, ...body }: Order): boolean {
  const left = Number(body.expiry) - clock.now()
  if (left < SKEW_MS || left > ORDER_MS_MAX) return false
  const hash = typedDataHash(crypto, domainSeparator(crypto, storageDomain(chain.chainId)), STORAGE_ORDER, body)
  const by = crypto.secp256k1.recover(hash, signature)
  if (by === null) return false
  const key = address(toHex(by))
  return key === (body.account as string) || chain.sessionActive(body.account, key, SCOPE.storage, clock.now())
}

/** One read, timed. */
async function look(rt: VerifierRuntime, visit: Visit, probe: Probe, order: Order, signal: AbortSignal): Promise<StorageObservation> {
  const { setId, slot, length } = probe
  const since = rt.clock.monotonic()
  const outcome = await read(rt, visit, probe, order, signal)
  const ms = Math.min(2 ** 31, Math.round(rt.clock.monotonic() - since))
  if (outcome instanceof Uint8Array) {
    return { setId, slot, is: probe.isRight(outcome) ? 'served' : 'corrupt', bytes: length, ms, code: '' }
  }
  return { setId, slot, is: outcome === null ? 'silent' : 'refused', bytes: length, ms, code: outcome ?? '' }
}

/** The bytes; the word with which it refused; null when neither came. */
async function read(
  rt: VerifierRuntime,
  visit: Visit,
  { offset, length }: Probe,
  order: Order,
  signal: AbortSignal,
): Promise<Uint8Array | string | null> {
  using deadline = rt.clock.deadline('a read', READ_MS, signal)
  try {
    const io = await visit.dial(STORAGE_PROTOCOL, deadline.signal)
    const stop = (): void => io.abort(deadline.signal.reason)
    deadline.signal.addEventListener('abort', stop, { once: true })
    try {
      await io.send(storageRequest.encode({ op: 'get', order, offset, length }))
      const first = await io.receive(storageReply.maxBytes)
      const reply = first === null ? null : storageReply.decode(first)
      if (reply?.is === 'refused') return reply.code
      const out = new Uint8Array(length)
      const got = reply?.is === 'data' ? await io.receiveInto(out) : null
      await io.end()
      return got === length ? out : null
    } catch (error) {
      io.abort(error)
      throw error
    } finally {
      deadline.signal.removeEventListener('abort', stop)
    }
  } catch (error) {
    if (signal.aborted) throw error
    rt.log.debug('a provider served no read', { why: String(error) })
    return null
  }
}
