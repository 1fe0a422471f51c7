import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mnemonicToAccount } from 'viem/accounts'
import { createCrypto } from '../runtime/real/index.ts'
import { toHex } from '../std/bytes.ts'
import { isCairnError } from './errors.ts'
import { deriveKeys, mnemonicOf } from './keys.ts'

const crypto = createCrypto()
const DEV = 'test test test test test test test test test test test junk'

test('wallets are those that every wallet program derives', () => {
  const keys = deriveKeys(crypto, DEV)
  // The first account of foundry and hardhat, known from their documentation.
  assert.equal(keys.wallet(0).account, '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266')
  assert.equal(toHex(keys.wallet(0).secret), 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  for (const index of [1, 9, 2 ** 31 - 1]) {
    assert.equal(keys.wallet(index).account, mnemonicToAccount(DEV, { addressIndex: index }).address.toLowerCase())
  }
})

test('a mnemonic is 24 words of its entropy, and survives how people paste it', () => {
  // BIP-39 test vector (trezor/python-mnemonic, vectors.json).
  const words = mnemonicOf(new Uint8Array(32).fill(0x7f))
  assert.ok(words.startsWith('legal winner thank year wave sausage worth useful legal winner thank year'))
  assert.equal(words.split(' ').length, 24)
  const pasted = ` ${words.toUpperCase().replaceAll(' ', '\n  ')}\n`
  assert.equal(deriveKeys(crypto, pasted).wallet(0).account, deriveKeys(crypto, words).wallet(0).account)
})

test('the storage root is no wallet key and differs between mnemonics', () => {
  const one = deriveKeys(crypto, DEV)
  const two = deriveKeys(crypto, mnemonicOf(new Uint8Array(32).fill(1)))
  assert.equal(one.storageRoot.length, 32)
  assert.notDeepEqual(one.storageRoot, two.storageRoot)
  assert.notDeepEqual(one.storageRoot, one.wallet(0).secret)
  // A change of the derivation would lock every account out of its data.
  assert.equal(toHex(one.storageRoot), '74417ae641581863fcdfd90ffee334ccd9b51f65ac86e64c5cebf40f4a984009')
})

test('wrong words are refused without being repeated', () => {
  for (const words of ['', 'test test test', DEV.replace('junk', 'test'), DEV.replace('junk', 'secretword')]) {
    assert.throws(
      () => deriveKeys(crypto, words),
      (error) => isCairnError(error, 'MALFORMED') && !error.message.includes('secretword'),
    )
  }
})
