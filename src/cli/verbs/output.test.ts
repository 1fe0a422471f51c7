import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytes, cairn, dollars, fixed, parseDollars, parseDuration, table } from './output.ts'

describe('what verbs print', () => {
  test('amounts are cut and never rounded up', () => {
    assert.equal(dollars(99_999_999_999n), '$0.999999')
    assert.equal(dollars(100_000_000_000n), '$1.000000')
    assert.equal(cairn(1_234_567_899_999_999_999n), '1.2345')
    assert.equal(fixed(-1_500n, 1_000n, 1), '-1.5')
  })

  test('a sum in dollars is read without a float', () => {
    assert.equal(parseDollars('12.50'), 1_250_000_000_000n)
    assert.equal(parseDollars('$0.000001'), 100_000n)
    for (const wrong of ['0', '-1', '1e3', '1.1234567', '', 'ten']) assert.equal(parseDollars(wrong), null, wrong)
  })

  test('durations name their unit', () => {
    assert.equal(parseDuration('7d'), 604_800)
    assert.equal(parseDuration('90s'), 90)
    for (const wrong of ['7', 'd', '1.5h', '-1d']) assert.equal(parseDuration(wrong), null, wrong)
  })

  test('columns align, numbers to the right', () => {
    assert.equal(
      table(
        ['name', 'n'],
        [
          ['a', '5'],
          ['long', '12'],
        ],
      ),
      'name   n\na      5\nlong  12',
    )
  })

  test('sizes are in powers of 1024', () => {
    assert.equal(bytes(1023), '1023 B')
    assert.equal(bytes(1536), '1.5 KiB')
    assert.equal(bytes(64n * 1024n ** 3n), '64.0 GiB')
  })
})
