import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Crypto, SignatureScheme } from '../protocol/crypto.ts'
import { fromHex, toHex, utf8 } from '../std/bytes.ts'

const hex = (text: string): Uint8Array => {
  const bytes = fromHex(text)
  assert.ok(bytes !== null)
  return bytes
}

function hashes(crypto: Crypto): void {
  test('hashes the published test vectors, in one part or many', () => {
    // FIPS 180-4 "abc"; Keccak-256 of nothing as in Ethereum's yellow paper; RFC 4231 case 2; RFC 5869 case 1.
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(toHex(crypto.sha256(utf8('abc'))), abc)
    assert.equal(toHex(crypto.sha256(utf8('a'), utf8(''), utf8('bc'))), abc)
    assert.equal(toHex(crypto.keccak256()), 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
    const mac = crypto.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'))
    assert.equal(toHex(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
    const okm = crypto.hkdf(new Uint8Array(22).fill(11), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42)
    assert.equal(toHex(okm), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
  })
}

function ciphers(crypto: Crypto): void {
  test('seals as AES-256-GCM does and opens nothing that was touched', () => {
    // McGrew & Viega, "The Galois/Counter Mode of Operation", test case 16.
    const key = hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308')
    const nonce = hex('cafebabefacedbaddecaf888')
    const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2')
    const plain = hex(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    )
    const sealed = crypto.seal(key, nonce, aad, plain)
    assert.equal(
      toHex(sealed),
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
        '76fc6ece0f4e1768cddf8853bb2d551b',
    )
    assert.deepEqual(crypto.open(key, nonce, aad, sealed), plain)
    for (const at of [0, plain.length, sealed.length - 1]) {
      const touched = sealed.slice()
      touched[at] = (touched[at] ?? 0) ^ 1
      assert.equal(crypto.open(key, nonce, aad, touched), null)
    }
    assert.equal(crypto.open(key, nonce, utf8('other'), sealed), null)
    assert.equal(crypto.open(key, nonce, aad, sealed.subarray(0, 15)), null)
    assert.equal(crypto.open(key, nonce, aad, new Uint8Array(0)), null)
  })
}

function signatures(name: string, scheme: SignatureScheme, publicKeyBytes: number): void {
  test(`${name} verifies its own signatures, once only, and survives any bytes`, () => {
    const secret = new Uint8Array(32).fill(7)
    const digest = new Uint8Array(32).fill(9)
    const key = scheme.publicKey(secret)
    const signature = scheme.sign(secret, digest)
    assert.equal(key.length, publicKeyBytes)
    assert.deepEqual(scheme.sign(secret, digest), signature, 'a signature is a function of its inputs')
    assert.equal(scheme.verify(key, digest, signature), true)
    for (let at = 0; at < signature.length; at += 7) {
      const touched = signature.slice()
      touched[at] = (touched[at] ?? 0) ^ 1
      assert.equal(scheme.verify(key, digest, touched), false)
    }
    assert.equal(scheme.verify(key, new Uint8Array(32), signature), false)
    assert.equal(scheme.verify(scheme.publicKey(digest), digest, signature), false)
    for (const junk of [new Uint8Array(0), new Uint8Array(publicKeyBytes), new Uint8Array(200).fill(255)]) {
      assert.equal(scheme.verify(junk, digest, signature), false)
      assert.equal(scheme.verify(key, digest, junk), false)
    }
    assert.equal(scheme.verify(key, digest, new Uint8Array(signature.length)), false)
    assert.equal(scheme.verify(key, digest, new Uint8Array(signature.length).fill(255)), false)
  })
}

/** `signature` with s replaced by order − s: the other form that the mathematics accepts. */
function flipped(signature: Uint8Array, order: bigint): Uint8Array {
  const s = order - BigInt(`0x${toHex(signature.subarray(32, 64))}`)
  const out = signature.slice()
  out.set(hex(s.toString(16).padStart(64, '0')), 32)
  const v = out[64]
  if (v !== undefined) out[64] = v === 27 ? 28 : 27
  return out
}

const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function vectors(crypto: Crypto): void {
  test('signs Ethereum’s way: the address of the secret 1, and the signer of EIP-155’s example', () => {
    const one = new Uint8Array(32)
    one[31] = 1
    assert.equal(toHex(crypto.secp256k1.address(one)), '7e5f4552091a69125d5dfcb7b8c2659029395bdf')
    const digest = hex('daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53')
    const signature = crypto.secp256k1.sign(new Uint8Array(32).fill(0x46), digest)
    assert.equal(
      toHex(signature),
      '28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276' +
        '67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83' +
        '1b',
    )
    assert.equal(toHex(crypto.secp256k1.recover(digest, signature) ?? new Uint8Array(0)), '9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f')
    assert.equal(crypto.secp256k1.recover(digest, flipped(signature, SECP256K1_ORDER)), null, 'high s is refused, as on chain')
    assert.equal(crypto.secp256k1.recover(digest, signature.with(64, 0)), null, 'v is 27 or 28')
    assert.equal(crypto.secp256k1.recover(digest, new Uint8Array(65).with(64, 27)), null, 'r and s are not zero')
  })

  test('signs P-256 over the digest itself, as RFC 6979 A.2.5 does for "sample"', () => {
    const secret = hex('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721')
    const key = crypto.p256.publicKey(secret)
    assert.equal(toHex(key.subarray(0, 32)), '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6')
    const digest = crypto.sha256(utf8('sample'))
    const signature = crypto.p256.sign(secret, digest)
    const r = 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716'
    // The RFC's s is the high one; ours is order − s.
    const s = (P256_ORDER - 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8n).toString(16).padStart(64, '0')
    assert.equal(toHex(signature), r + s)
    assert.equal(crypto.p256.verify(key, digest, flipped(signature, P256_ORDER)), false)
  })

  test('signs Ed25519 as RFC 8032 §7.1 does in its second test', () => {
    const secret = hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
    assert.equal(toHex(crypto.ed25519.publicKey(secret)), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    assert.equal(
      toHex(crypto.ed25519.sign(secret, hex('72'))),
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })
}

/** Holds a `Crypto` to its interface by published vectors. */
export function cryptoContract(name: string, crypto: Crypto): void {
  describe(`${name} as crypto`, () => {
    hashes(crypto)
    ciphers(crypto)
    signatures('secp256k1', crypto.secp256k1, 64)
    signatures('P-256', crypto.p256, 64)
    signatures('Ed25519', crypto.ed25519, 32)
    vectors(crypto)
  })
}
