/** What Staking holds of an operator and of a delegator, as of the latest block. */
import { z } from 'zod'
import type { Account, NetworkId } from '../../protocol/ids.ts'
import type { DelegationRow } from '../../runtime/chain.ts'
import { present } from '../../std/assert.ts'
import type { ChainDesk } from './desk.ts'

const provisionType = z.object({
  active: z.bigint(),
  nonce: z.number(),
  nextCutBps: z.number(),
  cutReadyAt: z.number(),
  owed: z.bigint(),
  owedBySelf: z.bigint(),
})
const poolType = z.object({ tokens: z.bigint(), shares: z.bigint(), locked: z.bigint(), unlockEnd: z.number() })
const positionType = z.object({ shares: z.bigint(), votes: z.bigint() })
const paramsType = z.object({ delegationRatio: z.number(), operatorCutMaxBps: z.number(), thawWeeks: z.number() })

/** Virtual shares of Shares.sol, which stand against one virtual wei. */
const VIRTUAL_SHARES = 1_000_000n

const BPS = 10_000n

export interface OperatorStake {
  readonly operator: Account
  /** CAIRN wei. */
  readonly self: bigint
  readonly delegated: bigint
  /** Rewards that come free for delegators until `unlockEnd`. */
  readonly locked: bigint
  readonly unlockEnd: number
  /** What may still be delegated. */
  readonly room: bigint
  readonly shares: bigint
  readonly nonce: number
  readonly cutBps: number
  /** Another cut that waits, and from when (unix seconds); null without one. */
  readonly nextCut: { readonly bps: number; readonly from: number } | null
  /** Slashed but not taken yet. */
  readonly owed: bigint
  /** Whether its rewards are paid into Staking, which shares them with delegators. */
  readonly shared: boolean
}

/** Unix seconds of the latest block: the contracts' time, which a local chain can be ahead with. */
export const chainNow = async (desk: ChainDesk): Promise<number> => present(await desk.rpc.header('latest'), 'a chain has a head').timestamp

export async function paramsOf(desk: ChainDesk): Promise<z.output<typeof paramsType>> {
  return paramsType.parse(await desk.contracts.read('networks', 'params', desk.network.id))
}

export async function operatorStake(desk: ChainDesk, operator: Account): Promise<OperatorStake> {
  const { contracts, network, access } = desk
  const net = network.id
  const provision = provisionType.parse(await contracts.read('staking', 'provisionOf', operator, net))
  const [raw, delegated, cut, payout, params, now] = await Promise.all([
    contracts.read('staking', 'poolOf', operator, net, provision.nonce),
    contracts.read('staking', 'stakeOf', operator, net),
    contracts.number('staking', 'cutOf', operator, net),
    contracts.read('rewards', 'payoutOf', operator),
    paramsOf(desk),
    chainNow(desk),
  ])
  const pool = poolType.parse(raw)
  const held = z.tuple([z.bigint(), z.bigint(), z.bigint()]).parse(delegated)[1]
  const limit = provision.active * BigInt(params.delegationRatio)
  const waits = provision.cutReadyAt > now && provision.nextCutBps !== Number(cut)
  return {
    operator,
    self: provision.active,
    delegated: held,
    // Part of `locked` has come free already and counts as delegated: nobody has moved it yet.
    locked: pool.tokens + pool.locked - held,
    unlockEnd: pool.unlockEnd,
    room: limit > held ? limit - held : 0n,
    shares: pool.shares,
    nonce: provision.nonce,
    cutBps: Number(cut),
    nextCut: waits ? { bps: provision.nextCutBps, from: provision.cutReadyAt } : null,
    owed: provision.owed + provision.owedBySelf,
    shared: payout === access.view.addresses.staking,
  }
}

/** Shares that `amount` buys now, rounded down as Shares.sol does. */
export const sharesFor = (pool: Pick<OperatorStake, 'shares' | 'delegated'>, amount: bigint): bigint =>
  (amount * (pool.shares + VIRTUAL_SHARES)) / (pool.delegated + 1n)

/** How `addRewards` would split a payment now: by active stake, less the operator's cut of the delegators' part. */
export function splitOf(stake: OperatorStake, amount: bigint): { toOperator: bigint; toDelegators: bigint } {
  if (!stake.shared || stake.shares === 0n || stake.delegated === 0n) return { toOperator: amount, toDelegators: 0n }
  const part = (amount * stake.delegated) / (stake.delegated + stake.self)
  const cut = (part * BigInt(stake.cutBps) + BPS - 1n) / BPS
  return { toOperator: amount - (part - cut), toDelegators: part - cut }
}

export interface Holding extends DelegationRow {
  /** What the active shares are worth now, in CAIRN wei. */
  readonly value: bigint
  readonly votes: bigint
}

/** An account's parts of pools of this network, with the operator's current pool even where the view does not know of it yet. */
export async function holdingsOf(desk: ChainDesk, delegator: Account, operator?: Account): Promise<readonly Holding[]> {
  const { contracts, network, access } = desk
  const net: NetworkId = network.id
  const rows = access.view
    .delegationsOf(delegator)
    .filter((row) => row.net === net && (operator === undefined || row.operator === operator))
  if (operator !== undefined) {
    const { nonce } = provisionType.parse(await contracts.read('staking', 'provisionOf', operator, net))
    if (!rows.some((row) => row.nonce === nonce)) rows.push({ operator, net, nonce, delegator, shares: 0n, thawing: [] })
  }
  const all = await Promise.all(
    rows.map(async (row) => {
      const [position, value] = await Promise.all([
        contracts.read('staking', 'positionOf', delegator, row.operator, net, row.nonce),
        contracts.number('staking', 'valueOf', delegator, row.operator, net, row.nonce),
      ])
      return { ...row, ...positionType.parse(position), value }
    }),
  )
  return all.filter((row) => row.shares > 0n || row.thawing.length > 0)
}
