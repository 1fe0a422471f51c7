/** From committed evidence to a published root. */
import type { Digest, Epoch, NetworkId, PeerId } from '../../protocol/ids.ts'
import { type ChainState, epochFacts, epochTimes } from '../../resources/epoch-facts.ts'
import { type Evidence, openBundle, openEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { fetchFile } from '../../resources/peers.ts'
import type { Kind, Resource, VerifierRuntime } from '../../resources/resource.ts'
import { settle, settlementDigest } from '../../resources/settle.ts'
import type { CallOutcome, ChainSigner } from '../../runtime/chain.ts'
import type { Book } from './book.ts'

export interface VerifierParts {
  readonly rt: VerifierRuntime
  readonly resource: Resource<Kind>
  readonly net: NetworkId
  readonly book: Book
  readonly signer: ChainSigner
  /** Confirmed state as of the last block before `seconds`; null while the chain has not passed it. */
  stateAt(seconds: number): ChainState | null
  /** Other verifiers that may have bundles. */
  readonly peers: readonly PeerId[]
  /** Publishes roots; null for a verifier that only checks. */
  readonly publish: ((root: PublishRequest) => Promise<CallOutcome>) | null
  /** Keyed steps under way: each is started once and the epoch does not wait for its confirmation. */
  readonly underWay: Set<string>
}

export interface PublishRequest {
  readonly epoch: Epoch
  readonly root: Digest
  readonly total: bigint
  readonly dataHash: Digest
}

/** Starts a keyed step unless it is under way; a failed one may be started again. */
export function once(parts: VerifierParts, key: string, work: () => Promise<void>): void {
  if (parts.underWay.has(key)) return
  parts.underWay.add(key)
  work()
    .catch((error: unknown) => parts.rt.log.warn('a transaction did not go through and is tried again', { key, why: String(error) }))
    .finally(() => parts.underWay.delete(key))
}

/** A committed bundle with its proofs, from this disk or another verifier; null when nobody has it. */
export async function loadEvidence(parts: Pick<VerifierParts, 'rt' | 'book' | 'peers'>, digest: Digest): Promise<Evidence | null> {
  const { rt, book, peers } = parts
  const file = async (name: Digest): Promise<Uint8Array | null> => (await book.readFile(name)) ?? (await fetchFile(rt, peers, name))
  const bytes = await file(digest)
  if (bytes === null) return null
  const bundle = openBundle(rt.crypto, digest, bytes)
  const blobs = bundle === null ? null : await file(bundle.blobs)
  return blobs === null ? null : openEvidence(rt.crypto, digest, bytes, blobs)
}

/** Settles an epoch whose evidence is complete, and publishes its root; does nothing when that is done or impossible. */
export async function settleEpoch(parts: VerifierParts, epoch: Epoch): Promise<void> {
  const { rt, book, net } = parts
  const row = book.get(epoch)
  if (row === null || row.state === 'void' || row.state === 'missed' || row.state === 'published' || row.state === 'superseded') return
  if (row.state === 'settled' && row.settlement !== null) return publish(parts, epoch, row.settlement)
  const seconds = rt.chain.network(net)?.epochSeconds ?? 0
  const state = parts.stateAt(epochTimes(seconds, epoch).cutoff)
  if (state === null) return
  const outcome = epochFacts(state, net, epoch)
  if (outcome.is === 'waiting') return
  const commits = state.evidence(net, epoch)
  if (outcome.is === 'void' || commits.length === 0) return book.mark(epoch, outcome.is === 'void' ? 'void' : 'missed')
  const evidence = await Promise.all(commits.map((commit) => loadEvidence(parts, commit.digest)))
  const before = book.lastSettled(epoch)
  const previous = before === null ? null : { settlement: await readSettlement(book, before.settlement), digest: before.settlement }
  const found = evidence.filter((one) => one !== null)
  if (found.length < evidence.length)
    rt.log.warn('committed evidence is not to be had and does not count', { epoch, missing: evidence.length - found.length })
  const settlement = settle(rt.crypto, parts.resource, outcome.facts, found, previous)
  const digest = settlementDigest(rt.crypto, settlement)
  await book.saveFile(digest, settlementSchema.encode(settlement))
  book.settled(epoch, digest)
  rt.log.info('settled an epoch', { epoch, total: settlement.total, root: settlement.root })
  await publish(parts, epoch, digest)
}

export async function readSettlement(book: Book, digest: Digest): Promise<Settlement> {
  const bytes = await book.readFile(digest)
  if (bytes === null) throw new Error(`settlement ${digest} is gone from the evidence folder`)
  return settlementSchema.decode(bytes)
}

/** Seconds from which the chain takes the next root of the pot: an interval after the last one was published. */
function publishableAt(parts: VerifierParts): number {
  const network = parts.rt.chain.network(parts.net)
  const last = parts.rt.chain.roots(parts.net).at(-1)
  if (network === null || last === undefined) return 0
  return last.activeAt - network.challengeSeconds + network.rootEpochs * network.epochSeconds
}

async function publish(parts: VerifierParts, epoch: Epoch, digest: Digest): Promise<void> {
  const { rt, book, net } = parts
  const roots = rt.chain.roots(net)
  if (roots.some((root) => root.epoch === epoch)) return book.mark(epoch, 'published')
  // Totals are cumulative, so a later root pays for this epoch, too.
  if (roots.some((root) => root.epoch > epoch)) return book.mark(epoch, 'superseded')
  const send = parts.publish
  if (send === null || (rt.chain.head()?.timestamp ?? 0) < publishableAt(parts) || parts.underWay.has(`root:${net}:${epoch}`)) return
  const settlement = await readSettlement(book, digest)
  if (settlement.owners.length === 0) return
  once(parts, `root:${net}:${epoch}`, async () => {
    const outcome = await send({ epoch, root: settlement.root, total: settlement.total, dataHash: digest })
    if (outcome.is === 'reverted') rt.log.warn('a root was refused', { epoch, error: outcome.error })
    else book.mark(epoch, 'published')
  })
}
