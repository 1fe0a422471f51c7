import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem'
import { createCrypto } from '../runtime/real/crypto.ts'
import { assertWith, drawPasskey } from '../runtime/real/passkey.ts'
import { bigEndian, concat, fromBigEndian, toHex, utf8 } from '../std/bytes.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import * as webauthn from './webauthn.ts'

const crypto = createCrypto()
const words = (...values: readonly bigint[]): Uint8Array => concat(values.map((value) => bigEndian(value, 32)))
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/**
 * An assertion that Safari made on a Mac, as the tests of Base's webauthn-sol publish it (test/WebAuthn.t.sol); the
 * challenge and the origin are in the client data.
 */
const SAFARI = {
  passkey: {
    key: words(
      28573233055232466711029625910063034642429572463461595413086259353299906450061n,
      39367742072897599771788408398752356480431855827262528811857788332151452825281n,
    ),
    rpIdHash: crypto.sha256(utf8('localhost')),
  },
  challenge: hex('f631058a3ba1116acce12396fad0a125b5041c43f8e15723709f81aa8d5f4ccf'),
  assertion: {
    authenticatorData: hex('49960de5880e8c687434170f6476605b8fe4aeb9a28632c7995cf3ba831d97630500000101'),
    clientDataJson: utf8(
      '{"type":"webauthn.get","challenge":"9jEFijuhEWrM4SOW-tChJbUEHEP44VcjcJ-Bqo1fTM8","origin":"http://localhost:3005"}',
    ),
    signature: words(
      43684192885701841787131392247364253107519555363555461570655060745499568693242n,
      22655632649588629308599201066602670461698485748654492451178007896016452673579n,
    ),
  },
} as const

test('what Safari signed is taken, and nothing that was changed in it', () => {
  const { passkey, challenge, assertion } = SAFARI
  assert.equal(webauthn.checkAssertion(crypto, passkey, challenge, assertion), null)
  assert.equal(webauthn.originOf(assertion), 'http://localhost:3005')
  const check = (change: Partial<webauthn.Assertion>) => webauthn.checkAssertion(crypto, passkey, challenge, { ...assertion, ...change })
  const flags = (value: number): Partial<webauthn.Assertion> => ({ authenticatorData: assertion.authenticatorData.with(32, value) })
  assert.equal(check({ authenticatorData: assertion.authenticatorData.subarray(0, 36) }), 'no authenticator data')
  assert.equal(check({ authenticatorData: assertion.authenticatorData.with(0, 0) }), 'another site')
  assert.equal(check(flags(4)), 'user not present')
  assert.equal(check(flags(1)), 'user not verified')
  assert.equal(check(flags(0x15)), 'bad backup flags')
  assert.equal(check(flags(0x0d)), 'bad signature')
  assert.equal(check({ clientDataJson: utf8('{"type":"webauthn.create"}') }), 'not an assertion')
  assert.equal(webauthn.checkAssertion(crypto, passkey, challenge.with(0, 0), assertion), 'another challenge')
  assert.equal(check({ signature: assertion.signature.with(5, 0) }), 'bad signature')
  const high = words(
    fromBigEndian(assertion.signature.subarray(0, 32)),
    webauthn.P256_ORDER - fromBigEndian(assertion.signature.subarray(32)),
  )
  assert.equal(check({ signature: high }), 'bad signature', 'the other s is refused, as on chain')
})

const AUTH = parseAbiParameters([
  'Auth auth',
  'struct Auth { bytes32 r; bytes32 s; uint256 challengeIndex; uint256 typeIndex; bytes authenticatorData; string clientDataJSON; }',
])

test('an assertion is encoded as Solidity does without the offset in front, for any client data', () => {
  const { challenge, assertion } = SAFARI
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.string({ unit: 'grapheme', maxLength: 60 }), (extensions, origin) => {
      const made = {
        ...assertion,
        authenticatorData: concat([assertion.authenticatorData, extensions]),
        clientDataJson: webauthn.clientDataOf(challenge, origin),
      }
      const encoded = toHex(webauthn.encodeAssertion(challenge, made))
      const [auth] = decodeAbiParameters(AUTH, `0x${toHex(bigEndian(32n, 32))}${encoded}`)
      assert.equal(encodeAbiParameters(AUTH, [auth]).slice(2 + 64), encoded)
      const text = Buffer.from(made.clientDataJson)
      assert.ok(text.subarray(Number(auth.typeIndex)).toString().startsWith('"type":"webauthn.get"'))
      assert.ok(
        text
          .subarray(Number(auth.challengeIndex))
          .toString()
          .startsWith(`"challenge":"${toBase64Url(challenge)}"`),
      )
      assert.equal(auth.authenticatorData, `0x${toHex(made.authenticatorData)}`)
      assert.deepEqual(JSON.parse(auth.clientDataJSON).origin, origin)
    }),
    { numRuns: 50 },
  )
})

test('a software passkey makes what the check takes, with either s', () => {
  const { pem, key } = drawPasskey()
  const passkey = { key, rpIdHash: crypto.sha256(utf8('cairn.example')) }
  for (let n = 0; n < 8; n += 1) {
    const challenge = crypto.sha256(Uint8Array.of(n))
    const json = assertWith(crypto, { pem, rpId: 'cairn.example', origin: 'https://cairn.example' }, challenge)
    const assertion = webauthn.assertionJson.parse({ ...json, id: 'more than is needed' })
    assert.equal(webauthn.checkAssertion(crypto, passkey, challenge, assertion), null)
    assert.ok(fromBigEndian(assertion.signature.subarray(32)) <= webauthn.P256_ORDER / 2n)
  }
})

test('DER signatures are read in their one form alone, and keys as Node writes them', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const raw = webauthn.keyFromSpki(publicKey.export({ format: 'der', type: 'spki' }))
  assert.ok(raw !== null)
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  assert.equal(toHex(raw), toHex(concat([fromBase64Url(x) ?? raw, fromBase64Url(y) ?? raw])))
  assert.equal(webauthn.keyFromSpki(raw), null)
  // r = 1, s = 2; then each way of writing it differently.
  const good = hex('3006020101020102')
  assert.equal(toHex(webauthn.signatureFromDer(good) ?? raw), toHex(words(1n, 2n)))
  const bad = [
    '',
    '30',
    '3006020101020180',
    '3006020100020102',
    '300702010102020002',
    '300702020001020102',
    '3006020101020102ff',
    '3106020101020102',
    '3006020101030102',
    '308106020101020102',
  ]
  for (const text of bad) assert.equal(webauthn.signatureFromDer(hex(text)), null, text)
  assert.equal(webauthn.signatureFromDer(concat([hex('30260221'), hex('00'), words(webauthn.P256_ORDER), hex('020101')])), null)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void webauthn.signatureFromDer(bytes)))
})

test('base64url is what Node writes, and every other text is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url')
      assert.equal(toBase64Url(bytes), text)
      assert.deepEqual(fromBase64Url(text), bytes)
    }),
  )
  for (const text of ['A', 'AB', 'AA==', 'A+==', 'AA/A', 'AAB', '\u0141AAA', 'AA A']) {
    if (Buffer.from(text, 'base64url').toString('base64url') === text) continue
    assert.equal(fromBase64Url(text), null, text)
  }
})
