/** `cairn wallet sign-deposit|submit|deposit`: money into Escrow by one signature, also of somebody who has no coins for gas. */
import { CairnError } from '../../protocol/errors.ts'
import { type Account, type Address, account as accountOf, address } from '../../protocol/ids.ts'
import type { WalletKey } from '../../protocol/keys.ts'
import { approve, depositEscrow } from '../../runtime/actions/money.ts'
import { depositWithAuthorization, depositWithPermit, permit, transferFrom } from '../../runtime/actions/wallets.ts'
import type { Addresses, ChainSigner } from '../../runtime/chain.ts'
import { present } from '../../std/assert.ts'
import { accountNamed, actorKey } from './actor.ts'
import { parseAmount, showAmount } from './amounts.ts'
import {
  type AuthorizedDeposit,
  type DepositFile,
  depositFile,
  isPermitUsed,
  NO_GRANT,
  type PermitDeposit,
  requireGood,
  signAuthorization,
  signPermit,
} from './deposits.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'
import { duration, seen } from './market.ts'
import { confirmed, type Exit, print, printJson } from './output.ts'
import { findPlace, type Place } from './place.ts'
import { type LookOptions, type SignOptions, type Step, sendAll } from './send.ts'
import { scopeOf } from './session-scope.ts'
import { chainNow } from './stake-state.ts'

/** What an owner signs and sends itself is used within a minute. */
const OWN_SECONDS = 3600

interface Kind {
  readonly permit: boolean
  readonly authorization: boolean
}

interface GrantOptions {
  readonly session?: string
  readonly scope: string
  readonly limit?: string
  readonly sessionFor: string
}

export interface SignDepositOptions extends LookOptions, Kind, GrantOptions {
  readonly as: string
  readonly asset: string
  readonly relayer: string
  readonly to?: string
  readonly valid: string
  readonly out: string
}

export interface DepositOptions extends SignOptions, Kind {
  readonly asset: string
}

function kindOf(options: Kind): 'permit' | 'authorization' {
  if (options.permit !== options.authorization) return options.permit ? 'permit' : 'authorization'
  throw new CairnError('CONFIG', { what: 'the signature', why: 'it is of one kind', fix: 'give --authorization, or --permit' })
}

function assetIn(name: string): 'token' | 'credits' {
  if (name === 'token' || name === 'credits') return name
  throw new CairnError('CONFIG', { what: `the asset ${name}`, why: 'only these two are signed for here', fix: 'say credits or token' })
}

/** The session key that a deposit registers with the same signature. */
function grantOf(addresses: Addresses, asset: Address, options: GrantOptions, now: number) {
  if (options.session === undefined) return NO_GRANT
  if (!/^0x[0-9a-fA-F]{40}$/.test(options.session) || options.limit === undefined) {
    throw new CairnError('CONFIG', { what: '--session', why: 'it needs an address and a --limit in the asset', fix: 'give both' })
  }
  const limit = parseAmount(addresses, asset, options.limit)
  return { key: address(options.session), scope: scopeOf(options.scope), limit, until: now + duration('--session-for', options.sessionFor) }
}

/** The first half: the owner of the money signs one message. Nothing is sent, and no coins are needed. */
export async function signDeposit(sum: string, options: SignDepositOptions): Promise<Exit> {
  const [kind, asset] = [kindOf(options), assetIn(options.asset)]
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const { addresses } = desk.access.view
    const wallet = await actorKey(desk.crypto, place, options.as)
    const amount = parseAmount(addresses, addresses[asset], sum)
    const now = await chainNow(desk)
    const until = BigInt(now + duration('--valid', options.valid))
    const file =
      kind === 'permit'
        ? await signPermitFor(desk, place, wallet, asset, amount, until, options)
        : signAuthorization(desk, wallet, {
            asset,
            amount,
            to: options.to === undefined ? wallet.account : await accountNamed(desk.crypto, place, options.to),
            validBefore: until,
            grant: grantOf(addresses, addresses[asset], options, now),
          })
    await writeJsonFile(options.out, file)
    if (options.json) printJson({ path: options.out, ...file })
    else {
      print(
        `${wallet.account} signed a deposit of ${showAmount(addresses, addresses[asset], amount)}, good until ${new Date(Number(until) * 1000).toISOString()}`,
      )
      if (file.kind === 'permit') print(`relayer ${file.spender} may take it, and is trusted to deposit it`)
      print(`whoever relays it runs: cairn wallet submit ${options.out}`)
    }
    return 0
  } finally {
    await desk.close()
  }
}

async function signPermitFor(
  desk: ChainDesk,
  place: Place,
  wallet: WalletKey,
  asset: 'token' | 'credits',
  amount: bigint,
  deadline: bigint,
  options: SignDepositOptions,
): Promise<PermitDeposit> {
  if (options.to !== undefined || options.session !== undefined) {
    throw new CairnError('CONFIG', {
      what: '--permit',
      why: 'an allowance says neither for whom nor for which key',
      fix: 'use --authorization',
    })
  }
  if (asset === 'credits') {
    throw new CairnError('CONFIG', {
      what: '--permit',
      why: 'credits leave a wallet by its own deposit alone',
      fix: 'use --authorization, or --asset token',
    })
  }
  const spender = await accountNamed(desk.crypto, place, options.relayer)
  return signPermit(desk, wallet, { asset, amount, spender, deadline })
}

/** The second half: anybody (a permit's spender, for that) sends what was signed and pays the gas. */
export async function submitDeposit(path: string, options: SignOptions): Promise<Exit> {
  const file = await readJsonFile(path, 'a deposit of `cairn wallet sign-deposit`', depositFile)
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const wallet = await actorKey(desk.crypto, place, options.as)
    if (file.kind === 'permit' && file.spender !== wallet.account) {
      throw new CairnError('CONFIG', {
        what: path,
        why: `only ${file.spender} may use it`,
        fix: `sign with its key; --as ${options.as} is ${wallet.account}`,
      })
    }
    const signer = desk.signer(wallet.secret)
    const to = file.kind === 'permit' ? file.owner : file.to
    await requireGood(desk, file, await chainNow(desk))
    const steps = file.kind === 'permit' ? await permitSteps(desk, signer, file) : [authorizationStep(desk, signer, file)]
    return await depositBy(desk, file, to, steps, options)
  } finally {
    await desk.close()
  }
}

const authorizationStep = (desk: ChainDesk, signer: ChainSigner, file: AuthorizedDeposit): Step => {
  const { to, grant, from, amount, validAfter, validBefore, v, r, s } = file
  const authorization = { from, amount, validAfter, validBefore, v, r, s }
  const asset = desk.access.view.addresses[file.asset]
  const send: Step['send'] = (o) => depositWithAuthorization(signer, { to, asset, authorization, grant }, o)
  return { what: 'depositing', call: 'escrow.depositWithAuthorization', send }
}

/**
 * Takes the money by the owner's permit and deposits it for the owner: Escrow credits a permit to its sender alone, so the
 * relayer stands between. Each step is one intent of this file, so that a submit that was cut off goes on where it stopped.
 */
async function permitSteps(desk: ChainDesk, signer: ChainSigner, file: PermitDeposit): Promise<readonly Step[]> {
  const { owner, spender, amount, deadline, v, r, s } = file
  const { token, escrow } = desk.access.view.addresses
  const of = (name: string) => ({ key: `deposit:${file.r}:${name}` })
  const steps: Step[] = [
    {
      what: 'taking the money',
      call: 'token.transferFrom',
      send: (o) => transferFrom(signer, { from: owner, to: signer.account, amount }, { ...o, ...of('take') }),
    },
    {
      what: 'allowing Escrow to take it',
      call: 'token.approve',
      send: (o) => approve(signer, { asset: 'token', spender: escrow, amount }, { ...o, ...of('approve') }),
    },
    {
      what: 'depositing',
      call: 'escrow.deposit',
      send: (o) => depositEscrow(signer, { to: owner, asset: token, amount }, { ...o, ...of('deposit') }),
    },
  ]
  if (await isPermitUsed(desk, file)) return steps
  const allow: Step = {
    what: 'submitting the permit',
    call: 'token.permit',
    send: (o) => permit(signer, { asset: 'token', owner, spender, amount, deadline, v, r, s }, o),
  }
  return [allow, ...steps]
}

/** Both halves by the owner itself, which has coins: one transaction, and no allowance that is left over. */
export async function deposit(sum: string, options: DepositOptions): Promise<Exit> {
  const [kind, asset] = [options.permit || options.authorization ? kindOf(options) : 'permit', assetIn(options.asset)]
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const { addresses } = desk.access.view
    const wallet = await actorKey(desk.crypto, place, options.as)
    const signer = desk.signer(wallet.secret)
    const amount = parseAmount(addresses, addresses[asset], sum)
    const until = BigInt((await chainNow(desk)) + OWN_SECONDS)
    // Escrow is the spender: the one contract that a permit of this kind is good for.
    const spender = accountOf(addresses.escrow)
    const file =
      kind === 'permit'
        ? await signPermit(desk, wallet, { asset, amount, spender, deadline: until })
        : signAuthorization(desk, wallet, { asset, amount, to: wallet.account, validBefore: until, grant: NO_GRANT })
    const step: Step =
      file.kind === 'authorization'
        ? authorizationStep(desk, signer, file)
        : {
            what: 'depositing',
            call: 'escrow.depositWithPermit',
            send: (o) => depositWithPermit(signer, { ...file, asset: addresses[asset] }, o),
          }
    await requireGood(desk, file, await chainNow(desk))
    return await depositBy(desk, file, wallet.account, [step], options)
  } finally {
    await desk.close()
  }
}

async function depositBy(desk: ChainDesk, file: DepositFile, to: Account, steps: readonly Step[], options: SignOptions): Promise<Exit> {
  const { view } = desk.access
  const asset = view.addresses[file.asset]
  const question = `Deposit ${showAmount(view.addresses, asset, file.amount)} for ${to}?`
  const facts = { to, asset: file.asset, amount: file.amount }
  if (options.dryRun) {
    if (options.json) printJson({ dryRun: true, ...facts, calls: steps.map((step) => step.call) })
    else print(`would send ${steps.map((step) => step.call).join(', ')}: ${question}`)
    return 0
  }
  if (!(await confirmed(question, options.yes))) return 1
  const transactions = await sendAll(steps, options.json)
  await seen(desk, present(transactions.at(-1), 'a deposit is sent').block)
  const { available } = view.escrow(to, asset)
  if (options.json) printJson({ ...facts, available, transactions })
  else print(`deposited; ${to} has ${showAmount(view.addresses, asset, available)} in Escrow`)
  return 0
}
