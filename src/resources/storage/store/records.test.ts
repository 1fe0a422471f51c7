import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../../std/bytes.ts'
import { changeSchema, encodeObjectChange, type ObjectRecord, objectSchema } from './records.ts'

test('an object change around an encoded record is what the whole change encodes to', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const inline = fc.record({ partId: bytes(16), wrappedKey: bytes(60), sealed: fc.uint8Array({ minLength: 16, maxLength: 600 }) })
  const record: fc.Arbitrary<ObjectRecord> = fc.record({
    size: fc.nat(),
    etag: fc.string({ maxLength: 40 }),
    modified: fc.nat(),
    headers: fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ maxLength: 40 }), { noNullPrototype: true }),
    checksums: fc.dictionary(fc.constantFrom('crc32', 'sha256'), fc.string({ maxLength: 40 }), { noNullPrototype: true }),
    checksumType: fc.constantFrom('FULL_OBJECT' as const, 'COMPOSITE' as const, null),
    partSizes: fc.array(fc.nat(), { maxLength: 3 }),
    inline: fc.option(inline),
    parts: fc.constant([]),
  })
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 300 }), record, (bucket, key, value) => {
      const whole = changeSchema.encode({ op: 'object', bucket, key, record: value })
      assert.equal(toHex(encodeObjectChange(bucket, key, objectSchema.encode(value))), toHex(whole))
    }),
  )
})
