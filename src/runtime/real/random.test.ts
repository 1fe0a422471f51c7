import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../std/bytes.ts'
import { createRandom } from './random.ts'

test('draws of every length are all different, and none is changed by the ones that follow', () => {
  const random = createRandom()
  const drawn: { bytes: Uint8Array; text: string }[] = []
  for (let i = 0; i < 2000; i += 1) {
    const bytes = random.bytes(16 + (i % 60))
    assert.equal(bytes.length, 16 + (i % 60))
    drawn.push({ bytes, text: toHex(bytes) })
  }
  // Any eight bytes in a row occur once: nothing is handed out twice, nor handed out as zeros.
  const seen = new Set<string>()
  for (const { bytes, text } of drawn) {
    assert.equal(toHex(bytes), text)
    for (let at = 0; at + 16 <= text.length; at += 16) seen.add(text.slice(at, at + 16))
  }
  assert.equal(
    seen.size,
    drawn.reduce((sum, { bytes }) => sum + Math.floor(bytes.length / 8), 0),
  )
})
