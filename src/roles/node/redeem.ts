/** Pay from channels: by voucher in batches and, when a payer's vouchers bring nothing, by proof of the units at its signed rate. */
import { type Account, type Digest, digestOf, type Hex, type NetworkId } from '../../protocol/ids.ts'
import { merkleTree } from '../../protocol/merkle.ts'
import { channelLeaf, type OwnerLine } from '../../protocol/rewards.ts'
import type { OwnerPart } from '../../resources/owner-part.ts'
import type { SignedVoucher } from '../../resources/payees.ts'
import { CHANNEL_ID, type SignedRate } from '../../resources/rates.ts'
import type { CallOutcome, ChainSigner, ChainView, RootRow } from '../../runtime/chain.ts'
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
  /** Told again and again of a voucher that brought nothing twice although its payer has funds: its key may not spend them. */
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
/** What brought nothing is tried again after a minute, then twice as long each time, up to an hour. */
const REST_MS = 60_000
const REST_MS_MAX = 3_600_000
/** A call has one key for so long: whoever starts again in between does not send it twice, and later the chain is asked again. */
const KEY_MS = 3_600_000

/** r and vs of EIP-2098 from a 65-byte r‖s‖v signature. */
export function compact(signature: Uint8Array): { r: Hex; vs: Hex } {
  const vs = signature.slice(32, 64)
  if (signature[64] === 28) vs[0] = (vs[0] ?? 0) | 0x80
  return { r: `0x${toHex(signature.subarray(0, 32))}`, vs: `0x${toHex(vs)}` }
}

/** The last try with a payer that brought nothing. */
interface Rest {
  /** Tries in a row that brought nothing. */
  readonly tries: number
  /** Until then the payer is left alone; monotonic ms. */
  readonly until: number
  readonly redeemed: bigint
  readonly gain: bigint
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
  /** By payer and not by voucher, or who promises one unit more each time would be tried each time. */
  const rests = new Map<Account, Rest>()
  /** Epochs since which more is proved than paid; a restart begins to count again. */
  const behindSince = new Map<Account, number>()
  /** The root whose proof was last taken, by payer, and what was refused. */
  const shown = new Map<Account, number>()
  const refused = new Map<Account, Pick<Rest, 'tries' | 'until'>>()
  const redeemedBy = (payer: Account): bigint => chain.channel(payer, operator, credits, net, CHANNEL_ID)?.redeemed ?? 0n
  const restUntil = (tries: number): number => clock.monotonic() + Math.min(REST_MS * 2 ** Math.min(tries, 16), REST_MS_MAX)
  const hour = (): number => Math.floor(clock.now() / KEY_MS)

  /** What a voucher would bring now, by what is behind it: empty promises must not crowd out the others. */
  function gainOf({ voucher }: SignedVoucher): bigint {
    const channel = chain.channel(voucher.payer, operator, voucher.asset, net, voucher.channelId)
    const { available, thawing } = chain.escrow(voucher.payer, voucher.asset)
    return smaller(voucher.cumulative - (channel?.redeemed ?? 0n), (channel?.earmark ?? 0n) + available + thawing)
  }

  /** Whether a voucher may bring something: its payer brought something the last time, has rested, or has twice the funds. */
  function isPromising({ voucher: { payer, cumulative }, gain }: SignedVoucher & { readonly gain: bigint }): boolean {
    const rest = rests.get(payer)
    if (rest === undefined || redeemedBy(payer) !== rest.redeemed) {
      rests.delete(payer)
      return true
    }
    // Once it may have been another's payment that came first; twice it is the key that may not spend.
    if (rest.tries > 1) parts.unredeemable(payer, cumulative)
    return clock.monotonic() >= rest.until || gain > 2n * rest.gain
  }

  async function vouchers(promises: Promises): Promise<void> {
    const due = promises.vouchers
      .map((held) => ({ ...held, gain: gainOf(held) }))
      .filter((held) => held.voucher.asset === credits && held.gain >= worth.credits && isPromising(held))
      .map((held) => ({ ...held, tries: rests.get(held.voucher.payer)?.tries ?? 0, redeemed: redeemedBy(held.voucher.payer) }))
    if (due.length === 0) return
    const batch = due.sort((a, b) => a.tries - b.tries || (a.gain < b.gain ? 1 : -1)).slice(0, BATCH)
    const items = batch.map(({ voucher: { payer, channelId, cumulative }, signature }) => ({
      payer,
      channelId,
      cumulative,
      ...compact(signature),
    }))
    const names = batch.map(({ voucher: { payer, channelId, cumulative }, redeemed }) => `${payer}:${channelId}:${cumulative}:${redeemed}`)
    const key = `redeem:${names.join(',')}:${hour()}`
    const outcome = await signer.send({ contract: 'escrow', function: 'redeem', args: [operator, credits, net, items], key })
    const isRefused = outcome.is === 'reverted'
    // Until the view shows that it brought something, it has not. Of a refusal of all, such as a pause, nobody is to blame.
    for (const { voucher, gain, tries, redeemed } of batch)
      rests.set(voucher.payer, { tries: isRefused ? tries : tries + 1, until: restUntil(tries), redeemed, gain })
    const gain = batch.reduce((sum, entry) => sum + entry.gain, 0n)
    if (isRefused) log.warn('vouchers were refused', { error: outcome.error })
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
      const isResting = clock.monotonic() < (refused.get(payer)?.until ?? 0)
      if ((!overdue && !closing) || shown.get(payer) === root.index || isResting) continue
      const error = await prove(payer, priced, root, part).then(
        (outcome) => (outcome.is === 'reverted' ? outcome.error : null),
        // One that does not come through must not keep the others from being tried; it goes on under its key.
        (why: unknown) => String(why),
      )
      if (error === null) {
        shown.set(payer, root.index)
        refused.delete(payer)
        log.info('took proved usage without the payer', { payer, gain })
        continue
      }
      const tries = refused.get(payer)?.tries ?? 0
      refused.set(payer, { tries: tries + 1, until: restUntil(tries) })
      log.warn('proved usage was refused', { payer, error })
    }
  }

  function prove(payer: Account, priced: readonly Priced[], root: RootRow, part: OwnerPart): Promise<CallOutcome> {
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
    const key = `proved:${payer}:${root.index}:${hour()}`
    return signer.send({ contract: 'escrow', function: 'redeemProved', args: [id, usage, units], key })
  }

  return { vouchers, proved }
}
