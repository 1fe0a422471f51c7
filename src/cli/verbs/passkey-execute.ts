/** From calls to a transaction: what the passkey signs, who signs it, and what is checked before anybody pays for it. */
import { toBase64Url } from '../../protocol/base64url.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf, address, type Hex } from '../../protocol/ids.ts'
import { executeHash } from '../../protocol/passkey-account.ts'
import { type Assertion, assertionJson, checkAssertion, encodeAssertion, type Passkey } from '../../protocol/webauthn.ts'
import { createPasskeyAccount, executePasskey } from '../../runtime/actions/wallets.ts'
import type { ChainCall } from '../../runtime/chain.ts'
import { encodeCall, targetOf } from '../../runtime/real/chain/index.ts'
import { assertWith } from '../../runtime/real/passkey.ts'
import { assert } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import { actorKey } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { writeJsonFile } from './json-file.ts'
import { type Exit, print, printJson } from './output.ts'
import { executionOf, keyWords, type PasskeyFile, passkeyOf, type RequestFile } from './passkey-files.ts'
import type { Place } from './place.ts'
import { carryOut, type SignOptions, type Step } from './send.ts'
import { chainNow } from './stake-state.ts'

export interface PasskeyOptions extends SignOptions {
  /** The passkey's file. */
  readonly passkey: string
  /** Where to write what is to be signed elsewhere, instead of signing it here. */
  readonly request?: string
}

/** How long a signature may wait for somebody to relay it. */
const RELAY_SECONDS = 3600

/** Where the account of a passkey is or will be. */
export async function accountOfPasskey(desk: ChainDesk, passkey: Passkey): Promise<Account> {
  const { x, y, rpIdHash } = keyWords(passkey)
  const answer = await desk.contracts.read('passkeys', 'addressOf', x, y, rpIdHash)
  assert(typeof answer === 'string', 'an address is text')
  return accountOf(answer)
}

export const isCreated = async (desk: ChainDesk, account: Account): Promise<boolean> => (await desk.rpc.code(account)) !== '0x'

export async function nonceOf(desk: ChainDesk, account: Account): Promise<bigint> {
  if (!(await isCreated(desk, account))) return 0n
  const nonce = await desk.contracts.readAt(address(account), 'passkeyAccount', 'nonce')
  assert(typeof nonce === 'bigint', 'a nonce is a number')
  return nonce
}

export async function requestOf(desk: ChainDesk, file: PasskeyFile, calls: readonly ChainCall[]): Promise<RequestFile> {
  const { view } = desk.access
  const account = await accountOfPasskey(desk, passkeyOf(desk.crypto, file))
  const encoded = calls.map((call) => ({ target: targetOf(call, view.addresses), value: 0n, data: encodeCall(call) }))
  const execution = { account, calls: encoded, nonce: await nonceOf(desk, account), deadline: (await chainNow(desk)) + RELAY_SECONDS }
  const challenge = toBase64Url(executeHash(desk.crypto, view.chainId, execution))
  const { rpId, x, y } = file
  return { format: 'cairn-passkey-request/1', chainId: view.chainId, rpId, ...execution, challenge, passkey: { x, y } }
}

/** The assertion of a software passkey over a request. Throws CONFIG when its key is elsewhere. */
export function signHere(desk: ChainDesk, file: PasskeyFile, request: RequestFile): unknown {
  const { pem, rpId, origin } = file
  if (pem === null) {
    const fix = 'write what is to be signed with --request FILE, sign it in the browser, and `cairn wallet passkey submit` both'
    throw new CairnError('CONFIG', { what: 'the passkey', why: 'its private key is not here', fix })
  }
  return assertWith(desk.crypto, { pem, rpId, origin }, executeHash(desk.crypto, request.chainId, executionOf(request)))
}

/** The transactions that carry out a signed request: the account is created first when it is not there. Throws CONFIG. */
export async function stepsOf(
  desk: ChainDesk,
  place: Place,
  options: Pick<SignOptions, 'as'>,
  passkey: Passkey,
  request: RequestFile,
  answer: unknown,
): Promise<readonly Step[]> {
  const bad = (why: string, fix: string): CairnError => new CairnError('CONFIG', { what: 'the passkey’s answer', why, fix })
  const parsed = assertionJson.safeParse(answer)
  if (!parsed.success)
    throw bad(parsed.error.issues[0]?.message ?? 'it is no assertion', 'give what navigator.credentials.get() gave, as JSON')
  const assertion: Assertion = parsed.data
  const execution = executionOf(request)
  const challenge = executeHash(desk.crypto, desk.access.view.chainId, execution)
  const fault = checkAssertion(desk.crypto, passkey, challenge, assertion)
  if (fault !== null) throw bad(fault, 'sign the request anew with the passkey that it names')
  if ((await accountOfPasskey(desk, passkey)) !== execution.account) throw bad('the request is for another account', 'make a new one')
  const signer = desk.signer((await actorKey(desk.crypto, place, options.as)).secret)
  const encoded: Hex = `0x${toHex(encodeAssertion(challenge, assertion))}`
  const execute: Step = {
    what: 'relaying',
    call: 'passkeyAccount.execute',
    send: (o) => executePasskey(signer, { execution, assertion: encoded }, o),
  }
  if (await isCreated(desk, execution.account)) return [execute]
  return [
    { what: 'creating the account', call: 'passkeys.create', send: (o) => createPasskeyAccount(signer, keyWords(passkey), o) },
    execute,
  ]
}

/** One assertion for `calls`: signed and relayed here, or written down for a browser. */
export async function execute(
  desk: ChainDesk,
  place: Place,
  file: PasskeyFile,
  calls: readonly ChainCall[],
  question: string,
  facts: Readonly<Record<string, unknown>>,
  options: PasskeyOptions,
): Promise<Exit> {
  const request = await requestOf(desk, file, calls)
  if (options.request !== undefined) {
    await writeJsonFile(options.request, request)
    if (options.json) printJson({ path: options.request, ...request })
    else
      print(
        `to be signed with the passkey of ${file.rpId}: challenge ${request.challenge}; then cairn wallet passkey submit ${options.request} ANSWER`,
      )
    return 0
  }
  const steps = await stepsOf(desk, place, options, passkeyOf(desk.crypto, file), request, signHere(desk, file, request))
  return carryOut({ question, facts: { account: request.account, ...facts }, steps }, options)
}
