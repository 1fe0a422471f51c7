import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { AsnParser, AsnSerializer, OctetString } from '@peculiar/asn1-schema'
import { Certificate, Extension, Extensions, SubjectPublicKeyInfo, type TBSCertificate, Validity } from '@peculiar/asn1-x509'
import { peerIdOf } from '../../../protocol/peer-id.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import { concat, toHex } from '../../../std/bytes.ts'
import { createCrypto } from '../crypto.ts'
import { checkCertificate, makeCertificate, signCertificate } from './certificate.ts'

const OID = '1.3.6.1.4.1.53594.1.1'
const NOW = 1_800_000_000_000 as UnixMs
const YEAR = 365 * 86_400_000
const crypto = createCrypto()
const identity = new Uint8Array(32).fill(1)
const self = peerIdOf(crypto.ed25519.publicKey(identity))
/** A fixed P-256 key, so that what the host key signs is fixed too: secret 1, whose public key is the curve's generator. */
const privateKey = createPrivateKey({
  key: Buffer.from(`303102010104200000000000000000000000000000000000000000000000000000000000000001a00a06082a8648ce3d030107`, 'hex'),
  format: 'der',
  type: 'sec1',
})
const keys = { privateKey, publicKey: createPublicKey(privateKey) }

const made = () => new X509Certificate(makeCertificate({ identity, crypto, now: NOW, keys }).cert)

/** Our certificate with one thing changed, signed again. */
function changed(change: (body: TBSCertificate) => void, signer = privateKey): X509Certificate {
  const body = AsnParser.parse(made().raw, Certificate).tbsCertificate
  change(body)
  return new X509Certificate(signCertificate(signer, body))
}

const extension = (bytes: Uint8Array, extnID = OID, critical = true) =>
  new Extension({ extnID, critical, extnValue: new OctetString(bytes) })

function signedKey(): Uint8Array {
  const found = AsnParser.parse(made().raw, Certificate).tbsCertificate.extensions?.[0]
  return new Uint8Array(found?.extnValue.buffer ?? new ArrayBuffer(0))
}

const refusal = (certificate: X509Certificate, now = NOW): string => {
  const check = checkCertificate(certificate, crypto, now)
  return check.ok ? 'accepted' : check.why
}

test('a certificate names the peer whose host key made it', () => {
  assert.deepEqual(checkCertificate(made(), crypto, NOW), { ok: true, peer: self })
})

test('the extension is the encoding of the specification: protobuf key, then the signature over prefix and key info', () => {
  // SubjectPublicKeyInfo of the generator of P-256 (SEC 2 §2.4.2), put together by hand.
  const spki = `3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5`
  const signature = crypto.ed25519.sign(identity, Buffer.concat([Buffer.from('libp2p-tls-handshake:'), Buffer.from(spki, 'hex')]))
  const key = toHex(crypto.ed25519.publicKey(identity))
  assert.equal(toHex(signedKey()), `3068042408011220${key}0440${toHex(signature)}`)
})

test('a certificate is refused before it is valid and after it has expired', () => {
  assert.match(refusal(made(), (NOW - 2 * 3_600_000) as UnixMs), /not valid yet/)
  assert.equal(refusal(made(), (NOW - 3_000_000) as UnixMs), 'accepted', 'clocks may differ by less than an hour')
  assert.match(refusal(made(), (NOW + 11 * YEAR) as UnixMs), /expired/)
  const short = changed((body) => {
    body.validity = new Validity({ notBefore: new Date(NOW - 1000), notAfter: new Date(NOW + 1000) })
  })
  assert.equal(refusal(short), 'accepted')
  assert.match(refusal(short, (NOW + 2000) as UnixMs), /expired/)
})

test('a certificate that another key signed is refused', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  assert.match(refusal(changed(() => {}, other.privateKey)), /not signed by its own key/)
})

test('a host key that signed another certificate key is refused', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const stolen = changed((body) => {
    body.subjectPublicKeyInfo = AsnParser.parse(other.publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo)
  }, other.privateKey)
  assert.match(refusal(stolen), /did not sign/)
})

test('every change of the extension is refused', () => {
  const good = signedKey()
  for (let at = 0; at < good.length; at += 1) {
    const bad = Uint8Array.from(good)
    bad[at] = (bad[at] ?? 0) ^ 1
    const found = refusal(changed((body) => (body.extensions = new Extensions([extension(bad)]))))
    assert.match(found, /did not sign|not Ed25519|cannot be read/, `byte ${at}`)
  }
  for (const bad of [good.subarray(1), good.subarray(0, -1), concat([good, Uint8Array.of(0)]), new Uint8Array(0)]) {
    assert.match(refusal(changed((body) => (body.extensions = new Extensions([extension(bad)])))), /not Ed25519/)
  }
})

test('the extension counts under its own identifier only, critical or not, and once', () => {
  const good = signedKey()
  const withExtensions = (...list: Extension[]) => refusal(changed((body) => (body.extensions = new Extensions(list))))
  assert.match(withExtensions(extension(good, '1.3.6.1.4.1.53594.1.2', false)), /names no host key/)
  assert.match(withExtensions(), /names no host key/)
  assert.equal(withExtensions(extension(good, OID, false)), 'accepted')
  assert.match(withExtensions(extension(good), extension(good)), /two host keys|cannot be read/)
})

test('unknown extensions are ignored, unless they are critical', () => {
  const good = signedKey()
  const withOther = (critical: boolean) =>
    refusal(changed((body) => (body.extensions = new Extensions([extension(good), extension(Uint8Array.of(5, 0), '1.2.3.4', critical)]))))
  assert.equal(withOther(false), 'accepted')
  assert.match(withOther(true), /unknown critical extension 1\.2\.3\.4/)
})

test('a certificate too large to be one of ours is not parsed', () => {
  const large = changed((body) => body.extensions?.push(extension(new Uint8Array(5000), '1.2.3.4', false)))
  assert.match(refusal(large), /too large/)
  assert.ok(AsnSerializer.serialize(AsnParser.parse(made().raw, Certificate)).byteLength < 500)
})
