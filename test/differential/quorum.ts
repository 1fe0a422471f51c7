/** RootQuorum and its model: nominations over weeks, a set too many, stakes that move, and signatures of every kind. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Account, digest, epoch, type Hex, networkId } from '../../src/protocol/ids.ts'
import { type RootMessage, rootMessageHash } from '../../src/protocol/roots.ts'
import type { ChainCall } from '../../src/runtime/chain.ts'
import { WEEK_SECONDS } from '../../src/runtime/chain-index/index.ts'
import { bigEndian, concat, toHex } from '../../src/std/bytes.ts'
import { ACCOUNTS, accountAt, type Contracts, crypto, secretOf } from './contracts.ts'
import { openPair, type Pair } from './pair.ts'

const VERIFIERS = networkId(1)
const NET = networkId(2)
const EPOCH_SECONDS = 60
const MIN_STAKE = 100n
const FUNDED = 10_000n
const nobody = `0x${'00'.repeat(20)}`
const zero = `0x${'00'.repeat(32)}` as const

interface Order {
  readonly sender: Account
  readonly call: ChainCall
}

/** A few that need the cap, and small ones, many of them equal: which of the smallest gives way is the contract’s order. */
const stakeOf = (index: number): bigint => (index < 3 ? 40_000n / BigInt(index + 1) : MIN_STAKE + BigInt(index % 4))

/** Two networks, the second verified by the first, and a stake for every account but the last. */
function setUp({ addresses }: Contracts): readonly Order[] {
  const { token, networks, staking, rewards, quorum } = addresses
  const holder = accountAt(0)
  const windows = { epochLength: EPOCH_SECONDS, challengeWindow: 60, responseWindow: 60, rootEpochs: 1, thawWeeks: 3 }
  const money = { minStake: MIN_STAKE, faultPenalty: 0n, equivocationPenalty: 0n, disputeBond: 0n, rootBond: 0n, feeRecipient: holder }
  const shares = { maxSlashBps: 2000, feeBps: 0, reporterBps: 0, operatorCutMaxBps: 0, delegationRatio: 0 }
  const roles = { publisher: quorum, verifier: nobody, arbiter: holder }
  const approve = (sender: Account, spender: string): Order => ({ sender, call: of('token', 'approve', spender, 10n ** 30n) })
  const create = (verifierNet: number): Order => ({
    sender: holder,
    call: of('networks', 'create', { ...windows, ...money, ...shares, verifierNet }, roles, zero),
  })
  const orders = [approve(holder, networks), approve(holder, rewards), create(0), create(VERIFIERS)]
  orders.push({ sender: holder, call: of('rewards', 'fund', NET, token, FUNDED) })
  for (let i = 0; i < ACCOUNTS; i += 1) {
    if (i > 0) orders.push({ sender: holder, call: of('token', 'transfer', accountAt(i), 10n ** 20n) })
    orders.push(approve(accountAt(i), staking))
    if (i < ACCOUNTS - 1) orders.push({ sender: accountAt(i), call: of('staking', 'bond', VERIFIERS, stakeOf(i)) })
  }
  return orders
}

const of = (contract: ChainCall['contract'], name: string, ...args: readonly unknown[]): ChainCall => ({ contract, function: name, args })

const FLAWS = ['none', 'order', 'twice', 'stranger', 'set', 'epoch', 'length', 'total', 'net', 'high s', 'garbled', 'few'] as const

const draws = fc.array(
  fc.record({
    kind: fc.nat(99),
    who: fc.nat(ACCOUNTS - 1),
    many: fc.oneof({ weight: 1, arbitrary: fc.constant(ACCOUNTS) }, { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) }),
    amount: fc.oneof(fc.nat(60), fc.nat(5_000)),
    skip: fc.oneof(fc.nat(100), fc.constant(86_400), fc.constant(2 * 86_400), fc.constant(WEEK_SECONDS)),
    flaw: fc.oneof({ weight: 2, arbitrary: fc.constant('none' as const) }, { weight: 1, arbitrary: fc.constantFrom(...FLAWS) }),
  }),
  { minLength: 8, maxLength: 20, size: 'max' },
)
/** Nominates all, lets them sign with each flaw in their week and without any after it, and begins with a smaller set. */
const everything: readonly Draw[] = [
  { kind: 0, who: 0, many: ACCOUNTS, amount: 0, skip: 0, flaw: 'none' },
  ...[...FLAWS, 'few' as const, 'none' as const].map((flaw, i) => ({
    kind: 99,
    who: i,
    many: 1,
    amount: i,
    skip: i === 0 ? WEEK_SECONDS : 120,
    flaw,
  })),
  { kind: 0, who: 3, many: 3, amount: 0, skip: 0, flaw: 'none' },
  { kind: 99, who: 0, many: 1, amount: 50, skip: WEEK_SECONDS, flaw: 'none' },
  { kind: 99, who: 0, many: 1, amount: 60, skip: WEEK_SECONDS, flaw: 'none' },
]
type Draw = typeof draws extends fc.Arbitrary<readonly (infer D)[]> ? D : never

function ordersOf(draw: Draw, pair: Pair): readonly Order[] {
  const { who, kind } = draw
  const sender = accountAt(who)
  const nominate = (index: number): Order => ({
    sender,
    call: of('quorum', 'nominate', draw.flaw === 'net' ? NET : VERIFIERS, accountAt(index % ACCOUNTS)),
  })
  if (kind < 45) return Array.from({ length: draw.many }, (_, i) => nominate(who + i))
  if (kind < 55) return [{ sender, call: of('staking', 'bond', VERIFIERS, BigInt(draw.amount)) }, nominate(who)]
  if (kind < 65) return [{ sender, call: of('staking', 'unbond', VERIFIERS, BigInt(draw.amount)) }, nominate(who)]
  return [{ sender, call: publication(draw, pair) }]
}

/** A root that is signed by all members, but for its flaw. */
function publication({ amount, flaw, who }: Draw, pair: Pair): ChainCall {
  const { model } = pair
  const { addresses } = model
  const serving = model.state.quorum.setInForce(VERIFIERS)
  const message: RootMessage = {
    net: flaw === 'net' ? VERIFIERS : NET,
    asset: addresses.token,
    epoch: epoch(Math.floor((pair.at + 1) / EPOCH_SECONDS) - (flaw === 'epoch' ? 0 : 1)),
    attempt: who % 3,
    setId: serving + (flaw === 'set' ? 1 : 0),
    root: digest(`0x${'22'.repeat(32)}`),
    total: flaw === 'total' ? FUNDED + 1n : BigInt(amount),
    dataHash: digest(`0x${'33'.repeat(32)}`),
  }
  const hash = rootMessageHash(crypto, model.view.chainId, addresses.quorum, message)
  const chosen = signersOf(model.state.quorum.set(VERIFIERS, serving).members, flaw, who)
  const signatures = concat(chosen.map((index) => altered(crypto.secp256k1.sign(secretOf(index), hash), flaw)))
  return of('quorum', 'publish', message, `0x${toHex(flaw === 'length' ? signatures.subarray(1) : signatures)}` satisfies Hex)
}

function signersOf(members: readonly (readonly [string, bigint])[], flaw: Draw['flaw'], who: number): readonly number[] {
  const all = Array.from({ length: ACCOUNTS }, (_, i) => i).sort((a, b) => (accountAt(a) < accountAt(b) ? -1 : 1))
  const own = all.filter((index) => members.some(([member]) => member === accountAt(index)))
  if (flaw === 'order') return own.toReversed()
  if (flaw === 'twice') return own.flatMap((index) => [index, index])
  if (flaw === 'stranger') return all
  // Around two thirds, where it matters.
  if (flaw === 'few') return own.filter((_, i) => (7 * i + who) % 5 < 2 + (who % 3))
  return own
}

/** The order of the curve, which a signature's high form is measured from. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function altered(signature: Uint8Array, flaw: Draw['flaw']): Uint8Array {
  if (flaw === 'garbled') return signature.with(3, (signature[3] ?? 0) ^ 1)
  if (flaw !== 'high s') return signature
  const s = ORDER - BigInt(`0x${toHex(signature.subarray(32, 64))}`)
  const high = bigEndian(s, 32)
  return concat([signature.subarray(0, 32), high, Uint8Array.of(signature[64] === 27 ? 28 : 27)])
}

/** Every set that was made, member by member in the contract's order; the roots; and the rows that the index folds. */
async function compare({ read }: Contracts, { model, at }: Pair, weeks: ReadonlySet<number>): Promise<void> {
  const { quorum, rewards } = model.state
  for (const week of weeks) {
    const { members, cap, total } = quorum.set(VERIFIERS, week)
    assert.deepEqual(await read('quorum', 'setOf', [VERIFIERS, week]), { count: members.length, cap, total })
    const listed = await read('quorum', 'membersOf', [VERIFIERS, week])
    assert.ok(Array.isArray(listed))
    assert.deepEqual(
      listed.map((member) => String(member).toLowerCase()),
      members.map(([member]) => member),
    )
    const weights = new Map(members)
    const all = Array.from({ length: ACCOUNTS }, (_, i) => accountAt(i))
    const kept = await Promise.all(all.map((one) => read('quorum', 'weightOf', [VERIFIERS, week, one])))
    assert.deepEqual(
      kept,
      all.map((one) => weights.get(one) ?? 0n),
    )
    if (week > Math.floor(at / WEEK_SECONDS))
      for (const one of all) assert.equal(model.view.nominated(VERIFIERS, week, one), weights.get(one) ?? 0n)
  }
  const serving = await read('quorum', 'setInForce', [VERIFIERS])
  assert.equal(serving, quorum.setInForce(VERIFIERS))
  const row = model.view.rootSet(VERIFIERS)
  assert.equal(row?.id ?? 0, serving, 'the index knows the set in force')
  if (row !== null) assert.equal(row.total, quorum.set(VERIFIERS, row.id).total)
  const { token } = model.addresses
  const pot = await read('rewards', 'pot', [NET, token])
  assert.deepEqual(pot, { ...rewards.pot(NET, token) })
  assert.equal(model.view.roots(NET).length, rewards.pot(NET, token).published)
}

/** @returns How many calls succeeded, of which how many publications, and for what the others were refused. */
export async function quorumAgrees(contracts: Contracts, runs: number) {
  const seen = { done: 0, published: 0, errors: new Set<string>() }
  await contracts.undone(async () => {
    const orders = setUp(contracts)
    const begun = await contracts.now()
    for (const { sender, call } of orders) assert.equal(await contracts.run(sender, call), null)
    const one = async (list: readonly Draw[]): Promise<void> => {
      const pair = await openPair(contracts)
      for (const [i, { sender, call }] of orders.entries()) {
        assert.deepEqual(pair.model.execute(sender, call, begun + 1 + i), { is: 'done' })
      }
      const weeks = new Set<number>()
      for (const draw of list) {
        pair.at += draw.skip
        for (const { sender, call } of ordersOf(draw, pair)) {
          const error = await pair.both(sender, call)
          weeks.add(Math.floor(pair.at / WEEK_SECONDS) + 1)
          if (error !== null) seen.errors.add(error)
          else seen.done += 1
          if (error === null && call.function === 'publish') seen.published += 1
        }
      }
      // A block on both, so that the index stands at the contracts' second.
      assert.equal(await pair.both(accountAt(0), of('token', 'approve', accountAt(1), 0n)), null)
      await compare(contracts, pair, weeks)
      await pair.model.close()
    }
    const property = fc.asyncProperty(draws, (list) => contracts.undone(() => one(list)))
    await fc.assert(property, { numRuns: runs, examples: [[[...everything]]], endOnFailure: true, interruptAfterTimeLimit: runs * 60_000 })
  })
  return seen
}
