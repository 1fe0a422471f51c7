/** `cairn stake`: an operator's own stake, what others delegate to it, and how both leave again. */
import { CairnError } from '../../protocol/errors.ts'
import { setPayout } from '../../runtime/actions/rewards.ts'
import {
  bondStake,
  delegateStake,
  delegateVotes,
  setOperatorCut,
  syncVotes,
  unbondStake,
  undelegateStake,
  withdrawDelegation,
  withdrawStake,
} from '../../runtime/actions/staking.ts'
import { accountNamed, openActor } from './actor.ts'
import { cairn, type Exit, print, printJson } from './output.ts'
import { amountOf, approval, atDesk, carryOut, type SignOptions, type Step } from './send.ts'
import { chainNow, holdingsOf, operatorStake, paramsOf, sharesFor } from './stake-state.ts'

/** Rewards that come free make a pool's shares dearer while a transaction is on its way; a slash makes them cheaper. */
const SLIPPAGE_BPS = 100n
const BPS = 10_000n
export const WEEK_SECONDS = 7 * 86_400
const DAY = 86_400

const nothing = (what: string, options: SignOptions): Exit => {
  if (options.json) printJson({ nothing: what })
  else print(what)
  return 1
}

/** Bonds the signer's CAIRN as its own stake. */
export const bond = (sum: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const amount = amountOf(sum)
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const allow = await approval(desk, signer, { asset: 'token', spender: desk.access.view.addresses.staking, amount })
    const steps: Step[] = [...allow, { what: 'bonding', call: 'staking.bond', send: (o) => bondStake(signer, { net, amount }, o) }]
    const question = `Bond ${cairn(amount)} CAIRN of ${signer.account} in network ${net}?`
    return carryOut({ question, facts: { operator: signer.account, net, amount }, steps }, options)
  })

/** Starts the thaw of the signer's own stake: a sum, or `all`. */
export const unbond = (sum: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const { self } = await operatorStake(desk, signer.account)
    const amount = sum === 'all' ? self : amountOf(sum)
    if (amount === 0n) return nothing(`${signer.account} has no stake of its own in network ${net}`, options)
    const { thawWeeks } = await paramsOf(desk)
    const week = Math.ceil(((await chainNow(desk)) + thawWeeks * WEEK_SECONDS) / WEEK_SECONDS)
    const steps: Step[] = [{ what: 'unbonding', call: 'staking.unbond', send: (o) => unbondStake(signer, { net, amount }, o) }]
    const question = `Unbond ${cairn(amount)} CAIRN of ${signer.account}, to be withdrawn from ${dateOf(week * WEEK_SECONDS)} on?`
    return carryOut({ question, facts: { operator: signer.account, net, amount, week, from: week * WEEK_SECONDS }, steps }, options)
  })

export const dateOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')

/** Delegates to an operator's current pool, for at most one per cent fewer shares than it gives now. */
export const delegate = (to: string, sum: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const amount = amountOf(sum)
    const operator = await accountNamed(desk.crypto, place, to)
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const pool = await operatorStake(desk, operator)
    const shares = sharesFor(pool, amount)
    const minShares = (shares * (BPS - SLIPPAGE_BPS)) / BPS
    const allow = await approval(desk, signer, { asset: 'token', spender: desk.access.view.addresses.staking, amount })
    const send: Step['send'] = (o) => delegateStake(signer, { operator, net, amount, minShares }, o)
    const steps: Step[] = [...allow, { what: 'delegating', call: 'staking.delegateTo', send }]
    const sharing = pool.shared ? `its cut is ${percent(pool.cutBps)}` : 'it does not share its rewards: see `cairn stake share`'
    const question = `Delegate ${cairn(amount)} CAIRN of ${signer.account} to ${operator}? (${sharing})`
    const facts = { delegator: signer.account, operator, net, nonce: pool.nonce, amount, shares, minShares, shared: pool.shared }
    return carryOut({ question, facts, steps }, options)
  })

export const percent = (bps: number): string => `${(bps / 100).toFixed(2)} %`

/** Starts the thaw of what the signer delegated to an operator: a sum, or `all`, from each of its pools. */
export const undelegate = (from: string, sum: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const operator = await accountNamed(desk.crypto, place, from)
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const holdings = (await holdingsOf(desk, signer.account, operator)).filter((row) => row.shares > 0n)
    if (holdings.length === 0) return nothing(`${signer.account} has nothing delegated to ${operator}`, options)
    let left = sum === 'all' ? null : amountOf(sum)
    const parts: { nonce: number; shares: bigint }[] = []
    for (const row of holdings) {
      if (left === 0n) break
      // Rounded up, so that what comes out is not a wei less than what was asked for.
      const wanted = left === null || left >= row.value ? row.shares : (left * row.shares + row.value - 1n) / row.value
      parts.push({ nonce: row.nonce, shares: wanted })
      if (left !== null) left = left > row.value ? left - row.value : 0n
    }
    const steps = parts.map(({ nonce, shares }): Step => {
      const send: Step['send'] = (o) => undelegateStake(signer, { pool: { operator, net, nonce }, shares }, o)
      return { what: 'undelegating', call: 'staking.undelegate', send }
    })
    const { thawWeeks } = await paramsOf(desk)
    const week = Math.ceil(((await chainNow(desk)) + thawWeeks * WEEK_SECONDS) / WEEK_SECONDS)
    const what = sum === 'all' ? 'all' : `${sum} CAIRN`
    const question = `Undelegate ${what} of ${signer.account} from ${operator}, to be withdrawn from ${dateOf(week * WEEK_SECONDS)} on?`
    const facts = { delegator: signer.account, operator, net, pools: parts, week, from: week * WEEK_SECONDS }
    return carryOut({ question, facts, steps }, options)
  })

/** Pays out everything of the signer that has matured, its own and what it delegated. */
export const withdraw = (options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const { view } = desk.access
    const net = desk.network.id
    const { account } = signer
    const now = await chainNow(desk)
    const due = (week: number): boolean => week * WEEK_SECONDS <= now
    const steps: Step[] = []
    const parts: { operator: string; nonce?: number; week: number }[] = []
    for (const { week } of view.thawingOf(account, net).filter((row) => due(row.week))) {
      if ((await desk.contracts.number('staking', 'bucketOf', account, net, week)) === 0n) continue
      parts.push({ operator: account, week })
      steps.push({ what: 'withdrawing', call: 'staking.withdrawSelf', send: (o) => withdrawStake(signer, { net, week }, o) })
    }
    for (const { operator, nonce, thawing } of view.delegationsOf(account).filter((row) => row.net === net)) {
      for (const { week } of thawing.filter((row) => due(row.week))) {
        if ((await desk.contracts.number('staking', 'thawingSharesOf', account, operator, net, nonce, week)) === 0n) continue
        parts.push({ operator, nonce, week })
        const send: Step['send'] = (o) => withdrawDelegation(signer, { pool: { operator, net, nonce }, week }, o)
        steps.push({ what: 'withdrawing', call: 'staking.withdrawDelegated', send })
      }
    }
    if (steps.length === 0) return nothing(`nothing of ${account} has matured: see \`cairn stake show\``, options)
    const question = `Withdraw ${steps.length} matured part(s) of the stake of ${account}?`
    return carryOut({ question, facts: { account, net, parts }, steps }, options)
  })

/** Sets the signer's cut of its delegators' rewards, in per cent. */
export const setCut = (text: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const bps = bpsOf(text)
    const { operatorCutMaxBps, thawWeeks } = await paramsOf(desk)
    const { cutBps } = await operatorStake(desk, signer.account)
    const when = bps > cutBps ? `in ${thawWeeks} weeks, so that whoever leaves because of it is out before` : 'at once'
    const steps: Step[] = [{ what: 'setting the cut', call: 'staking.setCut', send: (o) => setOperatorCut(signer, { net, bps }, o) }]
    const question = `Change the cut of ${signer.account} from ${percent(cutBps)} to ${percent(bps)}, ${when}? (at most ${percent(operatorCutMaxBps)})`
    return carryOut({ question, facts: { operator: signer.account, net, bps, before: cutBps }, steps }, options)
  })

function bpsOf(text: string): number {
  const bps = /^\d{1,3}(\.\d{1,2})?$/.test(text) ? Math.round(Number(text) * 100) : Number.NaN
  if (bps <= Number(BPS)) return bps
  throw new CairnError('CONFIG', { what: 'the cut', why: `${JSON.stringify(text)} is no part of a hundred`, fix: 'write 10 or 12.5' })
}

/** Has the signer's rewards paid into Staking, which shares them with its delegators, or to itself again. */
export const share = (state: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    if (state !== 'on' && state !== 'off')
      throw new CairnError('CONFIG', { what: 'sharing', why: `${JSON.stringify(state)} is neither`, fix: 'write on or off' })
    const signer = await openActor(desk, place, options.as)
    const to = state === 'on' ? desk.access.view.addresses.staking : signer.account
    const from = (await chainNow(desk)) + 3 * DAY
    const steps: Step[] = [{ what: 'setting the payout', call: 'rewards.setPayout', send: (o) => setPayout(signer, { to }, o) }]
    const whom = state === 'on' ? 'share its rewards with its delegators' : 'keep its rewards to itself'
    const question = `Have ${signer.account} ${whom}, from ${dateOf(from)} on?`
    return carryOut({ question, facts: { operator: signer.account, payout: to, from }, steps }, options)
  })

/** Lets another account cast the signer's votes, or its own again. */
export const giveVotes = (to: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const account = await accountNamed(desk.crypto, place, to)
    const votes = await desk.contracts.number('staking', 'getVotes', signer.account)
    const steps: Step[] = [{ what: 'delegating votes', call: 'staking.delegate', send: (o) => delegateVotes(signer, { to: account }, o) }]
    const question = `Let ${account} cast the votes of ${signer.account}? The stake stays where it is.`
    return carryOut({ question, facts: { account: signer.account, to: account, votes }, steps }, options)
  })

/** Books the votes that an account's stake is worth now, after rewards or slashes; anybody may. */
export const syncAll = (whose: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const account = await accountNamed(desk.crypto, place, whose)
    const net = desk.network.id
    const holdings = await holdingsOf(desk, account)
    const { nonce } = await operatorStake(desk, account)
    const pools = [...holdings.map(({ operator, nonce: of }) => ({ operator, net, nonce: of })), { operator: account, net, nonce }]
    const before = await desk.contracts.number('staking', 'getVotes', account)
    const steps = pools.map(
      (pool): Step => ({ what: 'booking votes', call: 'staking.syncVotes', send: (o) => syncVotes(signer, { account, pool }, o) }),
    )
    const question = `Book the votes of ${account} anew in ${pools.length} position(s)?`
    return carryOut({ question, facts: { account, net, positions: pools.length, votesBefore: before }, steps }, options)
  })
