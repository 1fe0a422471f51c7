/** The co-signed data sets: proposing, paging, and what is held beside them. */
import { isCairnError } from '../../../protocol/errors.ts'
import { type Account, type Digest, digestOf } from '../../../protocol/ids.ts'
import type { Rate } from '../../../protocol/units.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import {
  buildSet,
  changeManifest,
  type DataSet,
  HEAD_SECONDS_MAX,
  HEAD_SECONDS_MIN,
  headMatches,
  type ManifestChange,
  sameHead,
} from '../data-set.ts'
import { MANIFEST_PAGE, type ManifestEntry, type SetHead, type StorageReply } from '../messages.ts'
import { LIMIT, type ProviderContext, type Refused, refuse } from './context.ts'
import type { HeadRow } from './ledger.ts'
import type { MeterDesk } from './meter.ts'
import type { OrderDesk } from './orders.ts'
import type { RateDesk } from './rates.ts'

export interface Proposal {
  readonly account: Account
  readonly adds: readonly ManifestEntry[]
  readonly removes: readonly Digest[]
  readonly head: SetHead
  readonly signature: Uint8Array
  /** What the customer's proved byte-seconds cost, signed. */
  readonly rate: Rate & { readonly signature: Uint8Array }
}

export interface SetDesk {
  /** The set as of a version that was co-signed and is still remembered. */
  load(setId: Digest, version: bigint): DataSet
  propose(proposal: Proposal): Promise<StorageReply>
  manifest(account: Account, after: Digest | null): StorageReply
  pending(account: Account, after: Digest | null): Promise<StorageReply>
}

/** Sets that were used last, bounded by their entries. */
function createSetCache(at: ProviderContext) {
  const cache = new Map<string, DataSet>()
  let entries = 0
  const keyOf = (setId: Digest, version: bigint): string => `${setId}/${version}`

  function put(setId: Digest, version: bigint, set: DataSet): void {
    const key = keyOf(setId, version)
    const known = cache.get(key)
    if (known !== undefined) entries -= known.entries.length
    cache.delete(key)
    cache.set(key, set)
    entries += set.entries.length
    for (const [oldest, old] of cache) {
      if (entries <= LIMIT.cachedEntries || oldest === key) break
      cache.delete(oldest)
      entries -= old.entries.length
    }
  }

  return {
    put,
    load(setId: Digest, version: bigint): DataSet {
      const set = cache.get(keyOf(setId, version)) ?? buildSet(at.hash, at.ledger.manifest(setId, version))
      put(setId, version, set)
      return set
    },
  }
}

/** First index of `entries` whose id is greater than `after`. */
function indexAfter(entries: readonly ManifestEntry[], after: Digest | null): number {
  if (after === null) return 0
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((entries[middle] as ManifestEntry).pieceId > after) high = middle
    else low = middle + 1
  }
  return low
}

export function createSetDesk(at: ProviderContext, orders: OrderDesk, meters: MeterDesk, rates: RateDesk): SetDesk {
  const { options, ledger, pieces } = at
  const { clock } = options.runtime
  const cache = createSetCache(at)
  const proposing = new Set<Digest>()
  const idOf = at.setIdOf

  function checkHead({ account, head, signature }: Proposal): Refused | null {
    const seconds = Math.floor(at.now() / 1000)
    if (head.net !== options.net || head.setId !== idOf(account)) return refuse('invalid', 'the head is of another set')
    if (head.customer !== account || head.provider !== options.operator.account) return refuse('invalid', 'the head names others')
    // Pieces stay for a month after it expires, in which nobody pays: heads that expire at once would be storage for nothing.
    if (head.expiresAt < seconds + HEAD_SECONDS_MIN || head.expiresAt > seconds + HEAD_SECONDS_MAX)
      return refuse('invalid', 'a head is valid for three to five weeks')
    if (!orders.signedBy(account, SCOPE.storage, at.headHash(head), signature)) {
      return refuse('unauthorized', 'the head is not signed by an active storage key of its account')
    }
    return null
  }

  const isHeld = (account: Account, entry: ManifestEntry): boolean => {
    const held = pieces.stat(entry.pieceId)
    return held !== null && held.account === account && held.size === entry.size
  }

  /** Ids of `adds` that are not held just so; null when their roots are not known in time. */
  async function missing(account: Account, adds: readonly ManifestEntry[]): Promise<Digest[] | null> {
    using deadline = clock.deadline('the roots of a data set', LIMIT.rootsMs)
    const out: Digest[] = []
    for (const entry of adds) {
      if (deadline.signal.aborted) return null
      const root = isHeld(account, entry) ? await pieces.rootOf(entry.pieceId) : null
      if (root === null || digestOf(root) !== entry.root) out.push(entry.pieceId)
    }
    return out
  }

  /** Ids of a set's entries that this provider could not prove: lost, dropped, or about to be. */
  function unheld(account: Account, entries: readonly ManifestEntry[]): Digest[] {
    const { forsaken } = meters.standing(account)
    return entries.filter((entry) => forsaken || !isHeld(account, entry)).map((entry) => entry.pieceId)
  }

  /** Everything between the last look at what is held and the commit is synchronous: nothing can be dropped in between. */
  function sign(proposal: Proposal, change: ManifestChange, set: DataSet, epoch: number): StorageReply {
    const { account, adds, head, signature } = proposal
    const still = adds.every((entry) => {
      const root = isHeld(account, entry) ? (pieces.stat(entry.pieceId)?.root ?? null) : null
      return root !== null && digestOf(root) === entry.root
    })
    if (!still) return refuse('busy', 'a piece was dropped meanwhile')
    const providerSignature = options.operator.sign(at.headHash(head))
    const claim = { head, customerSignature: signature, providerSignature }
    // Of an empty set nothing is ever proved: strangers are not to fill a table.
    if (set.entries.length > 0) rates.keep(account, proposal.rate)
    ledger.commitHead({ claim, epoch, signedAt: at.now() }, change.added, change.removed)
    meters.know(account)
    cache.put(head.setId, head.version, set)
    return { is: 'signed', signature: providerSignature }
  }

  async function decide(proposal: Proposal, last: HeadRow | null): Promise<StorageReply> {
    const { account, adds, removes, head } = proposal
    const epoch = at.epoch()
    if (epoch === null) return refuse('busy', 'the network is not known yet')
    const { maySign, why } = meters.standing(account)
    if (!maySign) return refuse('unpaid', why)
    const lastVersion = last?.claim.head.version ?? 0n
    if (last !== null && head.version === lastVersion && sameHead(at.headHash, last.claim.head, head)) {
      // The reply was lost: the same head gets the same signature.
      return { is: 'signed', signature: last.claim.providerSignature }
    }
    if (head.version !== lastVersion + 1n) return { is: 'differs', missing: [], version: lastVersion }
    const absent = await missing(account, adds)
    if (absent === null) return refuse('busy', 'roots are still being worked out')
    if (absent.length > 0) return { is: 'differs', missing: absent.slice(0, 1024), version: lastVersion }
    const old = cache.load(head.setId, lastVersion)
    const change = changeManifest(old.entries, adds, removes)
    if (change === null) return refuse('invalid', 'a piece is added twice')
    const gone = unheld(account, change.entries)
    if (gone.length > 0) return { is: 'differs', missing: gone.slice(0, 1024), version: lastVersion }
    const set = buildSet(at.hash, change.entries, old)
    if (!headMatches(head, set)) {
      // The customer's idea of the last manifest is not ours: it can read ours and propose again.
      return refuse('stale', `from version ${lastVersion} these changes lead to ${set.root}, ${set.entries.length} pieces`)
    }
    return sign(proposal, change, set, epoch)
  }

  return {
    load: cache.load,
    async propose(proposal) {
      const { setId } = proposal.head
      const refusal = checkHead(proposal) ?? rates.check(proposal.account, proposal.rate)
      if (refusal !== null) return refusal
      if (proposing.has(setId)) return refuse('busy', 'another change of the set is being checked')
      proposing.add(setId)
      try {
        return await decide(proposal, ledger.lastHead(setId))
      } catch (error) {
        if (isCairnError(error, 'DISK')) return refuse('failing', 'the disk is failing')
        throw error
      } finally {
        proposing.delete(setId)
      }
    },
    manifest(account, after) {
      const setId = idOf(account)
      const last = ledger.lastHead(setId)
      if (last === null) return { is: 'manifest', entries: [], more: false, head: null }
      const { head } = last.claim
      const { entries } = cache.load(setId, head.version)
      const from = indexAfter(entries, after)
      return { is: 'manifest', entries: entries.slice(from, from + MANIFEST_PAGE), more: from + MANIFEST_PAGE < entries.length, head }
    },
    async pending(account, after) {
      const setId = idOf(account)
      const last = ledger.lastHead(setId)
      const named = last === null ? [] : cache.load(setId, last.claim.head.version).entries
      const known = new Set(named.map((entry) => entry.pieceId))
      const ids = [...pieces.of(account)].filter((id) => !known.has(id) && (after === null || id > after)).sort()
      const entries: ManifestEntry[] = []
      using deadline = clock.deadline('the roots of pending pieces', LIMIT.rootsMs)
      let seen = 0
      for (const pieceId of ids.slice(0, MANIFEST_PAGE)) {
        if (deadline.signal.aborted) break
        const root = await pieces.rootOf(pieceId)
        const held = pieces.stat(pieceId)
        seen += 1
        if (root !== null && held !== null) entries.push({ pieceId, size: held.size, root: digestOf(root) })
      }
      // A page cut short by time says so; the caller goes on after its last id.
      return { is: 'manifest', entries, more: seen < ids.length, head: null }
    },
  }
}
