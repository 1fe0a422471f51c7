import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../std/bytes.ts'
import { decodePublicKey, encodePublicKey, peerId, peerIdOf, publicKeyOf } from './peer-id.ts'

/** RFC 8032 §7.1, test 1. */
const KEY = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a') as Uint8Array

test('a peer id is the base58 text of the identity multihash of the protobuf of the key', () => {
  const id = peerIdOf(KEY)
  assert.match(id, /^12D3KooW/)
  assert.equal(id.length, 52)
  assert.equal(toHex(encodePublicKey(KEY)), `08011220${toHex(KEY)}`)
  assert.equal(toHex(publicKeyOf(id)), toHex(KEY))
})

test('every key survives the way to text and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      const id = peerIdOf(key)
      assert.equal(peerId(id), id)
      assert.deepEqual(publicKeyOf(id), key)
      assert.deepEqual(decodePublicKey(encodePublicKey(key)), key)
    }),
  )
})

test('texts that are not Ed25519 peer ids are refused', () => {
  const id = peerIdOf(KEY)
  // The second is a SHA-256 (RSA) peer id, the last one is long enough to hurt a quadratic decoder.
  for (const text of [
    '',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    `${id}1`,
    id.slice(1),
    `1${id.slice(0, -1)}`,
    `0${id.slice(1)}`,
    id.repeat(1000),
  ]) {
    assert.throws(() => peerId(text), TypeError, text.slice(0, 60))
  }
  assert.throws(() => peerIdOf(KEY.subarray(1)), TypeError)
  assert.equal(decodePublicKey(encodePublicKey(KEY).fill(2, 1, 2)), null)
})
