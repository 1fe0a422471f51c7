/** What was put to the vote, and how far it came. */
import { assert } from '../../std/assert.ts'
import type { ProposalRow } from '../chain.ts'
import { accountIn, bigintIn, type ChainEvent, type EventArgs, numberIn, textIn } from './event.ts'

export interface ProposalIndex {
  apply(event: ChainEvent): void
  /** In the order in which they were made. */
  proposals(): readonly ProposalRow[]
}

/** IGovernor's VoteType. */
const SUPPORT = ['against', 'for', 'abstain'] as const

function listIn(args: EventArgs, name: string): readonly unknown[] {
  const value = args[name]
  assert(Array.isArray(value), `${name} is a list`)
  return value
}

const at = (list: readonly unknown[], i: number): EventArgs => ({ value: list[i] })

function callsOf(args: EventArgs): ProposalRow['calls'] {
  const [targets, values, calldatas] = [listIn(args, 'targets'), listIn(args, 'values'), listIn(args, 'calldatas')]
  return targets.map((_, i) => ({
    target: accountIn(at(targets, i), 'value'),
    value: bigintIn(at(values, i), 'value'),
    calldata: `0x${textIn(at(calldatas, i), 'value').slice(2)}` as const,
  }))
}

function created(args: EventArgs): ProposalRow {
  return {
    id: bigintIn(args, 'proposalId'),
    proposer: accountIn(args, 'proposer'),
    calls: callsOf(args),
    description: textIn(args, 'description'),
    opensAt: Number(bigintIn(args, 'voteStart')),
    closesAt: Number(bigintIn(args, 'voteEnd')),
    votes: { for: 0n, against: 0n, abstain: 0n },
    executableAt: 0,
    end: null,
  }
}

export function createProposalIndex(): ProposalIndex {
  const rows = new Map<bigint, ProposalRow>()

  function change(id: bigint, change: Partial<ProposalRow>): void {
    const row = rows.get(id)
    if (row !== undefined) rows.set(id, { ...row, ...change })
  }

  function vote(id: bigint, args: EventArgs): void {
    const votes = rows.get(id)?.votes
    const support = SUPPORT[numberIn(args, 'support')]
    if (votes === undefined || support === undefined) return
    change(id, { votes: { ...votes, [support]: votes[support] + bigintIn(args, 'weight') } })
  }

  return {
    apply({ contract, name, args }) {
      if (contract !== 'governor' || args.proposalId === undefined) return
      const id = bigintIn(args, 'proposalId')
      switch (name) {
        case 'ProposalCreated':
          return void rows.set(id, created(args))
        case 'VoteCast':
        case 'VoteCastWithParams':
          return vote(id, args)
        case 'ProposalExtended':
          return change(id, { closesAt: Number(bigintIn(args, 'extendedDeadline')) })
        case 'ProposalQueued':
          return change(id, { executableAt: Number(bigintIn(args, 'etaSeconds')) })
        case 'ProposalExecuted':
          return change(id, { end: 'executed' })
        case 'ProposalCanceled':
          return change(id, { end: 'cancelled' })
      }
    },
    proposals: () => [...rows.values()],
  }
}
