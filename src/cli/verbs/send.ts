/** How verbs sign and send: they say what they will do, ask, and explain refusals by what to do about them. */
import { CairnError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import type { ActionOptions } from '../../runtime/actions/action.ts'
import { approve } from '../../runtime/actions/money.ts'
import type { CallOutcome, ChainSigner } from '../../runtime/chain.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { confirmed, type Exit, parseCairn, print, printJson, progress } from './output.ts'
import { findPlace, type Place } from './place.ts'

export interface LookOptions {
  readonly data?: string
  readonly json: boolean
}

export interface SignOptions extends LookOptions {
  readonly as: string
  readonly dryRun: boolean
  readonly yes: boolean
}

/** One transaction of a verb. */
export interface Step {
  /** For the progress line, such as `delegating`. */
  readonly what: string
  /** Contract and function, such as `staking.delegateTo`. */
  readonly call: string
  /** Refusals after which the rest goes on: somebody was first, or there is no more of it. */
  readonly unless?: readonly string[]
  send(options: ActionOptions): Promise<CallOutcome>
}

/** One that was confirmed. */
export interface Sent {
  readonly call: string
  readonly hash: string
  readonly block: bigint
}

/** Ten blocks of a slow chain and then some. */
const SEND_MS = 120_000

/** What a person can do about a contract's refusal. Those that are not here say enough by their names. */
const ADVICE: Readonly<Record<string, string>> = {
  AlreadyDemanded: 'one demand at a time: see `cairn storage demands`',
  AlreadyPunished: 'a device, or a signature of an epoch, is punished once: see `cairn dispute list`',
  AllowanceExceeded: 'another command of this account may have used the allowance: run it again',
  BelowMinimum: 'give more, or all of it',
  CutTooHigh: 'stay at or below the network’s limit',
  ERC20InsufficientBalance: 'the signer has too few tokens: see `cairn stake show`, or send it some',
  EvidenceUsed: 'this evidence was judged: bring other evidence',
  GovernorInsufficientProposerVotes: 'bond or delegate more stake, or have others delegate their votes to you, and wait a block',
  GovernorUnexpectedProposalState: 'see `cairn govern show` for what the proposal waits for',
  HeadExpired: 'the gateway signs a new one within an epoch, unless the provider is gone',
  Insufficient: 'the account in Escrow has too little: see `cairn account show`, or deposit with `cairn wallet deposit`',
  InsufficientShares: 'see `cairn stake show` for the shares of each pool',
  LeaseNotOpen: 'it is closed already: see `cairn market leases`',
  MintHalted: 'credits are covered by less than 90 %: wait for the price, or for top-ups; earned credits can be redeemed',
  MintLimitExceeded: 'buy less, or the rest tomorrow: see `cairn credits show`',
  NoBond: 'the network has set no bond, and without one nobody can be accused',
  NetworkNotActive: 'the network is closed or not open yet; what is staked in it can leave',
  NotAccused: 'the accused answers by its own key: --as operator:N',
  NotArbiter: 'the arbiter of the time when it was opened rules: see `cairn dispute show`',
  NotEligible: 'its provider has too little stake in that network now: take another quote',
  NotMatured: 'wait until the week begins: see `cairn stake show`',
  NotPending: 'a root can be challenged until it is active: see `cairn epoch list`',
  NothingAtStake: 'it has no stake in the network that a verdict could take',
  NothingToWithdraw: 'see `cairn stake show` for what thaws, and `cairn dispute list` for bonds',
  OverDelegated: 'delegate less, or to another operator; the operator can bond more',
  Paused: 'the guardian paused new commitments; exits work',
  PriceInvalid: 'there is no valid price now: see `cairn credits show`',
  QuoteExpired: 'ask the provider for a new quote',
  QuoteUsed: 'it was taken or cancelled: ask the provider for a new quote',
  Slippage: 'the price moved: look at the new one, and allow for it with --slippage',
  SlippageExceeded: 'the price of the pool moved: try again',
  SlashTooHigh: 'slash at most what stood behind the accused: see `cairn dispute show`',
  StillCounting: 'fees of a day are counted until the next one is over',
  TimelockUnexpectedOperationState: 'its delay is not over, or it was executed: see `cairn govern show`',
  TooEarly: 'wait until both the time and the block are reached',
  TooLate: 'the time is over: `cairn dispute finalize` closes it',
  TooManyOpen: 'wait until one of them is closed: see `cairn dispute list`',
  WrongState: 'see `cairn dispute show` for what it waits for',
}

const plain = (value: unknown): string => (typeof value === 'bigint' || typeof value === 'string' ? String(value) : JSON.stringify(value))

/** `Name(argument value, …); advice`. */
function reasonOf(outcome: CallOutcome & { is: 'reverted' }): string {
  const args = Object.entries(outcome.data).map(([name, value]) => `${name} ${plain(value)}`)
  const advice = ADVICE[outcome.error]
  return `${outcome.error}${args.length === 0 ? '' : `(${args.join(', ')})`}${advice === undefined ? '' : `; ${advice}`}`
}

/** Opens a place and its chain for one verb, and closes them. */
export async function atDesk<T>(options: LookOptions, work: (desk: ChainDesk, place: Place) => Promise<T>): Promise<T> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    return await work(desk, place)
  } finally {
    await desk.close()
  }
}

/** Wei of an amount of CAIRN that somebody typed. Throws `CONFIG`. */
export function amountOf(text: string): bigint {
  const amount = parseCairn(text)
  if (amount !== null) return amount
  const why = `${JSON.stringify(text)} is no number of CAIRN`
  throw new CairnError('CONFIG', { what: 'the amount', why, fix: 'write 100 or 12.5, of at most 18 decimals' })
}

/** Lets a contract take `amount` of the signer's CAIRN or credits; no step when it may already. */
export async function approval(
  desk: ChainDesk,
  signer: ChainSigner,
  p: { readonly asset: 'token' | 'credits'; readonly spender: Address; readonly amount: bigint },
): Promise<readonly Step[]> {
  if ((await desk.contracts.number(p.asset, 'allowance', signer.account, p.spender)) >= p.amount) return []
  return [{ what: 'allowing the contract to take it', call: `${p.asset}.approve`, send: (o) => approve(signer, p, o) }]
}

/** What a verb is about to do. */
interface Deed {
  readonly question: string
  /** Printed with `--json`, with the transactions or `dryRun` beside it. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly steps: readonly Step[]
  /** What is known once all of it is confirmed: added to the facts, and said in words. */
  after?(): Promise<{ readonly facts: Readonly<Record<string, unknown>>; readonly say: string }>
}

/** Asks, sends, and says what was sent; with `--dry-run` only what would be. 1 when the answer was no. */
export async function carryOut(deed: Deed, options: SignOptions): Promise<Exit> {
  const calls = deed.steps.map((step) => step.call)
  if (options.dryRun) {
    if (options.json) printJson({ dryRun: true, ...deed.facts, calls })
    else print(`${deed.question}\nwould send ${calls.join(', ')}`)
    return 0
  }
  if (!(await confirmed(deed.question, options.yes))) return 1
  const transactions = await sendAll(deed.steps, options.json)
  const after = (await deed.after?.()) ?? null
  if (options.json) printJson({ ...deed.facts, ...after?.facts, transactions })
  else print(after?.say ?? `done in block ${transactions.at(-1)?.block ?? '–'}`)
  return 0
}

/** Sends in order, each when the one before it is confirmed. Throws `REVERTED` with the contract's error and what to do. */
export async function sendAll(steps: readonly Step[], quiet: boolean): Promise<readonly Sent[]> {
  const bar = progress(quiet)
  const sent: Sent[] = []
  try {
    for (const [i, step] of steps.entries()) {
      bar.step(step.what, i, steps.length)
      const outcome = await step.send({ deadlineMs: SEND_MS })
      if (outcome.is === 'reverted' && step.unless?.includes(outcome.error) === true) continue
      if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: step.call, reason: reasonOf(outcome) })
      sent.push({ call: step.call, hash: outcome.hash, block: outcome.block })
    }
    bar.step('done', steps.length, steps.length)
    return sent
  } finally {
    bar.done()
  }
}
