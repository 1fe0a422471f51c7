import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCairnError } from '../../../protocol/errors.ts'
import { account, address, digest, networkId } from '../../../protocol/ids.ts'
import { createCrypto, createRandom } from '../../real/index.ts'
import { createFakeClock } from '../clock.ts'
import { createFakeChain, type FakeChain } from './index.ts'

const rich = account(`0x${'11'.repeat(20)}`)
const poor = account(`0x${'22'.repeat(20)}`)
const zero = digest('00'.repeat(32))

function open() {
  const clock = createFakeClock()
  const config = {
    deployer: rich,
    guardian: rich,
    supply: 10n ** 27n,
    price: 10n ** 18n,
    dailyMintFloor: 10n ** 15n,
    networkBond: 5n,
    minimums: { epochLength: 10, challengeWindow: 10, responseWindow: 10 },
  }
  const chain = createFakeChain({ clock, crypto: createCrypto(), random: createRandom(), config })
  return { clock, chain }
}

const transfer = (amount: bigint) => ({ contract: 'token', function: 'transfer', args: [poor, amount] }) as const
const pointer = (seq: bigint) => ({ contract: 'pointers', function: 'set', args: [rich, zero, seq, zero] }) as const

function conserved(chain: FakeChain): void {
  for (const { asset, cameIn, burned, wallets, escrowed, vaulted, staked, pots, bonds } of chain.ledger()) {
    assert.equal(cameIn, burned + wallets + escrowed + vaulted + staked + pots + bonds, asset)
  }
}

test('a call is confirmed three blocks later and is then in the view', async () => {
  const { clock, chain } = open()
  const began = clock.now()
  const outcome = await clock.run(() => chain.signer(rich).send(pointer(7n)))
  assert.equal(outcome.is, 'confirmed')
  assert.ok(clock.now() - began >= 4_000 && clock.now() - began <= 5_000)
  assert.equal(chain.view.pointer(rich)?.seq, 7n)
  const refused = await clock.run(() => chain.signer(rich).send(pointer(7n)))
  assert.deepEqual(refused, { is: 'reverted', error: 'StaleSequence', data: { seq: 7n, current: 7n } })
  await chain.close()
})

test('a refused transaction leaves nothing behind', async () => {
  const { clock, chain } = open()
  const { escrow, token } = chain.addresses
  const give = { contract: 'token', function: 'approve', args: [escrow, 10n] } as const
  await clock.run(() => chain.signer(rich).send(give))
  // The tokens would move before the zero address is refused.
  const nobody = address(`0x${'00'.repeat(20)}`)
  const refused = await clock.run(() => chain.signer(rich).send({ contract: 'escrow', function: 'deposit', args: [nobody, token, 10n] }))
  assert.equal(refused.is === 'reverted' && refused.error, 'ZeroAddress')
  assert.equal(chain.state.tokens.balanceOf(token, escrow), 0n)
  conserved(chain)
  await chain.close()
})

test('a reorg takes back what it reaches and the transactions come again once', async () => {
  const { clock, chain } = open()
  await clock.run(() => chain.signer(rich).send(transfer(100n)))
  await clock.run(() => chain.signer(rich).send(pointer(1n)))
  chain.reorg(6)
  // Readers keep the old rows, marked as such, until the chain has grown again.
  assert.equal(chain.view.degraded(), true)
  assert.equal(chain.state.tokens.balanceOf(chain.addresses.token, poor), 100n)
  conserved(chain)
  await clock.advance(6_000)
  assert.equal(chain.view.pointer(rich)?.seq, 1n)
  assert.equal(chain.state.tokens.balanceOf(chain.addresses.token, poor), 100n)
  conserved(chain)
  chain.reorg(8, true)
  await clock.advance(10_000)
  assert.equal(chain.view.degraded(), false)
  assert.equal(chain.view.pointer(rich), null)
  conserved(chain)
  await chain.close()
})

test('while it is away a send fails in time, and a key is one intent', async () => {
  const { clock, chain } = open()
  chain.setAway(true)
  await assert.rejects(
    clock.run(() => chain.signer(rich).send(transfer(1n), 3_000)),
    (error) => isCairnError(error, 'CHAIN_AWAY'),
  )
  assert.equal(chain.view.degraded(), true)
  chain.setAway(false)
  const call = { ...transfer(5n), key: 'once' }
  const both = await clock.run(() => Promise.all([chain.signer(rich).send(call), chain.signer(rich).send(call)]))
  assert.deepEqual(both[0], both[1])
  assert.equal(chain.state.tokens.balanceOf(chain.addresses.token, poor), 5n)
  await chain.close()
})

test('every epoch has the seed of its first block, or is void when it has none', async () => {
  const { clock, chain } = open()
  const signer = chain.signer(rich)
  await clock.run(() => signer.send({ contract: 'token', function: 'approve', args: [chain.addresses.networks, 100n] }))
  const params = {
    minStake: 1n,
    faultPenalty: 0n,
    equivocationPenalty: 0n,
    disputeBond: 0n,
    rootBond: 0n,
    epochLength: 10,
    challengeWindow: 10,
    rootEpochs: 1,
    thawWeeks: 3,
    maxSlashBps: 1,
    feeRecipient: rich,
    responseWindow: 10,
    feeBps: 0,
    reporterBps: 0,
    operatorCutMaxBps: 0,
    delegationRatio: 0,
    verifierNet: 0,
  }
  const roles = { publisher: rich, verifier: rich, arbiter: rich }
  const made = await clock.run(() => signer.send({ contract: 'networks', function: 'create', args: [params, roles, zero] }))
  assert.equal(made.is, 'confirmed')
  const net = networkId(1)
  const first = Math.floor(clock.now() / 10_000)
  const seedOf = (epoch: number) => chain.view.epochSeed(net, epoch as never)
  assert.equal(seedOf(first + 2).is, 'waiting')
  await clock.advance(40_000)
  const seeds = [first + 1, first + 2, first + 3].map(seedOf)
  assert.ok(seeds.every((seed) => seed.is === 'seed'))
  assert.equal(new Set(seeds.map((seed) => seed.is === 'seed' && seed.seed)).size, 3)
  // A block that comes two epochs late leaves the epoch between without any.
  chain.mine(Math.floor(clock.now() / 1000) + 25)
  await clock.advance(40_000)
  assert.equal(seedOf(Math.floor(clock.now() / 10_000) - 3).is, 'void')
  await chain.close()
})
