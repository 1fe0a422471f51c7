/** Passkeys, what they are asked to sign, and what browsers answer, as files. */
import { z } from 'zod'
import { fromBase64Url } from '../../protocol/base64url.ts'
import type { Crypto } from '../../protocol/crypto.ts'
import { CairnError } from '../../protocol/errors.ts'
import { bytesOf, digest, digestOf } from '../../protocol/ids.ts'
import { ACCOUNT_CALLS_MAX, type Execution } from '../../protocol/passkey-account.ts'
import { keyFromSpki, type Passkey } from '../../protocol/webauthn.ts'
import { concat, toHex, utf8 } from '../../std/bytes.ts'
import { field, readJsonFile } from './json-file.ts'

const PEM_MAX = 1024
/** A call of this system has a few hundred bytes; a claim's proof some more. */
const CALL_BYTES_MAX = 16_384

const passkeyFile = z.strictObject({
  format: z.literal('cairn-passkey/1'),
  /** The relying party: the site whose passkey it is. */
  rpId: z.string().min(1).max(253),
  origin: z.string().min(1).max(512),
  x: field.digest,
  y: field.digest,
  /** Of a passkey in software; null for one whose private key no file has. */
  pem: z.string().max(PEM_MAX).nullable(),
})
export type PasskeyFile = z.output<typeof passkeyFile>

export const readPasskey = (path: string): Promise<PasskeyFile> =>
  readJsonFile(path, 'a passkey of `cairn wallet passkey create`', passkeyFile)

export const passkeyOf = (crypto: Crypto, file: PasskeyFile): Passkey => ({
  key: concat([bytesOf(file.x), bytesOf(file.y)]),
  rpIdHash: crypto.sha256(utf8(file.rpId)),
})

export function fileOf(of: { rpId: string; origin: string; key: Uint8Array; pem: string | null }): PasskeyFile {
  const { rpId, origin, key, pem } = of
  return { format: 'cairn-passkey/1', rpId, origin, x: digestOf(key.subarray(0, 32)), y: digestOf(key.subarray(32)), pem }
}

/** RegistrationResponseJSON, of which only the key is needed; 91 bytes of SubjectPublicKeyInfo. */
const registrationJson = z.object({ response: z.object({ publicKey: z.string().max(256) }) })

/** x‖y of what a browser's `navigator.credentials.create()` gave as JSON. Throws CONFIG. */
export async function readRegistration(path: string): Promise<Uint8Array> {
  const { response } = await readJsonFile(path, 'what navigator.credentials.create() gave, as JSON', registrationJson)
  const key = keyFromSpki(fromBase64Url(response.publicKey) ?? new Uint8Array(0))
  if (key !== null) return key
  throw new CairnError('CONFIG', { what: path, why: 'its key is not of P-256', fix: 'register with pubKeyCredParams of alg -7 alone' })
}

const call = z.strictObject({ target: field.address, value: field.uint(256), data: field.hex(CALL_BYTES_MAX) })

/** What a passkey is to sign. The challenge is for the browser; whoever submits computes it again. */
export const requestFile = z.strictObject({
  format: z.literal('cairn-passkey-request/1'),
  chainId: z.number().int().positive(),
  rpId: z.string().max(253),
  account: field.account,
  calls: z.array(call).min(1).max(ACCOUNT_CALLS_MAX),
  nonce: field.uint(256),
  deadline: field.seconds,
  challenge: z.string().max(64),
  passkey: z.strictObject({ x: field.digest, y: field.digest }),
})
export type RequestFile = z.output<typeof requestFile>

export const executionOf = ({ account, calls, nonce, deadline }: RequestFile): Execution => ({ account, calls, nonce, deadline })

/** x, y and the relying party's hash as PasskeyAccounts takes them. */
export const keyWords = ({ key, rpIdHash }: Passkey) => ({
  x: digestOf(key.subarray(0, 32)),
  y: digestOf(key.subarray(32)),
  rpIdHash: digest(`0x${toHex(rpIdHash)}`),
})
