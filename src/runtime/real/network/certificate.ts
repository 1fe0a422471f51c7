import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { AsnParser, AsnSerializer, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  Certificate,
  Extension,
  Extensions,
  Name,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'
import type { Crypto } from '../../../protocol/crypto.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { CERTIFICATE_BYTES_MAX } from '../../../protocol/limits.ts'
import { decodePublicKey, encodePublicKey, peerIdOf } from '../../../protocol/peer-id.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import { concat, utf8 } from '../../../std/bytes.ts'

/** libp2p TLS specification, "libp2p Public Key Extension". */
const EXTENSION_OID = '1.3.6.1.4.1.53594.1.1'
/** libp2p TLS specification: what stands before the certificate's SubjectPublicKeyInfo in the text that the host key signs. */
const SIGNATURE_PREFIX = utf8('libp2p-tls-handshake:')
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
/** The other side's clock may be behind ours by as much (libp2p's implementations use the same hour). */
const CLOCK_SKEW_MS = 3_600_000
/** The key lives as long as the process, so the end only has to be later than any process lives. */
const LIFETIME_MS = 10 * 365 * 86_400_000

/**
 * DER of `SignedKey ::= SEQUENCE { publicKey OCTET STRING, signature OCTET STRING }`. With an Ed25519 host key both
 * strings have one length (36 and 64 bytes), so there is one valid encoding, and comparing it is the strictest parser.
 */
const SIGNED_KEY_HEAD = Uint8Array.of(0x30, 0x68, 0x04, 0x24)
const SIGNED_KEY_MIDDLE = Uint8Array.of(0x04, 0x40)
const SIGNED_KEY_BYTES = 106

export interface CertificateOptions {
  /** The host's Ed25519 secret, 32 bytes. */
  readonly identity: Uint8Array
  readonly crypto: Crypto
  readonly now: UnixMs
  /** P-256 key pair of the certificate; a new one when absent. */
  readonly keys?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
}

/** What TLS needs to prove who this host is, both in PEM. */
export interface HostCertificate {
  readonly key: string
  readonly cert: string
}

/** Makes a self-signed certificate that binds a fresh P-256 key to the host's Ed25519 key, as libp2p's TLS specification does. */
export function makeCertificate({ identity, crypto, now, keys }: CertificateOptions): HostCertificate {
  const { privateKey, publicKey } = keys ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const host = encodePublicKey(crypto.ed25519.publicKey(identity))
  const signature = crypto.ed25519.sign(identity, concat([SIGNATURE_PREFIX, spki]))
  const signedKey = concat([SIGNED_KEY_HEAD, host, SIGNED_KEY_MIDDLE, signature])
  const cert = signCertificate(
    privateKey,
    new TBSCertificate({
      version: Version.v3,
      // Positive and without leading zeros, whatever the random bytes are (RFC 5280 §4.1.2.2).
      serialNumber: Uint8Array.of(0x40, ...randomBytes(15)).buffer,
      signature: new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 }),
      issuer: new Name(),
      subject: new Name(),
      validity: new Validity({ notBefore: new Date(now - CLOCK_SKEW_MS), notAfter: new Date(now + LIFETIME_MS) }),
      subjectPublicKeyInfo: AsnParser.parse(spki, SubjectPublicKeyInfo),
      extensions: new Extensions([new Extension({ extnID: EXTENSION_OID, critical: true, extnValue: new OctetString(signedKey) })]),
    }),
  )
  return { key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), cert: new X509Certificate(cert).toString() }
}

/** DER of `body` signed with the P-256 `privateKey`. Exported for tests that need certificates with one thing wrong. */
export function signCertificate(privateKey: KeyObject, body: TBSCertificate): Uint8Array {
  const signatureValue = Uint8Array.from(sign('sha256', Buffer.from(AsnSerializer.serialize(body)), privateKey)).buffer
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 })
  return new Uint8Array(AsnSerializer.serialize(new Certificate({ tbsCertificate: body, signatureAlgorithm, signatureValue })))
}

export type CertificateCheck = { ok: true; peer: PeerId } | { ok: false; why: string }

/**
 * Whose certificate this is, after every check that libp2p's TLS specification demands of the receiver. That the other
 * side holds the certificate's key is what the TLS handshake has shown already.
 */
export function checkCertificate(certificate: X509Certificate, crypto: Crypto, now: UnixMs): CertificateCheck {
  const refuse = (why: string): CertificateCheck => ({ ok: false, why })
  if (certificate.raw.length > CERTIFICATE_BYTES_MAX) return refuse('its certificate is too large')
  if (now < certificate.validFromDate.getTime()) return refuse('its certificate is not valid yet: one of the two clocks is wrong')
  if (now > certificate.validToDate.getTime()) return refuse('its certificate has expired')
  try {
    if (!certificate.verify(certificate.publicKey)) return refuse('its certificate is not signed by its own key')
    return checkBinding(AsnParser.parse(certificate.raw, Certificate).tbsCertificate, crypto)
  } catch {
    // OpenSSL and the ASN.1 parser throw on what they cannot read; all of it is the peer's doing.
    return refuse('its certificate cannot be read')
  }
}

function checkBinding(body: TBSCertificate, crypto: Crypto): CertificateCheck {
  let signedKey: Uint8Array | null = null
  for (const extension of body.extensions ?? []) {
    if (extension.extnID === EXTENSION_OID) {
      if (signedKey !== null) return { ok: false, why: 'its certificate names two host keys' }
      signedKey = new Uint8Array(extension.extnValue.buffer)
    } else if (extension.critical) {
      return { ok: false, why: `its certificate has an unknown critical extension ${extension.extnID}` }
    }
  }
  if (signedKey === null) return { ok: false, why: 'its certificate names no host key' }
  const host = signedKey.length === SIGNED_KEY_BYTES ? decodePublicKey(signedKey.subarray(4, 40)) : null
  if (host === null || !startsWith(signedKey, SIGNED_KEY_HEAD) || !startsWith(signedKey.subarray(40), SIGNED_KEY_MIDDLE)) {
    return { ok: false, why: 'its certificate names a host key that is not Ed25519' }
  }
  const spki = new Uint8Array(AsnSerializer.serialize(body.subjectPublicKeyInfo))
  if (!crypto.ed25519.verify(host, concat([SIGNATURE_PREFIX, spki]), signedKey.subarray(42))) {
    return { ok: false, why: 'its host key did not sign its certificate' }
  }
  return { ok: true, peer: peerIdOf(host) }
}

const startsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean => prefix.every((byte, i) => bytes[i] === byte)
