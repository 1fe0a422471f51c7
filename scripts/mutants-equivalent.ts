interface Equivalent {
  /** End of the path. */
  readonly file: string
  readonly text: string
  /** How its line begins, where the file has the same text elsewhere. */
  readonly line?: string
  readonly change: string
  readonly why: string
}

const SAME_AT_EQUALITY = 'both sides of the choice are the same number when they are equal'
const NOTHING_AT_EQUALITY = 'the difference of two equal numbers is the 0 of the other side'
const SAME_WRITTEN = 'what is written is what is there'
const LOOKED_UP = 'what is not remembered is looked up, and found the same'
const A_THIRD_VETO = 'two vetoes beside it refuse a veto, and so would three'

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
  { file: 'Delegations.sol', text: 's.revokedAt < s.until', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'Market.sol', text: 'paidFor < quote.term', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'Market.sol', text: 'block.timestamp < end', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'Market.sol', text: 'block.timestamp < l.end', line: 'uint40 until', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'RewardsDistributor.sol', text: 'window < LONG_WINDOW', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'RewardsDistributor.sol', text: 'index < RING', line: 'uint256 depth', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'RewardsDistributor.sol', text: 'total > p.allocated', change: '> → >=', why: SAME_WRITTEN },
  { file: 'RewardsDistributor.sol', text: 'run < MAX_VETOES_IN_A_ROW', change: '< → <=', why: A_THIRD_VETO },
  { file: 'RewardsDistributor.sol', text: 'activeAt > r.activeAt', change: '> → >=', why: SAME_WRITTEN },
  { file: 'RewardsDistributor.sol', text: 'cumulative <= before', change: '<= → <', why: NOTHING_AT_EQUALITY },
  { file: 'RewardsDistributor.sol', text: 'index >= opened', change: '>= → >', why: LOOKED_UP },
  { file: 'RewardsDistributor.sol', text: 'block.timestamp < _payouts[account].effectiveAt', change: '< → <=', why: LOOKED_UP },
  { file: 'Emissions.sol', text: 'budget > claimed', change: '> → >=', why: NOTHING_AT_EQUALITY },
  { file: 'Emissions.sol', text: 'owed > held', change: '> → >=', why: NOTHING_AT_EQUALITY },
  {
    file: 'Emissions.sol',
    text: 'TOKEN.allowance(address(this), spender) < amount',
    change: '< → <=',
    why: 'the allowance is none or without limit, and no amount that is minted is either',
  },
  { file: 'Emissions.sol', text: 'most > unallocated', change: '> → >=', why: NOTHING_AT_EQUALITY },
  { file: 'Emissions.sol', text: 'current > RESERVE_PERIODS', change: '> → >=', why: 'before period 0 nothing is scheduled' },
  { file: 'EscrowChannels.sol', text: 'paid > held', change: '> → >=', why: SAME_AT_EQUALITY },
  { file: 'EscrowChannels.sol', text: 'a < b', change: '< → <=', why: SAME_AT_EQUALITY },
  {
    file: 'EscrowChannels.sol',
    text: 'items.length > 1',
    change: '> → >=',
    why: 'a single item that is looked up is the first of its batch',
  },
  { file: 'EscrowKeys.sol', text: 'limit > spent', change: '> → >=', why: NOTHING_AT_EQUALITY },
  { file: 'EscrowKeys.sol', text: 'limit > earmarked', change: '> → >=', why: NOTHING_AT_EQUALITY },
  {
    file: 'DeviceKeys.sol',
    text: 'auth.authenticatorData.length < 32',
    change: '< → <=',
    why: 'WebAuthn refuses anything shorter than 37 bytes',
  },
  { file: 'MintLimit.sol', text: 'most > minted', change: '> → >=', why: NOTHING_AT_EQUALITY },
  { file: 'MintLimit.sol', text: 'base / 10 > floor', change: '> → >=', why: SAME_AT_EQUALITY },
  { file: 'Schedule.sol', text: 'halvings >= 128', change: '>= → >', why: 'halved 128 times, a uint128 is 0 by the formula too' },
  {
    file: 'ChainlinkOracle.sol',
    text: 'since <= block.timestamp',
    change: '<= → <',
    why: 'a sequencer that came up in this second has not been up for an hour',
  },
  {
    file: 'PriceBand.sol',
    text: 'gasleft() < 2 * ORACLE_GAS + 50_000',
    change: '< → <=',
    why: 'the limit has thousands of units of gas to spare, of which this is one',
  },
  { file: 'PriceBand.sol', text: 'spot < ema', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'PriceBand.sol', text: 'spot > ema', change: '> → >=', why: SAME_AT_EQUALITY },
  { file: 'PythOracle.sol', text: 'slowConf > conf', change: '> → >=', why: SAME_WRITTEN },
  { file: 'PythOracle.sol', text: 'now_.publishTime < slow.publishTime', change: '< → <=', why: SAME_AT_EQUALITY },
  { file: 'SpotBand.sol', text: 'spot > ema', change: '> → >=', why: 'the distance is 0 in either order' },
  {
    file: 'StakingBase.sol',
    text: 'block.timestamp >= to',
    change: '>= → >',
    why: 'at the end of a stretch, which is never empty, its proportion is the whole',
  },
  { file: 'StakingPools.sol', text: 'amount > toDelegators', change: '> → >=', why: 'sending nothing changes nothing' },
  {
    file: 'StakingSlash.sol',
    text: 'amount > self',
    change: '> → >=',
    why: 'a slash of just the self stake takes nothing from a pool that it looked at',
  },
]
