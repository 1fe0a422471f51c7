/** From committed evidence to a settlement. */
import type { Digest, Epoch, NetworkId, PeerId } from '../../protocol/ids.ts'
import { type ChainState, epochFacts, epochTimes } from '../../resources/epoch-facts.ts'
import { type Evidence, openBundle, openEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { fetchFile } from '../../resources/peers.ts'
import type { Kind, Resource, VerifierRuntime } from '../../resources/resource.ts'
import { type EpochFacts, type Settled, settle, settlementDigest } from '../../resources/settle.ts'
import type { ChainSigner } from '../../runtime/chain.ts'
import type { Book } from './book.ts'

export interface VerifierParts {
  readonly rt: VerifierRuntime
  readonly resource: Resource<Kind>
  readonly net: NetworkId
  readonly book: Book
  readonly signer: ChainSigner
  /** Confirmed state as of the last block before `seconds`; null while the chain has not passed it. */
  stateAt(seconds: number): ChainState | null
  /** Other verifiers that may have bundles, and sign roots in a network whose roots a quorum signs. */
  readonly peers: readonly PeerId[]
  /** Signs a root's 32-byte hash as `signer.account`: 65 bytes r‖s‖v. Null for a verifier that only checks. */
  readonly signRoot: ((hash: Uint8Array) => Uint8Array) | null
  /** Keyed steps under way: each is started once and the epoch does not wait for its confirmation. */
  readonly underWay: Set<string>
}

/** Starts a keyed step unless it is under way; a failed one may be started again. */
export function once(parts: Pick<VerifierParts, 'rt' | 'underWay'>, key: string, work: () => Promise<void>): void {
  if (parts.underWay.has(key)) return
  parts.underWay.add(key)
  work()
    .catch((error: unknown) => parts.rt.log.warn('a step did not go through and is tried again', { key, why: String(error) }))
    .finally(() => parts.underWay.delete(key))
}

type Loading = Pick<VerifierParts, 'rt' | 'book' | 'peers'>

/** A file from this disk or another verifier, whose copy is kept: whoever signs for evidence can show it. */
export async function loadFile({ rt, book, peers }: Loading, name: Digest): Promise<Uint8Array | null> {
  const here = await book.readFile(name)
  if (here !== null) return here
  const bytes = await fetchFile(rt, peers, name)
  if (bytes !== null) await book.saveFile(name, bytes)
  return bytes
}

/** A committed bundle with its proofs; `absent` when nobody has all of it, `malformed` when what was committed is none. */
export async function loadEvidence(parts: Loading, digest: Digest): Promise<Evidence | 'absent' | 'malformed'> {
  const { crypto } = parts.rt
  const bytes = await loadFile(parts, digest)
  if (bytes === null) return 'absent'
  const bundle = openBundle(crypto, digest, bytes)
  if (bundle === null) return 'malformed'
  const blobs = await loadFile(parts, bundle.blobs)
  return blobs === null ? 'absent' : (openEvidence(crypto, digest, bytes, blobs) ?? 'malformed')
}

export type SettleOutcome =
  | { readonly is: 'settled'; readonly settled: Settled; readonly absent: readonly Digest[] }
  /** The chain is not far enough, or evidence that was committed is not there yet. */
  | { readonly is: 'waiting' }
  | { readonly is: 'void' | 'missed' }

/**
 * Settles an epoch on top of the last settled one before it, from everybody's committed evidence. With `patient` it waits
 * for evidence that is not to be had; else that does not count.
 */
export async function settleEpoch(parts: VerifierParts, epoch: Epoch, patient: boolean): Promise<SettleOutcome> {
  const { rt, book, net } = parts
  const seconds = rt.chain.network(net)?.epochSeconds ?? 0
  const state = parts.stateAt(epochTimes(seconds, epoch).cutoff)
  if (state === null) return { is: 'waiting' }
  const outcome = epochFacts(state, net, epoch)
  if (outcome.is === 'waiting') return outcome
  const commits = state.evidence(net, epoch)
  if (outcome.is === 'void' || commits.length === 0) {
    const is = outcome.is === 'void' ? 'void' : 'missed'
    book.mark(epoch, is)
    return { is }
  }
  const loaded = await Promise.all(countable(outcome.facts, commits).map(async (name) => [name, await loadEvidence(parts, name)] as const))
  const absent = loaded.filter(([, one]) => one === 'absent').map(([name]) => name)
  if (absent.length > 0 && patient) return { is: 'waiting' }
  if (absent.length > 0) rt.log.warn('committed evidence is not to be had and does not count', { epoch, missing: absent.length })
  const found = loaded.flatMap(([, one]) => (typeof one === 'string' ? [] : [one]))
  const settlement = settle(rt.crypto, parts.resource, outcome.facts, found, await before(book, epoch))
  const digest = settlementDigest(rt.crypto, settlement)
  await book.saveFile(digest, settlementSchema.encode(settlement))
  book.settled(epoch, digest)
  rt.log.info('settled an epoch', { epoch, bundles: settlement.bundles.length, total: settlement.total, root: settlement.root })
  return { is: 'settled', settled: { settlement, digest }, absent }
}

/** Bundles of those who may have a say: nobody waits for what a stranger committed. */
const countable = (
  facts: EpochFacts,
  commits: readonly { readonly verifier: Parameters<EpochFacts['stakeOf']>[0]; readonly digest: Digest }[],
) => [
  ...new Set(
    commits.filter(({ verifier }) => facts.stakeOf(verifier) > 0n && facts.nonceCommit(verifier) !== null).map((one) => one.digest),
  ),
]

async function before(book: Book, epoch: Epoch): Promise<Settled | null> {
  const last = book.lastSettled(epoch)
  return last === null ? null : { settlement: await readSettlement(book, last.settlement), digest: last.settlement }
}

export async function readSettlement(book: Book, digest: Digest): Promise<Settlement> {
  const bytes = await book.readFile(digest)
  if (bytes === null) throw new Error(`settlement ${digest} is gone from the evidence folder`)
  return settlementSchema.decode(bytes)
}

/**
 * Seconds before which the chain takes no other root of the pot: half an interval after the last one was published. It may
 * want up to as much again, when that one was early itself; then it says `TooSoon`, and is asked again.
 */
export function publishableAt({ rt, net }: Pick<VerifierParts, 'rt' | 'net'>): number {
  const network = rt.chain.network(net)
  const last = rt.chain.roots(net).at(-1)
  if (network === null || last === undefined) return 0
  return last.activeAt - network.challengeSeconds + Math.floor((network.rootEpochs * network.epochSeconds) / 2)
}
