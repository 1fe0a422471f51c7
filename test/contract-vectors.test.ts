import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { RECEIPT_VECTORS_PATH, receiptVectors } from '../scripts/receipt-vectors.ts'
import { storageVectors, VECTORS_PATH } from '../scripts/storage-vectors.ts'

test('the contract judges the proofs that this code makes: its vectors are fresh', async () => {
  assert.equal(await readFile(VECTORS_PATH, 'utf8'), await storageVectors(), 'run: node scripts/storage-vectors.ts')
})

test('the contract hashes the receipts that devices sign: its vectors are fresh', async () => {
  assert.equal(await readFile(RECEIPT_VECTORS_PATH, 'utf8'), receiptVectors(), 'run: node scripts/receipt-vectors.ts')
})
