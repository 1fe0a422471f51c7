/**
 * WebAuthn assertions (W3C Web Authentication Level 3) in the form that the contracts take: PasskeyAccount and
 * DeviceRegistry check them with OpenZeppelin's WebAuthn over P-256. What a browser's `credential.toJSON()` gives comes in
 * here; nothing of it is believed before `checkAssertion`.
 */
import { z } from 'zod'
import { assert } from '../std/assert.ts'
import { bigEndian, concat, equalBytes, fromBigEndian, fromUtf8, utf8 } from '../std/bytes.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import type { Crypto } from './crypto.ts'

/** Order of P-256 (SEC 2 §2.4.2). */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Flags of authenticator data (§6.1): user present, user verified, eligible for backup, backed up. */
const FLAG = { up: 1, uv: 4, be: 8, bs: 16 } as const
/** rpIdHash, flags and counter; extensions may follow. */
const AUTHENTICATOR_DATA_MIN = 37
/** Assertions carry no credential, so a few extensions at most; and a contract's caller pays for each byte. */
const AUTHENTICATOR_DATA_MAX = 1024
/** Type, challenge, origin, and what browsers add so that nobody relies on its exact text. */
const CLIENT_DATA_MAX = 4096
/** Two integers of 33 bytes and three headers. */
const DER_MAX = 72

/** A passkey as PasskeyAccounts and DeviceRegistry name it: point x‖y and SHA-256 of the relying party's id. */
export interface Passkey {
  /** 64 bytes. */
  readonly key: Uint8Array
  /** 32 bytes. */
  readonly rpIdHash: Uint8Array
}

export interface Assertion {
  readonly authenticatorData: Uint8Array
  /** UTF-8 of the client data, exactly as it was signed. */
  readonly clientDataJson: Uint8Array
  /** r‖s, 64 bytes, low s. */
  readonly signature: Uint8Array
}

/** The 96 bytes by which a passkey is a device's signer and an account's key. */
export const passkeySigner = ({ key, rpIdHash }: Passkey): Uint8Array => concat([key, rpIdHash])

const base64url = (min: number, max: number) =>
  z
    .string()
    .max(Math.ceil((max * 4) / 3))
    .transform((text, context) => {
      const bytes = fromBase64Url(text)
      if (bytes !== null && bytes.length >= min && bytes.length <= max) return bytes
      context.addIssue({ code: 'custom', message: `expected ${min} to ${max} bytes in base64url` })
      return z.NEVER
    })

/** AuthenticationResponseJSON (§5.1.1) as far as it is needed; the rest is dropped. */
export const assertionJson = z
  .object({
    response: z.object({
      authenticatorData: base64url(AUTHENTICATOR_DATA_MIN, AUTHENTICATOR_DATA_MAX),
      clientDataJSON: base64url(2, CLIENT_DATA_MAX),
      signature: base64url(8, DER_MAX),
    }),
  })
  .transform(({ response }, context): Assertion => {
    const signature = signatureFromDer(response.signature)
    if (signature === null) {
      context.addIssue({ code: 'custom', message: 'signature is no ECDSA signature in DER', path: ['response', 'signature'] })
      return z.NEVER
    }
    return { authenticatorData: response.authenticatorData, clientDataJson: response.clientDataJSON, signature }
  })

// ------------------------------------------------------------------------------------------------- signatures

/** Reads a positive DER INTEGER at `at`; null when it is none in its one shortest form, or has more than 256 bits. */
function integerAt(der: Uint8Array, at: number): { value: bigint; end: number } | null {
  const length = der[at + 1]
  if (der[at] !== 0x02 || length === undefined || length === 0 || length > 33) return null
  const end = at + 2 + length
  const [first = 0, second = 0] = der.subarray(at + 2, end)
  if (end > der.length || first >= 0x80 || (length > 1 && first === 0 && second < 0x80)) return null
  const value = fromBigEndian(der.subarray(at + 2, end))
  return value > 0n && value < P256_ORDER ? { value, end } : null
}

/**
 * r‖s with low s from an ECDSA-Sig-Value (RFC 3279 §2.2.3), the form in which authenticators sign; null for anything that
 * is none. Authenticators give either s; contracts take the low one alone, so that a signature has one form.
 */
export function signatureFromDer(der: Uint8Array): Uint8Array | null {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return null
  const r = integerAt(der, 2)
  const s = r === null ? null : integerAt(der, r.end)
  if (r === null || s === null || s.end !== der.length) return null
  const low = s.value > P256_ORDER / 2n ? P256_ORDER - s.value : s.value
  return concat([bigEndian(r.value, 32), bigEndian(low, 32)])
}

/** What stands before x‖y in a P-256 key's SubjectPublicKeyInfo (RFC 5480), the point uncompressed. */
const SPKI_PREFIX = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0, 4,
])

/** x‖y of the key that `getPublicKey()` of a registration gives; null for a key of another kind. */
export function keyFromSpki(spki: Uint8Array): Uint8Array | null {
  const start = SPKI_PREFIX.length
  return spki.length === start + 64 && equalBytes(spki.subarray(0, start), SPKI_PREFIX) ? spki.slice(start) : null
}

// ------------------------------------------------------------------------------------------------- making and checking

/** Authenticator data of an assertion in which the user was there and was verified (§6.1). */
export const authenticatorDataOf = (rpIdHash: Uint8Array, counter: number): Uint8Array =>
  concat([rpIdHash, Uint8Array.of(FLAG.up | FLAG.uv), bigEndian(BigInt(counter), 4)])

/** Client data of an assertion, as §5.8.1.1 serializes it. */
export const clientDataOf = (challenge: Uint8Array, origin: string): Uint8Array =>
  utf8(`{"type":"webauthn.get","challenge":"${toBase64Url(challenge)}","origin":${JSON.stringify(origin)},"crossOrigin":false}`)

/** What the authenticator signs with ECDSA and SHA-256 (§6.3.3). */
export const signedBytes = (crypto: Crypto, authenticatorData: Uint8Array, clientDataJson: Uint8Array): Uint8Array =>
  concat([authenticatorData, crypto.sha256(clientDataJson)])

const TYPE = utf8('"type":"webauthn.get"')
const challengeText = (challenge: Uint8Array): Uint8Array => utf8(`"challenge":"${toBase64Url(challenge)}"`)

/** Where `part` first stands in `bytes`, −1 when it does not. */
function indexIn(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = 0; at + part.length <= bytes.length; at += 1) {
    if (equalBytes(bytes.subarray(at, at + part.length), part)) return at
  }
  return -1
}

export type AssertionFault =
  | 'no authenticator data'
  | 'another site'
  | 'user not present'
  | 'user not verified'
  | 'bad backup flags'
  | 'not an assertion'
  | 'another challenge'
  | 'bad signature'

/** Why the contracts would refuse an assertion by `passkey` over `challenge`; null when they take it. Never throws on bad input. */
export function checkAssertion(crypto: Crypto, passkey: Passkey, challenge: Uint8Array, assertion: Assertion): AssertionFault | null {
  const { authenticatorData, clientDataJson, signature } = assertion
  if (authenticatorData.length < AUTHENTICATOR_DATA_MIN) return 'no authenticator data'
  if (!equalBytes(authenticatorData.subarray(0, 32), passkey.rpIdHash)) return 'another site'
  const flags = authenticatorData[32] ?? 0
  if ((flags & FLAG.up) === 0) return 'user not present'
  if ((flags & FLAG.uv) === 0) return 'user not verified'
  if ((flags & FLAG.bs) !== 0 && (flags & FLAG.be) === 0) return 'bad backup flags'
  if (indexIn(clientDataJson, TYPE) < 0) return 'not an assertion'
  if (indexIn(clientDataJson, challengeText(challenge)) < 0) return 'another challenge'
  const hash = crypto.sha256(signedBytes(crypto, authenticatorData, clientDataJson))
  return crypto.p256.verify(passkey.key, hash, signature) ? null : 'bad signature'
}

// ------------------------------------------------------------------------------------------------- for the contracts

const word = (value: number | bigint): Uint8Array => bigEndian(BigInt(value), 32)

/** ABI encoding of `bytes`: the length, and the bytes filled up with zeros to whole words. */
const dynamic = (bytes: Uint8Array): Uint8Array => concat([word(bytes.length), bytes, new Uint8Array(-bytes.length & 31)])

/**
 * WebAuthn.WebAuthnAuth as `tryDecodeAuth` reads it: the struct's ABI encoding without the offset in front that
 * `abi.encode` would give a dynamic struct. The assertion has passed `checkAssertion`.
 */
export function encodeAssertion(challenge: Uint8Array, assertion: Assertion): Uint8Array {
  const { authenticatorData, clientDataJson, signature } = assertion
  const typeIndex = indexIn(clientDataJson, TYPE)
  const challengeIndex = indexIn(clientDataJson, challengeText(challenge))
  assert(typeIndex >= 0 && challengeIndex >= 0, 'an assertion is checked before it is encoded')
  const heads = 6 * 32
  const first = dynamic(authenticatorData)
  return concat([signature, word(challengeIndex), word(typeIndex), word(heads), word(heads + first.length), first, dynamic(clientDataJson)])
}

/** The site that an assertion's client data names, for people; '' when it is unreadable. */
export function originOf(assertion: Assertion): string {
  try {
    const client: unknown = JSON.parse(fromUtf8(assertion.clientDataJson))
    return typeof client === 'object' && client !== null && 'origin' in client && typeof client.origin === 'string' ? client.origin : ''
  } catch {
    return ''
  }
}
