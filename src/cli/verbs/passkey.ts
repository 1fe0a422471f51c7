/** `cairn wallet passkey`: an account whose only key is a passkey, and what it does. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { address, digest, type Hex } from '../../protocol/ids.ts'
import { domainSeparator, REGISTER, registryDomain, typedDataHash } from '../../protocol/typed-data.ts'
import { ownerPart } from '../../resources/owner-part.ts'
import { registerDevice } from '../../runtime/actions/registry.ts'
import { createPasskeyAccount } from '../../runtime/actions/wallets.ts'
import type { ChainCall } from '../../runtime/chain.ts'
import { drawPasskey } from '../../runtime/real/passkey.ts'
import { fromHex, toHex } from '../../std/bytes.ts'
import { accountNamed, actorKey } from './actor.ts'
import { openEvidence } from './evidence.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'
import { duration } from './market.ts'
import { cairn, dollars, type Exit, parseDollars, print, printJson } from './output.ts'
import { accountOfPasskey, execute, isCreated, nonceOf, type PasskeyOptions, stepsOf } from './passkey-execute.ts'
import { fileOf, keyWords, passkeyOf, readPasskey, readRegistration, requestFile } from './passkey-files.ts'
import type { Place } from './place.ts'
import { atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'
import { scopeOf } from './session-scope.ts'
import { chainNow } from './stake-state.ts'

const pathOf = (place: Place, options: { readonly passkey?: string }): string => options.passkey ?? join(place.folder, 'passkey.json')

export interface CreateOptions extends SignOptions {
  readonly passkey?: string
  readonly rpId: string
  readonly origin?: string
  readonly registration?: string
}

/** Makes a passkey in software, or takes a browser's, and creates its account. */
export const createPasskey = (options: CreateOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const path = pathOf(place, options)
    const { rpId } = options
    const drawn = options.registration === undefined ? drawPasskey() : { key: await readRegistration(options.registration), pem: null }
    const file = fileOf({ rpId, origin: options.origin ?? `https://${rpId}`, ...drawn })
    const passkey = passkeyOf(desk.crypto, file)
    const account = await accountOfPasskey(desk, passkey)
    const signer = desk.signer((await actorKey(desk.crypto, place, options.as)).secret)
    // Written first: what a lost file owns is lost.
    if (!options.dryRun) await writeJsonFile(path, file, { secret: true })
    const send: Step['send'] = (o) => createPasskeyAccount(signer, keyWords(passkey), o)
    const question = `Create account ${account} of the passkey in ${path}? Whoever loses the passkey loses the account.`
    const facts = { account, path, rpId, x: file.x, y: file.y }
    if (!options.json) print(`account ${account} of the passkey in ${path}`)
    return carryOut({ question, facts, steps: [{ what: 'creating the account', call: 'passkeys.create', send }] }, options)
  })

/** What the account is and has. */
export const showPasskey = (options: LookOptions & { readonly passkey?: string }): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const file = await readPasskey(pathOf(place, options))
    const account = await accountOfPasskey(desk, passkeyOf(desk.crypto, file))
    const { view } = desk.access
    const facts = {
      account,
      created: await isCreated(desk, account),
      nonce: await nonceOf(desk, account),
      rpId: file.rpId,
      software: file.pem !== null,
      token: await desk.contracts.number('token', 'balanceOf', account),
      credits: view.escrow(account, view.addresses.credits).available,
      claimed: view.claimed(desk.network.id, view.addresses.token, account),
      devices: view
        .devices(desk.network.id)
        .filter((row) => row.owner === account)
        .map((row) => ({ id: row.id, status: row.status })),
      sessions: view.sessionsOf(account).map((row) => ({ key: row.key, scope: row.scope, limit: row.limit, until: row.until })),
    }
    if (options.json) printJson(facts)
    else {
      print(`account   ${account}, ${facts.created ? `created, ${facts.nonce} signature(s) so far` : 'not created yet'}`)
      print(`passkey   of ${file.rpId}, ${facts.software ? 'in software, in this file' : 'elsewhere'}`)
      print(`has       ${cairn(facts.token)} CAIRN, and ${dollars(facts.credits)} of credits in Escrow`)
      print(`claimed   ${cairn(facts.claimed)} CAIRN`)
      for (const row of facts.devices) print(`device    ${row.id}, ${row.status}`)
      for (const row of facts.sessions)
        print(`session   ${row.key}, up to ${dollars(row.limit)}, until ${new Date(row.until * 1000).toISOString()}`)
    }
    return 0
  })

export interface SessionOptions extends PasskeyOptions {
  readonly scope: string
  readonly limit: string
  readonly for: string
}

/** Delegates to a session key, which signs vouchers that a passkey cannot. */
export const registerSession = (key: string, options: SessionOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const limit = parseDollars(options.limit)
    if (!/^0x[0-9a-fA-F]{40}$/.test(key) || limit === null) {
      throw new CairnError('CONFIG', { what: 'the session', why: 'it needs an address and a limit in dollars', fix: 'see --help' })
    }
    const until = (await chainNow(desk)) + duration('--for', options.for)
    const session = { key: address(key), scope: scopeOf(options.scope), limit, until }
    const call: ChainCall = { contract: 'delegations', function: 'register', args: [session.key, session.scope, session.limit, until] }
    const question = `Let ${key} spend up to ${dollars(limit)} until ${new Date(until * 1000).toISOString()}?`
    return execute(desk, place, await readPasskey(pathOf(place, options)), [call], question, { session }, options)
  })

export interface DeviceOptions extends SignOptions {
  readonly passkey?: string
  readonly deviceKey: string
}

const NO_PEER = digest(`0x${'00'.repeat(32)}`)

/** Enrols a P-256 device whose owner is the passkey's account. The device's own signature says so; anybody submits it. */
export const ownDevice = (options: DeviceOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const owner = await accountOfPasskey(desk, passkeyOf(desk.crypto, await readPasskey(pathOf(place, options))))
    const secret = fromHex((await readFile(options.deviceKey, 'utf8').catch(() => '')).trim())
    if (secret === null || secret.length !== 32) {
      const fix = `make one: (umask 077; openssl rand -hex 32 > ${options.deviceKey})`
      throw new CairnError('CONFIG', { what: options.deviceKey, why: 'it holds no 32-byte key in hexadecimal', fix })
    }
    const { view } = desk.access
    const signer: Hex = `0x${toHex(desk.crypto.p256.publicKey(secret))}`
    const device = digest(`0x${toHex(desk.crypto.keccak256(desk.crypto.p256.publicKey(secret)))}`)
    const consent = {
      net: desk.network.id,
      owner,
      transportKey: NO_PEER,
      deadline: (await chainNow(desk)) + duration('the deadline', '1h'),
    }
    const separator = domainSeparator(desk.crypto, registryDomain(view.chainId, view.addresses.devices))
    const hash = typedDataHash(desk.crypto, separator, REGISTER, { ...consent, batch: NO_PEER })
    const signature: Hex = `0x${toHex(desk.crypto.p256.sign(secret, hash))}`
    const relayer = desk.signer((await actorKey(desk.crypto, place, options.as)).secret)
    const send: Step['send'] = (o) => registerDevice(relayer, { ...consent, signer, signature }, o)
    const steps = [{ what: 'enrolling the device', call: 'devices.register', send }]
    if (!options.json) print(`device ${device} of ${owner}`)
    return carryOut({ question: `Enrol device ${device} for ${owner}?`, facts: { device, owner }, steps }, options)
  })

export interface ClaimOptions extends PasskeyOptions {
  readonly sendTo?: string
}

/** Claims what the newest active root grants the account, and sends it on if wanted. Ends with 1 when there is nothing. */
export const claim = (options: ClaimOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const file = await readPasskey(pathOf(place, options))
    const account = await accountOfPasskey(desk, passkeyOf(desk.crypto, file))
    const { view } = desk.access
    const net = desk.network.id
    const root = view.roots(net).findLast((row) => row.state === 'active')
    const files = openEvidence(desk, place, { remote: false })
    try {
      const settlement = root === undefined ? null : await files.settlement(root.dataHash)
      const mine = settlement === null ? null : ownerPart(desk.crypto, settlement, account)
      const claimed = root === undefined ? 0n : await desk.contracts.number('rewards', 'claimedOf', net, root.asset, account)
      if (root === undefined || mine === null || mine.line.cumulative <= claimed) {
        if (options.json) printJson({ account, claimed, claimable: 0n })
        else print(`there is nothing to claim for ${account}`)
        return 1
      }
      const { line, detail, proof } = mine
      const gain = line.cumulative - claimed
      const calls: ChainCall[] = [
        { contract: 'rewards', function: 'claim', args: [net, root.asset, root.index, account, line.cumulative, detail, proof] },
      ]
      if (options.sendTo !== undefined) {
        const to = await accountNamed(desk.crypto, place, options.sendTo)
        calls.push({ contract: 'token', function: 'transfer', args: [to, gain] })
      }
      const question = `Claim ${cairn(gain)} CAIRN${options.sendTo === undefined ? '' : ` and send them to ${options.sendTo}`}?`
      return await execute(desk, place, file, calls, question, { amount: gain, epoch: root.epoch }, options)
    } finally {
      await files.close()
    }
  })

/** Relays a request that was signed elsewhere: `answer` is what `navigator.credentials.get()` gave, as JSON. */
export const submitRequest = (requestPath: string, answerPath: string, options: SignOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const request = await readJsonFile(requestPath, 'a request of --request', requestFile)
    const answer = await readJsonFile(answerPath, 'what navigator.credentials.get() gave, as JSON', z.unknown())
    if (request.chainId !== desk.access.view.chainId) {
      throw new CairnError('CONFIG', { what: requestPath, why: `it is for chain ${request.chainId}`, fix: 'submit it there' })
    }
    const passkey = passkeyOf(desk.crypto, fileOf({ rpId: request.rpId, origin: '', pem: null, key: keyOf(request.passkey) }))
    const steps = await stepsOf(desk, place, options, passkey, request, answer)
    const facts = { account: request.account, calls: request.calls.length }
    return carryOut({ question: `Relay ${facts.calls} call(s) of ${facts.account}?`, facts, steps }, options)
  })

const keyOf = ({ x, y }: { readonly x: Hex; readonly y: Hex }): Uint8Array => fromHex(`${x}${y.slice(2)}`) ?? new Uint8Array(64)
