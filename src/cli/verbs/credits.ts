/** `cairn credits`: what they are backed by, buying them, and turning earned ones back into CAIRN. */
import { CairnError } from '../../protocol/errors.ts'
import { fillTopUp } from '../../runtime/actions/emissions.ts'
import { mintCredits, pokeCredits, redeemEarned, redeemEarnedProRata } from '../../runtime/actions/money.ts'
import { accountNamed, openActor } from './actor.ts'
import { type CreditsState, creditsState, NO_PRICE_SECONDS, redeemQuote } from './credits-state.ts'
import { cairn, dollars, type Exit, fixed, parseDollars, print, printJson } from './output.ts'
import { approval, atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'
import { dateOf } from './stake.ts'
import { chainNow } from './stake-state.ts'

const USD = 10n ** 18n
const BPS = 10_000n

export interface TradeOptions extends SignOptions {
  /** Per cent by which the price may move until the transaction is mined. */
  readonly slippage: string
  readonly to?: string
}

export const showCredits = (options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const state = await creditsState(desk)
    const now = await chainNow(desk)
    if (options.json) printJson({ ...state, mint: mintState(state, now), redeem: redeemState(state, now) })
    else {
      const price = state.priced
        ? `$${fixed(state.mintPrice, USD, 6)} to buyers, $${fixed(state.redeemPrice, USD, 6)} to redeemers`
        : 'none'
      print(`price    ${price} for a CAIRN (oracle ${state.oracle})`)
      print(`supply   ${dollars(state.supply)} of credits`)
      print(`vault    ${cairn(state.vault)} CAIRN, and ${cairn(state.topUpReserve)} in reserve for what it lacks`)
      print(`cover    ${state.cover === null ? 'unknown' : `${fixed(state.cover * 100n, USD, 2)} %`}`)
      print(`mint     ${mintState(state, now)}; ${dollars(state.mintable)} more today`)
      print(`redeem   ${redeemState(state, now)}`)
      const { proposedOracle: next } = state
      if (next !== null) print(`oracle   ${next.oracle} is proposed, and can be applied from ${dateOf(next.readyAt)} on`)
    }
    return 0
  })

function mintState(state: CreditsState, now: number): string {
  if (state.pausedUntil > now) return `paused by the guardian until ${dateOf(state.pausedUntil)}`
  if (!state.priced) return 'stopped: there is no price'
  return state.mintHalted ? 'halted: below 90 % of cover, until 95 % are reached' : 'open'
}

function redeemState(state: CreditsState, now: number): string {
  if (state.priced) return state.cover !== null && state.cover < USD ? 'open, for the pro rata share of the vault or the reserve' : 'open'
  const { priceInvalidSince: since } = state
  if (since === 0) return 'stopped: there is no price, and nobody has recorded that yet'
  const from = since + NO_PRICE_SECONDS
  return from <= now ? 'open without a price, for the pro rata share of the vault' : `stopped until there is a price, or ${dateOf(from)}`
}

function creditsOf(text: string): bigint {
  const amount = parseDollars(text)
  if (amount !== null) return amount
  throw new CairnError('CONFIG', { what: 'the sum', why: `${JSON.stringify(text)} is no sum in dollars`, fix: 'write 10 or 12.50' })
}

function slippageOf(text: string): bigint {
  const bps = /^\d{1,2}(\.\d{1,2})?$/.test(text) ? BigInt(Math.round(Number(text) * 100)) : -1n
  if (bps >= 0n) return bps
  throw new CairnError('CONFIG', { what: '--slippage', why: `${JSON.stringify(text)} is no part of a hundred`, fix: 'write 1 or 2.5' })
}

/** Buys credits for a sum in dollars with the signer's CAIRN; into its wallet, or another's. */
export const mint = (sum: string, options: TradeOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const credits = creditsOf(sum)
    const slippage = slippageOf(options.slippage)
    const signer = await openActor(desk, place, options.as)
    const to = options.to === undefined ? signer.account : await accountNamed(desk.crypto, place, options.to)
    const state = await creditsState(desk)
    if (!state.priced) {
      const fix = 'wait for one; whoever holds credits can spend them, and withdraw what is in Escrow'
      throw new CairnError('CONFIG', { what: 'buying credits', why: 'there is no price', fix })
    }
    const tokens = await desk.contracts.number('credits', 'quoteMint', credits)
    const maxTokens = (tokens * (BPS + slippage)) / BPS
    const spender = desk.access.view.addresses.credits
    const steps: Step[] = [
      ...(await approval(desk, signer, { asset: 'token', spender, amount: maxTokens })),
      { what: 'buying credits', call: 'credits.mint', send: (o) => mintCredits(signer, { to, credits, maxTokens }, o) },
    ]
    const question = `Buy ${dollars(credits)} of credits for ${cairn(tokens)} CAIRN of ${signer.account}, ${cairn(maxTokens)} at most?`
    return carryOut({ question, facts: { buyer: signer.account, to, credits, tokens, maxTokens }, steps }, options)
  })

/** Turns the signer's earned credits into CAIRN: a sum in dollars, or `all`. */
export const redeem = (sum: string, options: TradeOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const slippage = slippageOf(options.slippage)
    const signer = await openActor(desk, place, options.as)
    const to = options.to === undefined ? signer.account : await accountNamed(desk.crypto, place, options.to)
    const { credits: asset } = desk.access.view.addresses
    const earned = desk.access.view.escrow(signer.account, asset).earned
    const credits = sum === 'all' ? earned : creditsOf(sum)
    if (credits === 0n) {
      if (options.json) printJson({ nothing: `${signer.account} has no earned credits` })
      else print(`${signer.account} has no earned credits`)
      return 1
    }
    const state = await creditsState(desk)
    const quote = await redeemQuote(desk, credits, state)
    if (quote === null) return proRata(desk, signer, { credits, to, state, slippage }, options)
    const minTokens = (quote.pays * (BPS - slippage)) / BPS
    const reserve = quote.pays < quote.value ? await desk.contracts.number('emissions', 'reserve') : 0n
    const steps: Step[] = [
      { what: 'redeeming', call: 'escrow.redeemEarned', send: (o) => redeemEarned(signer, { credits, minTokens, to }, o) },
    ]
    // Whoever redeems below full cover has the reserve filled first: it is minted for nobody else.
    if (reserve > 0n) steps.unshift({ what: 'filling the reserve', call: 'emissions.fillTopUp', send: (o) => fillTopUp(signer, o) })
    const short = quote.pays < quote.value ? `, of ${cairn(quote.value)} that they are worth: the rest is kept by waiting` : ''
    const question = `Redeem ${dollars(credits)} of ${signer.account} for ${cairn(quote.pays)} CAIRN${short}?`
    const facts = { owner: signer.account, to, credits, value: quote.value, pays: quote.pays, minTokens, reserve }
    return carryOut({ question, facts, steps }, options)
  })

type Signer = Awaited<ReturnType<typeof openActor>>
type Desk = Parameters<typeof creditsState>[0]

/** Without a price for two weeks: the plain share of the vault. */
async function proRata(
  desk: Desk,
  signer: Signer,
  p: { credits: bigint; to: Signer['account']; state: CreditsState; slippage: bigint },
  options: TradeOptions,
): Promise<Exit> {
  const { credits, to, state } = p
  const ready = state.priceInvalidSince + NO_PRICE_SECONDS
  if (state.priceInvalidSince === 0 || ready > (await chainNow(desk))) {
    const when = state.priceInvalidSince === 0 ? 'two weeks after somebody recorded it (cairn credits poke)' : `${dateOf(ready)} on`
    throw new CairnError('CONFIG', {
      what: 'redeeming',
      why: 'there is no price',
      fix: `wait for one, or for the pro rata share from ${when}; earned credits can be withdrawn and spent meanwhile`,
    })
  }
  const pays = (state.vault * credits) / state.supply
  const minTokens = (pays * (BPS - p.slippage)) / BPS
  const send: Step['send'] = (o) => redeemEarnedProRata(signer, { credits, minTokens, to }, o)
  const steps: Step[] = [{ what: 'redeeming', call: 'escrow.redeemEarnedProRata', send }]
  const question = `There is no price. Redeem ${dollars(credits)} of ${signer.account} for its share of the vault, ${cairn(pays)} CAIRN?`
  return carryOut({ question, facts: { owner: signer.account, to, credits, value: null, pays, minTokens }, steps }, options)
}

/** Records whether there is a price, and whether minting is halted: it starts the two weeks after which redeeming needs none. */
export const poke = (options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const steps: Step[] = [{ what: 'recording', call: 'credits.poke', send: (o) => pokeCredits(signer, o) }]
    return carryOut({ question: 'Record the price’s state?', facts: { sender: signer.account }, steps }, options)
  })
