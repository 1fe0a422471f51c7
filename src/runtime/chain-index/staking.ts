/** Pools of delegated stake and what thaws, by shares: what a share is worth moves with time, and the contract says it. */
import { type Account, type NetworkId, networkId } from '../../protocol/ids.ts'
import type { DelegationRow, PoolRow, ThawRow } from '../chain.ts'
import { accountIn, bigintIn, type ChainEvent, type EventArgs, numberIn } from './event.ts'

export interface StakingIndex {
  apply(event: ChainEvent): void
  pools(net: NetworkId): readonly PoolRow[]
  delegationsOf(delegator: Account): readonly DelegationRow[]
  thawingOf(operator: Account, net: NetworkId): readonly ThawRow[]
}

interface Position {
  readonly row: Omit<DelegationRow, 'shares' | 'thawing'>
  shares: bigint
  readonly thawing: Map<number, bigint>
}

interface Pool {
  readonly operator: Account
  readonly net: NetworkId
  readonly nonce: number
  shares: bigint
  delegators: number
}

const thaws = (weeks: ReadonlyMap<number, bigint>): readonly ThawRow[] =>
  [...weeks].map(([week, amount]) => ({ week, amount })).sort((a, b) => a.week - b.week)

export function createStakingIndex(): StakingIndex {
  const pools = new Map<string, Pool>()
  const poolsOf = new Map<NetworkId, Pool[]>()
  const positions = new Map<string, Position>()
  const positionsOf = new Map<Account, Position[]>()
  const selves = new Map<string, Map<number, bigint>>()

  function poolOf(args: EventArgs): Pool {
    const [operator, net, nonce] = [accountIn(args, 'operator'), networkId(numberIn(args, 'net')), numberIn(args, 'nonce')]
    const at = `${operator} ${net} ${nonce}`
    const known = pools.get(at)
    if (known !== undefined) return known
    const made: Pool = { operator, net, nonce, shares: 0n, delegators: 0 }
    pools.set(at, made)
    poolsOf.set(net, [...(poolsOf.get(net) ?? []), made])
    return made
  }

  function positionOf(args: EventArgs): Position {
    const { operator, net, nonce } = poolOf(args)
    const delegator = accountIn(args, 'delegator')
    const at = `${operator} ${net} ${nonce} ${delegator}`
    const known = positions.get(at)
    if (known !== undefined) return known
    const made: Position = { row: { operator, net, nonce, delegator }, shares: 0n, thawing: new Map() }
    positions.set(at, made)
    positionsOf.set(delegator, [...(positionsOf.get(delegator) ?? []), made])
    return made
  }

  function move(args: EventArgs, shares: bigint): void {
    const [pool, position] = [poolOf(args), positionOf(args)]
    const held = position.shares > 0n
    position.shares += shares
    pool.shares += shares
    pool.delegators += Number(position.shares > 0n) - Number(held)
  }

  function self(args: EventArgs): Map<number, bigint> {
    const at = `${accountIn(args, 'operator')} ${numberIn(args, 'net')}`
    const weeks = selves.get(at) ?? new Map<number, bigint>()
    selves.set(at, weeks)
    return weeks
  }

  const add = (weeks: Map<number, bigint>, args: EventArgs): void => {
    const week = numberIn(args, 'week')
    weeks.set(week, (weeks.get(week) ?? 0n) + bigintIn(args, 'amount'))
  }

  return {
    apply({ contract, name, args }) {
      if (contract !== 'staking') return
      switch (name) {
        case 'Delegated':
          return move(args, bigintIn(args, 'shares'))
        case 'Undelegated':
          move(args, -bigintIn(args, 'shares'))
          return add(positionOf(args).thawing, args)
        case 'DelegationWithdrawn':
          return void positionOf(args).thawing.delete(numberIn(args, 'week'))
        case 'Unbonding':
          return add(self(args), args)
        case 'Withdrawn':
          return void self(args).delete(numberIn(args, 'week'))
      }
    },
    pools: (net) => (poolsOf.get(net) ?? []).map((pool) => ({ ...pool })),
    delegationsOf: (delegator) =>
      (positionsOf.get(delegator) ?? [])
        .filter((position) => position.shares > 0n || position.thawing.size > 0)
        .map(({ row, shares, thawing }) => ({ ...row, shares, thawing: thaws(thawing) })),
    thawingOf: (operator, net) => thaws(selves.get(`${operator} ${net}`) ?? new Map()),
  }
}
