/** Pay from channels: by voucher in batches and, when a payer's vouchers bring nothing, by proof of the units at its signed rate. */
import { type Account, type Digest, digestOf, type Hex, type NetworkId } from '../../protocol/ids.ts'
import { merkleTree } from '../../protocol/merkle.ts'
import { channelLeaf, type OwnerLine } from '../../protocol/rewards.ts'
import type { OwnerPart } from '../../resources/owner-part.ts'
import type { SignedVoucher } from '../../resources/payees.ts'
import { CHANNEL_ID, type SignedRate } from '../../resources/rates.ts'
import type { ChainCall, ChainSigner, ChainView, RootRow } from '../../runtime/chain.ts'
import type { Runtime } from '../../runtime/index.ts'
import { toHex } from '../../std/bytes.ts'

/** What payers signed. */
export interface Promises {
  readonly vouchers: readonly SignedVoucher[]
  readonly rates: readonly (SignedRate & { readonly payer: Account })[]
}

export interface RedeemParts {
  readonly rt: Runtime & { readonly chain: ChainView }
  readonly net: NetworkId
  readonly operator: Account
  readonly signer: ChainSigner
  /** The highest voucher of each channel that pays this operator, and what proved units of it cost. */
  promises(): Promises
  /** Told of a voucher that the chain paid less for than the payer has: its key may not spend that much, or not any more. */
  unredeemable(payer: Account, cumulative: bigint): void
  /** What a transaction must bring at least, so that it is worth its gas. */
  readonly worth: { readonly credits: bigint; readonly cairn: bigint }
  /** Epochs after which a payer whose vouchers bring less than was proved is done without. */
  readonly patienceEpochs: number
}

export interface RedeemDesk {
  vouchers(promises: Promises): Promise<void>
  /** Takes what was proved under an active root and not paid. */
  proved(promises: Promises, root: RootRow, part: OwnerPart): Promise<void>
}

/** Vouchers of one transaction: about 0.8 M gas. */
const BATCH = 32
/** After a transaction's blocks are confirmed the view has them within this. */
const SEEN_MS = 30_000
/** What was refused, for want of coins or because a contract is paused, is tried again after this. */
const RETRY_MS = 60_000

/** r and vs of EIP-2098 from a 65-byte r‖s‖v signature. */
export function compact(signature: Uint8Array): { r: Hex; vs: Hex } {
  const vs = signature.slice(32, 64)
  if (signature[64] === 28) vs[0] = (vs[0] ?? 0) | 0x80
  return { r: `0x${toHex(signature.subarray(0, 32))}`, vs: `0x${toHex(vs)}` }
}

interface Attempt {
  readonly tries: number
  readonly taken: boolean
  /** Monotonic ms. */
  readonly at: number
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

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

export function createRedeemDesk(parts: RedeemParts): RedeemDesk {
  const { rt, net, operator, signer, worth } = parts
  const { chain, clock, log, crypto } = rt
  const { credits } = chain.addresses
  /** The voucher and what it had brought, as it was last sent: what was taken is not sent again, what was refused is after a while. */
  const sent = new Map<Account, Attempt & { readonly cumulative: bigint; readonly redeemed: bigint }>()
  /** Epochs since which more is proved than paid; a restart begins to count again. */
  const behindSince = new Map<Account, number>()
  /** The root whose proof was last sent, by payer. */
  const shown = new Map<Account, Attempt & { readonly index: number }>()
  const redeemedBy = (payer: Account): bigint => chain.channel(payer, operator, credits, net, CHANNEL_ID)?.redeemed ?? 0n

  /** What a voucher would bring now, by what is behind it: empty promises must not crowd out the others. */
  function gainOf({ voucher }: SignedVoucher): bigint {
    const channel = chain.channel(voucher.payer, operator, voucher.asset, net, voucher.channelId)
    const { available, thawing } = chain.escrow(voucher.payer, voucher.asset)
    return smaller(voucher.cumulative - (channel?.redeemed ?? 0n), (channel?.earmark ?? 0n) + available + thawing)
  }

  function isFresh({ voucher: { payer, cumulative } }: SignedVoucher): boolean {
    const last = sent.get(payer)
    if (last === undefined || last.cumulative !== cumulative || last.redeemed !== redeemedBy(payer)) return true
    const ago = clock.monotonic() - last.at
    if (last.taken && ago > SEEN_MS) parts.unredeemable(payer, cumulative)
    return !last.taken && ago > RETRY_MS
  }

  /** Sends a call that may be sent again: what was refused under one key would be refused for ever. */
  async function send(
    call: Omit<ChainCall, 'key'>,
    key: string,
    tries: number,
  ): Promise<{ readonly taken: boolean; readonly why: string }> {
    const outcome = await signer.send({ ...call, key: tries === 0 ? key : `${key}:${tries}` }).catch((error: unknown) => String(error))
    if (typeof outcome === 'string') return { taken: false, why: outcome }
    return outcome.is === 'reverted' ? { taken: false, why: outcome.error } : { taken: true, why: '' }
  }

  async function vouchers(promises: Promises): Promise<void> {
    const due = promises.vouchers
      .map((held) => ({ ...held, gain: gainOf(held) }))
      .filter((held) => held.voucher.asset === credits && held.gain >= worth.credits && isFresh(held))
    if (due.length === 0) return
    const batch = due.sort((a, b) => (a.gain < b.gain ? 1 : -1)).slice(0, BATCH)
    const before = batch.map(({ voucher }) => ({ ...voucher, redeemed: redeemedBy(voucher.payer) }))
    const items = batch.map(({ voucher: { payer, channelId, cumulative }, signature }) => ({
      payer,
      channelId,
      cumulative,
      ...compact(signature),
    }))
    const key = `redeem:${before.map((one) => `${one.payer}:${one.channelId}:${one.cumulative}:${one.redeemed}`).join(',')}`
    const tries = Math.max(...before.map(({ payer }) => (sent.get(payer)?.tries ?? -1) + 1))
    const { taken, why } = await send({ contract: 'escrow', function: 'redeem', args: [operator, credits, net, items] }, key, tries)
    for (const { payer, cumulative, redeemed } of before) sent.set(payer, { cumulative, redeemed, tries, taken, at: clock.monotonic() })
    const gain = batch.reduce((sum, entry) => sum + entry.gain, 0n)
    if (!taken) log.warn('vouchers were refused', { why })
    else log.info('redeemed vouchers', { vouchers: batch.length, gain })
  }

  /** Whether vouchers have brought less than was proved for `patienceEpochs`. What they promise is nothing: it may never be paid. */
  function isOverdue(payer: Account, epoch: number, behind: boolean): boolean {
    if (!behind) behindSince.delete(payer)
    else if (!behindSince.has(payer)) behindSince.set(payer, epoch)
    return behind && epoch - (behindSince.get(payer) ?? epoch) >= parts.patienceEpochs
  }

  async function proved(promises: Promises, root: RootRow, part: OwnerPart): Promise<void> {
    for (const [payer, priced] of pricedLines(part.line, promises.rates)) {
      const value = priced.reduce((sum, { line, rate }) => sum + (line.cumulative * rate.numerator) / rate.denominator, 0n)
      const row = chain.channel(payer, operator, credits, net, CHANNEL_ID)
      // The earmark alone is drawn, so that nobody tries in vain who has all of it.
      const gain = row === null ? 0n : smaller(value - row.redeemed, row.earmark)
      const overdue = isOverdue(payer, root.epoch, gain >= worth.credits)
      const closing = row !== null && row.closesAt > 0 && gain >= worth.credits
      const last = shown.get(payer)
      const again = last?.index === root.index ? last : null
      if (again !== null && (again.taken || clock.monotonic() - again.at < RETRY_MS)) continue
      if (!overdue && !closing) continue
      const tries = (again?.tries ?? -1) + 1
      const { taken, why } = await prove(payer, priced, root, part, tries)
      shown.set(payer, { index: root.index, tries, taken, at: clock.monotonic() })
      if (!taken) log.warn('proved usage was refused', { payer, why })
      else log.info('took proved usage without the payer', { payer, gain })
    }
  }

  function prove(payer: Account, priced: readonly Priced[], root: RootRow, part: OwnerPart, tries: number): ReturnType<typeof send> {
    const { line: mine, detail, proof } = part
    const tree = merkleTree(
      crypto,
      mine.channels.map((line) => channelLeaf(crypto, line)),
    )
    const units = priced
      .map(({ line, rate: { unit, numerator, denominator, signature } }) => ({
        unit,
        units: line.cumulative,
        numerator,
        denominator,
        ...compact(signature),
        proof: tree.proof(mine.channels.indexOf(line)).map(digestOf),
      }))
      .sort((a, b) => (a.unit < b.unit ? -1 : 1))
    const usage = { rewardAsset: root.asset, index: root.index, root: root.root, cumulative: mine.cumulative, detailRoot: detail, proof }
    const id = { payer, payee: operator, asset: credits, net, channelId: CHANNEL_ID }
    return send({ contract: 'escrow', function: 'redeemProved', args: [id, usage, units] }, `proved:${payer}:${root.index}`, tries)
  }

  return { vouchers, proved }
}
