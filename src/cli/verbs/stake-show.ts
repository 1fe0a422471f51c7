/** `cairn stake show`: who stakes in this network, or all of one account's stake with what it may do now. */
import type { Account } from '../../protocol/ids.ts'
import { accountNamed } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { cairn, type Exit, print, printJson, table } from './output.ts'
import { atDesk, type LookOptions } from './send.ts'
import { dateOf, percent, WEEK_SECONDS } from './stake.ts'
import { chainNow, type Holding, holdingsOf, type OperatorStake, operatorStake } from './stake-state.ts'

export const showStake = (whose: string | undefined, options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    if (whose === undefined) await showOperators(desk, options)
    else await showAccount(desk, await accountNamed(desk.crypto, place, whose), options)
    return 0
  })

/** Everybody who owns a device or was delegated to. */
async function showOperators(desk: ChainDesk, options: LookOptions): Promise<void> {
  const { view } = desk.access
  const net = desk.network.id
  const pools = view.pools(net)
  const operators = [...new Set([...view.devices(net).map((row) => row.owner), ...pools.map((row) => row.operator)])].sort()
  const rows = await Promise.all(
    operators.map(async (operator) => {
      const stake = await operatorStake(desk, operator)
      const delegators = pools.find((row) => row.operator === operator && row.nonce === stake.nonce)?.delegators ?? 0
      return { ...stake, delegators }
    }),
  )
  if (options.json) return printJson({ net, operators: rows })
  const heads = ['operator', 'own CAIRN', 'delegated', 'by', 'room', 'cut', 'shares rewards']
  print(
    table(
      heads,
      rows.map((row) => [
        row.operator,
        cairn(row.self),
        cairn(row.delegated),
        String(row.delegators),
        cairn(row.room),
        percent(row.cutBps),
        row.shared ? 'yes' : 'no',
      ]),
    ),
  )
}

interface Thaw {
  /** The operator for delegated stake, the account itself for its own. */
  readonly operator: Account
  readonly amount: bigint
  readonly week: number
  /** Unix seconds. */
  readonly from: number
  readonly ready: boolean
}

function thawsOf(desk: ChainDesk, account: Account, holdings: readonly Holding[], now: number): readonly Thaw[] {
  const own = desk.access.view.thawingOf(account, desk.network.id).map((row) => ({ operator: account, ...row }))
  const delegated = holdings.flatMap((holding) => holding.thawing.map((row) => ({ operator: holding.operator, ...row })))
  return [...own, ...delegated].map((row) => {
    const from = row.week * WEEK_SECONDS
    return { ...row, from, ready: from <= now }
  })
}

async function showAccount(desk: ChainDesk, account: Account, options: LookOptions): Promise<void> {
  const [stake, holdings, now, balance, votes, voter] = await Promise.all([
    operatorStake(desk, account),
    holdingsOf(desk, account),
    chainNow(desk),
    desk.contracts.number('token', 'balanceOf', account),
    desk.contracts.number('staking', 'getVotes', account),
    desk.contracts.read('staking', 'delegates', account),
  ])
  const thawing = thawsOf(desk, account, holdings, now)
  const delegations = holdings
    .filter((row) => row.shares > 0n)
    .map(({ operator, nonce, shares, value }) => ({ operator, nonce, shares, value }))
  if (options.json) return printJson({ account, net: desk.network.id, balance, votes, voter, ...stake, delegations, thawing })
  print(`account     ${account}`)
  print(`wallet      ${cairn(balance)} CAIRN`)
  print(`votes       ${cairn(votes)}${voter === account ? '' : `; its own are cast by ${String(voter)}`}`)
  if (stake.self > 0n || stake.delegated > 0n) printOperator(stake)
  if (delegations.length > 0) {
    print()
    print(
      table(
        ['delegated to', 'worth now', 'shares', 'pool'],
        delegations.map((row) => [row.operator, cairn(row.value), String(row.shares), String(row.nonce)]),
      ),
    )
  }
  if (thawing.length === 0) return
  print()
  const rows = thawing.map((row) => [row.operator, cairn(row.amount), row.ready ? 'now: cairn stake withdraw' : dateOf(row.from)])
  print(table(['thawing at', 'CAIRN', 'can be withdrawn'], rows))
}

function printOperator(stake: OperatorStake): void {
  print(`own stake   ${cairn(stake.self)}`)
  print(`delegated   ${cairn(stake.delegated)}, room for ${cairn(stake.room)} more`)
  if (stake.locked > 0n) print(`unlocking   ${cairn(stake.locked)} of rewards until ${dateOf(stake.unlockEnd)}`)
  const next = stake.nextCut === null ? '' : `, ${percent(stake.nextCut.bps)} from ${dateOf(stake.nextCut.from)} on`
  print(`cut         ${percent(stake.cutBps)}${next}`)
  print(`rewards     ${stake.shared ? 'are shared with delegators' : 'are paid to the operator alone'}`)
  if (stake.owed > 0n) print(`owed        ${cairn(stake.owed)} of slashes that the limit of a week left`)
}
