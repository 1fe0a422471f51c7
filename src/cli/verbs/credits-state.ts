/** What Credits holds and allows, as of the latest block. */
import { z } from 'zod'
import { isCairnError } from '../../protocol/errors.ts'
import type { ChainDesk } from './desk.ts'

const pricesType = z.tuple([z.boolean(), z.bigint(), z.bigint()])
const proposedType = z.tuple([z.string(), z.number()])

const NOBODY = `0x${'00'.repeat(20)}`
/** Without a price for this long, earned credits are redeemed pro rata: Credits.NO_PRICE_DELAY. */
export const NO_PRICE_SECONDS = 14 * 86_400
/** Credits.SCALE: value(µcredits) = tokens(wei) · price(USD · 1e18) / SCALE. */
export const SCALE = 10n ** 25n

export interface CreditsState {
  readonly supply: bigint
  /** CAIRN wei behind them. */
  readonly vault: bigint
  readonly topUpReserve: bigint
  /** Whether there is a price; without one, mint and redeem stop. */
  readonly priced: boolean
  /** USD · 1e18 per CAIRN that buyers and redeemers get; 0 without a price. */
  readonly mintPrice: bigint
  readonly redeemPrice: bigint
  /** The vault's worth over the supply's, times 1e18; null without a price, or while there are no credits. */
  readonly cover: bigint | null
  readonly mintHalted: boolean
  /** µcredits that may still be bought today. */
  readonly mintable: bigint
  /** Unix seconds; 0 while there is a price. */
  readonly priceInvalidSince: number
  /** Of the guardian's pause, in unix seconds; past when there is none. */
  readonly pausedUntil: number
  readonly oracle: string
  readonly proposedOracle: { readonly oracle: string; readonly readyAt: number } | null
}

export async function creditsState(desk: ChainDesk): Promise<CreditsState> {
  const { contracts } = desk
  const number = (name: string): Promise<bigint> => contracts.number('credits', name)
  const [prices, supply, vault, topUpReserve, halted, mintable, since, oracle, proposed, pausedUntil] = await Promise.all([
    contracts.read('credits', 'prices'),
    number('totalSupply'),
    number('vault'),
    number('topUpReserve'),
    contracts.read('credits', 'mintHalted'),
    number('mintable'),
    number('priceInvalidSince'),
    contracts.read('credits', 'oracle'),
    contracts.read('credits', 'proposedOracle'),
    contracts.number('timelock', 'pausedUntil'),
  ])
  const [priced, mintPrice, redeemPrice] = pricesType.parse(prices)
  const [next, readyAt] = proposedType.parse(proposed)
  return {
    supply,
    vault,
    topUpReserve,
    priced,
    mintPrice,
    redeemPrice,
    cover: priced && supply > 0n ? await number('cover') : null,
    mintHalted: halted === true,
    mintable,
    priceInvalidSince: Number(since),
    pausedUntil: Number(pausedUntil),
    oracle: String(oracle),
    proposedOracle: next === NOBODY ? null : { oracle: next, readyAt },
  }
}

export interface RedeemQuote {
  /** CAIRN wei at the redeem price, and what is paid now: less where the vault lacks cover. */
  readonly value: bigint
  readonly pays: bigint
}

/** What redeeming pays now; null without a price. */
export async function redeemQuote(desk: ChainDesk, credits: bigint, state: CreditsState): Promise<RedeemQuote | null> {
  if (!state.priced) return null
  try {
    return { value: (credits * SCALE) / state.redeemPrice, pays: await desk.contracts.number('credits', 'quoteRedeem', credits) }
  } catch (error) {
    if (isCairnError(error, 'REVERTED')) return null
    throw error
  }
}
