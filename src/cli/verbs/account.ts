/** `cairn account`: the customer's money, and buying credits. */
import { CairnError } from '../../protocol/errors.ts'
import { account as accountOf } from '../../protocol/ids.ts'
import { deriveKeys } from '../../protocol/keys.ts'
import type { ChainCall } from '../../runtime/chain.ts'
import { gatewayConfig, readConfig } from '../config.ts'
import { ACCOUNT } from '../up/plan.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { cairn, confirmed, dollars, type Exit, parseDollars, print, printJson, progress, table } from './output.ts'
import { findPlace, gatewayOf, type Place } from './place.ts'

export interface AccountOptions {
  readonly data?: string
  readonly json: boolean
}

export interface TopUpOptions extends AccountOptions {
  readonly dryRun: boolean
  readonly yes: boolean
}

/** The fixed price of a local network moves with nothing; elsewhere this covers the oracle's band and a block's delay. */
const SLIPPAGE_PERCENT = 105n
const SEND_MS = 120_000

async function customerOf(place: Place): Promise<string> {
  return (await readConfig(gatewayOf(place), gatewayConfig)).account
}

export async function showAccount(options: AccountOptions & { readonly mnemonic: boolean }): Promise<Exit> {
  const place = await findPlace(options.data)
  if (options.mnemonic) {
    if (place.plan === null)
      throw new CairnError('CONFIG', { what: 'the mnemonic', why: 'this folder does not have it', fix: 'look where the account was made' })
    if (options.json) printJson({ mnemonic: place.plan.mnemonic })
    else print(place.plan.mnemonic)
    return 0
  }
  const account = accountOf(await customerOf(place))
  const desk = await openChainDesk(place)
  try {
    const { view } = desk.access
    const { credits } = view.addresses
    const money = view.escrow(account, credits)
    const channels = view.channelsOf(account).map((row) => ({ payee: row.payee, earmark: row.earmark, redeemed: row.redeemed }))
    const earmarked = channels.reduce((sum, row) => sum + row.earmark, 0n)
    const redeemed = channels.reduce((sum, row) => sum + row.redeemed, 0n)
    if (options.json) printJson({ account, asset: credits, ...money, earmarked, redeemed, channels })
    else {
      print(`account    ${account}`)
      print(`available  ${dollars(money.available)}`)
      print(`thawing    ${dollars(money.thawing)}`)
      print(`earned     ${dollars(money.earned)}`)
      print(`earmarked  ${dollars(earmarked)} for ${channels.length} operators, ${dollars(redeemed)} paid so far`)
      if (channels.length > 0)
        print(
          `\n${table(
            ['operator', 'earmark', 'paid'],
            channels.map((row) => [row.payee, dollars(row.earmark), dollars(row.redeemed)]),
          )}`,
        )
    }
    return 0
  } finally {
    await desk.close()
  }
}

/** Buys credits with the account's CAIRN and deposits them. */
export async function topUp(sum: string, options: TopUpOptions): Promise<Exit> {
  const amount = parseDollars(sum)
  if (amount === null)
    throw new CairnError('CONFIG', { what: 'the sum', why: `${JSON.stringify(sum)} is no sum in dollars`, fix: 'write 10 or 12.50' })
  const place = await findPlace(options.data)
  if (place.plan === null) {
    throw new CairnError('CONFIG', {
      what: 'topping up',
      why: 'this folder does not hold the account’s wallet key',
      fix: 'use the folder of `cairn up`, or deposit to Escrow from your wallet',
    })
  }
  const desk = await openChainDesk(place)
  try {
    const tokens = await desk.contracts.number('credits', 'quoteMint', amount)
    const most = (tokens * SLIPPAGE_PERCENT) / 100n
    const quote = { credits: amount, tokens, mostTokens: most }
    if (!options.json) print(`${dollars(amount)} of credits cost ${cairn(quote.tokens)} CAIRN now, ${cairn(most)} at most`)
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, ...quote })
      return 0
    }
    if (!(await confirmed(`Buy ${dollars(amount)} of credits?`, options.yes))) return 1
    const wallet = deriveKeys(desk.crypto, place.plan.mnemonic).wallet(ACCOUNT.customer)
    await buy(desk, wallet, amount, most, options.json)
    if (options.json) printJson({ account: wallet.account, ...quote })
    else print('deposited')
    return 0
  } finally {
    await desk.close()
  }
}

async function buy(
  desk: ChainDesk,
  wallet: { account: string; secret: Uint8Array },
  amount: bigint,
  most: bigint,
  quiet: boolean,
): Promise<void> {
  const { addresses } = desk.access.view
  const signer = desk.signer(wallet.secret)
  const calls: readonly [string, ChainCall][] = [
    ['allowing Credits to take CAIRN', { contract: 'token', function: 'approve', args: [addresses.credits, most] }],
    ['buying credits', { contract: 'credits', function: 'mint', args: [wallet.account, amount, most] }],
    ['allowing Escrow to take credits', { contract: 'credits', function: 'approve', args: [addresses.escrow, amount] }],
    ['depositing', { contract: 'escrow', function: 'deposit', args: [wallet.account, addresses.credits, amount] }],
  ]
  const bar = progress(quiet)
  for (const [i, [what, call]] of calls.entries()) {
    bar.step(what, i, calls.length)
    const outcome = await signer.send(call, SEND_MS)
    if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: `${call.contract}.${call.function}`, reason: outcome.error })
  }
  bar.step('done', calls.length, calls.length)
  bar.done()
}
