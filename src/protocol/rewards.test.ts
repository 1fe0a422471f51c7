import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createCrypto } from '../runtime/real/crypto.ts'
import { bytesOf, type Digest, digest, networkId, account as toAccount, address as toAddress } from './ids.ts'
import { merkleTree, verifyMerkle } from './merkle.ts'
import { addRewards, addUnits, CHANNELS_MAX, detailRoot, epochBudget, type OwnerLine, rewardLeaf, rewardRoot, totalOf } from './rewards.ts'

const crypto = createCrypto()
const NET = networkId(7)
const fill = (n: number, bytes: number): `0x${string}` => `0x${n.toString(16).padStart(2, '0').repeat(bytes)}`
const ASSET = toAddress(fill(170, 20))
const account = (n: number) => toAccount(fill(n, 20))
const owner = (n: number, cumulative: bigint): OwnerLine => ({ account: account(n), cumulative, channels: [] })
const owners = (n: number): OwnerLine[] => Array.from({ length: n }, (_, i) => owner(i + 1, 1000n * BigInt(i + 1)))

/**
 * Roots and the proof of the last row from @openzeppelin/merkle-tree 1.0.8, StandardMerkleTree.of over rows
 * [7, 0xaa…, account, cumulative, 0x00…] of (uint32, address, address, uint128, bytes32).
 */
const VECTORS: readonly (readonly [number, string, readonly string[]])[] = [
  [1, '0x6d8e77133d9d766dd5cf6c5c361727f6f7392bb419f911afaec240caf8867b33', []],
  [
    2,
    '0x5903db53a1ceb57de77916825261275e32988be0cee57582cf31902af9c7f663',
    ['0x6d8e77133d9d766dd5cf6c5c361727f6f7392bb419f911afaec240caf8867b33'],
  ],
  [
    3,
    '0x9d069676d0a69b73fb009ad88c9ca770ec410468495459ac2523e848a3e8e123',
    ['0x5903db53a1ceb57de77916825261275e32988be0cee57582cf31902af9c7f663'],
  ],
  [
    5,
    '0x251d5d6a68a7e7ee120868a9498bf2d9d014148653da247de53cbd25b284621c',
    [
      '0x1a71c72203fd99f07381f4132f979c50af30f2b62789ae05eef5df1dbe07c7af',
      '0xca3e106babdd63a081ea7bdf549e56bdb906e9187ad21668db9fd4cdd154443c',
      '0xc34b579ad9461c8e7018b4687013d8e954eb673e58e03b61a739c0542e611933',
    ],
  ],
  [
    6,
    '0x29361cbe070545f9152c7e216177491c5cdff1285ea793e276b410d012f90b4b',
    [
      '0x6d8e77133d9d766dd5cf6c5c361727f6f7392bb419f911afaec240caf8867b33',
      '0x51f3891543a9d9cb724d359858b84bc7921b2d78f783bbec77dafebc202e6481',
      '0x7b11f444b321a3cec6a2670e749213968ebd749296121518cdd37970f27b11da',
    ],
  ],
  [
    8,
    '0xbc491cabb25a0615e94740ec142707d71079dbeb59fc809b908f0e9195aac689',
    [
      '0x89488e7ea81378f0e7bf74bccde75e8f80f647e584ba4ec7dc9a44a264c6a0f9',
      '0xb7210149fb85f63e75ad65f542d28c7beab7fbbeb643fb2fc7b12bd133e687a9',
      '0xb382431d724134a47c7c0f2fe46353534e7a898faec6e20bed9f166425054108',
    ],
  ],
]

describe('trees', () => {
  test('have the roots and proofs of OpenZeppelin’s StandardMerkleTree', () => {
    for (const [count, root, proof] of VECTORS) {
      const rows = owners(count)
      assert.equal(rewardRoot(crypto, NET, ASSET, rows), root)
      const tree = merkleTree(
        crypto,
        rows.map((row) => rewardLeaf(crypto, NET, ASSET, row)),
      )
      assert.deepEqual(
        tree.proof(count - 1),
        proof.map((sibling) => Buffer.from(bytesOf(digest(sibling)))).map((bytes) => new Uint8Array(bytes)),
      )
    }
  })

  test('of an owner’s channels are the same, and nothing for none', () => {
    const line = (channel: number, unit: number, cumulative: bigint) => ({
      channel: digest(fill(channel, 32)),
      unit: digest(fill(unit, 32)),
      cumulative,
    })
    const lines = [line(0xc1, 0xd2, 5n), line(0xc1, 0xd3, 9n), line(0xc2, 0xd2, 1n)]
    const root = '0xca4ac085b8f85de6ec52a96254b09f1c9a6a7aa4251a7e53c5c1e81903ab2d7e'
    assert.deepEqual(new Uint8Array(detailRoot(crypto, lines)), bytesOf(digest(root)))
    assert.deepEqual(detailRoot(crypto, []), new Uint8Array(32))
  })

  test('prove every leaf and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 40 }), fc.nat(), (leaves, pick) => {
        const tree = merkleTree(crypto, leaves)
        const index = pick % leaves.length
        const leaf = leaves[index] as Uint8Array
        assert.ok(verifyMerkle(crypto, tree.root, leaf, tree.proof(index)))
        const other = leaf.map((byte, i) => (i === pick % 32 ? byte ^ 1 : byte))
        assert.ok(!verifyMerkle(crypto, tree.root, other, tree.proof(index)))
        assert.ok(!verifyMerkle(crypto, tree.root, leaf, [...tree.proof(index), leaf]))
      }),
      { numRuns: 50 },
    )
  })
})

const weights = fc.array(fc.record({ account: fc.integer({ min: 1, max: 9 }).map(account), weight: fc.bigInt(0n, 1n << 90n) }), {
  maxLength: 20,
})

describe('rewards', () => {
  test('never exceed the budget, never take back, and leave at most a unit for each share', () => {
    fc.assert(
      fc.property(weights, fc.bigInt(0n, 1n << 100n), (rows, budget) => {
        const before = owners(5)
        const after = addRewards(before, rows, budget)
        const given = totalOf(after) - totalOf(before)
        assert.ok(given >= 0n && given <= budget)
        if (rows.some(({ weight }) => weight > 0n)) assert.ok(budget - given <= BigInt(rows.length))
        for (const line of before) assert.ok((after.find((row) => row.account === line.account)?.cumulative ?? -1n) >= line.cumulative)
      }),
    )
  })

  test('do not depend on the order in which owners are given', () => {
    fc.assert(
      fc.property(weights, (rows) => assert.deepEqual(addRewards([], rows.toReversed(), 1_000_003n), addRewards([], rows, 1_000_003n))),
    )
  })

  test('an epoch gives a 1024th of what is left, and nothing from a pot that has given it all', () => {
    assert.equal(epochBudget(10_240n, 0n), 10n)
    assert.equal(epochBudget(10_240n, 10_240n), 0n)
    assert.equal(epochBudget(0n, 5n), 0n)
  })
})

describe('units', () => {
  const line = (channel: number, cumulative: bigint) => ({ channel: digest(fill(channel, 32)), unit: digest(fill(1, 32)), cumulative })

  test('are added to their channel, whether they come at once or one by one', () => {
    const at = account(3)
    const once = addUnits(owners(2), [{ account: at, lines: [line(2, 5n), line(1, 7n), line(2, 1n)] }])
    let step: readonly OwnerLine[] = owners(2)
    for (const one of [line(2, 1n), line(1, 7n), line(2, 5n)]) step = addUnits(step, [{ account: at, lines: [one] }])
    assert.deepEqual(once, step)
    assert.deepEqual(once.find((row) => row.account === at)?.channels, [line(1, 7n), line(2, 6n)])
  })

  test('an owner with as many channels as there may be keeps those it has and gets no new ones', () => {
    const channels = Array.from({ length: CHANNELS_MAX }, (_, i) => ({
      ...line(1, 1n),
      channel: `0x${i.toString(16).padStart(64, '0')}` as Digest,
    }))
    const known = { ...line(1, 4n), channel: `0x${'0'.repeat(64)}` as Digest }
    const [after] = addUnits([{ account: account(1), cumulative: 0n, channels }], [{ account: account(1), lines: [known, line(0xff, 9n)] }])
    assert.equal(after?.channels.length, CHANNELS_MAX)
    assert.equal(after?.channels[0]?.cumulative, 5n)
  })
})
