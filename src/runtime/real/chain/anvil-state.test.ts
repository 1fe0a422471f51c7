import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withOneGenesis } from './anvil-state.ts'

const block = (number: number, timestamp: number) => ({
  header: { number: `0x${number.toString(16)}`, timestamp: `0x${timestamp.toString(16)}` },
})

describe('the state of a local chain', () => {
  test('keeps the oldest of several first blocks, in whatever order they were written', () => {
    const real = block(0, 100)
    const one = block(1, 101)
    for (const blocks of [
      [real, one, block(0, 300), block(0, 200)],
      [block(0, 300), one, block(0, 200), real],
    ]) {
      const mended = withOneGenesis({ block: {}, blocks })
      assert.deepEqual(new Set((mended as { blocks: unknown[] }).blocks), new Set([real, one]))
    }
  })

  test('is left as it is with one first block, or when it is not understood', () => {
    assert.equal(withOneGenesis({ blocks: [block(0, 100), block(1, 101)] }), null)
    for (const strange of [null, 7, {}, { blocks: 7 }, { blocks: [{}] }]) assert.equal(withOneGenesis(strange), null)
  })
})
