/**
 * Settlements of a network whose roots a quorum signs. All its verifiers must come to the same one, whoever of them was
 * away and whatever they were shown late, so each follows the chain: it adds to the settlement behind the last root that
 * stands, its own or another's, and settles every epoch since in order, the ones included in which it was away.
 */
import { type Digest, type Epoch, epoch as epochOf } from '../../protocol/ids.ts'
import { epochTimes } from '../../resources/epoch-facts.ts'
import { type Settlement, settlementSchema } from '../../resources/evidence.ts'
import type { ChainHead, RootRow } from '../../runtime/chain.ts'
import { firstDifference } from '../auditor/index.ts'
import { loadEvidence, loadFile, readSettlement, settleEpoch, type VerifierParts } from './settle-epoch.ts'

/** Rows whose end is written down; older ones have theirs. */
const LOOK_BACK = 256
/** Epochs settled in a row, after a long time without roots, before what is new on the chain is looked at again. */
const SETTLED_AT_ONCE = 64

export interface Unpublished {
  /** Settles what can be. The newest settlement that is above every root; null when there is none, or none can be made now. */
  settle(head: ChainHead): Promise<Newest | null>
}
export interface Newest {
  readonly epoch: Epoch
  readonly digest: Digest
  readonly settlement: Settlement
}

/**
 * How often a root was due to be signed, seconds after the evidence was complete: attempts begin after 0, 1, 3, 7 … times
 * `round`. What came too late for one is in time for the next, and an epoch that nobody can settle costs little.
 */
export function attemptAt(elapsed: number, round: number): number {
  let attempt = 0
  while (elapsed >= round * (2 ** (attempt + 1) - 1)) attempt += 1
  return attempt
}

/** Seconds of the first attempt: what a settlement and its exchange take, within an epoch of any length. */
const ROUND_LEAST = 3
const ROUND_MOST = 120
export const roundSeconds = (epochSeconds: number): number => Math.min(Math.max(Math.ceil(epochSeconds / 4), ROUND_LEAST), ROUND_MOST)

const stands = ({ state }: RootRow): boolean => state === 'pending' || state === 'active' || state === 'challenged'

export function createUnpublished(parts: VerifierParts): Unpublished {
  const { rt, book, net } = parts
  /** Evidence that could not be had, by the epoch that was settled without it, and the attempt at which it was last looked for. */
  const absent = new Map<Epoch, { readonly names: readonly Digest[]; readonly attempt: number }>()
  /** Every epoch before this one is settled, or has nothing to settle. */
  let next = epochOf(0)
  let followed: Digest | null = null
  let fresh = true
  let read: Newest | null = null

  const seconds = (): number => rt.chain.network(net)?.epochSeconds ?? 1
  const attemptOf = (epoch: Epoch, { timestamp }: ChainHead): number =>
    attemptAt(timestamp - epochTimes(seconds(), epoch).cutoff, roundSeconds(seconds()))

  function again(from: Epoch): void {
    book.unsettle(from)
    for (const epoch of absent.keys()) if (epoch >= from) absent.delete(epoch)
    if (from < next) next = from
  }

  /** A root that others published and that then fell takes its settlement with it. */
  function disown(roots: readonly RootRow[]): void {
    for (const root of roots) {
      const row = stands(root) ? null : book.get(root.epoch)
      if (row?.state === 'adopted' && row.settlement === root.dataHash) again(root.epoch)
    }
  }

  /** Makes the settlement behind the last root that stands the one to add to. False while it is not to be had. */
  async function follow(root: RootRow): Promise<boolean> {
    if (followed === root.dataHash) return true
    const row = book.get(root.epoch)
    const own = row?.settlement ?? null
    if (own !== root.dataHash) {
      const bytes = await loadFile(parts, root.dataHash)
      if (bytes === null) {
        rt.log.warn('the settlement behind a published root is not to be had', { epoch: root.epoch, dataHash: root.dataHash })
        return false
      }
      if (own !== null) {
        const difference = firstDifference(settlementSchema.decode(bytes), await readSettlement(book, own))
        rt.log.error('a quorum published another root than this verifier computed', { ...root, ourDataHash: own, ...difference })
      }
      again(root.epoch)
      book.adopt(root.epoch, root.dataHash)
    } else if (row?.state !== 'adopted') book.mark(root.epoch, 'published')
    for (const { epoch, state } of book.epochs(LOOK_BACK)) if (state === 'settled' && epoch < root.epoch) book.mark(epoch, 'superseded')
    for (const epoch of absent.keys()) if (epoch <= root.epoch) absent.delete(epoch)
    next = epochOf(root.epoch + 1)
    followed = root.dataHash
    return true
  }

  /** What was not to be had may be by now, since whoever had it keeps it; looked for once in each attempt. */
  async function lookAgain(head: ChainHead): Promise<void> {
    for (const [epoch, { names, attempt }] of [...absent].sort(([a], [b]) => a - b)) {
      const now = attemptOf(epoch, head)
      if (now === attempt) continue
      absent.set(epoch, { names, attempt: now })
      const found = await Promise.all(names.map((name) => loadEvidence(parts, name)))
      if (found.every((one) => one === 'absent')) continue
      rt.log.info('evidence came late; its epoch is settled again', { epoch })
      return again(epoch)
    }
  }

  async function settleAll(head: ChainHead): Promise<void> {
    const isOver = (epoch: Epoch): boolean => head.timestamp >= epochTimes(seconds(), epoch).cutoff
    for (const { epoch, state } of book.epochs(LOOK_BACK)) {
      if ((state === 'committed' || state === 'collected') && isOver(epoch) && rt.chain.evidence(net, epoch).length === 0) {
        book.mark(epoch, 'missed')
      }
    }
    for (const epoch of rt.chain.evidenceFrom(net, next).slice(0, SETTLED_AT_ONCE)) {
      if (!isOver(epoch)) return
      if (book.get(epoch)?.settlement == null) {
        const attempt = attemptOf(epoch, head)
        const outcome = await settleEpoch(parts, epoch, attempt === 0)
        if (outcome.is === 'waiting') return
        if (outcome.is === 'settled' && outcome.absent.length > 0) absent.set(epoch, { names: outcome.absent, attempt })
      }
      next = epochOf(epoch + 1)
    }
  }

  return {
    async settle(head) {
      const roots = rt.chain.roots(net).filter((root) => root.asset === rt.chain.addresses.token)
      disown(roots)
      const last = roots.findLast(stands) ?? null
      if (last !== null && !(await follow(last))) return null
      // Which evidence was not to be had is not written down, so what is above the roots is settled anew after a start.
      if (fresh) again(next)
      fresh = false
      await lookAgain(head)
      await settleAll(head)
      const newest = book.lastSettled(next)
      if (newest === null || (last !== null && newest.epoch <= last.epoch)) return null
      // Of a large network it is megabytes, and this asks twice a second.
      if (read?.digest !== newest.settlement) {
        read = { epoch: newest.epoch, digest: newest.settlement, settlement: await readSettlement(book, newest.settlement) }
      }
      return read
    },
  }
}
