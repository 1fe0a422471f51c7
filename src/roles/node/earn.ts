/**
 * How an operator gets what it earned: vouchers are redeemed in batches, rewards claimed by proof from the published
 * settlement, and, when a payer no longer pays, the same amount is taken from the channel's earmark by proving its units.
 */
import type { Digest, PeerId } from '../../protocol/ids.ts'
import type { OwnerLine } from '../../protocol/rewards.ts'
import { settlementSchema } from '../../resources/evidence.ts'
import { fetchOwnerPart, type OwnerPart, ownerPart } from '../../resources/owner-part.ts'
import { fetchFile } from '../../resources/peers.ts'
import type { RootRow } from '../../runtime/chain.ts'
import type { Network } from '../../runtime/index.ts'
import { createRedeemDesk, type RedeemParts } from './redeem.ts'

export interface EarnParts extends RedeemParts {
  readonly rt: RedeemParts['rt'] & { readonly network: Network }
  readonly verifiers: readonly PeerId[]
  /** Told of the newest active root, again and again, with what its settlement proves for the operator. */
  settled(epoch: number, lines: OwnerLine['channels']): void
}

const LOOK_MS = 2_000
/** Looks for this operator's part of a settlement before all of it is fetched: a verifier may be some blocks behind. */
const PART_TRIES = 5

export async function earnLoop(parts: EarnParts, signal: AbortSignal): Promise<void> {
  const { rt } = parts
  const redeem = createRedeemDesk(parts)
  const partOf = partReader(parts)
  const claim = async (promises: ReturnType<EarnParts['promises']>): Promise<void> => {
    const root = activeRoot(parts)
    const mine = root === null ? null : await partOf(root)
    if (root === null || mine === null) return
    parts.settled(root.epoch, mine === 'absent' ? [] : mine.line.channels)
    if (mine === 'absent') return
    await claimRewards(parts, root, mine)
    if (!rt.chain.degraded()) await redeem.proved(promises, root, mine)
  }
  while (!signal.aborted) {
    const promises = parts.promises()
    // What is sent while the chain is away would all be sent once more, and paid for, when it is back.
    const steps = rt.chain.degraded() ? [claim] : [redeem.vouchers, claim]
    // Each by itself: who cannot send transactions still learns what was settled.
    for (const collect of steps) {
      try {
        await collect(promises)
      } catch (error) {
        if (!signal.aborted) rt.log.debug('collecting earnings failed and is tried again', { why: String(error) })
      }
    }
    await rt.clock.sleep(LOOK_MS, signal).catch(() => undefined)
  }
}

/** The newest active root of the reward pot. */
const activeRoot = (parts: EarnParts): RootRow | null =>
  parts.rt.chain
    .roots(parts.net)
    .filter((root) => root.state === 'active')
    .at(-1) ?? null

async function claimRewards({ rt, net, operator, signer, worth }: EarnParts, root: RootRow, mine: OwnerPart): Promise<void> {
  const { line, detail, proof } = mine
  if (line.cumulative - rt.chain.claimed(net, root.asset, operator) < worth.cairn) return
  const args = [net, root.asset, root.index, operator, line.cumulative, detail, proof]
  const outcome = await signer.send({ contract: 'rewards', function: 'claim', args, key: `claim:${net}:${root.index}` })
  if (outcome.is === 'reverted') rt.log.warn('a claim was refused', { epoch: root.epoch, error: outcome.error })
  else rt.log.info('claimed rewards', { epoch: root.epoch, cumulative: line.cumulative })
}

type Part = OwnerPart | 'absent'

/** This operator's part of what is behind a root; null while nobody has it. Only the newest is asked for again and again. */
function partReader(parts: EarnParts): (root: RootRow) => Promise<Part | null> {
  const { rt, verifiers, net, operator } = parts
  let known: { readonly of: Digest; readonly part: Part | null; readonly tries: number } | null = null
  return async (root) => {
    const last = known?.of === root.dataHash ? known : { of: root.dataHash, part: null, tries: 0 }
    if (last.part !== null) return last.part
    const tries = last.tries + 1
    const part = (await fetchOwnerPart(rt, verifiers, net, root, operator)) ?? (tries < PART_TRIES ? null : await fromWhole(parts, root))
    known = { of: root.dataHash, part, tries }
    return part
  }
}

/** That there is no line for an operator nobody can prove with less than all lines. */
async function fromWhole({ rt, verifiers, operator }: EarnParts, root: RootRow): Promise<Part | null> {
  const bytes = await fetchFile(rt, verifiers, root.dataHash)
  const settlement = bytes === null ? null : settlementSchema.decode(bytes)
  if (settlement === null || settlement.root !== root.root) return null
  return ownerPart(rt.crypto, settlement, operator) ?? 'absent'
}
