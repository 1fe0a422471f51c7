import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCrypto } from '../../../runtime/real/crypto.ts'
import { createPrng } from '../../../std/prng.ts'
import { leafHashes, treeHash } from '../piece-tree.ts'
import { createLeafHashing } from './leaf-hashing.ts'

test('leaf hashes in place are those of the tree, whichever way they are made', () => {
  const leavesOf = createLeafHashing(createNative())
  const hash = treeHash(createCrypto())
  const prng = createPrng(7n)
  // The first jobs take turns between both ways; 40 of a frame's size are enough to settle on one.
  const sizes = [1, 31, 4095, 4096, 4097, 5 * 4096, 65_535, 65_536, 65_537, 256 * 1024, ...Array<number>(40).fill(65_536)]
  for (const size of sizes) {
    const bytes = prng.bytes(size)
    assert.deepEqual(leavesOf(bytes), leafHashes(hash, bytes), `${size} bytes`)
  }
})

test('what was returned stays as it was when more is hashed', () => {
  const leavesOf = createLeafHashing(createNative())
  const first = leavesOf(new Uint8Array(10_000).fill(1))
  const copy = first.slice()
  leavesOf(new Uint8Array(10_000).fill(2))
  assert.deepEqual(first, copy)
})
