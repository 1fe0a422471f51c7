/**
 * Roots that more than two thirds of a weekly set of verifiers sign. Nobody leads: each settles the same evidence by the
 * same function, signs what it computed itself, asks the others for their signatures of the same, and whoever has enough
 * publishes; the set takes turns at being first. A signature lies on the disk before anybody sees it, and there is one for
 * each (epoch, attempt, set), so that neither a crash nor late evidence makes a verifier sign two roots (which costs its
 * stake). What differs between honest verifiers is settled again in the next attempt.
 */
import { type Account, type Epoch, networkId, type PeerId } from '../../protocol/ids.ts'
import { quorumOf, type RootMessage, type RootSet } from '../../protocol/roots.ts'
import { epochTimes } from '../../resources/epoch-facts.ts'
import { settlementSchema } from '../../resources/evidence.ts'
import { publishQuorumRoot } from '../../runtime/actions/rewards.ts'
import type { ChainHead } from '../../runtime/chain.ts'
import { concat, toHex } from '../../std/bytes.ts'
import { firstDifference } from '../auditor/index.ts'
import type { RootContent, RootSlot, SignedContent } from './book.ts'
import { askRootSignature, serveRootSignatures } from './root-signatures.ts'
import { loadFile, once, publishableAt, readSettlement, type VerifierParts } from './settle-epoch.ts'
import { attemptAt, createUnpublished, type Newest, roundSeconds } from './unpublished.ts'
import { quorumHash, witness } from './witness.ts'

/** The next in turn waits for the one before it: long enough to see its transaction, a small part of any epoch. */
const TURN_MS_LEAST = 2_000
const TURN_MS_MOST = 30_000
const TURNS_PER_EPOCH = 16

export interface Quorum {
  /** Does what is due at this head of the chain; called again and again. */
  turn(head: ChainHead): Promise<void>
}

/** The signatures of one slot. */
interface Round {
  readonly slot: RootSlot
  readonly set: RootSet
  readonly message: RootMessage
  readonly signatures: Map<Account, Uint8Array>
  /** Who answered: a signer has one answer for a slot. */
  readonly answered: Set<PeerId>
  /** Monotonic milliseconds from which this verifier publishes; null until it could. */
  dueAt: number | null
}

const same = (a: RootContent, b: RootContent): boolean => a.root === b.root && a.total === b.total && a.dataHash === b.dataHash

export function createQuorum(parts: VerifierParts): Quorum {
  const { rt, book, net, signer, signRoot } = parts
  const unpublished = createUnpublished(parts)
  let round: Round | null = null
  serveRootSignatures(rt.network, net, (slot) => ({
    signed: book.signed(slot),
    seen: book.seen(slot).map(({ root, total, dataHash, signature }) => ({ root, total, dataHash, signature })),
  }))

  /** A round in which this verifier has signed `content`; null when it signed something else in that slot before. */
  function begin(slot: RootSlot, set: RootSet, content: RootContent, sign: NonNullable<typeof signRoot>): Round | null {
    const message = { net, asset: rt.chain.addresses.token, ...slot, ...content }
    const signed = book.sign(slot, content, () => sign(quorumHash(rt, message)))
    // One that others show of this verifier, and that it did not make, is a use of its key elsewhere: the same crime.
    book.see(slot, signer.account, signed)
    if (!same(signed, content)) return null
    // Before a restart others may have answered, and what they said is known.
    const signatures = new Map(book.seen(slot).flatMap((one) => (same(one, content) ? [[one.signer, one.signature] as const] : [])))
    return { slot, set, message, signatures, answered: new Set(), dueAt: null }
  }

  async function ask(peer: PeerId, of: Round): Promise<void> {
    const { signed, seen } = await askRootSignature(rt, peer, net, of.slot)
    if (signed !== null) of.answered.add(peer)
    for (const { signer: who, content, isNew } of witness(parts, signed === null ? seen : [signed, ...seen], of)) {
      if (same(content, of.message)) of.signatures.set(who, content.signature)
      else if (isNew) await tell(who, content, of)
    }
  }

  /**
   * When a round is over everybody is asked once more what it saw: two faces that somebody showed to two verifiers are known
   * to both of them then, as long as one other member is honest.
   */
  function compare(of: Round): void {
    for (const peer of parts.peers) {
      const { epoch, attempt, setId } = of.slot
      once(parts, `compare:${peer}:${epoch}:${attempt}:${setId}`, () =>
        ask(peer, of).catch((error: unknown) => rt.log.debug('nothing to compare with a verifier', { peer, epoch, why: String(error) })),
      )
    }
  }

  /** Somebody lies, or one of both was not shown some evidence: whoever reads this must see which. */
  async function tell(verifier: Account, theirs: SignedContent, { slot, message }: Round): Promise<void> {
    const { root, total, dataHash } = theirs
    const difference = await differenceTo(theirs, message).catch((error: unknown) => ({ unknown: String(error) }))
    const ours = { ourRoot: message.root, ourTotal: message.total, ourDataHash: message.dataHash }
    const what = { verifier, ...slot, root, total, dataHash, ...ours, ...difference }
    rt.log.error('a verifier signed another root; its signature does not count', what)
  }

  async function differenceTo(theirs: RootContent, ours: RootContent): Promise<object> {
    const bytes = await loadFile(parts, theirs.dataHash)
    if (bytes === null) return { differs: 'settlement', where: theirs.dataHash, published: 'not to be had' }
    return firstDifference(settlementSchema.decode(bytes), await readSettlement(book, ours.dataHash)) ?? { differs: 'root' }
  }

  function turnMs(): number {
    const ms = ((rt.chain.network(net)?.epochSeconds ?? 0) * 1000) / TURNS_PER_EPOCH
    return Math.min(Math.max(ms, TURN_MS_LEAST), TURN_MS_MOST)
  }

  /** Members take turns by epoch at paying for the transaction; who comes later does so only when nobody did before. */
  function place({ set, slot }: Round): number {
    const own = set.members.findIndex((member) => member.account === signer.account)
    return (own + slot.epoch) % set.members.length
  }

  function publish(of: Round, signers: readonly Account[], head: ChainHead): void {
    // What is confirmed lies some blocks behind; a root that the clock sends too early is refused and costs nothing.
    if (Math.max(head.timestamp, Math.floor(rt.clock.now() / 1000)) < publishableAt(parts)) return
    const now = rt.clock.monotonic()
    of.dueAt ??= now + place(of) * turnMs()
    if (now < of.dueAt) return
    const { epoch, attempt, setId } = of.slot
    const signatures = signers.map((who) => of.signatures.get(who) ?? new Uint8Array())
    const key = `root:${net}:${epoch}:${attempt}:${setId}`
    once(parts, key, async () => {
      const outcome = await publishQuorumRoot(signer, { message: of.message, signatures: `0x${toHex(concat(signatures))}` }, { key })
      // Somebody was first, or the pot is not ready: both show soon.
      of.dueAt = rt.clock.monotonic() + of.set.members.length * turnMs()
      if (outcome.is === 'reverted') rt.log.info('a root was not taken', { epoch, attempt, error: outcome.error })
      else rt.log.info('published a root', { epoch, attempt, signers: signers.length, root: of.message.root })
    })
  }

  function slotAt(epoch: Epoch, setId: number, { timestamp }: ChainHead): RootSlot {
    const seconds = rt.chain.network(net)?.epochSeconds ?? 1
    return { epoch, attempt: attemptAt(timestamp - epochTimes(seconds, epoch).cutoff, roundSeconds(seconds)), setId }
  }

  /** The round to work at. One that has its quorum is kept until the chain has its root, whatever attempt it is by then. */
  function current(of: Newest, head: ChainHead): Round | null {
    const set = rt.chain.rootSet(networkId(rt.chain.network(net)?.verifierNet ?? 0))
    if (signRoot === null || set === null || !set.members.some((member) => member.account === signer.account)) return null
    const { root, total } = of.settlement
    const content = { root, total, dataHash: of.digest }
    const slot = slotAt(of.epoch, set.id, head)
    if (round !== null && round.slot.epoch === slot.epoch && round.slot.setId === slot.setId && same(round.message, content)) {
      if (round.slot.attempt === slot.attempt || quorumOf(round.set, new Set(round.signatures.keys())) !== null) return round
    }
    if (round !== null) compare(round)
    round = begin(slot, set, content, signRoot)
    return round
  }

  return {
    async turn(head) {
      const newest = await unpublished.settle(head)
      if (newest === null || newest.settlement.owners.length === 0) return
      const now = current(newest, head)
      if (now === null) return
      const signers = quorumOf(now.set, new Set(now.signatures.keys()))
      if (signers !== null) return publish(now, signers, head)
      for (const peer of parts.peers) {
        if (now.answered.has(peer)) continue
        const { epoch, attempt, setId } = now.slot
        // One that is away, or has not settled yet, is asked again for as long as this attempt lasts.
        once(parts, `ask:${peer}:${epoch}:${attempt}:${setId}`, () =>
          ask(peer, now).catch((error: unknown) => rt.log.debug('no signature from a verifier', { peer, epoch, why: String(error) })),
        )
      }
    },
  }
}
