/** A passkey in software: what a phone or a security key does with a challenge, for the command line and for tests. */
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { toBase64Url } from '../../protocol/base64url.ts'
import type { Crypto } from '../../protocol/crypto.ts'
import { authenticatorDataOf, clientDataOf, keyFromSpki, signedBytes } from '../../protocol/webauthn.ts'
import { present } from '../../std/assert.ts'
import { utf8 } from '../../std/bytes.ts'

/** AuthenticationResponseJSON, as a browser's `credential.toJSON()` gives it; base64url throughout. */
export interface AssertionJson {
  readonly type: 'public-key'
  readonly response: { readonly authenticatorData: string; readonly clientDataJSON: string; readonly signature: string }
}

/** A new P-256 key: its private part in PKCS #8 (PEM), and x‖y. */
export function drawPasskey(): { readonly pem: string; readonly key: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = present(keyFromSpki(publicKey.export({ format: 'der', type: 'spki' })), 'Node writes points uncompressed')
  return { pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), key }
}

/** Asserts as an authenticator does whose user is there and verified. Its counter stays 0, as synced passkeys keep it. */
export function assertWith(
  crypto: Crypto,
  passkey: { readonly pem: string; readonly rpId: string; readonly origin: string },
  challenge: Uint8Array,
): AssertionJson {
  const secret: KeyObject = createPrivateKey(passkey.pem)
  const authenticatorData = authenticatorDataOf(crypto.sha256(utf8(passkey.rpId)), 0)
  const clientDataJson = clientDataOf(challenge, passkey.origin)
  const signature = sign('sha256', signedBytes(crypto, authenticatorData, clientDataJson), secret)
  return {
    type: 'public-key',
    response: {
      authenticatorData: toBase64Url(authenticatorData),
      clientDataJSON: toBase64Url(clientDataJson),
      signature: toBase64Url(signature),
    },
  }
}
