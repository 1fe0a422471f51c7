/** `cairn govern`: proposals from their first text to their execution, and the guardian's pause. */
import { readFile, stat } from 'node:fs/promises'
import { CairnError } from '../../protocol/errors.ts'
import { digestOf } from '../../protocol/ids.ts'
import {
  cancelProposal,
  castVote,
  executeProposal,
  type ProposedCall,
  pauseCommitments,
  propose as proposeCalls,
  queueProposal,
  unpauseCommitments,
  VOTE,
} from '../../runtime/actions/governance.ts'
import { decodeRevert, encodeCall, targetOf } from '../../runtime/real/chain/index.ts'
import { utf8 } from '../../std/bytes.ts'
import { openActor } from './actor.ts'
import { parseCall } from './call-text.ts'
import type { ChainDesk } from './desk.ts'
import { contentOf, findProposal, proposalOf } from './govern-state.ts'
import { cairn, type Exit, parseDuration, print, printJson, table } from './output.ts'
import { atDesk, carryOut, type LookOptions, type SignOptions, type Step } from './send.ts'
import { dateOf } from './stake.ts'
import { chainNow } from './stake-state.ts'

/** Descriptions are stored in an event, whose bytes cost gas; a long one belongs behind a link. */
const DESCRIPTION_MAX = 20_000

export const listProposals = (options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const now = await chainNow(desk)
    const rows = await Promise.all(desk.access.view.proposals().map((row, i) => proposalOf(desk, row, i + 1, now)))
    if (options.json) printJson(rows)
    else if (rows.length === 0) print('nobody has proposed anything: cairn govern propose')
    else {
      const cells = rows.map((row) => [String(row.number), row.state, titleOf(row.description), row.next])
      print(table(['#', 'state', 'what', 'next'], cells))
    }
    return 0
  })

const titleOf = (description: string): string => (description.split('\n')[0] ?? '').slice(0, 60)

export const showProposal = (name: string, options: LookOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk) => {
    const { row, number } = findProposal(desk, name)
    const shown = await proposalOf(desk, row, number, await chainNow(desk))
    if (options.json) {
      printJson(shown)
      return 0
    }
    print(`proposal  ${number} (${shown.id})`)
    print(`state     ${shown.state}; ${shown.next}`)
    print(`proposer  ${shown.proposer}`)
    print(`vote      ${dateOf(shown.opensAt)} to ${dateOf(shown.closesAt)}`)
    print(`votes     ${cairn(shown.votes.for)} for, ${cairn(shown.votes.against)} against, ${cairn(shown.votes.abstain)} abstain`)
    if (shown.quorum !== null) print(`quorum    ${cairn(shown.quorum)}`)
    for (const call of shown.calls) print(`call      ${call.text ?? `${call.target} ${call.calldata}`}`)
    print()
    print(shown.description)
    return 0
  })

export interface ProposeOptions extends SignOptions {
  readonly description?: string
  readonly descriptionFile?: string
}

async function descriptionOf(options: ProposeOptions): Promise<string> {
  const { description, descriptionFile: path } = options
  if (path !== undefined && description === undefined) {
    const size = (await stat(path).catch(() => null))?.size ?? 0
    if (size > 0 && size <= DESCRIPTION_MAX) return readFile(path, 'utf8')
    const why = size === 0 ? 'it is not there, or empty' : `it has more than ${DESCRIPTION_MAX} bytes`
    throw new CairnError('CONFIG', { what: path, why, fix: 'name a file with the text' })
  }
  if (description !== undefined && path === undefined && description !== '' && description.length <= DESCRIPTION_MAX) return description
  throw new CairnError('CONFIG', {
    what: 'the description',
    why: 'voters read it, and there is none, or two',
    fix: `give --description TEXT or --description-file FILE, of at most ${DESCRIPTION_MAX} bytes`,
  })
}

/** What the call would end with if the Timelock made it now; null when it would go through. */
async function refusalOf(desk: ChainDesk, call: ProposedCall): Promise<string | null> {
  const answer = await desk.rpc.call(desk.access.view.addresses.timelock, call.target, call.calldata, 'latest')
  return typeof answer === 'string' ? null : decodeRevert(answer.data, answer.why).error
}

/** Puts calls such as `weights.set([2],[4000])` to the vote, all of which are made or none. */
export const propose = (texts: readonly string[], options: ProposeOptions): Promise<Exit> =>
  atDesk<Exit>(options, async (desk, place) => {
    const description = await descriptionOf(options)
    const { addresses } = desk.access.view
    const calls = texts.map((text): ProposedCall => {
      const call = parseCall(text, addresses)
      return { target: targetOf(call, addresses), value: 0n, calldata: encodeCall(call) }
    })
    const signer = await openActor(desk, place, options.as)
    const hash = digestOf(desk.crypto.keccak256(utf8(description)))
    const lists = [calls.map((call) => call.target), calls.map((call) => call.value), calls.map((call) => call.calldata)]
    const [id, delay, period, now, refusals] = await Promise.all([
      desk.contracts.number('governor', 'hashProposal', ...lists, hash),
      desk.contracts.number('governor', 'votingDelay'),
      desk.contracts.number('governor', 'votingPeriod'),
      chainNow(desk),
      Promise.all(calls.map((call) => refusalOf(desk, call))),
    ])
    const shown = calls.map((call, i) => ({ text: texts[i] ?? '', ...call, refusedNow: refusals[i] ?? null }))
    const steps: Step[] = [{ what: 'proposing', call: 'governor.propose', send: (o) => proposeCalls(signer, { calls, description }, o) }]
    const lines = shown.map((call) => {
      const warning = call.refusedNow === null ? '' : `\n    as things are it would be refused: ${call.refusedNow}`
      return `  ${call.text}\n    ${call.target} ${call.calldata}${warning}`
    })
    const question = `Propose as ${signer.account}?\n${lines.join('\n')}`
    const opensAt = now + Number(delay)
    const facts = { id, proposer: signer.account, calls: shown, description, opensAt, closesAt: opensAt + Number(period) }
    return carryOut({ question, facts, steps }, options)
  })

export const vote = (name: string, choice: string, options: SignOptions & { readonly reason: string }): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const support = (['for', 'against', 'abstain'] as const).find((word) => word === choice)
    if (support === undefined) {
      const why = `${JSON.stringify(choice)} is none`
      throw new CairnError('CONFIG', { what: 'the vote', why, fix: `write ${Object.keys(VOTE).join(', ')}` })
    }
    const { row, number } = findProposal(desk, name)
    const signer = await openActor(desk, place, options.as)
    const now = await chainNow(desk)
    const [reader, at] = now > row.opensAt ? (['getPastVotes', [row.opensAt]] as const) : (['getVotes', []] as const)
    const weight = await desk.contracts.number('staking', reader, signer.account, ...at)
    const send: Step['send'] = (o) => castVote(signer, { proposal: row.id, support, reason: options.reason }, o)
    const steps: Step[] = [{ what: 'voting', call: 'governor.castVoteWithReason', send }]
    const question = `Vote ${support} proposal ${number} with ${cairn(weight)} votes of ${signer.account}?`
    return carryOut({ question, facts: { id: row.id, number, voter: signer.account, support, weight }, steps }, options)
  })

const MOVES = {
  queue: { what: 'queueing', send: queueProposal, does: 'Hand to the Timelock' },
  execute: { what: 'executing', send: executeProposal, does: 'Execute' },
  cancel: { what: 'cancelling', send: cancelProposal, does: 'Withdraw' },
} as const

/** What passed is queued, what waited is executed, what has not opened is withdrawn by its proposer. */
export const move = (how: keyof typeof MOVES, name: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const { row, number } = findProposal(desk, name)
    const signer = await openActor(desk, place, options.as)
    const { what, send, does } = MOVES[how]
    const steps: Step[] = [{ what, call: `governor.${how}`, send: (o) => send(signer, contentOf(desk, row), o) }]
    const delay = await desk.contracts.number('timelock', 'getMinDelay')
    const executableAt = how === 'queue' ? (await chainNow(desk)) + Number(delay) : row.executableAt
    const facts = { id: row.id, number, move: how, executableAt }
    return carryOut({ question: `${does} proposal ${number}, ${titleOf(row.description)}?`, facts, steps }, options)
  })

/** The guardian's pause of new commitments; exits go on. */
export const pause = (duration: string, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const seconds = parseDuration(duration)
    if (seconds === null || seconds === 0)
      throw new CairnError('CONFIG', { what: 'the duration', why: `${JSON.stringify(duration)} is none`, fix: 'write 12h or 7d' })
    const signer = await openActor(desk, place, options.as)
    const until = (await chainNow(desk)) + seconds
    const steps: Step[] = [{ what: 'pausing', call: 'timelock.pause', send: (o) => pauseCommitments(signer, { until: BigInt(until) }, o) }]
    const question = `Stop new stake, credits and leases until ${dateOf(until)}? Exits go on.`
    return carryOut({ question, facts: { guardian: signer.account, until }, steps }, options)
  })

export const unpause = (options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const steps: Step[] = [{ what: 'ending the pause', call: 'timelock.unpause', send: (o) => unpauseCommitments(signer, o) }]
    return carryOut({ question: 'End the pause?', facts: { guardian: signer.account }, steps }, options)
  })
