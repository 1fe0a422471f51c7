import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createField, encodeMatrix, invertMatrix, multiplyMatrices, nibbleTables, rebuildMatrix, selectRows } from './gf256.ts'

const field = createField()

/** Carry-less multiplication reduced by the polynomial, one bit at a time. */
function slowMultiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit += 1) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 15; bit >= 8; bit -= 1) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

test('multiplication is that of the field, and the tables agree', () => {
  for (let a = 0; a < 256; a += 1) {
    const tables = nibbleTables(field, { rows: 1, columns: 1, cells: Uint8Array.of(a) })
    for (let b = 0; b < 256; b += 1) {
      const product = slowMultiply(a, b)
      assert.equal(field.multiply(a, b), product)
      assert.equal((tables[b & 15] as number) ^ (tables[16 + (b >> 4)] as number), product)
    }
    if (a > 0) assert.equal(field.multiply(a, field.invert(a)), 1)
  }
})

test('any k rows of a code are invertible', () => {
  const shape = fc.integer({ min: 1, max: 40 }).chain((k) => fc.tuple(fc.constant(k), fc.integer({ min: k, max: 100 })))
  const choice = shape.chain(([k, n]) =>
    fc.tuple(fc.constant(k), fc.constant(n), fc.shuffledSubarray([...Array(n).keys()], { minLength: k, maxLength: k })),
  )
  const run = ([k, n, rows]: [number, number, number[]]): void => {
    const chosen = selectRows(encodeMatrix(field, k, n), rows)
    const product = multiplyMatrices(field, chosen, invertMatrix(field, chosen))
    for (let i = 0; i < k; i += 1) for (let j = 0; j < k; j += 1) assert.equal(product.cells[i * k + j], i === j ? 1 : 0)
  }
  fc.assert(fc.property(choice, run), { numRuns: 60 })
})

test('the code is that of ISA-L: 1 / (i ⊕ j)', () => {
  const code = encodeMatrix(field, 4, 8)
  assert.deepEqual([...code.cells.subarray(16, 20)], [71, 167, 122, 186])
})

test('a matrix without inverse and too few shards are refused', () => {
  assert.throws(() => invertMatrix(field, { rows: 2, columns: 2, cells: Uint8Array.of(1, 2, 1, 2) }), /invertible/)
  assert.throws(() => rebuildMatrix(field, encodeMatrix(field, 4, 8), [0, 1, 2], [3]), /4 different shards/)
  assert.throws(() => rebuildMatrix(field, encodeMatrix(field, 4, 8), [0, 1, 2, 2], [3]), /4 different shards/)
})
