import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createPrng, splitmix64, xoshiro128 } from './prng.ts'

describe('a prng', () => {
  test('splitmix64 gives the published outputs for the seed 1234567', () => {
    // https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
    const expected = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n, 16408922859458223821n]
    let state = 1234567n
    for (const output of expected) {
      const next = splitmix64(state)
      state = next.state
      assert.equal(next.output, output)
    }
  })

  test('xoshiro128** gives the outputs of the authors’ C program', () => {
    // prng.di.unimi.it/xoshiro128starstar.c with the state 1, 2, 3, 4, as the Rust crate rand_xoshiro records them
    const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]
    const next = xoshiro128([1, 2, 3, 4])
    assert.deepEqual(
      expected.map(() => next()),
      expected,
    )
  })

  test('repeats itself from the same seed and differs from another', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (seed) => {
        assert.deepEqual(createPrng(seed).bytes(33), createPrng(seed).bytes(33))
        assert.notDeepEqual(createPrng(seed).bytes(33), createPrng(seed ^ 1n).bytes(33))
      }),
    )
  })

  test('stays below its bound, however large', () => {
    const prng = createPrng(5n)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bound) => {
        const draw = prng.below(bound)
        assert.ok(Number.isSafeInteger(draw) && draw >= 0 && draw < bound)
      }),
    )
    assert.throws(() => prng.below(0))
    assert.throws(() => prng.below(2 ** 53))
  })

  test('draws without favour', () => {
    const prng = createPrng(6n)
    const counts = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < 60_000; i += 1) {
      const face = prng.below(6)
      counts[face] = (counts[face] ?? 0) + 1
    }
    // Five standard deviations of a fair die are 456.
    for (const count of counts) assert.ok(Math.abs(count - 10_000) < 456, counts.join())
    let heads = 0
    for (let i = 0; i < 10_000; i += 1) if (prng.chance(250_000)) heads += 1
    assert.ok(Math.abs(heads - 2500) < 217, String(heads))
  })

  test('shuffles without losing anything', () => {
    const prng = createPrng(7n)
    const items = Array.from({ length: 50 }, (_, i) => i)
    const mixed = prng.shuffle(items)
    assert.notDeepEqual(mixed, items)
    assert.deepEqual(
      mixed.toSorted((a, b) => a - b),
      items,
    )
    assert.ok(items.includes(prng.pick(items)))
  })

  test('gives a named stream that does not depend on what was drawn before', () => {
    const prng = createPrng(8n)
    const before = prng.fork('disk').bytes(8)
    prng.bytes(100)
    assert.deepEqual(prng.fork('disk').bytes(8), before)
    assert.notDeepEqual(prng.fork('network').bytes(8), before)
  })
})
