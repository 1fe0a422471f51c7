/**
 * Stake with delegation, a decision of those who stake, and credits while the price moves: by the commands that people
 * type, in the order of docs/governance.md, on one chain without daemons. Sums are held to the last unit.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ACCOUNT } from '../../src/cli/up/plan.ts'
import { type Account, bytesOf, digest, digestOf, epoch, networkId } from '../../src/protocol/ids.ts'
import type { WalletKey } from '../../src/protocol/keys.ts'
import { addRewards, rewardRoot, totalOf } from '../../src/protocol/rewards.ts'
import { domainSeparator, escrowDomain, ROOT, rootDomain, typedDataHash, VOUCHER } from '../../src/protocol/typed-data.ts'
import { settlementSchema } from '../../src/resources/evidence.ts'
import { compact } from '../../src/roles/node/index.ts'
import { type ChainOnly, startChainOnly } from './chain-only.ts'

const CAIRN = 10n ** 18n
const DOLLAR = 10n ** 11n
/** Credits.SCALE, and Shares.sol's virtual shares. */
const SCALE = 10n ** 25n
const VIRTUAL = 1_000_000n
const NET = networkId(2)
const HOLDER_STAKE = 20_000_000n * CAIRN

interface CreditsShown {
  readonly supply: string
  readonly vault: string
  readonly cover: string | null
  readonly mintHalted: boolean
  readonly priced: boolean
}
interface StakeShown {
  readonly balance: string
  readonly votes: string
  readonly locked: string
  readonly delegations: readonly { readonly shares: string; readonly value: string }[]
  readonly thawing: readonly { readonly amount: string; readonly ready: boolean }[]
}
interface ProposalShown {
  readonly id: string
  readonly state: string
  readonly votes: { readonly for: string }
  readonly quorum: string | null
  readonly calls: readonly { readonly text: string }[]
}
interface Redeemed {
  readonly value: string
  readonly pays: string
  readonly transactions: readonly { readonly call: string }[]
}

let chain: ChainOnly

const wallet = (index: number): WalletKey => chain.keys.wallet(index)
const operator = (n: number): WalletKey => wallet(ACCOUNT.operator(n - 1))
const tokensOf = (account: Account): Promise<bigint> => chain.contracts.number('token', 'balanceOf', account)
const warp = (duration: string): Promise<unknown> => chain.ask(0, 'chain', 'warp', duration)
const price = (usd: string): Promise<unknown> => chain.ask(0, 'credits', 'price', usd)
const credits = (): Promise<CreditsShown> => chain.ask(0, 'credits', 'show')
const yes = (as: string): readonly string[] => ['--as', as, '--yes']

/** What `work` added to an account's CAIRN, with what it returned. */
async function gained<T>(account: Account, work: () => Promise<T>): Promise<{ gain: bigint; answer: T }> {
  const had = await tokensOf(account)
  const answer = await work()
  return { gain: (await tokensOf(account)) - had, answer }
}

const redeem = (dollars: string): Promise<{ gain: bigint; answer: Redeemed }> =>
  gained(operator(1).account, () => chain.ask<Redeemed>(0, 'credits', 'redeem', dollars, ...yes('operator:1')))

/** The customer's session key signs a voucher, as its gateway does, and the operator redeems it, as its node does. */
async function pay(to: WalletKey, cumulative: bigint): Promise<void> {
  const { crypto, plan, deployment } = chain
  const { escrow, credits: asset } = deployment.addresses
  const payer = wallet(ACCOUNT.customer).account
  const voucher = { payer, payee: to.account, asset, net: NET, channelId: 0n, cumulative }
  const separator = domainSeparator(crypto, escrowDomain(deployment.chainId, escrow))
  const secret = bytesOf(digest(plan.sessionKey))
  const signature = crypto.secp256k1.sign(secret, typedDataHash(crypto, separator, VOUCHER, voucher))
  const items = [{ payer, channelId: 0n, cumulative, ...compact(signature) }]
  await chain.send(to, { contract: 'escrow', function: 'redeem', args: [to.account, asset, NET, items] })
}

/** An epoch as a verifier settles it: rewards by weight, a settlement that anybody can fetch, and a root with its signature. */
async function settleEpoch(budget: bigint): Promise<{ readonly of: ReadonlyMap<Account, bigint> }> {
  const { crypto, deployment } = chain
  const { token: asset, publisher } = deployment.addresses
  const seconds = (await chain.rpc.header('latest'))?.timestamp ?? 0
  const of = epoch(Math.floor(seconds / 60) - 1)
  const weights = [1, 2].map((n) => ({ account: operator(n).account, weight: BigInt(3 - n) }))
  const owners = addRewards([], weights, budget)
  const [root, total] = [rewardRoot(crypto, NET, asset, owners), totalOf(owners)]
  const rest = { rules: 1, resource: 'storage', bundles: [], previous: null, scores: [], carry: null }
  const bytes = settlementSchema.encode({
    ...rest,
    net: NET,
    epoch: of,
    asset,
    budget,
    owners: owners.map((row) => ({ ...row, channels: [] })),
    root,
    total,
  })
  const dataHash = digestOf(crypto.sha256(bytes))
  const path = join(chain.folder, 'verifier', 'evidence', dataHash.slice(2, 4), dataHash.slice(2))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  const message = { net: NET, asset, epoch: of, attempt: 0, setId: 0, root, total, dataHash }
  const separator = domainSeparator(crypto, rootDomain(deployment.chainId, publisher))
  const verifier = wallet(ACCOUNT.verifier)
  const signature = crypto.secp256k1.sign(verifier.secret, typedDataHash(crypto, separator, ROOT, message))
  const args = [message, `0x${Buffer.from(signature).toString('hex')}`]
  await chain.send(verifier, { contract: 'publisher', function: 'publish', args })
  return { of: new Map(owners.map((row) => [row.account, row.cumulative])) }
}

describe('stake, votes and credits', { timeout: 300_000 }, () => {
  before(async () => {
    chain = await startChainOnly(2)
  })
  after(() => chain?.close())

  test('stake is bonded and delegated, shared and limited', async () => {
    await Promise.all([
      chain.ask(0, 'stake', 'share', 'on', ...yes('operator:1')),
      chain.ask(0, 'stake', 'delegate', 'operator:1', '2000', ...yes('operator:2')),
      chain.ask(0, 'stake', 'delegate', 'operator:1', '4000', ...yes('holder')),
    ])
    await Promise.all([
      chain.ask(0, 'stake', 'cut', '10', ...yes('operator:1')),
      chain.ask(0, 'stake', 'bond', '20000000', ...yes('holder')),
    ])
    const said = await chain.refused('stake', 'delegate', 'operator:1', '5000', ...yes('operator:2'))
    assert.match(said, /OverDelegated\(delegated 11000000000000000000000, limit 10000000000000000000000\); delegate less/)
    const holder = await chain.ask<StakeShown>(0, 'stake', 'show', 'holder')
    assert.equal(BigInt(holder.votes), HOLDER_STAKE + 4_000n * CAIRN)
  })

  test('credits are redeemed at their value while the vault covers them, and pro rata below; a mint halts, a refund never', async () => {
    const customer = wallet(ACCOUNT.customer)
    const { credits: asset } = chain.deployment.addresses
    await pay(operator(1), 80n * DOLLAR)
    await price('1.90')
    const [high, bought] = await Promise.all([
      redeem('20'),
      gained(customer.account, () => chain.ask(0, 'credits', 'mint', '10', ...yes('customer'))),
    ])
    assert.equal(high.gain, (20n * DOLLAR * SCALE) / (19n * 10n ** 17n))
    assert.equal(-bought.gain, (10n * DOLLAR * SCALE + 19n * 10n ** 17n - 1n) / (19n * 10n ** 17n))

    await price('0.10')
    const low = await credits()
    assert.equal(low.mintHalted, true)
    const [halted, share] = await Promise.all([chain.refused('credits', 'mint', '10', ...yes('customer')), redeem('20')])
    assert.match(halted, /MintHalted; credits are covered by less than 90 %/)
    assert.equal(share.gain, (BigInt(low.vault) * 20n * DOLLAR) / BigInt(low.supply))
    assert.ok(share.gain < BigInt(share.answer.value))

    await price('none')
    const refusals = await Promise.all([
      chain.refused('credits', 'mint', '10', ...yes('customer')),
      chain.refused('credits', 'redeem', '20', ...yes('operator:1')),
    ])
    for (const said of refusals) assert.match(said, /there is no price/)
    // Without a price, and over the week that a refund takes, money leaves Escrow.
    await chain.send(customer, { contract: 'escrow', function: 'thaw', args: [asset, 50n * DOLLAR] })
  })

  test('a proposal becomes a parameter through vote and timelock', async () => {
    const call = 'weights.set([1,2],[2000,4000])'
    const made = await chain.ask<{ id: string }>(0, 'govern', 'propose', call, '--description', 'Emissions for storage', '--yes')
    const [shown, early] = await Promise.all([
      chain.ask<ProposalShown>(0, 'govern', 'show', '1'),
      chain.refused('govern', 'vote', '1', 'for', '--yes'),
    ])
    assert.match(early, /GovernorUnexpectedProposalState/)
    assert.deepEqual([shown.id, shown.state, shown.calls[0]?.text], [made.id, 'pending', call])
    await warp('49h')
    await chain.ask(0, 'govern', 'vote', '1', 'for', '--reason', 'it stores', '--yes')
    const active = await chain.ask<ProposalShown>(0, 'govern', 'show', made.id)
    assert.deepEqual([active.state, BigInt(active.votes.for)], ['active', HOLDER_STAKE + 4_000n * CAIRN])
    // One per cent of a billion, which is more than four of what is staked.
    assert.equal(BigInt(active.quorum ?? 0), 10_000_000n * CAIRN)
    await warp('7d')

    const customer = wallet(ACCOUNT.customer)
    const { credits: asset } = chain.deployment.addresses
    await chain.send(customer, { contract: 'escrow', function: 'withdraw', args: [asset, customer.account] })
    assert.equal(await chain.contracts.number('credits', 'balanceOf', customer.account), 60n * DOLLAR)

    await chain.ask(0, 'govern', 'queue', '1', '--yes')
    assert.match(await chain.refused('govern', 'execute', '1', '--yes'), /TimelockUnexpectedOperationState/)
    assert.equal(await chain.contracts.number('weights', 'total'), 0n)
    await warp('7d')
    await chain.ask(0, 'govern', 'execute', '1', '--yes')
    assert.equal(await chain.contracts.number('weights', 'total'), 6_000n)
    const done = await chain.ask<readonly ProposalShown[]>(0, 'govern', 'list')
    assert.deepEqual(
      done.map((row) => row.state),
      ['executed'],
    )
  })

  test('emissions reach the pot of a listed network, and redeemers what the vault lacks', async () => {
    await Promise.all([price('0.10'), warp('50h')])
    await chain.ask(0, 'emissions', 'settle', '--periods', '2', '--yes')
    const { budget, periods } = await chain.ask<{ budget: string; periods: readonly number[] }>(
      0,
      'emissions',
      'claim',
      '--net',
      '1',
      '--dry-run',
    )
    assert.equal(periods.length, 1)
    await chain.ask(0, 'emissions', 'claim', '--net', '1', '--yes')
    const token = chain.deployment.addresses.token
    const pot = (await chain.contracts.read('rewards', 'pot', 1, token)) as { funded: bigint }
    assert.equal(pot.funded, BigInt(budget))
    assert.equal(await chain.contracts.number('emissions', 'minted'), BigInt(budget))
    // The local pot holds far more than a day's budget already.
    await chain.ask(1, 'emissions', 'claim', '--yes')
    const full = await redeem('20')
    assert.deepEqual(
      full.answer.transactions.map((sent) => sent.call),
      ['emissions.fillTopUp', 'escrow.redeemEarned'],
    )
    assert.equal(full.gain, 20n * DOLLAR * 10n ** 8n)
    assert.ok(BigInt(full.answer.pays) < full.gain)
  })

  test('a settled epoch pays the operator, its delegators unlock their part, and take it out while all else is paused', async () => {
    await warp('5d')
    const budget = 1_500n * CAIRN + 7n
    const { of } = await settleEpoch(budget)
    const reward = of.get(operator(1).account) ?? 0n
    await warp('30s')
    const [stake, delegated] = [1_000n * CAIRN, 6_000n * CAIRN]
    const part = (reward * delegated) / (delegated + stake)
    const shared = part - (part * 1_000n + 9_999n) / 10_000n
    const claimed = await gained(operator(1).account, () => chain.ask(0, 'stake', 'claim', ...yes('holder')))
    assert.equal(claimed.gain, reward - shared)
    assert.equal((await chain.ask<{ nothing: string }>(1, 'stake', 'claim', ...yes('holder'))).nothing.length > 0, true)
    await warp('8d')

    const holder = await chain.ask<StakeShown>(0, 'stake', 'show', 'holder')
    const held = present(holder.delegations[0])
    const worth = (BigInt(held.shares) * (delegated + shared + 1n)) / (delegated * VIRTUAL + VIRTUAL)
    assert.equal(BigInt(held.value), worth)
    await chain.ask(0, 'govern', 'pause', '7d', '--yes')
    const [paused] = await Promise.all([
      chain.refused('stake', 'delegate', 'operator:1', '10', ...yes('operator:2')),
      // Alone and first: whoever leaves after another gets what the other's rounding left.
      chain.ask(0, 'stake', 'undelegate', 'operator:1', 'all', ...yes('holder')),
    ])
    assert.match(paused, /Paused\(until \d+\); the guardian paused new commitments; exits work/)
    await chain.ask(0, 'stake', 'undelegate', 'operator:1', 'all', ...yes('operator:2'))
    assert.equal((await chain.ask<{ nothing: string }>(1, 'stake', 'withdraw', ...yes('holder'))).nothing.length > 0, true)
    await warp('28d')
    const [holderOut, otherOut] = await Promise.all([
      gained(wallet(ACCOUNT.holder).account, () => chain.ask(0, 'stake', 'withdraw', ...yes('holder'))),
      gained(operator(2).account, () => chain.ask(0, 'stake', 'withdraw', ...yes('operator:2'))),
    ])
    const left = delegated + shared - holderOut.gain - otherOut.gain
    assert.equal(holderOut.gain, worth)
    // Whoever leaves rounds down: less than a wei for each step, which stays in the pool.
    assert.ok(left >= 0n && left <= 4n, `${left} wei are left`)
  })
})

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined)
  return value
}
