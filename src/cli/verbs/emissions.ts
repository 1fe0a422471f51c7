/** `cairn emissions`: what a day's new CAIRN are for, settling a day, and minting a network's part into its pot. */
import { z } from 'zod'
import { type NetworkId, networkId } from '../../protocol/ids.ts'
import { applyWeights, claimEmission, closePeriod, countFees, fillTopUp } from '../../runtime/actions/emissions.ts'
import { collectFees } from '../../runtime/actions/money.ts'
import { openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { cairn, dollars, type Exit, print, printJson, table } from './output.ts'
import { atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'
import { percent } from './stake.ts'

/** Emissions.CLAIM_PERIODS. */
const CLAIM_PERIODS = 56

const periodType = z.object({ fees: z.bigint(), price: z.bigint(), minted: z.bigint() })
const splitType = z.tuple([z.bigint(), z.bigint(), z.bigint()])
const weightsType = z.string()
/** Escrow.fees: protocol fees counted and burned, and the network's own that nobody collected, in µcredits. */
const feesType = z.tuple([z.bigint(), z.bigint(), z.bigint()])

interface NetOption {
  /** Another network than that of the folder. */
  readonly net?: number
}

const netOf = (desk: ChainDesk, options: NetOption): NetworkId => (options.net === undefined ? desk.network.id : networkId(options.net))

interface Period {
  readonly period: number
  /** CAIRN wei of the day: for listed networks, for burned fees, and for the reserve of Credits. */
  readonly base: bigint
  readonly matched: bigint
  readonly topUp: bigint
  /** µcredits of protocol fees that were counted. */
  readonly fees: bigint
  readonly closed: boolean
  readonly minted: bigint
  /** Of the network of this folder. */
  readonly network: {
    readonly shareBps: number
    readonly base: bigint
    readonly matched: bigint
    readonly counted: boolean
    readonly claimed: bigint
  }
}

async function periodOf(desk: ChainDesk, period: number, net: NetworkId): Promise<Period> {
  const { contracts } = desk
  const [split, raw, base, matched, counted, claimed, share] = await Promise.all([
    contracts.read('emissions', 'split', period),
    contracts.read('emissions', 'periodOf', period),
    contracts.number('emissions', 'baseOf', net, period),
    contracts.number('emissions', 'matchedOf', net, period),
    contracts.read('emissions', 'isCounted', net, period),
    contracts.number('emissions', 'claimedOf', net, period),
    contracts.number('weights', 'shareOf', net, period),
  ])
  const parts = splitType.parse(split)
  const facts = periodType.parse(raw)
  return {
    period,
    base: parts[0],
    matched: parts[1],
    topUp: parts[2],
    fees: facts.fees,
    closed: facts.price > 0n,
    minted: facts.minted,
    network: { shareBps: Number(share), base, matched, counted: counted === true, claimed },
  }
}

const currentPeriod = async (desk: ChainDesk): Promise<number> => Number(await desk.contracts.number('escrow', 'currentPeriod'))

/** Periods that are over and whose budgets can still be claimed, oldest first. */
async function claimable(desk: ChainDesk, most: number): Promise<readonly number[]> {
  const current = await currentPeriod(desk)
  const first = Math.max(0, current - Math.min(most, CLAIM_PERIODS))
  return Array.from({ length: current - first }, (_, i) => first + i)
}

export const showEmissions = (options: LookOptions & NetOption & { readonly periods: number }): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const net = netOf(desk, options)
    const current = await currentPeriod(desk)
    const [minted, scheduled, reserve, weights, rows] = await Promise.all([
      desk.contracts.number('emissions', 'minted'),
      desk.contracts.number('emissions', 'scheduled', current),
      desk.contracts.number('emissions', 'reserve'),
      desk.contracts.read('emissions', 'weights'),
      Promise.all([...(await claimable(desk, options.periods - 1)), current].map((period) => periodOf(desk, period, net))),
    ])
    if (options.json) {
      printJson({ net, period: current, minted, scheduled, reserve, weights: weightsType.parse(weights), periods: rows })
      return 0
    }
    print(`minted    ${cairn(minted)} of ${cairn(scheduled)} CAIRN that the schedule allows by now`)
    print(`reserve   ${cairn(reserve)} for redeemers of credits, should the vault lack them`)
    print()
    const cells = rows.map((row) => [
      row.period === current ? `${row.period} (today)` : String(row.period),
      cairn(row.base + row.matched),
      dollars(row.fees),
      row.closed ? 'closed' : 'open',
      percent(row.network.shareBps),
      cairn(row.network.base + row.network.matched),
      cairn(row.network.claimed),
    ])
    print(table(['day', 'for networks', 'fees', 'state', `net ${net} has`, 'which is', 'claimed'], cells))
    return 0
  })

/**
 * Counts the protocol's fees on this network for the days that are over, closes those whose counting is, and collects the
 * network's own fees of those days for its recipient.
 */
export const settleEmissions = (options: SignOptions & NetOption & { readonly periods: number }): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const net = netOf(desk, options)
    const periods = await claimable(desk, options.periods)
    const current = await currentPeriod(desk)
    const steps: Step[] = []
    const counted: number[] = []
    const closed: number[] = []
    const collected: number[] = []
    for (const period of periods) {
      const [, , uncollected] = feesType.parse(await desk.contracts.read('escrow', 'fees', net, period))
      if (uncollected > 0n) collected.push(period)
      const row = await periodOf(desk, period, net)
      if (row.closed) continue
      if (!row.network.counted) {
        counted.push(period)
        steps.push({
          what: `counting day ${period}`,
          call: 'emissions.countFees',
          send: (o) => countFees(signer, { period, nets: [net] }, o),
        })
      }
      // Fees of a day are counted until the next one is over.
      if (period + 1 >= current) continue
      closed.push(period)
      steps.push({ what: `closing day ${period}`, call: 'emissions.closePeriod', send: (o) => closePeriod(signer, { period }, o) })
    }
    if (collected.length !== 0) {
      const what = `collecting the network's fees of ${collected.length} day(s)`
      steps.push({ what, call: 'escrow.collectFees', send: (o) => collectFees(signer, { net, periods: collected }, o) })
    }
    if (steps.length === 0) return nothing('every day that is over is settled', options)
    const question = `Count the fees of ${counted.length} day(s) for network ${net}, close ${closed.length}, and collect its own of ${collected.length}?`
    return carryOut({ question, facts: { net, counted, closed, collected }, steps }, options)
  })

/** Mints what the network's budgets and its pot's room allow into the pot. */
export const claimEmissions = (options: SignOptions & NetOption): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const net = netOf(desk, options)
    const rows = await Promise.all((await claimable(desk, CLAIM_PERIODS)).map((period) => periodOf(desk, period, net)))
    const due = rows.filter((row) => row.network.base + row.network.matched > row.network.claimed)
    if (due.length === 0) return nothing(`network ${net} has no budget to claim: governance gives shares, burned fees do`, options)
    const full = await refusedNow(
      desk,
      net,
      due.map((row) => row.period),
    )
    const open = due.filter((row) => !full.has(row.period))
    if (open.length === 0)
      return nothing(`the pot of network ${net} is full: its budgets can be claimed when operators were paid from it`, options)
    const steps = open.map(({ period }): Step => {
      const send: Step['send'] = (o) => claimEmission(signer, { net, period }, o)
      // One day's claim may fill the pot for the others.
      return { what: `claiming day ${period}`, call: 'emissions.claimEmission', unless: ['NothingToMint'], send }
    })
    const budget = open.reduce((sum, row) => sum + row.network.base + row.network.matched - row.network.claimed, 0n)
    const question = `Mint up to ${cairn(budget)} CAIRN of ${open.length} day(s) into the pot of network ${net}?`
    return carryOut({ question, facts: { net, periods: open.map((row) => row.period), budget }, steps }, options)
  })

/** Days whose claim would be refused at this moment, mostly because the pot has no room for them. */
async function refusedNow(desk: ChainDesk, net: NetworkId, periods: readonly number[]): Promise<ReadonlySet<number>> {
  const refused = await Promise.all(
    periods.map((period) =>
      desk.contracts.number('emissions', 'claimEmission', net, period).then(
        () => null,
        () => period,
      ),
    ),
  )
  return new Set(refused.filter((period) => period !== null))
}

const nothing = (what: string, options: SignOptions): Exit => {
  if (options.json) printJson({ nothing: what })
  else print(what)
  return 1
}

/** Mints what Credits lacks to pay every holder in full, as far as the reserve goes. */
export const topUpCredits = (options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const reserve = await desk.contracts.number('emissions', 'reserve')
    const steps: Step[] = [{ what: 'filling the reserve', call: 'emissions.fillTopUp', send: (o) => fillTopUp(signer, o) }]
    const question = `Mint what Credits lacks, of at most ${cairn(reserve)} CAIRN?`
    return carryOut({ question, facts: { reserve }, steps }, options)
  })

/** Puts weights that governance proposed in force, once their 14 days are over. */
export const applyProposedWeights = (options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const steps: Step[] = [{ what: 'applying the weights', call: 'emissions.applyWeights', send: (o) => applyWeights(signer, o) }]
    return carryOut({ question: 'Put the proposed weights in force?', facts: { sender: signer.account }, steps }, options)
  })
