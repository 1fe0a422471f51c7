/** Proposals as the view and the Governor know them together. */
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { digestOf } from '../../protocol/ids.ts'
import type { ProposalContent } from '../../runtime/actions/governance.ts'
import type { ProposalRow } from '../../runtime/chain.ts'
import { describeCall } from '../../runtime/real/chain/index.ts'
import { utf8 } from '../../std/bytes.ts'
import type { ChainDesk } from './desk.ts'
import { dateOf } from './stake.ts'

/** IGovernor.ProposalState, in its order. */
const STATES = ['pending', 'active', 'cancelled', 'defeated', 'succeeded', 'queued', 'expired', 'executed'] as const
export type ProposalState = (typeof STATES)[number]

const votesType = z.tuple([z.bigint(), z.bigint(), z.bigint()])

export interface Proposal extends Omit<ProposalRow, 'calls' | 'end'> {
  /** Position in the order of proposals, from 1; verbs take it for the id. */
  readonly number: number
  readonly state: ProposalState
  readonly calls: readonly { readonly text: string | null; readonly target: string; readonly value: bigint; readonly calldata: string }[]
  /** Votes for and abstaining that it needs; null before the vote opens. */
  readonly quorum: bigint | null
  /** What it waits for, and what to do then. */
  readonly next: string
}

export const contentOf = (desk: ChainDesk, row: Pick<ProposalRow, 'calls' | 'description'>): ProposalContent => ({
  calls: row.calls,
  descriptionHash: digestOf(desk.crypto.keccak256(utf8(row.description))),
})

/** By its number in the list or its id. Throws `NOT_FOUND`. */
export function findProposal(desk: ChainDesk, name: string): { readonly row: ProposalRow; readonly number: number } {
  const rows = desk.access.view.proposals()
  const index = rows.findIndex((row, i) => name === String(i + 1) || name === row.id.toString())
  const row = rows[index]
  if (row === undefined) throw new CairnError('NOT_FOUND', { what: 'proposal', id: `${name}; see \`cairn govern list\`` })
  return { row, number: index + 1 }
}

function nextOf(state: ProposalState, row: ProposalRow, number: number, now: number): string {
  switch (state) {
    case 'pending':
      return `the vote opens ${dateOf(row.opensAt)}`
    case 'active':
      return `vote until ${dateOf(row.closesAt)}: cairn govern vote ${number} for`
    case 'succeeded':
      return `cairn govern queue ${number}`
    case 'queued':
      return now < row.executableAt ? `can be executed from ${dateOf(row.executableAt)} on` : `cairn govern execute ${number}`
    case 'defeated':
      return 'too few votes, or more against than for'
    default:
      return '–'
  }
}

export async function proposalOf(desk: ChainDesk, row: ProposalRow, number: number, now: number): Promise<Proposal> {
  const { contracts, access } = desk
  const state = STATES[Number(await contracts.number('governor', 'state', row.id))] ?? 'pending'
  const [against, inFavour, abstain] = votesType.parse(await contracts.read('governor', 'proposalVotes', row.id))
  const quorum = state === 'pending' || now <= row.opensAt ? null : await contracts.number('governor', 'quorum', row.opensAt)
  const calls = row.calls.map((call) => ({ text: describeCall(access.view.addresses, call.target, call.calldata), ...call }))
  const { end: _, ...rest } = row
  return { number, state, ...rest, calls, votes: { for: inFavour, against, abstain }, quorum, next: nextOf(state, row, number, now) }
}
