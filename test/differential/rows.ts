/** What the index folds from events, against the contracts' own getters: stake and its pools, leases, proposals. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeFunctionData, keccak256, stringToHex } from 'viem'
import { tokenAbi } from '../../src/protocol/abi/token.ts'
import { type Account, digest } from '../../src/protocol/ids.ts'
import { domainSeparator, marketDomain, QUOTE, typedDataHash } from '../../src/protocol/typed-data.ts'
import type { Quote } from '../../src/runtime/actions/market.ts'
import type { ChainCall, ChainView } from '../../src/runtime/chain.ts'
import { WEEK_SECONDS } from '../../src/runtime/chain-index/index.ts'
import { startIndexer } from '../../src/runtime/real/chain/index.ts'
import { openDatabase } from '../../src/runtime/real/index.ts'
import { present } from '../../src/std/assert.ts'
import { toHex } from '../../src/std/bytes.ts'
import { accountAt, type Contracts, clock, crypto, secretOf } from './contracts.ts'
import { ACTORS, compareRows, type Made, NET, OPERATORS } from './rows-compare.ts'

const zero = `0x${'00'.repeat(32)}` as const
const CAIRN = 10n ** 18n
const DAY = 86_400
const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }

const of = (contract: ChainCall['contract'], name: string, ...args: readonly unknown[]): ChainCall => ({ contract, function: name, args })

const KINDS = [
  'bond',
  'unbond',
  'withdrawSelf',
  'delegate',
  'undelegate',
  'withdrawDelegated',
  'addRewards',
  'slash',
  'lease',
  'settle',
  'settleMany',
  'close',
  'cancelQuote',
  'propose',
  'vote',
  'queue',
  'execute',
  'cancel',
] as const

const draw = fc.record({
  kind: fc.constantFrom(...KINDS),
  who: fc.nat(4),
  other: fc.nat(4),
  /** Thousandths of what there is, or small sums. */
  part: fc.integer({ min: 1, max: 1000 }),
  skip: fc.oneof(fc.nat(100), fc.constant(DAY), fc.constant(3 * DAY), fc.constant(8 * DAY)),
})
type Draw = typeof draw extends fc.Arbitrary<infer D> ? D : never
const draws = fc.array(draw, { minLength: 20, maxLength: 40, size: 'max' })

/** Every kind at least once where it succeeds: thaws that end, a lease of each fate, a proposal of each. */
const everything: readonly Draw[] = [
  ...(['bond', 'delegate', 'addRewards', 'lease', 'propose'] as const).map((kind) => ({ kind, who: 0, other: 1, part: 500, skip: 5 })),
  ...(['delegate', 'lease'] as const).map((kind) => ({ kind, who: 2, other: 0, part: 319, skip: 5 })),
  { kind: 'propose', who: 1, other: 0, part: 7, skip: 5 },
  { kind: 'cancel', who: 1, other: 0, part: 2, skip: 5 },
  ...(['undelegate', 'unbond', 'settle', 'cancelQuote'] as const).map((kind) => ({ kind, who: 0, other: 1, part: 500, skip: 5 })),
  { kind: 'vote', who: 0, other: 1, part: 1, skip: 3 * DAY },
  { kind: 'close', who: 2, other: 0, part: 1, skip: 5 },
  { kind: 'queue', who: 0, other: 1, part: 1, skip: 8 * DAY },
  { kind: 'execute', who: 0, other: 1, part: 1, skip: 8 * DAY },
  { kind: 'settleMany', who: 0, other: 1, part: 1, skip: 5 },
  { kind: 'withdrawSelf', who: 0, other: 1, part: 1, skip: 12 * DAY },
  { kind: 'withdrawDelegated', who: 0, other: 1, part: 1, skip: 5 },
  { kind: 'undelegate', who: 2, other: 0, part: 1000, skip: 5 },
  { kind: 'unbond', who: 0, other: 1, part: 100, skip: 5 },
  { kind: 'slash', who: 0, other: 0, part: 900, skip: 5 },
]

function setUp({ addresses }: Contracts): readonly { sender: Account; call: ChainCall }[] {
  const { token, networks, staking, escrow, market } = addresses
  const holder = accountAt(0)
  const windows = { epochLength: 60, challengeWindow: 60, responseWindow: 60, rootEpochs: 1, thawWeeks: 3 }
  const money = { minStake: 100n, faultPenalty: 0n, equivocationPenalty: 0n, disputeBond: 0n, rootBond: 0n, feeRecipient: accountAt(4) }
  const shares = { maxSlashBps: 2000, feeBps: 100, reporterBps: 1000, operatorCutMaxBps: 5000, delegationRatio: 10, verifierNet: 0 }
  const roles = { publisher: holder, verifier: holder, arbiter: holder }
  const list = [{ sender: holder, call: of('token', 'approve', networks, 10n ** 30n) }]
  list.push({ sender: holder, call: of('networks', 'create', { ...windows, ...money, ...shares }, roles, zero) })
  for (const sender of ACTORS) {
    if (sender !== holder) list.push({ sender: holder, call: of('token', 'transfer', sender, 10n ** 26n) })
    for (const spender of [staking, escrow]) list.push({ sender, call: of('token', 'approve', spender, 10n ** 30n) })
    list.push({ sender, call: of('escrow', 'deposit', sender, token, 10n ** 24n) })
    list.push({ sender, call: of('escrow', 'approveCollector', market, token, 10n ** 30n, 400 * DAY) })
  }
  // Enough to propose, and for a quorum when the larger one votes.
  for (const [i, sender] of OPERATORS.entries())
    list.push({ sender, call: of('staking', 'bond', NET, (30n - 20n * BigInt(i)) * 10n ** 24n) })
  return list
}

/** The call of a draw, and whose it is; null when there is nothing yet that it could be about. */
async function orderOf(contracts: Contracts, given: Draw, made: Made, at: number): Promise<{ sender: string; call: ChainCall } | null> {
  const sender = present(ACTORS[given.who], 'an actor')
  const operator = present(OPERATORS[given.other % 2], 'an operator')
  const staking = await stakingCall(contracts, given, sender, operator, at)
  if (staking !== null) return staking
  if (given.kind === 'lease') return { sender, call: leaseCall(contracts, given, made, sender, at) }
  const id = BigInt((given.part % Math.max(made.leases.length, 1)) + 1)
  const market: Partial<Record<Draw['kind'], ChainCall>> = {
    settle: of('market', 'settle', id),
    settleMany: of('market', 'settleMany', [id, id + 1n]),
    close: of('market', 'close', id),
    cancelQuote: of('market', 'cancelQuote', BigInt(given.part % 40)),
  }
  const call = market[given.kind]
  return call === undefined ? votingOrder(contracts, given, made, sender) : { sender, call }
}

async function stakingCall({ read, addresses }: Contracts, given: Draw, sender: Account, operator: Account, at: number) {
  const { nonce, active } = Object(await read('staking', 'provisionOf', [operator, NET]))
  const { shares } = Object(await read('staking', 'positionOf', [sender, operator, NET, nonce]))
  const part = (whole: bigint): bigint => (whole * BigInt(given.part)) / 1000n
  const own = Object(await read('staking', 'provisionOf', [sender, NET])).active
  const week = Math.floor(at / WEEK_SECONDS)
  const ownEnd = await firstOf(week, (one) => read('staking', 'bucketOf', [sender, NET, one]))
  const poolEnd = await firstOf(week, (one) => read('staking', 'thawingSharesOf', [sender, operator, NET, nonce, one]))
  const calls: Partial<Record<Draw['kind'], ChainCall>> = {
    bond: of('staking', 'bond', NET, BigInt(given.part) * CAIRN),
    unbond: of('staking', 'unbond', NET, part(own)),
    withdrawSelf: of('staking', 'withdrawSelf', NET, ownEnd),
    delegate: of('staking', 'delegateTo', operator, NET, BigInt(given.part) * CAIRN, 0n),
    undelegate: of('staking', 'undelegate', operator, NET, nonce, part(shares)),
    withdrawDelegated: of('staking', 'withdrawDelegated', operator, NET, nonce, poolEnd),
    addRewards: of('staking', 'addRewards', operator, NET, BigInt(given.part) * CAIRN),
    slash: of('staking', 'slash', operator, NET, part(active), accountAt(4), 0n),
  }
  const call = calls[given.kind]
  return call === undefined ? null : { sender: given.kind === 'slash' ? addresses.disputes : sender, call }
}

/** The first of the last weeks for which there is something; this week when there is nothing. */
async function firstOf(week: number, ask: (week: number) => Promise<unknown>): Promise<number> {
  const weeks = Array.from({ length: 6 }, (_, i) => week - 5 + i)
  const found = await Promise.all(weeks.map(ask))
  return weeks[found.findIndex((amount) => amount !== 0n)] ?? week
}

function leaseCall({ addresses, chainId }: Contracts, given: Draw, made: Made, customer: Account, at: number): ChainCall {
  const index = given.other % 2
  const term = 86_400 * (1 + (given.part % 20))
  const quote: Quote = {
    provider: present(OPERATORS[index], 'a provider'),
    customer,
    net: NET,
    asset: addresses.token,
    rate: BigInt(given.part) * 1_000n,
    term,
    notice: given.part % 3 === 0 ? term : 3_600,
    spec: digest(`0x${'44'.repeat(32)}`),
    expiry: at + 10 * DAY,
    nonce: BigInt(100 + made.leases.length),
  }
  const hash = typedDataHash(crypto, domainSeparator(crypto, marketDomain(chainId, addresses.market)), QUOTE, { ...quote })
  const signature = `0x${toHex(crypto.secp256k1.sign(secretOf(index), hash))}`
  return of('market', 'openLease', quote, signature, quote.rate * BigInt(term))
}

async function votingOrder({ addresses }: Contracts, given: Draw, made: Made, sender: Account) {
  if (given.kind === 'propose') {
    const data = encodeFunctionData({ abi: tokenAbi, functionName: 'approve', args: [accountAt(1), BigInt(given.part)] })
    const description = `proposal ${made.proposals.length}: “ümlaut”`
    return { sender, call: of('governor', 'propose', [addresses.token], [0n], [data], description) }
  }
  const proposal = made.proposals[(given.part - 1) % Math.max(made.proposals.length, 1)]
  if (proposal === undefined) return null
  const { targets, values, calldatas, id } = proposal
  const whole = [targets, values, calldatas, keccak256(stringToHex(proposal.description))]
  if (given.kind === 'vote') return { sender, call: of('governor', 'castVote', id, given.who === 0 ? 1 : given.part % 3) }
  return { sender, call: of('governor', given.kind, ...whole) }
}

/** What a call that succeeded left behind. */
async function note({ read }: Contracts, { contract, function: name, args }: ChainCall, made: Made): Promise<void> {
  made.seen.add(`${contract}.${name}`)
  if (name === 'slash') made.slashed.add(args[0] as Account)
  if (name === 'openLease') made.leases.push(args[0] as Quote)
  if (name !== 'propose') return
  const [targets, values, calldatas, description] = args as [string[], bigint[], string[], string]
  const id = BigInt(String(await read('governor', 'hashProposal', [targets, values, calldatas, keccak256(stringToHex(description))])))
  made.proposals.push({ targets, values, calldatas, description, id })
}

/** The index that every daemon runs, from the first block to the newest. */
async function indexed({ rpc, chainId, addresses, deployment }: Contracts, work: (view: ChainView) => Promise<void>): Promise<void> {
  const { chain, fromBlock } = deployment
  const database = openDatabase(':memory:')
  const common = { rpc, clock, log: quiet, crypto, database, chainId, chain, addresses, fromBlock }
  const indexer = await startIndexer({ ...common, confirmations: 0, pollMs: 20 })
  try {
    const latest = await rpc.blockNumber()
    for (let tries = 0; (indexer.view.head()?.number ?? -1n) < latest; tries += 1) {
      assert.ok(tries < 200, 'the index reads all blocks')
      await indexer.view.advanced(50)
    }
    await work(indexer.view)
  } finally {
    await indexer.close()
    database.close()
  }
}

/** @returns Names of the calls that succeeded at least once, and how many did. */
export async function rowsAgree(contracts: Contracts, runs: number): Promise<{ seen: ReadonlySet<string>; done: number }> {
  const seen = new Set<string>()
  let done = 0
  const one = async (list: readonly Draw[]): Promise<void> => {
    const made: Made = { proposals: [], leases: [], slashed: new Set(), seen }
    let at = await contracts.now()
    for (const given of list) {
      at += given.skip + 1
      const order = await orderOf(contracts, given, made, at)
      if (order === null || (await contracts.run(order.sender, order.call, at)) !== null) continue
      done += 1
      await note(contracts, order.call, made)
    }
    await indexed(contracts, (view) => compareRows(contracts, view, made))
  }
  await contracts.undone(async () => {
    await contracts.rpc.request('anvil_setBalance', [contracts.addresses.disputes, '0xde0b6b3a7640000'])
    for (const { sender, call } of setUp(contracts)) assert.equal(await contracts.run(sender, call), null, call.function)
    const property = fc.asyncProperty(draws, (list) => contracts.undone(() => one(list)))
    await fc.assert(property, { numRuns: runs, examples: [[[...everything]]], endOnFailure: true, interruptAfterTimeLimit: runs * 60_000 })
  })
  return { seen, done }
}
