import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { bigEndian, concat, fromBigEndian } from '../../std/bytes.ts'
import { p256 as portable } from '../p256.ts'
import { createCrypto } from './crypto.ts'

const { p256: native } = createCrypto()

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const modulo = (value: bigint): bigint => ((value % ORDER) + ORDER) % ORDER
const inverse = (value: bigint): bigint => {
  // Fermat: another way than the code under test takes.
  let [result, base, power] = [1n, modulo(value), ORDER - 2n]
  for (; power > 0n; power >>= 1n) {
    if ((power & 1n) === 1n) result = modulo(result * base)
    base = modulo(base * base)
  }
  return result
}
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const secret = bytes32.map((value) => bigEndian((fromBigEndian(value) % (ORDER - 1n)) + 1n, 32))
const ENDS: readonly Uint8Array[] = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, (1n << 256n) - 1n].map((value) => bigEndian(value, 32))
const hash = fc.oneof(bytes32, fc.constantFrom(...ENDS, Uint8Array.from(createHash('sha256').digest())))

test('keys and signatures are those of the portable code, byte for byte, and each takes the other’s', () => {
  fc.assert(
    fc.property(secret, hash, (own, over) => {
      const key = native.publicKey(own)
      assert.deepEqual(key, portable.publicKey(own))
      const signature = native.sign(own, over)
      assert.deepEqual(signature, portable.sign(own, over))
      assert.equal(native.verify(key, over, signature), true)
    }),
    { numRuns: 40 },
  )
})

test('what the portable code refuses is refused, whichever part was changed', () => {
  const places = fc.tuple(fc.constantFrom('key', 'hash', 'signature'), fc.nat(63), fc.integer({ min: 1, max: 255 }))
  fc.assert(
    fc.property(secret, hash, places, (own, over, [part, at, by]) => {
      const touched = (name: string, bytes: Uint8Array): Uint8Array => {
        const place = at % bytes.length
        return part === name ? bytes.with(place, (bytes[place] ?? 0) ^ by) : bytes
      }
      const key = touched('key', native.publicKey(own))
      const signature = touched('signature', native.sign(own, over))
      const changed = touched('hash', over)
      assert.equal(native.verify(key, changed, signature), portable.verify(key, changed, signature))
    }),
    { numRuns: 40 },
  )
})

/** A signature of the hash that is chosen so that the key under which Node is asked is `factor` · secret · G. */
function chosen(own: bigint, factor: bigint): { key: Uint8Array; hash: Uint8Array; signature: Uint8Array } {
  const k = 0x1234567890abcdefn
  const r = modulo(fromBigEndian(native.publicKey(bigEndian(k, 32)).subarray(0, 32)))
  const z = modulo(fromBigEndian(createHash('sha256').digest()) + (factor - 1n) * r * own)
  const s = modulo((z + r * own) * inverse(k))
  const low = s > ORDER / 2n ? ORDER - s : s
  return { key: native.publicKey(bigEndian(own, 32)), hash: bigEndian(z, 32), signature: concat([bigEndian(r, 32), bigEndian(low, 32)]) }
}

test('a hash that was chosen to shift the key onto itself, or to nothing, is judged all the same', () => {
  for (const factor of [0n, 1n, 2n, 3n]) {
    const { key, hash: over, signature } = chosen(0xfeedn, factor)
    assert.equal(portable.verify(key, over, signature), true, `the case of ${factor} is one`)
    assert.equal(native.verify(key, over, signature), true)
    assert.equal(native.verify(key, over.with(31, (over[31] ?? 0) ^ 1), signature), false)
  }
})

test('points off the curve and numbers out of range are refused', () => {
  const own = bigEndian(7n, 32)
  const [key, over] = [native.publicKey(own), bigEndian(9n, 32)]
  const signature = native.sign(own, over)
  const field = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
  for (const bad of [
    new Uint8Array(64),
    key.with(63, (key[63] ?? 0) ^ 1),
    concat([bigEndian(field, 32), key.subarray(32)]),
    key.subarray(1),
  ]) {
    assert.equal(native.verify(bad, over, signature), false)
  }
  for (const part of [0n, ORDER, (1n << 256n) - 1n].map((value) => bigEndian(value, 32))) {
    assert.equal(native.verify(key, over, concat([part, signature.subarray(32)])), false)
    assert.equal(native.verify(key, over, concat([signature.subarray(0, 32), part])), false)
  }
})
