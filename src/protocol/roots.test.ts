import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { portableCrypto } from '../runtime/fake/index.ts'
import { toHex } from '../std/bytes.ts'
import { type Account, account, address, digest, epoch, networkId } from './ids.ts'
import { quorumOf, rootMessageHash, rootSetOf } from './roots.ts'

const nth = (i: number): Account => account(`0x${(i + 1).toString(16).padStart(40, '0')}`)
const setOf = (...stakes: readonly bigint[]) =>
  rootSetOf(
    7,
    stakes.map((weight, i) => ({ account: nth(i), weight })),
  )
const stakes = fc.array(fc.bigInt({ min: 1n, max: 2n ** 96n - 1n }), { minLength: 4, maxLength: 32 })

test('of four equal members three must sign', () => {
  const set = setOf(5n, 5n, 5n, 5n)
  assert.equal(quorumOf(set, new Set([nth(0), nth(3)])), null)
  assert.deepEqual(quorumOf(set, new Set([nth(3), nth(0), nth(2)])), [nth(0), nth(2), nth(3)])
  assert.equal(quorumOf(set, new Set([nth(0), nth(1), nth(2), nth(3)]))?.length, 3, 'the fourth would only cost gas')
  assert.equal(quorumOf(set, new Set([nth(0), nth(1), nth(9)])), null, 'a stranger counts nothing')
})

test('fewer than four members cannot sign at all', () => {
  assert.equal(quorumOf(setOf(5n, 5n, 5n), new Set([nth(0), nth(1), nth(2)])), null)
})

test('nobody counts more than a quarter, however much is staked, and nobody counts more than what was staked', () => {
  fc.assert(
    fc.property(stakes, (all) => {
      const set = setOf(...all)
      let sum = 0n
      for (const [i, { weight }] of set.members.entries()) {
        assert.ok(4n * weight <= set.total)
        assert.ok(weight <= (all[i] ?? 0n))
        sum += weight
      }
      assert.equal(sum, set.total)
    }),
  )
})

test('a quorum has three members at least, and all together always are one', () => {
  fc.assert(
    fc.property(stakes, (all) => {
      const set = setOf(...all)
      const everyone = set.members.map((member) => member.account)
      const found = quorumOf(set, new Set(everyone))
      assert.ok(set.total < 4n || found !== null)
      if (found !== null) assert.ok(found.length >= 3, 'two quarters are no two thirds')
      assert.deepEqual(found, found?.toSorted() ?? null)
    }),
  )
})

test('the set of one large stake and five small ones is capped as RootQuorum caps it', () => {
  // R = 50 beside the large one: c = 50 / 3.
  const set = setOf(900n, 10n, 10n, 10n, 10n, 10n)
  assert.deepEqual([set.members[0]?.weight, set.total], [16n, 66n])
})

test('what is signed depends on every member of the message and on the contract', () => {
  const message = {
    net: networkId(2),
    asset: address(`0x${'11'.repeat(20)}`),
    epoch: epoch(3),
    attempt: 0,
    setId: 4,
    root: digest(`0x${'22'.repeat(32)}`),
    total: 5n,
    dataHash: digest(`0x${'33'.repeat(32)}`),
  }
  const [here, there] = [address(`0x${'44'.repeat(20)}`), address(`0x${'55'.repeat(20)}`)]
  const changes = [{ net: networkId(3) }, { epoch: epoch(4) }, { attempt: 1 }, { setId: 5 }, { total: 6n }, { root: message.dataHash }]
  const hashes = changes.map((change) => toHex(rootMessageHash(portableCrypto, 1, here, { ...message, ...change })))
  for (const [chain, at] of [
    [1, here],
    [1, there],
    [2, here],
  ] as const)
    hashes.push(toHex(rootMessageHash(portableCrypto, chain, at, message)))
  assert.equal(new Set(hashes).size, hashes.length)
})
