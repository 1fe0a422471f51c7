import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createHeap } from './heap.ts'

test('a heap gives its items in order, also after some were dropped', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (first, second) => {
      const heap = createHeap<number>((a, b) => a < b)
      for (const item of first) heap.push(item)
      const least = heap.pop()
      assert.equal(least, first.length === 0 ? undefined : Math.min(...first))
      for (const item of second) heap.push(item)
      heap.retain((item) => item % 3 !== 0)
      const left = [...first, ...second]
      if (least !== undefined) left.splice(left.indexOf(least), 1)
      const expected = left.filter((item) => item % 3 !== 0).sort((a, b) => a - b)
      assert.equal(heap.size, expected.length)
      assert.equal(heap.peek(), expected[0])
      assert.deepEqual(
        expected.map(() => heap.pop()),
        expected,
      )
      assert.equal(heap.pop(), undefined)
    }),
  )
})
