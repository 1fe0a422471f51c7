/**
 * Recomputes an epoch's payouts from what was published and compares them with the chain. It trusts no file: when the
 * bytes behind a hash are not those that were committed, it still reads them, so that it can name what was changed.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { type Digest, digestOf, type Epoch, type NetworkId } from '../../protocol/ids.ts'
import { type ChainState, epochFacts } from '../../resources/epoch-facts.ts'
import { type Evidence, openBundle, openEvidence, type Settlement, settlementSchema } from '../../resources/evidence.ts'
import type { Kind, Resource } from '../../resources/resource.ts'
import { bundleFault, settle } from '../../resources/settle.ts'
import type { RootRow } from '../../runtime/chain.ts'

export interface AuditParts {
  readonly crypto: Crypto
  readonly resource: Resource<Kind>
  readonly net: NetworkId
  readonly epoch: Epoch
  /** The chain as of the epoch's cut-off. */
  readonly state: ChainState
  readonly root: RootRow
  /** Earlier roots of the network, for the settlement that this one builds on. */
  readonly earlier: readonly RootRow[]
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
  | {
      readonly equal: false
      readonly epoch: Epoch
      readonly differs: AuditSubject
      readonly where: string
      readonly published: string
      readonly recomputed: string
    }
export type AuditSubject = 'bundle' | 'proofs' | 'verdict' | 'score' | 'budget' | 'payout' | 'root' | 'settlement' | 'history'

export async function audit(parts: AuditParts): Promise<AuditOutcome> {
  const differ = (differs: AuditSubject, where: string, published: unknown, recomputed: unknown): AuditOutcome => ({
    equal: false,
    epoch: parts.epoch,
    differs,
    where,
    published: String(published),
    recomputed: String(recomputed),
  })
  const outcome = epochFacts(parts.state, parts.net, parts.epoch)
  if (outcome.is !== 'facts')
    return differ('root', 'the epoch’s seed', parts.root.root, outcome.is === 'void' ? 'none: the epoch is void' : 'not known yet')
  const bytes = await parts.read(parts.root.dataHash)
  if (bytes === null) return differ('settlement', parts.root.dataHash, 'not to be had', 'ground to challenge the root')
  const published = decodeOrNull(() => settlementSchema.decode(bytes))
  const loaded = await loadAll(parts, published?.bundles ?? parts.state.evidence(parts.net, parts.epoch).map((commit) => commit.digest))
  if (!loaded.ok) return differ(loaded.differs, loaded.where, loaded.published, loaded.recomputed)
  for (const one of loaded.evidence) {
    const fault = bundleFault(parts.crypto, parts.resource, outcome.facts, one)
    const committed = parts.state.evidence(parts.net, parts.epoch).some((commit) => commit.digest === one.digest)
    if (fault !== null || !committed)
      return differ('bundle', one.digest, fault ?? 'it was counted', committed ? 'it does not count' : 'it was never committed on chain')
  }
  const previous = await history(parts, published)
  if (previous === 'unknown') return differ('history', 'previous', published?.previous ?? 'none', 'not a settlement behind an earlier root')
  const again = settle(parts.crypto, parts.resource, outcome.facts, loaded.evidence, previous)
  if (published !== null) {
    const first = firstDifference(published, again)
    if (first !== null) return differ(first.differs, first.where, first.published, first.recomputed)
  }
  if (again.root !== parts.root.root) return differ('root', 'on chain', parts.root.root, again.root)
  const hash = digestOf(parts.crypto.sha256(bytes))
  if (hash !== parts.root.dataHash) return differ('settlement', 'its bytes', hash, parts.root.dataHash)
  const { root, total } = again
  return { equal: true, epoch: parts.epoch, root, total, subjects: again.scores.length, bundles: loaded.evidence.length }
}

type Loaded =
  | { readonly ok: true; readonly evidence: readonly Evidence[] }
  | { readonly ok: false; readonly differs: AuditSubject; readonly where: string; readonly published: string; readonly recomputed: string }

async function loadAll(parts: AuditParts, names: readonly Digest[]): Promise<Loaded> {
  const evidence: Evidence[] = []
  for (const name of names) {
    const bytes = await parts.read(name)
    if (bytes === null) return { ok: false, differs: 'bundle', where: name, published: 'not to be had', recomputed: 'committed on chain' }
    const hash = digestOf(parts.crypto.sha256(bytes))
    if (hash !== name) return { ok: false, differs: 'bundle', where: name, published: hash, recomputed: name }
    const bundle = openBundle(parts.crypto, name, bytes)
    const malformed: Loaded = { ok: false, differs: 'bundle', where: name, published: 'it was counted', recomputed: 'it is no bundle' }
    if (bundle === null) return malformed
    const blobs = await parts.read(bundle.blobs)
    const blobsHash = blobs === null ? 'not to be had' : digestOf(parts.crypto.sha256(blobs))
    if (blobs === null || blobsHash !== bundle.blobs)
      return { ok: false, differs: 'proofs', where: bundle.blobs, published: blobsHash, recomputed: bundle.blobs }
    const opened = openEvidence(parts.crypto, name, bytes, blobs)
    if (opened === null) return malformed
    evidence.push(opened)
  }
  return { ok: true, evidence }
}

/** The settlement that this one adds to; it must be behind a root that was published before. */
async function history(
  parts: AuditParts,
  published: Settlement | null,
): Promise<{ settlement: Settlement; digest: Digest } | null | 'unknown'> {
  const name = published === null ? (parts.earlier.at(-1)?.dataHash ?? null) : published.previous
  if (name === null) return null
  const bytes = await parts.read(name)
  const genuine = bytes !== null && digestOf(parts.crypto.sha256(bytes)) === name
  if (!genuine || !parts.earlier.some((root) => root.dataHash === name)) return 'unknown'
  return { settlement: settlementSchema.decode(bytes), digest: name }
}

interface Difference {
  readonly differs: AuditSubject
  readonly where: string
  readonly published: string
  readonly recomputed: string
}

/** Values in one textual form, since two settlements are equal exactly when their parts read the same. */
const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v instanceof Uint8Array ? [...v].join() : v))

function firstDifference(published: Settlement, again: Settlement): Difference | null {
  const differ = (differs: AuditSubject, where: string, a: unknown, b: unknown): Difference | null =>
    text(a) === text(b) ? null : { differs, where, published: text(a).slice(0, 300), recomputed: text(b).slice(0, 300) }
  const subjects = new Set([...published.scores, ...again.scores].map((row) => row.subject))
  for (const subject of [...subjects].sort()) {
    const a = published.scores.find((row) => row.subject === subject)
    const b = again.scores.find((row) => row.subject === subject)
    const found =
      differ('score', subject, a?.score, b?.score) ??
      differ('verdict', subject, [a?.units, a?.reasons], [b?.units, b?.reasons]) ??
      differ('score', subject, a, b)
    if (found !== null) return found
  }
  const owners = new Set([...published.owners, ...again.owners].map((row) => row.account))
  const budget = differ('budget', 'budget', published.budget, again.budget)
  if (budget !== null) return budget
  for (const account of [...owners].sort()) {
    const found = differ(
      'payout',
      account,
      published.owners.find((row) => row.account === account),
      again.owners.find((row) => row.account === account),
    )
    if (found !== null) return found
  }
  return (
    differ('root', 'settlement', published.root, again.root) ??
    differ('settlement', 'total', published.total, again.total) ??
    differ('settlement', 'all', published, again)
  )
}

function decodeOrNull<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch {
    return null
  }
}
