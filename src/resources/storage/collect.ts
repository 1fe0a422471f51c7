/**
 * A verifier asks one provider for its claims, challenges them and takes its answers. Nothing is judged here: what came
 * goes into the bundle, and settlement looks at it again. All claims are taken before the nonce is shown, so that the
 * challenges they will get are known to nobody while they can still be chosen.
 */
import { CairnError } from '../../protocol/errors.ts'
import { bytesOf, type Digest, digestOf, type PeerId, type SubjectId } from '../../protocol/ids.ts'
import { equalBytes } from '../../std/bytes.ts'
import type { Asking, Collected, VerifierRuntime } from '../resource.ts'
import { subjectSeed } from '../settle.ts'
import { challengesOf } from './challenge.ts'
import { challengeSchema, claimSchema, PROOF_PROTOCOL, type ProofReply, type ProofRequest, proofReply, proofRequest } from './messages.ts'

/** Challenges of one request, as its schema says: the answers, up to 7 KiB each, fit one message. */
const BATCH = 32
/**
 * Sets of one provider and epoch that are asked about: with 8 challenges of 5 KiB each this is 10 MiB of evidence. A gateway
 * is one customer whatever it stores, so few providers have more; those past it are unpaid this epoch.
 */
const CLAIMS_MAX = 256
/** A page of claims is read from an index and not from pieces; this is for the way there and a busy node. */
const CLAIMS_MS = 5_000
/**
 * Time for an answer: the way there over a slow line with its handshake, plus for each challenge two random reads of a disk
 * that also serves customers, plus 5 KiB at 1 Mbit/s upstream. It is what keeps answers from being fetched elsewhere at
 * leisure; that they may be fetched quickly is said in README.md.
 */
const ANSWER_MS = 3_000
const PER_CHALLENGE_MS = 100
/** After so many batches without an answer the provider is taken to be away, so that it does not hold up the epoch. */
const SILENT_BATCHES_MAX = 2
/** A provider whose view of the chain is a block behind has no seed to check yet: it is asked again, a few blocks long. */
const SEED_TRIES = 4
const SEED_WAIT_MS = 1_000

type Answers = (ProofReply & { readonly is: 'answers' })['answers']
type Row = Collected['answers'][number]

interface Asked {
  readonly claim: number
  readonly slot: number
  readonly bytes: Uint8Array
}

/** One exchange with a deadline; null for whatever is not a whole, well-formed reply in time. */
async function ask(rt: VerifierRuntime, peer: PeerId, request: ProofRequest, ms: number, signal: AbortSignal): Promise<ProofReply | null> {
  using deadline = rt.clock.deadline(`an answer of ${peer}`, ms, signal)
  try {
    const io = await rt.network.dial(peer, PROOF_PROTOCOL, deadline.signal)
    const stop = (): void => io.abort(deadline.signal.reason)
    deadline.signal.addEventListener('abort', stop, { once: true })
    try {
      await io.send(proofRequest.encode(request))
      await io.end()
      const bytes = await io.receive(proofReply.maxBytes)
      // The orderly end, so that the connection can carry the next batch.
      const rest = bytes === null ? null : await io.receive(0)
      if (bytes === null || rest !== null) throw new CairnError('PROTOCOL', { peer, why: 'a reply is one message' })
      return proofReply.decode(bytes)
    } catch (error) {
      io.abort(error)
      throw error
    } finally {
      deadline.signal.removeEventListener('abort', stop)
    }
  } catch (error) {
    // The caller gave up, which is not the provider's silence.
    if (signal.aborted) throw error
    rt.log.debug('a provider did not answer', { peer, op: request.op, why: String(error) })
    return null
  }
}

/** Its claims in the order of their sets; what it sends out of order or twice ends the list. */
async function takeClaims(rt: VerifierRuntime, asking: Asking, peer: PeerId, signal: AbortSignal): Promise<Uint8Array[]> {
  const claims: Uint8Array[] = []
  for (let after: Digest | null = null; claims.length < CLAIMS_MAX; ) {
    const reply: ProofReply | null = await ask(rt, peer, { op: 'claims', net: asking.net, epoch: asking.epoch, after }, CLAIMS_MS, signal)
    if (reply === null || reply.is !== 'claims' || reply.claims.length === 0) break
    for (const bytes of reply.claims.slice(0, CLAIMS_MAX - claims.length)) {
      const setId = setOf(bytes)
      if (setId === null || (after !== null && setId <= after)) return claims
      after = setId
      claims.push(bytes)
    }
    if (!reply.more) break
  }
  return claims
}

function setOf(bytes: Uint8Array): Digest | null {
  try {
    const claim = claimSchema.decode(bytes)
    // An answer signs the claim's bytes; the provider makes them again from the claim, which must give the same.
    return equalBytes(claimSchema.encode(claim), bytes) ? claim.head.setId : null
  } catch {
    return null
  }
}

/** Every challenge of every claim, in the order of settlement. */
function challengesFor(rt: VerifierRuntime, asking: Asking, subject: SubjectId, claims: readonly Uint8Array[]): Asked[] {
  const seed = subjectSeed(rt.crypto, asking.seed, asking.nonce, subject)
  return claims.flatMap((bytes, claim) =>
    challengesOf(rt.crypto, claimSchema.decode(bytes).head, seed).map((challenge) => ({
      claim,
      slot: challenge.slot,
      bytes: challengeSchema.encode(challenge),
    })),
  )
}

/** An answer as the bundle holds it; the proof's bytes go beside it. */
function rowOf(rt: VerifierRuntime, asked: Asked, answer: Answers[number] | undefined, blobs: Map<Digest, Uint8Array>): Row {
  const { claim, slot } = asked
  const none = { claim, slot, blob: null, code: '', why: '' }
  if (answer === undefined) return { ...none, is: 'silence', signature: new Uint8Array(0) }
  if (answer.is === 'refusal') return { ...none, is: 'refusal', code: answer.code, why: answer.why, signature: answer.signature }
  const blob = digestOf(rt.crypto.sha256(answer.proof))
  blobs.set(blob, answer.proof)
  return { ...none, is: 'proof', blob, signature: answer.signature }
}

/** `Resource.collect` of storage. Rejects only when `signal` fires. */
export async function collect(rt: VerifierRuntime, asking: Asking, subject: SubjectId, signal: AbortSignal): Promise<Collected> {
  const peer = rt.peerOf(subject)
  if (peer === null) return { claims: [], answers: [], blobs: new Map() }
  const claims = await takeClaims(rt, asking, peer, signal)
  const all = challengesFor(rt, asking, subject, claims)
  const blobs = new Map<Digest, Uint8Array>()
  const answers: Row[] = []
  let silent = 0
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = all.slice(at, at + BATCH)
    const got: Answers | null = silent < SILENT_BATCHES_MAX ? await challenge(rt, asking, peer, batch, signal) : null
    silent = got === null ? silent + 1 : 0
    for (const [i, asked] of batch.entries()) answers.push(rowOf(rt, asked, got?.[i], blobs))
  }
  return { claims, answers, blobs }
}

async function challenge(
  rt: VerifierRuntime,
  asking: Asking,
  peer: PeerId,
  batch: readonly Asked[],
  signal: AbortSignal,
): Promise<Answers | null> {
  const { net, epoch, verifier, seed, nonce } = asking
  const request: ProofRequest = {
    op: 'prove',
    net,
    epoch,
    verifier,
    epochSeed: bytesOf(seed),
    nonce,
    challenges: batch.map(({ bytes }) => bytes),
  }
  for (let tries = 1; ; tries += 1) {
    const reply = await ask(rt, peer, request, ANSWER_MS + PER_CHALLENGE_MS * batch.length, signal)
    if (reply?.is === 'answers') return reply.answers
    if (reply?.is === 'refused') rt.log.debug('a provider refused to be asked', { peer, code: reply.code, why: reply.why })
    if (reply?.is !== 'refused' || reply.code !== 'no-seed' || tries === SEED_TRIES) return null
    await rt.clock.sleep(SEED_WAIT_MS, signal)
  }
}
