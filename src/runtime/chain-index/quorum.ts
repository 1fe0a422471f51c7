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
  /**
   * The newest set's week, and that of the newest one before it that has members enough to sign: it serves until the newest
   * one's begins, and on when that is too small.
   */
  const weeks = new Map<NetworkId, { newest: number; before: number }>()
  const sets = new Map<string, Map<Account, bigint>>()

  function setOf(net: NetworkId, week: number): Map<Account, bigint> {
    const at = `${net} ${week}`
    const known = sets.get(at)
    if (known !== undefined) return known
    const made = new Map<Account, bigint>()
    sets.set(at, made)
    const last = weeks.get(net) ?? { newest: 0, before: 0 }
    const before = whole(net, last.newest) === null ? last.before : last.newest
    weeks.set(net, { newest: week, before })
    // Two sets at most are ever asked for.
    for (const old of sets.keys()) if (old.startsWith(`${net} `) && Number(old.split(' ')[1]) < before) sets.delete(old)
    return made
  }

  /** A set that can sign, or null. */
  function whole(net: NetworkId, week: number): RootSet | null {
    const members = [...(sets.get(`${net} ${week}`) ?? [])].map(([account, weight]) => ({ account, weight }))
    const set = rootSetOf(week, members)
    return set.total === 0n ? null : set
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
      const serving = (newest <= week ? whole(net, newest) : null) ?? whole(net, before)
      return serving !== null && serving.id + MAX_AGE_WEEKS >= week ? serving : null
    },
    nominated: (net, week, member) => sets.get(`${net} ${week}`)?.get(member) ?? 0n,
  }
}
