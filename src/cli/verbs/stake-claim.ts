/** `cairn stake claim`: an operator's reward paid out by proof, by anybody; what is shared reaches its delegators' pool so. */
import type { Account, Digest } from '../../protocol/ids.ts'
import { ownerPart } from '../../resources/owner-part.ts'
import { claimReward } from '../../runtime/actions/rewards.ts'
import type { RootRow } from '../../runtime/chain.ts'
import { accountNamed, openActor } from './actor.ts'
import type { ChainDesk } from './desk.ts'
import { openEvidence } from './evidence.ts'
import { cairn, type Exit, print, printJson } from './output.ts'
import type { Place } from './place.ts'
import { atDesk, carryOut, type SignOptions, type Step } from './send.ts'
import { holdingsOf, operatorStake, splitOf } from './stake-state.ts'

interface Due {
  readonly operator: Account
  readonly root: RootRow
  readonly cumulative: bigint
  readonly gain: bigint
  readonly detailRoot: Digest
  readonly proof: readonly Digest[]
  readonly toOperator: bigint
  readonly toDelegators: bigint
}

/** What the newest active root grants operators beyond what they got. */
async function dueOf(desk: ChainDesk, place: Place, operators: readonly Account[]): Promise<readonly Due[]> {
  const { view } = desk.access
  const net = desk.network.id
  const root = view.roots(net).findLast((row) => row.state === 'active')
  if (root === undefined) return []
  const files = openEvidence(desk, place, { remote: false })
  try {
    const settlement = await files.settlement(root.dataHash)
    const due: Due[] = []
    for (const operator of operators) {
      const part = settlement === null ? null : ownerPart(desk.crypto, settlement, operator)
      if (part === null) continue
      const { line, detail, proof } = part
      const gain = line.cumulative - (await desk.contracts.number('rewards', 'claimedOf', net, root.asset, operator))
      if (gain <= 0n) continue
      const split = splitOf(await operatorStake(desk, operator), gain)
      due.push({ operator, root, cumulative: line.cumulative, gain, detailRoot: detail, proof, ...split })
    }
    return due
  } finally {
    await files.close()
  }
}

/** Claims for `whose`, an operator; without it for the signer and every operator that it delegates to. */
export const claim = (whose: string | undefined, options: SignOptions): Promise<Exit> =>
  atDesk(options, async (desk, place) => {
    const signer = await openActor(desk, place, options.as)
    const net = desk.network.id
    const named = whose === undefined ? null : await accountNamed(desk.crypto, place, whose)
    const holdings = named === null ? await holdingsOf(desk, signer.account) : []
    const operators = named === null ? [...new Set([signer.account, ...holdings.map((row) => row.operator)])] : [named]
    const due = await dueOf(desk, place, operators)
    if (due.length === 0) {
      if (options.json) printJson({ nothing: 'no active root grants more than was claimed', operators })
      else print('no active root grants more than was claimed: see `cairn epoch list`')
      return 1
    }
    const steps = due.map(({ operator, root, cumulative, detailRoot, proof }): Step => {
      const call = { net, asset: root.asset, index: root.index, account: operator, cumulative, detailRoot, proof }
      return { what: 'claiming', call: 'rewards.claim', send: (o) => claimReward(signer, call, o) }
    })
    const claims = due.map(({ operator, root, gain, toOperator, toDelegators }) => {
      return { operator, epoch: root.epoch, index: root.index, gain, toOperator, toDelegators }
    })
    const lines = claims.map((row) => `${cairn(row.gain)} CAIRN of ${row.operator}, ${cairn(row.toDelegators)} of it for its delegators`)
    return carryOut({ question: `Claim ${lines.join('; ')}?`, facts: { net, claims }, steps }, options)
  })
