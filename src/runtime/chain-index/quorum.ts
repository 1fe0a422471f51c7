/** Weekly sets of RootQuorum, folded from its nominations as the contract keeps them. */
import { type Account, type NetworkId, networkId } from '../../protocol/ids.ts'
import { type RootSet, rootSetOf } from '../../protocol/roots.ts'
import { accountIn, bigintIn, type ChainEvent, numberIn } from './event.ts'

export interface QuorumIndex {
  apply(event: ChainEvent): void
  /** @param now Seconds: the set of a week serves from its beginning. */
  inForce(verifierNet: NetworkId, now: number): RootSet | null
  /** The stake that a member was nominated with; 0 for whoever is not in that week's set. */
  nominated(verifierNet: NetworkId, week: number, member: Account): bigint
}

export const WEEK_SECONDS = 7 * 86_400
/** RootQuorum.MAX_AGE_WEEKS. */
const MAX_AGE_WEEKS = 1

export function createQuorumIndex(): QuorumIndex {
  /** The newest set's week, and that of the set before it, which serves until the newest one's begins. */
  const weeks = new Map<NetworkId, { newest: number; before: number }>()
  const sets = new Map<string, Map<Account, bigint>>()

  function setOf(net: NetworkId, week: number): Map<Account, bigint> {
    const at = `${net} ${week}`
    const known = sets.get(at)
    if (known !== undefined) return known
    const made = new Map<Account, bigint>()
    sets.set(at, made)
    const before = weeks.get(net)?.newest ?? 0
    weeks.set(net, { newest: week, before })
    // Two sets at most are ever asked for.
    for (const old of sets.keys()) if (old.startsWith(`${net} `) && Number(old.split(' ')[1]) < before) sets.delete(old)
    return made
  }

  return {
    apply({ contract, name, args }) {
      if (contract !== 'quorum' || (name !== 'Nominated' && name !== 'Displaced')) return
      const set = setOf(networkId(numberIn(args, 'verifierNet')), numberIn(args, 'week'))
      if (name === 'Nominated') set.set(accountIn(args, 'member'), bigintIn(args, 'weight'))
      else set.delete(accountIn(args, 'member'))
    },
    inForce(net, now) {
      const week = Math.floor(now / WEEK_SECONDS)
      const { newest, before } = weeks.get(net) ?? { newest: 0, before: 0 }
      const id = newest <= week ? newest : before
      const members = sets.get(`${net} ${id}`)
      if (members === undefined || id + MAX_AGE_WEEKS < week) return null
      return rootSetOf(
        id,
        [...members].map(([account, weight]) => ({ account, weight })),
      )
    },
    nominated: (net, week, member) => sets.get(`${net} ${week}`)?.get(member) ?? 0n,
  }
}
