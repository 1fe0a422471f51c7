/**
 * Random calls on the model of the contracts and on the contracts themselves, side by side: they must refuse the same
 * calls and end in the same state, to the unit. What the index folds from events is compared with the contracts' getters in
 * the same way. `CAIRN_FUZZ_RUNS` sets how many sequences are tried.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { type Address, account, address, bytesOf, digestOf, networkId } from '../src/protocol/ids.ts'
import { channelKey } from '../src/protocol/rewards.ts'
import { domainSeparator, escrowDomain, typedDataHash, VOUCHER } from '../src/protocol/typed-data.ts'
import type { UnixMs } from '../src/protocol/units.ts'
import type { ChainCall } from '../src/runtime/chain.ts'
import type { Deployment } from '../src/runtime/real/chain/index.ts'
import { present } from '../src/std/assert.ts'
import { toHex } from '../src/std/bytes.ts'
import { accountAt, type Contracts, crypto, openContracts, secretOf } from './differential/contracts.ts'
import { openPair, type Pair } from './differential/pair.ts'
import { quorumAgrees } from './differential/quorum.ts'
import { rowsAgree } from './differential/rows.ts'

const RUNS = Number(process.env['CAIRN_FUZZ_RUNS'] ?? 6)
const CALLS = Number(process.env['CAIRN_FUZZ_CALLS'] ?? 60)

const ACTORS = 5
const actor = Array.from({ length: ACTORS }, (_, i) => accountAt(i))
const actorAt = (index: number) => present(actor[index % ACTORS], 'in range')

let contracts: Contracts
let deployment: Deployment
let genesis = 0
let separator: Uint8Array

before(async () => {
  contracts = await openContracts()
  deployment = contracts.deployment
  genesis = contracts.genesis
  separator = domainSeparator(crypto, escrowDomain(contracts.chainId, contracts.addresses.escrow))
})

after(() => contracts.close())

const read = (...args: Parameters<Contracts['read']>) => contracts.read(...args)

const params = (feeBps: number, verifierNet: number) => ({
  minStake: 100n,
  faultPenalty: 0n,
  equivocationPenalty: 0n,
  disputeBond: 0n,
  rootBond: 0n,
  epochLength: 60,
  challengeWindow: 60,
  rootEpochs: 1,
  thawWeeks: 3,
  maxSlashBps: 2000,
  feeRecipient: actorAt(4),
  responseWindow: 60,
  feeBps,
  reporterBps: 0,
  operatorCutMaxBps: 0,
  delegationRatio: 0,
  verifierNet,
})

const zero = `0x${'00'.repeat(32)}` as const

async function setUp(pair: Pair): Promise<void> {
  const { token, credits, escrow, networks, staking, rewards } = deployment.addresses
  for (const one of actor) {
    if (one !== actorAt(0)) await pair.both(actorAt(0), { contract: 'token', function: 'transfer', args: [one, 10n ** 24n] })
    for (const spender of [credits, escrow, networks, staking, rewards]) {
      await pair.both(one, { contract: 'token', function: 'approve', args: [spender, 10n ** 30n] })
    }
    await pair.both(one, { contract: 'credits', function: 'approve', args: [escrow, 10n ** 30n] })
  }
  const roles = { publisher: actorAt(0), verifier: actorAt(0), arbiter: actorAt(0) }
  await pair.both(actorAt(0), { contract: 'networks', function: 'create', args: [params(123, 0), roles, zero] })
  await pair.both(actorAt(0), { contract: 'networks', function: 'create', args: [params(0, 1), roles, zero] })
  for (const one of actor) await pair.both(one, { contract: 'credits', function: 'mintExactIn', args: [one, 10n ** 20n, 0n] })
  void token
}

/** A random call: small integers that are read as actors, amounts and keys. */
type Draw = { kind: number; who: number; other: number; net: number; amount: number; asset: number; skip: number; signer: number }

function voucher(payer: number, signer: number, payee: string, asset: Address, net: number, cumulative: bigint) {
  const value = { payer: actorAt(payer), payee: account(payee), asset, net, channelId: 1n, cumulative }
  const signature = crypto.secp256k1.sign(secretOf(signer % ACTORS), typedDataHash(crypto, separator, VOUCHER, value))
  const odd = signature[64] === 28 ? 1n << 255n : 0n
  const s = BigInt(`0x${toHex(signature.subarray(32, 64))}`)
  const vs = (s | odd).toString(16).padStart(64, '0')
  return { payer: value.payer, channelId: 1n, cumulative, r: `0x${toHex(signature.subarray(0, 32))}`, vs: `0x${vs}` }
}

/** What one draw calls; `pair` is read for values that make a call likely to succeed. */
function callOf(draw: Draw, pair: Pair): ChainCall {
  const { token, credits } = deployment.addresses
  const asset = draw.asset === 0 ? token : credits
  const other = actorAt(draw.other)
  const net = draw.net
  const amount = BigInt(draw.amount)
  const now = pair.at + 1
  const calls: (() => ChainCall)[] = [
    () => ({ contract: 'escrow', function: 'deposit', args: [other, asset, amount] }),
    () => ({
      contract: 'escrow',
      function: 'openChannel',
      args: [{ payer: actorAt(draw.who), payee: other, asset, net, channelId: 1n }, amount],
    }),
    () => ({ contract: 'escrow', function: 'thaw', args: [asset, amount] }),
    () => ({ contract: 'escrow', function: 'cancelThaw', args: [asset] }),
    () => ({ contract: 'escrow', function: 'withdraw', args: [asset, other] }),
    () => ({ contract: 'escrow', function: 'closeChannel', args: [{ payer: actorAt(draw.who), payee: other, asset, net, channelId: 1n }] }),
    () => {
      const id = { payer: actorAt(draw.signer), payee: other, asset, net, channelId: 1n }
      return { contract: 'escrow', function: 'finalizeClose', args: [id] }
    },
    () => {
      const items = [
        voucher(draw.signer, draw.signer, other, asset, net, amount),
        voucher(draw.who, draw.amount, other, asset, net, amount * 2n),
      ]
      return { contract: 'escrow', function: 'redeem', args: [other, asset, net, items] }
    },
    () => ({
      contract: 'escrow',
      function: 'redeem',
      args: [other, asset, net, [voucher(draw.who, draw.signer, other, asset, net, amount * 3n)]],
    }),
    () => ({ contract: 'escrow', function: 'withdrawEarned', args: [asset, amount / 3n, other] }),
    () => ({ contract: 'escrow', function: 'earnedToAvailable', args: [asset, amount / 2n] }),
    () => ({ contract: 'escrow', function: 'redeemEarned', args: [amount / 2n, 0n, other] }),
    () => ({ contract: 'escrow', function: 'burnFees', args: [net, Math.floor((now - genesis) / 86_400)] }),
    () => ({
      contract: 'escrow',
      function: 'collectFees',
      args: [net, [0, 1].map((ago) => Math.max(0, Math.floor((now - genesis) / 86_400) - ago))],
    }),
    () => ({ contract: 'escrow', function: 'setKeyLimit', args: [other, asset, amount * 4n] }),
    () => {
      const id = { payer: actorAt(draw.signer), payee: other, asset, net, channelId: 1n }
      return { contract: 'escrow', function: 'openChannel', args: [id, amount] }
    },
    () => ({ contract: 'escrow', function: 'approveCollector', args: [other, asset, amount * 2n, 86_400] }),
    () => ({ contract: 'escrow', function: 'lock', args: [other, asset, zero, amount, now + draw.skip] }),
    () => ({ contract: 'escrow', function: 'pay', args: [other, actorAt(draw.signer), asset, net, zero, amount / 2n] }),
    () => {
      const one = { payer: other, lockId: zero, amount: amount / 3n }
      const payments = [one, draw.signer === 0 ? { ...one, amount } : { ...one, payer: actorAt(draw.signer) }]
      return { contract: 'escrow', function: 'payMany', args: [actorAt(draw.signer), asset, net, payments] }
    },
    () => ({ contract: 'escrow', function: 'unlock', args: [other, asset, zero, amount / 2n] }),
    () => ({ contract: 'escrow', function: 'returnExpired', args: [actorAt(draw.signer), other, asset, zero] }),
    () => ({ contract: 'credits', function: 'mint', args: [other, amount, amount * 10n ** 10n] }),
    () => ({ contract: 'credits', function: 'topUp', args: [amount] }),
    () => ({ contract: 'delegations', function: 'register', args: [other, 1 + (draw.signer % 8), amount * 5n, now + draw.skip] }),
    () => ({ contract: 'delegations', function: 'revoke', args: [other] }),
    () => ({ contract: 'pointers', function: 'set', args: [other, zero, amount, zero] }),
    () => ({ contract: 'staking', function: 'bond', args: [net, amount] }),
    () => ({ contract: 'staking', function: 'unbond', args: [net, amount / 2n] }),
    () => ({ contract: 'staking', function: 'withdrawSelf', args: [net, Math.floor(now / 604_800)] }),
    () => ({ contract: 'evidence', function: 'commit', args: [2, Math.floor(now / 60) - 1, zero, 10n] }),
    () => ({ contract: 'evidence', function: 'commitNonce', args: [2, Math.floor(now / 60) + draw.signer, zero] }),
    () => ({ contract: 'rewards', function: 'fund', args: [net, asset, amount] }),
    () => ({ contract: 'rewards', function: 'publish', args: publication(draw, asset, now) }),
    () => ({ contract: 'rewards', function: 'claim', args: claim(draw, asset, pair) }),
    () => ({
      contract: 'rewards',
      function: 'veto',
      args: [net, asset, Math.max(present(pair.model.state.rewards.pot(net, asset), 'pot').published - 1 - (draw.signer % 2), 0)],
    }),
    () => ({ contract: 'networks', function: 'close', args: [draw.amount % 50 === 0 ? net : 9] }),
  ]
  return present(calls[draw.kind % calls.length], 'in range')()
}

/** A root with one leaf is that leaf's hash; it is claimed with an empty proof. */
function leafOf(net: number, asset: Address, owner: string, cumulative: bigint) {
  const word = (hex: string) => hex.replace('0x', '').padStart(64, '0')
  const bytes = bytesOf(`0x${word(net.toString(16))}${word(asset)}${word(owner)}${word(cumulative.toString(16))}${word('')}`)
  return digestOf(crypto.keccak256(crypto.keccak256(bytes)))
}

function publication(draw: Draw, asset: Address, now: number): readonly unknown[] {
  const total = BigInt(draw.amount)
  return [draw.net, asset, Math.floor(now / 60) - 1, leafOf(draw.net, asset, actorAt(draw.other), total), total, zero]
}

function claim(draw: Draw, asset: Address, pair: Pair): readonly unknown[] {
  const roots = pair.model.view.roots(networkId(draw.net)).filter((root) => root.asset === asset)
  const root = roots.at(-1 - (draw.signer % 3)) ?? roots.at(-1)
  const owner = actor.find((one) => root !== undefined && leafOf(draw.net, asset, one, root.total) === root.root) ?? actorAt(draw.other)
  return [draw.net, asset, root?.index ?? 0, owner, root?.total ?? 1n, zero, []]
}

/** What the rows say of keys at the last block: whether they may act, and whether what they signed still counts. */
async function compareSessions({ model: { view }, at }: Pair): Promise<void> {
  const now = (at * 1000) as UnixMs
  for (const one of actor) {
    for (const other of actor) {
      if (other === one) continue
      const [holder, key] = [account(one), address(other)]
      for (const scope of [1, 2, 4, 7]) {
        assert.equal(view.sessionActive(holder, key, scope, now), await read('delegations', 'isActive', [one, other, scope]))
        assert.equal(view.sessionRedeemable(holder, key, scope, now), await read('delegations', 'isRedeemable', [one, other, scope]))
      }
    }
  }
}

async function compare(pair: Pair): Promise<void> {
  const { model } = pair
  const { token, credits } = deployment.addresses
  for (const asset of [token, credits]) {
    for (const one of actor) {
      const books = model.state.escrow.account(one, asset)
      assert.deepEqual(await read('escrow', 'account', [one, asset]), { ...books })
      const { thawEnd: _, ...shown } = books
      assert.deepEqual(model.view.escrow(one, asset), shown, 'the rows folded from events are the books')
      const balance = await read(asset === token ? 'token' : 'credits', 'balanceOf', [one])
      assert.equal(balance, model.state.tokens.balanceOf(asset, one))
      for (const payee of actor) {
        for (const net of [1, 2]) {
          const key = channelKey(crypto, one, payee, asset, networkId(net), 1n)
          const { earmark, redeemed, closesAt } = model.state.escrow.channel(key)
          if (earmark + redeemed === 0n && closesAt === 0) continue
          assert.deepEqual(await read('escrow', 'channel', [key]), { earmark, redeemed, closesAt })
        }
      }
    }
    for (const net of [1, 2]) assert.deepEqual(await read('rewards', 'pot', [net, asset]), { ...model.state.rewards.pot(net, asset) })
  }
  for (const one of actor) {
    for (const net of [1, 2]) {
      const staked = await read('staking', 'stakeOf', [one, net])
      assert.ok(Array.isArray(staked))
      assert.equal(staked[0], model.state.registry.stakeOf(one, net))
      assert.equal(model.view.stakeOf(one, networkId(net)), staked[0])
    }
  }
  await compareSessions(pair)
  assert.equal(await read('credits', 'totalSupply', []), model.state.tokens.supply(credits))
  for (const row of model.ledger()) {
    const { cameIn, burned, wallets, escrowed, vaulted, staked, pots, bonds } = row
    assert.equal(cameIn, burned + wallets + escrowed + vaulted + staked + pots + bonds, `every unit of ${row.asset} is somewhere`)
  }
}

const draws = fc.array(
  fc.record({
    kind: fc.nat(1_000),
    who: fc.nat(ACTORS - 1),
    other: fc.nat(ACTORS - 1),
    net: fc.integer({ min: 1, max: 2 }),
    amount: fc.oneof(fc.nat(1_000), fc.nat(2_000_000_000)),
    asset: fc.nat(1),
    skip: fc.oneof(fc.nat(100), fc.constant(86_400), fc.constant(8 * 86_400)),
    signer: fc.nat(ACTORS - 1),
  }),
  { minLength: CALLS / 2, maxLength: CALLS, size: 'max' },
)

test('the model refuses what the contracts refuse and ends in their state', { timeout: 60_000 + RUNS * 60_000 }, async () => {
  let done = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(draws, async (list) => {
      await contracts.undone(async () => {
        const pair = await openPair(contracts)
        await setUp(pair)
        for (const draw of list) {
          pair.at += draw.skip
          const error = await pair.both(actorAt(draw.who), callOf(draw, pair))
          if (error === null) done += 1
          else refused += 1
        }
        await compare(pair)
        await pair.model.close()
      })
    }),
    { numRuns: RUNS, endOnFailure: true, interruptAfterTimeLimit: RUNS * 60_000 },
  )
  // A generator whose calls are all refused would compare nothing.
  assert.ok(done > refused / 4, `${done} calls succeeded, ${refused} were refused`)
})

test('what a key signed counts to the same second in the rows as on chain, from revocation or from expiry', async () => {
  const WEEK = 7 * 86_400
  await contracts.undone(async () => {
    const pair = await openPair(contracts)
    const call = (name: string, args: readonly unknown[]): ChainCall => ({ contract: 'delegations', function: name, args })
    const [revoked, expired] = [actorAt(1), actorAt(2)]
    const until = pair.at + 1000
    for (const key of [revoked, expired]) {
      assert.equal(await pair.both(actorAt(0), call('register', [key, 7, 1n, until])), null)
    }
    assert.equal(await pair.both(actorAt(0), call('revoke', [revoked])), null)
    // Any call moves the chain to its second; this one is refused by both.
    for (const second of [until - 1, until, pair.at + WEEK - 1, pair.at + WEEK, until + WEEK - 1, until + WEEK]) {
      pair.at = second - 1
      assert.equal(await pair.both(actorAt(3), call('revoke', [expired])), 'NoSession')
      await compareSessions(pair)
    }
    await pair.model.close()
  })
})

test('the model of RootQuorum keeps the contract’s sets and takes the same signatures', { timeout: 60_000 + RUNS * 60_000 }, async () => {
  const { done, published, errors } = await quorumAgrees(contracts, Math.ceil(RUNS / 2))
  assert.ok(done > 30 && published > 2, `${done} calls succeeded, ${published} roots were published`)
  for (const error of ['SetIsFull', 'NoQuorum', 'NotMember', 'NotAscending', 'UnknownSet', 'NotEligible', 'BadSignature'])
    assert.ok(errors.has(error), `${error} was not among ${[...errors].join(', ')}`)
})

/** What every run has in it, by its first list of calls. */
const COVERED = [
  ...['bond', 'unbond', 'withdrawSelf', 'delegateTo', 'undelegate', 'withdrawDelegated', 'addRewards', 'slash'].map(
    (name) => `staking.${name}`,
  ),
  ...['openLease', 'settle', 'settleMany', 'close', 'cancelQuote'].map((name) => `market.${name}`),
  ...['propose', 'castVote', 'queue', 'execute', 'cancel'].map((name) => `governor.${name}`),
]

test('the rows that the index folds are what the contracts’ getters say', { timeout: 60_000 + RUNS * 60_000 }, async () => {
  const { seen, done } = await rowsAgree(contracts, Math.ceil(RUNS / 2))
  assert.ok(done > 15, `${done} calls succeeded`)
  for (const name of COVERED) assert.ok(seen.has(name), `no ${name} succeeded`)
})
