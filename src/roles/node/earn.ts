/**
 * How an operator gets what it earned: vouchers are redeemed in batches, rewards claimed by proof from the published
 * settlement, and, when a payer no longer signs, the same amount is taken from the channel's earmark by proving its units.
 */
import type { Account, Digest, Hex, NetworkId, PeerId } from '../../protocol/ids.ts'
import { merkleTree } from '../../protocol/merkle.ts'
import { channelLeaf, type OwnerLine } from '../../protocol/rewards.ts'
import { settlementSchema } from '../../resources/evidence.ts'
import { fetchOwnerPart, type OwnerPart, ownerPart } from '../../resources/owner-part.ts'
import type { SignedVoucher } from '../../resources/payees.ts'
import { fetchFile } from '../../resources/peers.ts'
import { CHANNEL_ID, type SignedRate } from '../../resources/rates.ts'
import type { ChainSigner, ChainView, RootRow } from '../../runtime/chain.ts'
import type { Network, Runtime } from '../../runtime/index.ts'
import { toHex } from '../../std/bytes.ts'

export interface Promises {
  readonly vouchers: readonly SignedVoucher[]
  readonly rates: readonly (SignedRate & { readonly payer: Account })[]
}

export interface EarnParts {
  readonly rt: Runtime & { readonly network: Network; readonly chain: ChainView }
  readonly net: NetworkId
  readonly operator: Account
  readonly signer: ChainSigner
  readonly verifiers: readonly PeerId[]
  /** What payers signed: the highest voucher of each channel that pays this operator, and what proved units of it cost. */
  promises(): Promises
  /** Told of the newest active root, again and again, with what its settlement proves for the operator. */
  settled(epoch: number, lines: OwnerLine['channels']): void
  /** What a transaction must bring at least, so that it is worth its gas. */
  readonly worth: { readonly credits: bigint; readonly cairn: bigint }
  /** Epochs after which a payer that signs no more is done without. */
  readonly patienceEpochs: number
}

const LOOK_MS = 2_000
/** Vouchers of one transaction: about 0.8 M gas. */
const BATCH = 32

export async function earnLoop(parts: EarnParts, signal: AbortSignal): Promise<void> {
  const { rt } = parts
  while (!signal.aborted) {
    // Each by itself: who cannot send transactions still learns what was settled.
    const promises = parts.promises()
    for (const collect of [redeemVouchers, claimRewards]) {
      try {
        await collect(parts, promises)
      } catch (error) {
        if (!signal.aborted) rt.log.debug('collecting earnings failed and is tried again', { why: String(error) })
      }
    }
    await rt.clock.sleep(LOOK_MS, signal).catch(() => undefined)
  }
}

/** r and vs of EIP-2098 from a 65-byte r‖s‖v signature. */
export function compact(signature: Uint8Array): { r: Hex; vs: Hex } {
  const vs = signature.slice(32, 64)
  if (signature[64] === 28) vs[0] = (vs[0] ?? 0) | 0x80
  return { r: `0x${toHex(signature.subarray(0, 32))}`, vs: `0x${toHex(vs)}` }
}

async function redeemVouchers(parts: EarnParts, { vouchers }: Promises): Promise<void> {
  const { rt, net, operator, signer } = parts
  const { credits } = rt.chain.addresses
  const due = vouchers.flatMap(({ voucher, signature }) => {
    const channel = rt.chain.channel(voucher.payer, operator, voucher.asset, net, voucher.channelId)
    const { available, thawing } = rt.chain.escrow(voucher.payer, voucher.asset)
    const promised = voucher.cumulative - (channel?.redeemed ?? 0n)
    const funds = (channel?.earmark ?? 0n) + available + thawing
    // By what is behind it: empty promises must not crowd out the others.
    const gain = promised < funds ? promised : funds
    return voucher.asset === credits && gain >= parts.worth.credits ? [{ voucher, signature, gain }] : []
  })
  if (due.length === 0) return
  const batch = due.sort((a, b) => (a.gain < b.gain ? 1 : -1)).slice(0, BATCH)
  const items = batch.map(({ voucher, signature }) => {
    const { payer, channelId, cumulative } = voucher
    return { payer, channelId, cumulative, ...compact(signature) }
  })
  const key = `redeem:${items.map((item) => `${item.payer}:${item.channelId}:${item.cumulative}`).join(',')}`
  const outcome = await signer.send({ contract: 'escrow', function: 'redeem', args: [operator, credits, net, items], key })
  const gain = batch.reduce((sum, entry) => sum + entry.gain, 0n)
  if (outcome.is === 'reverted') rt.log.warn('vouchers were refused', { error: outcome.error })
  else rt.log.info('redeemed vouchers', { vouchers: batch.length, gain })
}

/** The newest active root of the reward pot. */
const activeRoot = (parts: EarnParts): RootRow | null =>
  parts.rt.chain
    .roots(parts.net)
    .filter((root) => root.state === 'active')
    .at(-1) ?? null

async function claimRewards(parts: EarnParts, promises: Promises): Promise<void> {
  const { rt, net, operator, signer } = parts
  const root = activeRoot(parts)
  const mine = root === null ? null : await partOf(parts, root)
  if (root === null || mine === null) return
  parts.settled(root.epoch, mine === 'absent' ? [] : mine.line.channels)
  if (mine === 'absent') return
  const { line, detail, proof } = mine
  const { asset } = root
  if (line.cumulative - rt.chain.claimed(net, asset, operator) >= parts.worth.cairn) {
    const args = [net, asset, root.index, operator, line.cumulative, detail, proof]
    const outcome = await signer.send({ contract: 'rewards', function: 'claim', args, key: `claim:${net}:${root.index}` })
    if (outcome.is === 'reverted') rt.log.warn('a claim was refused', { epoch: root.epoch, error: outcome.error })
    else rt.log.info('claimed rewards', { epoch: root.epoch, cumulative: line.cumulative })
  }
  await redeemProved(parts, promises, root, mine)
}

const kept = new WeakMap<EarnParts, { readonly of: Digest; readonly part: OwnerPart | 'absent' }>()

/** This operator's part of what is behind a root; null while nobody has it. Only the newest is asked for again and again. */
async function partOf(parts: EarnParts, root: RootRow): Promise<OwnerPart | 'absent' | null> {
  const known = kept.get(parts)
  if (known?.of === root.dataHash) return known.part
  const { rt, verifiers, net, operator } = parts
  const part = (await fetchOwnerPart(rt, verifiers, net, root, operator)) ?? (await fromWhole(parts, root))
  if (part !== null) kept.set(parts, { of: root.dataHash, part })
  return part
}

/** That there is no line for an operator nobody can prove with less than all lines. */
async function fromWhole({ rt, verifiers, operator }: EarnParts, root: RootRow): Promise<OwnerPart | 'absent' | null> {
  const bytes = await fetchFile(rt, verifiers, root.dataHash)
  const settlement = bytes === null ? null : settlementSchema.decode(bytes)
  if (settlement === null || settlement.root !== root.root) return null
  return ownerPart(rt.crypto, settlement, operator) ?? 'absent'
}

const behindSince = new WeakMap<EarnParts, Map<Account, number>>()

/** Whether the payer's voucher has covered less than was proved for `patienceEpochs`; a restart begins to count again. */
function isOverdue(parts: EarnParts, payer: Account, epoch: number, behind: boolean): boolean {
  const since = behindSince.get(parts) ?? new Map<Account, number>()
  behindSince.set(parts, since)
  if (!behind) {
    since.delete(payer)
    return false
  }
  const first = since.get(payer) ?? epoch
  since.set(payer, first)
  return epoch - first >= parts.patienceEpochs
}

interface Priced {
  readonly line: OwnerLine['channels'][number]
  readonly rate: SignedRate
}

/** What was proved that somebody signed a price for, by payer. */
function pricedLines({ channels }: OwnerLine, rates: Promises['rates']): ReadonlyMap<Account, readonly Priced[]> {
  const keyOf = ({ channel, unit }: { readonly channel: Digest; readonly unit: Digest }): string => `${channel}${unit}`
  const lines = new Map(channels.map((line) => [keyOf(line), line]))
  const out = new Map<Account, Priced[]>()
  for (const rate of rates) {
    const line = lines.get(keyOf(rate))
    if (line !== undefined && rate.numerator > 0n) out.set(rate.payer, [...(out.get(rate.payer) ?? []), { line, rate }])
  }
  return out
}

/** Takes what a silent payer's channel proved: only once its voucher has fallen `patienceEpochs` behind. */
async function redeemProved(
  parts: EarnParts,
  { vouchers, rates }: Promises,
  root: RootRow,
  { line: mine, detail, proof }: OwnerPart,
): Promise<void> {
  const { rt, net, operator, signer } = parts
  const { credits } = rt.chain.addresses
  const promised = new Map(vouchers.map(({ voucher }) => [voucher.payer, voucher.cumulative]))
  for (const [payer, priced] of pricedLines(mine, rates)) {
    const value = priced.reduce((sum, { line, rate }) => sum + (line.cumulative * rate.numerator) / rate.denominator, 0n)
    const row = rt.chain.channel(payer, operator, credits, net, CHANNEL_ID)
    const gain = value - (row?.redeemed ?? 0n)
    if (row === null || !isOverdue(parts, payer, root.epoch, value > (promised.get(payer) ?? 0n)) || gain < parts.worth.credits) continue
    const tree = merkleTree(
      rt.crypto,
      mine.channels.map((line) => channelLeaf(rt.crypto, line)),
    )
    const units = priced
      .map(({ line, rate }) => ({
        unit: line.unit,
        units: line.cumulative,
        numerator: rate.numerator,
        denominator: rate.denominator,
        ...compact(rate.signature),
        proof: tree.proof(mine.channels.indexOf(line)).map((hash): Hex => `0x${toHex(hash)}`),
      }))
      .sort((a, b) => (a.unit < b.unit ? -1 : 1))
    const usage = { rewardAsset: root.asset, index: root.index, root: root.root, cumulative: mine.cumulative, detailRoot: detail, proof }
    const id = { payer, payee: operator, asset: credits, net, channelId: CHANNEL_ID }
    const outcome = await signer.send({
      contract: 'escrow',
      function: 'redeemProved',
      args: [id, usage, units],
      key: `proved:${payer}:${root.index}`,
    })
    if (outcome.is === 'reverted') rt.log.warn('proved usage was refused', { payer, error: outcome.error })
    else rt.log.info('took proved usage without the payer', { payer, gain })
  }
}
