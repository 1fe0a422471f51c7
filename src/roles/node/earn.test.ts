import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compact } from './earn.ts'

test('a compact signature keeps r, s and the parity of y', () => {
  const signature = new Uint8Array(65).fill(0x11)
  for (const v of [27, 28]) {
    signature[64] = v
    const { r, vs } = compact(signature)
    assert.equal(r, `0x${'11'.repeat(32)}`)
    assert.equal(vs, `0x${v === 28 ? '91' : '11'}${'11'.repeat(31)}`)
  }
})
