import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cryptoContract } from '../crypto.contract.ts'
import { portableCrypto } from '../fake/crypto.ts'
import { createCrypto } from './crypto.ts'

const native = createCrypto()
cryptoContract('the native code', native)

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
/** Any 32 bytes but the few that are not a scalar of every curve. */
const secret = exactly(32).map((value) => value.with(0, (value[0] ?? 0) & 0x7f).with(31, (value[31] ?? 0) | 1))

test('native and portable hashes agree on everything, also where one streams', () => {
  fc.assert(
    fc.property(fc.array(bytes(3000), { maxLength: 4 }), (parts) => {
      assert.deepEqual(native.sha256(...parts), portableCrypto.sha256(...parts))
      assert.deepEqual(native.keccak256(...parts), portableCrypto.keccak256(...parts))
    }),
    { numRuns: 60 },
  )
})

test('native and portable derivation and encryption agree on everything', () => {
  fc.assert(
    fc.property(exactly(32), exactly(12), bytes(40), bytes(300), fc.nat(200), (key, nonce, aad, data, length) => {
      assert.deepEqual(native.hmacSha256(key, data), portableCrypto.hmacSha256(key, data))
      assert.deepEqual(native.hkdf(key, nonce, aad, length + 1), portableCrypto.hkdf(key, nonce, aad, length + 1))
      const sealed = native.seal(key, nonce, aad, data)
      assert.deepEqual(sealed, portableCrypto.seal(key, nonce, aad, data))
      assert.deepEqual(native.open(key, nonce, aad, sealed), data)
      assert.deepEqual(portableCrypto.open(key, nonce, aad, sealed), data)
    }),
    { numRuns: 60 },
  )
})

test('native and portable signatures agree on everything', () => {
  fc.assert(
    fc.property(secret, exactly(32), exactly(65), (key, digest, junk) => {
      for (const scheme of ['secp256k1', 'p256', 'ed25519'] as const) {
        const signature = native[scheme].sign(key, digest)
        assert.deepEqual(signature, portableCrypto[scheme].sign(key, digest))
        const publicKey = native[scheme].publicKey(key)
        assert.deepEqual(publicKey, portableCrypto[scheme].publicKey(key))
        assert.ok(native[scheme].verify(publicKey, digest, signature) && portableCrypto[scheme].verify(publicKey, digest, signature))
        assert.equal(native[scheme].verify(publicKey, junk, signature), portableCrypto[scheme].verify(publicKey, junk, signature))
      }
      assert.deepEqual(native.secp256k1.address(key), portableCrypto.secp256k1.address(key))
      const guess = junk.with(64, 27 + ((digest[0] ?? 0) % 2))
      assert.deepEqual(native.secp256k1.recover(digest, guess), portableCrypto.secp256k1.recover(digest, guess))
    }),
    { numRuns: 15 },
  )
})

test('more keys than are kept parsed still give the right answers', () => {
  const digest = new Uint8Array(32).fill(1)
  const secrets = Array.from({ length: 1100 }, (_, i) =>
    new Uint8Array(32)
      .fill(1)
      .with(0, i & 0xff)
      .with(1, i >> 8),
  )
  const signed = secrets.map((key) => native.ed25519.sign(key, digest))
  const first = secrets[0]
  assert.ok(first !== undefined)
  assert.deepEqual(native.ed25519.sign(first, digest), signed[0])
})
