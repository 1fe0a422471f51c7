/**
 * How a node answers demands for proofs on chain (StorageProofs) by itself: it shows the byte, or the newer head that
 * replaced the demanded one, and is paid the demander's bond. Nothing here is kept: the chain says what is open, and keyed
 * intents make one answer of many tries, over restarts too.
 */
import { type Account, type Digest, digestOf, type Hex, type NetworkId } from '../../protocol/ids.ts'
import type { StorageClaim, StorageProof, StorageProvider } from '../../resources/storage/index.ts'
import { answerDemand, type PossessionProof, type SignedHead, supersedeDemand } from '../../runtime/actions/proofs.ts'
import type { CallOutcome, ChainSigner, ChainView } from '../../runtime/chain.ts'
import type { DemandRow } from '../../runtime/chain-judges.ts'
import type { Runtime } from '../../runtime/index.ts'
import { toHex } from '../../std/bytes.ts'

export interface DemandParts {
  readonly rt: Pick<Runtime, 'clock' | 'log'> & { readonly chain: ChainView }
  readonly net: NetworkId
  readonly operator: Account
  readonly signer: ChainSigner
  readonly provider: Pick<StorageProvider, 'signed' | 'show'>
}

const LOOK_MS = 2_000
/** Demands that are answered at the same time; each holds a leaf of 4 KiB. The rest wait: a window takes days. */
const AT_ONCE = 4
/**
 * Tries for one demand. A try that the chain would refuse costs nothing, since calls are simulated; one that fails in its
 * block costs its gas, so this bounds what one demand can ever cost. The waits between them double up to an hour: a
 * dozen hours in all, of windows of days.
 */
const TRIES = 24
const WAIT_MS = 2_000
const WAIT_MS_MAX = 3_600_000
/** One wait for a confirmation; the intent goes on, and the next look waits for it again. */
const SEND_MS = 60_000

interface Attempt {
  /** Refused so far. */
  tries: number
  /** Monotonic ms from which the next may begin. */
  dueAt: number
  running: boolean
  /** What was logged last, so that each look does not say it again. */
  said: string
}

/** Answers demands until aborted. What is being waited for then is left: its intent is kept. */
export async function demandLoop(parts: DemandParts, signal: AbortSignal): Promise<void> {
  const { clock, chain } = parts.rt
  const attempts = new Map<bigint, Attempt>()
  while (!signal.aborted) {
    const open = chain.demands(parts.net, parts.operator).filter((row) => row.state === 'open')
    const ids = new Set(open.map((row) => row.id))
    for (const [id, attempt] of attempts) if (!attempt.running && !ids.has(id)) attempts.delete(id)
    let running = [...attempts.values()].filter((attempt) => attempt.running).length
    // Oldest first: its window ends first.
    for (const row of open) {
      const attempt = attempts.get(row.id) ?? { tries: 0, dueAt: 0, running: false, said: '' }
      if (running >= AT_ONCE || attempt.running || attempt.tries >= TRIES || clock.monotonic() < attempt.dueAt) continue
      attempts.set(row.id, attempt)
      running += 1
      void attend(parts, row, attempt, signal)
    }
    await chain.advanced(LOOK_MS, signal).catch(() => undefined)
  }
}

async function attend(parts: DemandParts, row: DemandRow, attempt: Attempt, signal: AbortSignal): Promise<void> {
  const { clock, log } = parts.rt
  attempt.running = true
  const fields = { demand: row.id, set: row.setId, version: row.head.version, position: row.position }
  const say = (what: string, more: Readonly<Record<string, string>> = {}): void => {
    if (attempt.said !== what && !signal.aborted) log.error(what, { ...fields, ...more })
    attempt.said = what
  }
  try {
    const reply = await respond(parts, row, attempt.tries)
    if (reply.is === 'confirmed') {
      log.info('answered a demand on chain', { ...fields, with: reply.by, bond: row.bond, transaction: reply.hash })
      // Until the view shows it closed there is nothing more to do; a reorg may open it again.
      attempt.dueAt = clock.monotonic() + SEND_MS
      return
    }
    if (reply.is === 'foreign') {
      // Another device of this operator has the set, and its own node answers.
      attempt.tries = TRIES
      return
    }
    if (reply.is === 'reverted') say('a demand could not be answered and is tried again', { error: reply.error })
    if (reply.is === 'lost') say('a demanded byte is lost: stake will be slashed unless it comes back', { piece: reply.piece })
    if (reply.is === 'unknown') say('a head is demanded that this node did not keep: its database is not the one that signed it')
    attempt.tries += 1
    attempt.dueAt = clock.monotonic() + Math.min(WAIT_MS * 2 ** attempt.tries, WAIT_MS_MAX)
  } catch (error) {
    // The chain is away or slow: the same intent is waited for again, and is no further try.
    if (!signal.aborted) log.debug('answering a demand takes long', { ...fields, why: String(error) })
    attempt.dueAt = clock.monotonic() + WAIT_MS
  } finally {
    attempt.running = false
  }
}

type Reply =
  | (CallOutcome & { readonly by: 'proof' | 'newer head' })
  | { readonly is: 'foreign' }
  | { readonly is: 'unknown' }
  | { readonly is: 'lost'; readonly piece: Digest }

/** The cheaper reply first: a newer head shows no data, but only counts while its customer's key is not long expired. */
async function respond(parts: DemandParts, row: DemandRow, tries: number): Promise<Reply> {
  const { signer, provider } = parts
  const set = provider.signed(row.head)
  if (set.is === 'foreign') return set
  const options = (by: string) => ({ key: `${by}:${parts.rt.chain.addresses.proofs}:${row.id}:${tries}`, deadlineMs: SEND_MS })
  if (set.newest !== null && set.newest.head.version > row.head.version) {
    const call = { id: row.id, head: row.head, newer: signedHeadOf(set.newest) }
    const outcome = await supersedeDemand(signer, call, options('supersede'))
    if (outcome.is === 'confirmed' || outcome.error !== 'NotSignedBy') return { ...outcome, by: 'newer head' }
  }
  if (set.is === 'unknown') return { is: 'unknown' }
  const { setId, root, count, totalBytes, version } = row.head
  const shown = await provider.show({ setId, root, count, totalBytes, version, slot: 0, position: row.position })
  if (!shown.ok) return { is: 'lost', piece: shown.lost }
  const outcome = await answerDemand(signer, { id: row.id, head: row.head, proof: possessionProof(shown.proof) }, options('answer'))
  return { ...outcome, by: 'proof' }
}

/** A claim as StorageProofs takes it. */
const signedHeadOf = ({ head, customerSignature, providerSignature }: StorageClaim): SignedHead => ({
  head,
  customerSignature: hex(customerSignature),
  providerSignature: hex(providerSignature),
})

const hex = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`

const HASH_BYTES = 32
const pathOf = (path: Uint8Array): readonly Digest[] =>
  Array.from({ length: path.length / HASH_BYTES }, (_, i) => digestOf(path.subarray(HASH_BYTES * i, HASH_BYTES * (i + 1))))

/** A proof as the contract takes it: hashes one by one. */
const possessionProof = (proof: StorageProof): PossessionProof => ({
  ...proof,
  setPath: pathOf(proof.setPath),
  leaf: hex(proof.leaf),
  piecePath: pathOf(proof.piecePath),
})
