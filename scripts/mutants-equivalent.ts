interface Equivalent {
  /** End of the path. */
  readonly file: string
  readonly text: string
  readonly change: string
  readonly why: string
}

const SAME_AT_EQUALITY = 'both sides of the choice are the same number when they are equal'

/**
 * Mutants of the contracts that no test can notice, each with the reason. `scripts/mutate-contracts.ts` leaves them out,
 * and fails when one of them is no longer in the source.
 */
export const EQUIVALENT: readonly Equivalent[] = [
  { file: 'StakingSlash.sol', text: 'cap > p.winSlashed', change: '> → >=', why: SAME_AT_EQUALITY },
  { file: 'StakingSlash.sol', text: 'slashed > paid', change: '> → >=', why: 'burning nothing changes nothing' },
  { file: 'StakingSlash.sol', text: 'taken < self', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'StakingBase.sol', text: 'next < before', change: '< → <=', why: 'moving no votes changes none' },
  { file: 'StakingPools.sol', text: 'bps < now_', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'RootQuorum.sol', text: 'weight < cap', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'RootQuorum.sol', text: 'w > top[j]', change: '> → >=', why: 'equal weights may stand in either order' },
  { file: 'RootQuorum.sol', text: 'w < least', change: '< → <=', why: 'of two smallest members either may go' },
  { file: 'StorageTree.sol', text: 'rest < LEAF_BYTES', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'DisputeManager.sol', text: 'penalty < d.maxSlash', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'DisputeManager.sol', text: 'reward < most', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'DisputeEvidence.sol', text: 'a < b', change: '< → <=', why: SAME_AT_EQUALITY },
]
