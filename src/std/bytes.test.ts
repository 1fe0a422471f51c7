import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from './bytes.ts'

test('hexadecimal goes both ways, in either case and with or without 0x', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(fromHex(toHex(bytes)), bytes)
      assert.deepEqual(fromHex(`0x${toHex(bytes).toUpperCase()}`), bytes)
    }),
  )
})

test('what is not hexadecimal is null', () => {
  for (const text of ['0', '0x0', 'zz', '0xg0', ' 0', '0é', '0x0x', '١١', '-1', '+1', '1e5.', '\u{1f600}'])
    assert.equal(fromHex(text), null, text)
})
