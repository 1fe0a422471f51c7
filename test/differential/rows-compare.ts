/** Every row of the index that a getter of the contracts can answer for. */
import assert from 'node:assert/strict'
import { keccak256, stringToHex } from 'viem'
import { type Account, networkId } from '../../src/protocol/ids.ts'
import type { Quote } from '../../src/runtime/actions/market.ts'
import type { ChainView, ThawRow } from '../../src/runtime/chain.ts'
import { WEEK_SECONDS } from '../../src/runtime/chain-index/index.ts'
import { accountAt, type Contracts } from './contracts.ts'

export const NET = networkId(1)
/** The first two are operators and providers; all delegate, lease and vote. */
export const ACTORS = [0, 1, 2, 3, 4].map(accountAt)
export const OPERATORS = ACTORS.slice(0, 2)

/** What was put to the vote, as the Governor wants it again each time. */
interface Proposal {
  readonly targets: readonly string[]
  readonly values: readonly bigint[]
  readonly calldatas: readonly string[]
  readonly description: string
}

/** What a run has done so far, from which the next call is chosen. */
export interface Made {
  readonly proposals: (Proposal & { readonly id: bigint })[]
  readonly leases: Quote[]
  readonly slashed: Set<Account>
  readonly seen: Set<string>
}

/** IGovernor.ProposalState. */
const CANCELED = 2
const EXECUTED = 7

export async function compareRows(contracts: Contracts, view: ChainView, made: Made): Promise<void> {
  for (const operator of ACTORS) await compareStake(contracts, view, operator, made.slashed.has(operator))
  for (const operator of OPERATORS) await comparePools(contracts, view, operator, made.slashed.has(operator))
  await compareLeases(contracts, view, made)
  await compareProposals(contracts, view, made)
}

/** Weeks in which something that is thawing now may end. */
async function weeksOf({ now }: Contracts): Promise<readonly number[]> {
  const week = Math.floor((await now()) / WEEK_SECONDS)
  return Array.from({ length: 60 }, (_, i) => week - 50 + i)
}

async function compareStake(contracts: Contracts, view: ChainView, operator: Account, slashed: boolean): Promise<void> {
  const staked = await contracts.read('staking', 'stakeOf', [operator, NET])
  assert.ok(Array.isArray(staked))
  assert.equal(view.stakeOf(operator, NET), staked[0], 'own stake')
  const weeks = await weeksOf(contracts)
  const buckets = await Promise.all(weeks.map((week) => contracts.read('staking', 'bucketOf', [operator, NET, week])))
  agree(view.thawingOf(operator, NET), new Map(weeks.map((week, i) => [week, BigInt(String(buckets[i]))])), slashed)
}

/** A row keeps what the thaw began with, which is what is there as long as nothing was slashed. */
function agree(rows: readonly ThawRow[], buckets: ReadonlyMap<number, bigint>, slashed: boolean): void {
  const folded = new Map(rows.map(({ week, amount }) => [week, amount]))
  for (const [week, kept] of buckets) {
    const amount = folded.get(week) ?? 0n
    if (slashed) assert.ok(amount >= kept, `week ${week}: ${kept} thaw, the index says ${amount}`)
    else assert.equal(amount, kept, `what thaws until week ${week}`)
  }
  for (const week of folded.keys()) assert.ok(buckets.has(week), 'a row of a week that nobody looked at')
}

async function comparePools(contracts: Contracts, view: ChainView, operator: Account, slashed: boolean): Promise<void> {
  const { read } = contracts
  const { nonce: newest } = Object(await read('staking', 'provisionOf', [operator, NET]))
  const weeks = await weeksOf(contracts)
  for (let nonce = 0; nonce <= newest; nonce += 1) {
    const { shares } = Object(await read('staking', 'poolOf', [operator, NET, nonce]))
    const rows = ACTORS.flatMap((one) => view.delegationsOf(one)).filter((row) => row.operator === operator && row.nonce === nonce)
    const positions = await Promise.all(ACTORS.map((one) => read('staking', 'positionOf', [one, operator, NET, nonce])))
    const held = positions.map((position) => BigInt(Object(position).shares))
    for (const [i, delegator] of ACTORS.entries()) {
      const row = rows.find((one) => one.delegator === delegator)
      assert.equal(row?.shares ?? 0n, held[i], 'shares of a pool')
      const thawing = weeks.map((week) => read('staking', 'thawingSharesOf', [delegator, operator, NET, nonce, week]))
      const left = (await Promise.all(thawing)).flatMap((amount, week) => (amount === 0n ? [] : [weeks[week]]))
      assert.deepEqual(row?.thawing.map((one) => one.week) ?? [], left, 'weeks in which a delegation ends')
    }
    const pool = view.pools(NET).find((one) => one.operator === operator && one.nonce === nonce)
    // A pool that was wiped out keeps its shares on chain as in the index: they are worth nothing.
    assert.equal(pool?.shares ?? 0n, shares)
    assert.equal(pool?.delegators ?? 0, held.filter((amount) => amount > 0n).length)
    const buckets = await Promise.all(weeks.map((week) => read('staking', 'poolBucketOf', [operator, NET, nonce, week])))
    const sums = new Map<number, bigint>()
    for (const { week, amount } of rows.flatMap((row) => row.thawing)) sums.set(week, (sums.get(week) ?? 0n) + amount)
    const kept = new Map(weeks.map((week, i) => [week, BigInt(Object(buckets[i]).tokens)]))
    agree(
      [...sums].map(([week, amount]) => ({ week, amount })),
      kept,
      slashed,
    )
  }
}

async function compareLeases({ read }: Contracts, view: ChainView, made: Made): Promise<void> {
  const nonces = new Map(OPERATORS.map((provider) => [provider, new Set<bigint>()]))
  for (const [i, quote] of made.leases.entries()) {
    const id = BigInt(i + 1)
    const row = view.lease(id)
    assert.ok(row !== null, `lease ${id}`)
    const kept = Object(await read('market', 'lease', [id]))
    for (const field of ['rate', 'settledAt', 'end', 'closed', 'net'] as const)
      assert.equal(row[field], kept[field], `lease ${id}: ${field}`)
    for (const field of ['customer', 'provider', 'asset'] as const)
      assert.equal(row[field], kept[field].toLowerCase(), `lease ${id}: ${field}`)
    assert.deepEqual([row.customer, row.provider, row.spec], [quote.customer, quote.provider, quote.spec])
    assert.equal(row.paid, row.rate * BigInt(row.settledAt - row.start), 'what is settled is paid')
    if (!row.closed) assert.equal(row.rate * BigInt(row.end - row.settledAt), await read('market', 'lockedOf', [id]))
    nonces.get(quote.provider)?.add(quote.nonce)
  }
  for (const party of ACTORS) {
    const own = made.leases.flatMap((quote, i) => (quote.customer === party || quote.provider === party ? [BigInt(i + 1)] : []))
    assert.deepEqual(
      view.leasesOf(party).map((row) => row.id),
      own,
    )
  }
  for (const [provider, used] of nonces)
    for (let nonce = 0n; nonce < 140n; nonce += 1n)
      assert.equal(view.quoteCancelled(provider, nonce) || used.has(nonce), await read('market', 'isUsed', [provider, nonce]))
}

async function compareProposals({ read }: Contracts, view: ChainView, made: Made): Promise<void> {
  const rows = view.proposals()
  assert.deepEqual(
    rows.map((row) => row.id),
    made.proposals.map((proposal) => proposal.id),
  )
  for (const row of rows) {
    const ask = (name: string): Promise<unknown> => read('governor', name, [row.id])
    assert.equal(String(await ask('proposalProposer')).toLowerCase(), row.proposer)
    assert.equal(await ask('proposalSnapshot'), BigInt(row.opensAt))
    assert.equal(await ask('proposalDeadline'), BigInt(row.closesAt))
    assert.deepEqual(await ask('proposalVotes'), [row.votes.against, row.votes.for, row.votes.abstain])
    assert.equal(await ask('proposalEta'), BigInt(row.executableAt))
    const state = await ask('state')
    assert.equal(row.end, state === EXECUTED ? 'executed' : state === CANCELED ? 'cancelled' : null)
    const calls = [row.calls.map((call) => call.target), row.calls.map((call) => call.value), row.calls.map((call) => call.calldata)]
    assert.equal(await read('governor', 'hashProposal', [...calls, keccak256(stringToHex(row.description))]), row.id, 'calls and words')
  }
}
