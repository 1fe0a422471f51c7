/** `cairn stake`: an operator's own stake, what others delegate to it, and how both leave again. */
import { CairnError } from '../../protocol/errors.ts'
import type { Account } from '../../protocol/ids.ts'
import { approve } from '../../runtime/actions/money.ts'
import { delegateStake } from '../../runtime/actions/staking.ts'
import type { ChainSigner } from '../../runtime/chain.ts'
import { accountNamed, openActor } from './actor.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { cairn, confirmed, type Exit, parseCairn, print, printJson } from './output.ts'
import { findPlace, type Place } from './place.ts'
import { type Step, sendAll } from './send.ts'

export interface StakeOptions {
  readonly data?: string
  readonly json: boolean
}

export interface SignOptions extends StakeOptions {
  readonly as: string
  readonly dryRun: boolean
  readonly yes: boolean
}

/** Opens a place and its chain for one verb, and closes it. */
async function atDesk<T>(options: StakeOptions, work: (desk: ChainDesk, place: Place) => Promise<T>): Promise<T> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    return await work(desk, place)
  } finally {
    await desk.close()
  }
}

function amountOf(text: string): bigint {
  const amount = parseCairn(text)
  if (amount !== null) return amount
  throw new CairnError('CONFIG', {
    what: 'the amount',
    why: `${JSON.stringify(text)} is no number of CAIRN`,
    fix: 'write 100 or 12.5, of at most 18 decimals',
  })
}

/** Lets Staking take `amount` from the signer, unless it may already. */
async function approval(desk: ChainDesk, signer: ChainSigner, amount: bigint): Promise<readonly Step[]> {
  const spender = desk.access.view.addresses.staking
  if ((await desk.contracts.number('token', 'allowance', signer.account, spender)) >= amount) return []
  const send: Step['send'] = (o) => approve(signer, { asset: 'token', spender, amount }, o)
  return [{ what: 'allowing Staking to take CAIRN', call: 'token.approve', send }]
}

/** Asks, sends, and says what was sent; with `--dry-run` only what would be. */
async function carryOut(
  question: string,
  facts: Readonly<Record<string, unknown>>,
  steps: readonly Step[],
  options: SignOptions,
): Promise<Exit> {
  if (options.dryRun) {
    if (options.json) printJson({ dryRun: true, ...facts, calls: steps.map((step) => step.call) })
    else print(`would send ${steps.map((step) => step.call).join(', ')}: ${question}`)
    return 0
  }
  if (!(await confirmed(question, options.yes))) return 1
  const transactions = await sendAll(steps, options.json)
  if (options.json) printJson({ ...facts, transactions })
  else print(`done in block ${transactions.at(-1)?.block ?? '-'}`)
  return 0
}

/** Delegates to an operator’s current pool. */
export const delegate = (to: string, sum: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const amount = amountOf(sum)
    const operator: Account = await accountNamed(desk.crypto, place, to)
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const send: Step['send'] = (o) => delegateStake(signer, { operator, net, amount, minShares: 0n }, o)
    const steps = [...(await approval(desk, signer, amount)), { what: 'delegating', call: 'staking.delegateTo', send }]
    const facts = { delegator: signer.account, operator, net, amount }
    return carryOut(`delegate ${cairn(amount)} CAIRN of ${signer.account} to ${operator}?`, facts, steps, options)
  })
