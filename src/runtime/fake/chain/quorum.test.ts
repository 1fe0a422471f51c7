/** The model of RootQuorum, and what the index folds from its events, side by side: neither was made from the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Account, account, bytesOf, digest, epoch, type Hex, networkId } from '../../../protocol/ids.ts'
import { type RootMessage, rootMessageHash } from '../../../protocol/roots.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import { present } from '../../../std/assert.ts'
import { concat, toHex } from '../../../std/bytes.ts'
import type { ChainCall } from '../../chain.ts'
import { WEEK_SECONDS } from '../../chain-index/index.ts'
import { createCrypto, createRandom } from '../../real/index.ts'
import { createFakeClock } from '../clock.ts'
import { createFakeChain } from './index.ts'

const crypto = createCrypto()
const WEEK = 2_900
const VERIFIER_NET = networkId(1)
const NET = networkId(2)
const EPOCH_SECONDS = 100
const holder = account(`0x${'11'.repeat(20)}`)
const nobody = `0x${'00'.repeat(20)}` as const
const word = (byte: string) => digest(`0x${byte.repeat(32)}`)
const keys = Array.from({ length: 6 }, (_, i) => {
  const secret = crypto.sha256(Uint8Array.of(i))
  return { secret, account: account(`0x${toHex(crypto.secp256k1.address(secret))}`) }
}).sort((a, b) => (a.account < b.account ? -1 : 1))

/** Networks 1 and 2, verified by 1, and a verifier for each of `stakes`. */
function open(...stakes: readonly bigint[]) {
  const minimums = { epochLength: 10, challengeWindow: 10, responseWindow: 10 }
  const config = {
    deployer: holder,
    guardian: holder,
    supply: 10n ** 27n,
    price: 10n ** 18n,
    dailyMintFloor: 1n,
    networkBond: 0n,
    minimums,
  }
  const clock = createFakeClock((WEEK * WEEK_SECONDS * 1000) as UnixMs)
  const chain = createFakeChain({ clock, crypto, random: createRandom(), config, blockSeconds: 0 })
  let now = WEEK * WEEK_SECONDS
  const run = (sender: Account, contract: ChainCall['contract'], name: string, ...args: readonly unknown[]): string => {
    now += 1
    const outcome = chain.execute(sender, { contract, function: name, args }, now)
    return outcome.is === 'done' ? 'done' : outcome.error
  }
  const { token, rewards, staking, quorum } = chain.addresses
  for (const verifierNet of [0, VERIFIER_NET]) {
    const windows = { epochLength: EPOCH_SECONDS, challengeWindow: 10, responseWindow: 10, rootEpochs: 1, thawWeeks: 3 }
    const money = { minStake: 10n, faultPenalty: 1n, equivocationPenalty: 1n, disputeBond: 1n, rootBond: 1n, feeRecipient: holder }
    const shares = { maxSlashBps: 1000, feeBps: 100, reporterBps: 1000, operatorCutMaxBps: 5000, delegationRatio: 10 }
    const roles = { publisher: quorum, verifier: nobody, arbiter: holder }
    assert.equal(run(holder, 'networks', 'create', { ...windows, ...money, ...shares, verifierNet }, roles, word('00')), 'done')
  }
  assert.equal(run(holder, 'token', 'approve', rewards, 1_000n), 'done')
  assert.equal(run(holder, 'rewards', 'fund', NET, token, 1_000n), 'done')
  const verifiers = keys.slice(0, stakes.length)
  for (const [i, key] of verifiers.entries()) {
    const stake = present(stakes[i], 'one for each')
    run(holder, 'token', 'transfer', key.account, stake)
    run(key.account, 'token', 'approve', staking, stake)
    assert.equal(run(key.account, 'staking', 'bond', VERIFIER_NET, stake), 'done')
  }
  const nominate = (who: Account): string => run(holder, 'quorum', 'nominate', VERIFIER_NET, who)
  const warp = (seconds: number): void => {
    now = seconds
    run(holder, 'token', 'approve', rewards, 0n)
  }
  const message = (of: Partial<RootMessage> = {}): RootMessage => {
    const at = epoch(Math.floor(now / EPOCH_SECONDS) - 1)
    return { net: NET, asset: token, epoch: at, attempt: 0, setId: WEEK + 1, root: word('22'), total: 5n, dataHash: word('33'), ...of }
  }
  const publish = (m: RootMessage, signers: readonly number[]): string => {
    const hash = rootMessageHash(crypto, chain.view.chainId, quorum, m)
    const signatures = concat(signers.map((i) => crypto.secp256k1.sign(present(keys[i], 'a key').secret, hash)))
    const hex: Hex = `0x${toHex(signatures)}`
    return run(holder, 'quorum', 'publish', m, hex)
  }
  return { chain, verifiers, nominate, warp, message, publish, run }
}

test('a set serves from the week after its nomination and one week more, and the index says so', () => {
  const { chain, verifiers, nominate, warp, publish, message } = open(10n, 10n, 10n, 10n)
  for (const { account: who } of verifiers) assert.equal(nominate(who), 'done')
  assert.equal(nominate(holder), 'NotEligible')
  assert.equal(chain.view.rootSet(VERIFIER_NET), null)
  assert.equal(publish(message(), [0, 1, 2]), 'UnknownSet')
  for (const week of [1, 2]) {
    warp((WEEK + week) * WEEK_SECONDS)
    const set = chain.view.rootSet(VERIFIER_NET)
    assert.deepEqual([set?.id, set?.total, set?.members.map(({ weight }) => weight)], [WEEK + 1, 40n, [10n, 10n, 10n, 10n]])
    assert.equal(publish(message(), [0, 1, 2]), 'done')
  }
  warp((WEEK + 3) * WEEK_SECONDS)
  assert.equal(chain.view.rootSet(VERIFIER_NET), null)
  assert.equal(publish(message(), [0, 1, 2]), 'UnknownSet')
})

test('a root needs more than two thirds of the set, each signer once, in order, and nobody else', () => {
  const { verifiers, nominate, warp, publish, message, chain } = open(10n, 10n, 10n, 10n)
  for (const { account: who } of verifiers) nominate(who)
  warp((WEEK + 1) * WEEK_SECONDS)
  assert.equal(publish(message(), [0, 3]), 'NoQuorum')
  assert.equal(publish(message(), [0, 0, 3]), 'NotAscending')
  assert.equal(publish(message(), [3, 1, 0]), 'NotAscending')
  assert.equal(publish(message(), [0, 1, 2, 5]), 'NotMember')
  assert.equal(publish(message({ net: VERIFIER_NET }), [0, 1, 2]), 'NotVerified')
  assert.equal(publish(message({ total: 5_000n }), [0, 1, 2]), 'ExceedsFunding')
  const m = message()
  assert.equal(publish(m, [0, 1, 3]), 'done')
  assert.equal(publish(m, [0, 1, 2, 3]), 'StaleEpoch')
  assert.deepEqual(
    chain.view.roots(NET).map((row) => [row.epoch, row.dataHash]),
    [[m.epoch, m.dataHash]],
  )
})

test('weights are capped alike by the contract’s model and by who signs', () => {
  for (const stakes of [
    [900n, 10n, 10n, 10n, 10n],
    [900n, 800n, 11n, 13n, 10n, 10n],
    [900n, 800n, 700n, 600n],
    [40n, 30n, 20n, 10n],
  ]) {
    const { chain, verifiers, nominate, warp, publish, message } = open(...stakes)
    for (const { account: who } of verifiers) nominate(who)
    warp((WEEK + 1) * WEEK_SECONDS)
    const set = present(chain.view.rootSet(VERIFIER_NET), 'in force')
    const all = verifiers.map((_, i) => i)
    for (let mask = 1; mask < 2 ** all.length; mask += 1) {
      const signers = all.filter((i) => (mask >> i) % 2 === 1)
      const weight = signers.reduce((sum, i) => sum + (set.members[i]?.weight ?? 0n), 0n)
      const answer = publish(message({ total: 5_000n }), signers)
      assert.equal(answer === 'NoQuorum', 3n * weight <= 2n * set.total, `${stakes} signed by ${signers}: ${answer}`)
    }
  }
})

test('a nomination follows the stake, and last week’s set serves until the new one’s week begins', () => {
  const { chain, verifiers, nominate, warp, run } = open(10n, 10n, 10n, 10n)
  for (const { account: who } of verifiers) nominate(who)
  const [first] = verifiers
  assert.ok(first !== undefined && bytesOf(first.account).length === 20)
  assert.equal(chain.view.nominated(VERIFIER_NET, WEEK + 1, first.account), 10n)
  run(holder, 'token', 'transfer', first.account, 7n)
  run(first.account, 'token', 'approve', chain.addresses.staking, 7n)
  run(first.account, 'staking', 'bond', VERIFIER_NET, 7n)
  nominate(first.account)
  assert.equal(chain.view.nominated(VERIFIER_NET, WEEK + 1, first.account), 17n)
  warp((WEEK + 1) * WEEK_SECONDS)
  nominate(first.account)
  assert.deepEqual([chain.view.rootSet(VERIFIER_NET)?.id, chain.view.rootSet(VERIFIER_NET)?.members.length], [WEEK + 1, 4])
  assert.equal(chain.view.nominated(VERIFIER_NET, WEEK + 2, first.account), 17n)
  for (const { account: who } of verifiers) nominate(who)
  warp((WEEK + 2) * WEEK_SECONDS)
  assert.deepEqual([chain.view.rootSet(VERIFIER_NET)?.id, chain.view.rootSet(VERIFIER_NET)?.total], [WEEK + 2, 40n])
})

test('too few nominations keep the set before in force, in the model and in the index', () => {
  const { chain, verifiers, nominate, warp, publish, message } = open(10n, 10n, 10n, 10n)
  for (const { account: who } of verifiers) nominate(who)
  const inForce = () => chain.view.rootSet(VERIFIER_NET)?.id ?? 0
  warp((WEEK + 1) * WEEK_SECONDS)
  for (const { account: who } of verifiers.slice(0, 3)) nominate(who)
  warp((WEEK + 2) * WEEK_SECONDS)
  assert.equal(inForce(), WEEK + 1)
  nominate(present(verifiers[0], 'one').account)
  assert.equal(inForce(), WEEK + 1, 'neither the three of this week nor the one of the next push it out')
  assert.equal(publish(message({ setId: WEEK + 2 }), [0, 1, 2]), 'UnknownSet')
  assert.equal(publish(message(), [0, 1, 2]), 'done')
  warp((WEEK + 3) * WEEK_SECONDS)
  assert.equal(inForce(), 0)
  assert.equal(publish(message(), [0, 1, 2]), 'UnknownSet')
  for (const { account: who } of verifiers) nominate(who)
  warp((WEEK + 4) * WEEK_SECONDS)
  assert.equal(inForce(), WEEK + 4)
})
