/**
 * Recomputes an epoch's payouts from what was published and compares them with the chain. It trusts no file: when the
 * bytes behind a hash are not those that were committed, it still reads them, so that it can name what was changed.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { type Digest, digestOf, type Epoch, epoch as epochOf, type NetworkId } from '../../protocol/ids.ts'
import { type ChainState, epochFacts } from '../../resources/epoch-facts.ts'
import { type Evidence, openBundle, openEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { bundleFault, type EpochFacts, type Settled, settle, settlementDigest } from '../../resources/settle.ts'
import type { RootRow } from '../../runtime/chain.ts'
import { type Difference, difference, firstDifference } from './difference.ts'

export type { AuditSubject } from './difference.ts'

export interface AuditParts {
  readonly crypto: Crypto
  readonly resource: Resource<Kind>
  readonly net: NetworkId
  /** The root to audit. */
  readonly root: RootRow
  /** All roots of the network in the order of their publication. */
  readonly roots: readonly RootRow[]
  /** The chain as of an epoch's cut-off; null while it has not passed it. */
  stateOf(epoch: Epoch): ChainState | null
  /** The published bytes under a name, whatever they hash to; null when they are not to be had. */
  read(name: Digest): Promise<Uint8Array | null>
}

export type AuditOutcome =
  | {
      readonly equal: true
      readonly epoch: Epoch
      readonly root: Digest
      readonly total: bigint
      readonly subjects: number
      readonly bundles: number
    }
  | ({ readonly equal: false; readonly epoch: Epoch } & Difference)

/** Unpublished settlements between two roots; more would be a year of idle five-minute epochs. */
const UNPUBLISHED_MAX = 100_000

/** A difference found deep inside; caught in `audit`. */
class Differs extends Error {
  override readonly name = 'Differs'
  readonly difference: Difference
  constructor(...what: Parameters<typeof difference>) {
    super(what[0])
    this.difference = difference(...what)
  }
}

export async function audit(parts: AuditParts): Promise<AuditOutcome> {
  const { epoch } = parts.root
  try {
    const again = await recompute(parts)
    const { root, total } = again
    return { equal: true, epoch, root, total, subjects: again.scores.length, bundles: again.bundles.length }
  } catch (error) {
    if (error instanceof Differs) return { equal: false, epoch, ...error.difference }
    throw error
  }
}

async function recompute(parts: AuditParts): Promise<Settlement> {
  const { root, crypto } = parts
  const facts = factsOf(parts, root.epoch)
  const bytes = await parts.read(root.dataHash)
  if (bytes === null) throw new Differs('settlement', root.dataHash, 'not to be had', 'ground to challenge the root')
  const published = decodeOrNull(() => settlementSchema.decode(bytes))
  const evidence = await evidenceOf(parts, facts, published)
  const previous = await history(parts, published)
  const again = settle(crypto, parts.resource, facts, evidence, previous)
  const first = published === null ? null : firstDifference(published, again)
  if (first !== null) throw new Differs(first.differs, first.where, first.published, first.recomputed)
  if (again.root !== root.root) throw new Differs('root', 'on chain', root.root, again.root)
  if (again.total !== root.total) throw new Differs('root', 'total on chain', root.total, again.total)
  const hash = digestOf(crypto.sha256(bytes))
  if (hash !== root.dataHash) throw new Differs('settlement', 'its bytes', hash, root.dataHash)
  return again
}

function factsOf(parts: AuditParts, epoch: Epoch): EpochFacts {
  const state = parts.stateOf(epoch)
  const outcome = state === null ? null : epochFacts(state, parts.net, epoch)
  if (outcome?.is === 'facts') return outcome.facts
  const why = outcome?.is === 'void' ? 'none: the epoch is void' : 'none: it is not over'
  throw new Differs('root', `the seed of epoch ${epoch}`, parts.root.root, why)
}

/** Everything that was committed for the epoch and counts; what the settlement counted must be all of it. */
async function evidenceOf(parts: AuditParts, facts: EpochFacts, published: Settlement | null): Promise<readonly Evidence[]> {
  const { crypto, resource } = parts
  const committed = (parts.stateOf(facts.epoch)?.evidence(facts.net, facts.epoch) ?? []).map((commit) => commit.digest)
  const counted = new Set(published?.bundles ?? [])
  const evidence: Evidence[] = []
  for (const name of new Set([...counted, ...committed])) {
    const one = await load(parts, name)
    if (typeof one === 'string') {
      // Whoever settled without it could not have it either, or says so; whoever counted it must show it.
      if (counted.has(name) || published === null) throw new Differs('bundle', name, one, 'committed on chain')
      continue
    }
    const fault = bundleFault(crypto, resource, facts, one)
    if (fault !== null && counted.has(name)) throw new Differs('bundle', name, 'it was counted', `it does not count: ${fault}`)
    if (fault === null && published !== null && !counted.has(name)) throw new Differs('bundle', name, 'it was left out', 'it counts')
    if (fault === null) evidence.push(one)
  }
  return evidence
}

/** The evidence under a committed digest, or why there is none. Altered bytes are a difference of their own. */
async function load(parts: AuditParts, name: Digest): Promise<Evidence | string> {
  const { crypto } = parts
  const bytes = await parts.read(name)
  if (bytes === null) return 'not to be had'
  const hash = digestOf(crypto.sha256(bytes))
  if (hash !== name) throw new Differs('bundle', name, hash, name)
  const bundle = openBundle(crypto, name, bytes)
  if (bundle === null) return 'no bundle at all'
  const blobs = await parts.read(bundle.blobs)
  if (blobs === null) return `its proofs ${bundle.blobs} are not to be had`
  const blobsHash = digestOf(crypto.sha256(blobs))
  if (blobsHash !== bundle.blobs) throw new Differs('proofs', bundle.blobs, blobsHash, bundle.blobs)
  return openEvidence(crypto, name, bytes, blobs) ?? 'its proofs are malformed'
}

/**
 * The settlement that this one adds to. It is behind the root before, or follows from it through settlements that were
 * never published (nothing was due, or a later root paid for them): those are recomputed, too.
 */
async function history(parts: AuditParts, published: Settlement | null): Promise<Settled | null> {
  const earlier = parts.roots.filter((root) => root.index < parts.root.index)
  const anchor = earlier.findLast((root) => root.state === 'pending' || root.state === 'active') ?? null
  const unpublished: Settled[] = []
  let name = published === null ? (earlier.at(-1)?.dataHash ?? null) : published.previous
  let before = parts.root.epoch
  let base: Settled | null = null
  while (name !== null && base === null) {
    const settlement = await genuine(parts, name)
    if (settlement.epoch >= before) throw new Differs('history', name, `epoch ${settlement.epoch}`, `an epoch before ${before}`)
    if (unpublished.length > UNPUBLISHED_MAX) throw new Differs('history', name, 'no root', `one within ${UNPUBLISHED_MAX} epochs`)
    before = epochOf(settlement.epoch)
    if (earlier.some((root) => root.dataHash === name)) base = { settlement, digest: name }
    else unpublished.push({ settlement, digest: name })
    name = settlement.previous
  }
  const reached = earlier.find((root) => root.dataHash === base?.digest)?.index ?? -1
  if (anchor !== null && reached < anchor.index) {
    throw new Differs('history', 'previous', base?.digest ?? 'nothing', `the settlement of epoch ${anchor.epoch}, ${anchor.dataHash}`)
  }
  let last = base
  for (const one of unpublished.reverse()) last = await again(parts, one, last)
  return last
}

async function genuine(parts: AuditParts, name: Digest): Promise<Settlement> {
  const bytes = await parts.read(name)
  if (bytes === null) throw new Differs('history', name, 'not to be had', 'the settlement before')
  const hash = digestOf(parts.crypto.sha256(bytes))
  if (hash !== name) throw new Differs('history', name, hash, name)
  const settlement = decodeOrNull(() => settlementSchema.decode(bytes))
  if (settlement === null) throw new Differs('history', name, 'no settlement', 'the settlement before')
  return settlement
}

async function again(parts: AuditParts, one: Settled, previous: Settled | null): Promise<Settled> {
  const facts = factsOf(parts, epochOf(one.settlement.epoch))
  const evidence = await evidenceOf(parts, facts, one.settlement)
  const recomputed = settle(parts.crypto, parts.resource, facts, evidence, previous)
  const first = firstDifference(one.settlement, recomputed)
  if (first !== null) {
    throw new Differs('history', `epoch ${facts.epoch}: ${first.differs} ${first.where}`, first.published, first.recomputed)
  }
  return { settlement: recomputed, digest: settlementDigest(parts.crypto, recomputed) }
}

function decodeOrNull<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch {
    return null
  }
}
