import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { bigEndian } from './bytes.ts'
import { combineCrc } from './crc-combine.ts'

const crc = (bytes: Uint8Array): Uint8Array => bigEndian(BigInt(crc32(bytes)), 4)

test('the combined CRC of two runs is the CRC of both together', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
      assert.deepEqual(combineCrc('crc32', crc(a), crc(b), b.length), crc(new Uint8Array([...a, ...b])))
    }),
  )
})
