/** What the chain says about an epoch at its cut-off, in the form that settlement takes. */
import type { Account, Address, Epoch, NetworkId } from '../protocol/ids.ts'
import type { UnixMs } from '../protocol/units.ts'
import { type ChainView, SCOPE } from '../runtime/chain.ts'
import type { EpochFacts } from './settle.ts'

/** Confirmed state without the question how fresh it is: the live view, or a replay up to some time. */
export type ChainState = Omit<ChainView, 'freshAt' | 'degraded' | 'advanced' | 'asOf'>

/** Seconds at which epoch `epoch` begins, ends, and its evidence stops counting. */
export function epochTimes(epochSeconds: number, epoch: Epoch): { begins: number; ends: number; cutoff: number } {
  const begins = epoch * epochSeconds
  const ends = begins + epochSeconds
  return { begins, ends, cutoff: ends + Math.ceil(epochSeconds / 4) }
}

export type FactsOutcome = { readonly is: 'facts'; readonly facts: EpochFacts } | { readonly is: 'waiting' } | { readonly is: 'void' }

/** `state` must be the chain as of the epoch's cut-off, so that everyone reads the same. */
export function epochFacts(state: ChainState, net: NetworkId, epoch: Epoch): FactsOutcome {
  const network = state.network(net)
  if (network === null) return { is: 'waiting' }
  const seed = state.epochSeed(net, epoch)
  if (seed.is !== 'seed') return { is: seed.is }
  const { begins } = epochTimes(network.epochSeconds, epoch)
  const pot = state.pot(net, state.addresses.token)
  return {
    is: 'facts',
    facts: {
      chainId: state.chainId,
      net,
      epoch,
      epochSeconds: network.epochSeconds,
      asset: state.addresses.token,
      credits: state.addresses.credits,
      seed: seed.seed,
      devices: state.devices(net).filter((row) => row.status === 'active' && state.stakeOf(row.owner, net) >= network.minStake),
      sessionRedeemable: (account: Account, key: Address) =>
        state.sessionRedeemable(account, key, SCOPE.storage, (begins * 1000) as UnixMs),
      committed: (verifier) => state.evidence(net, epoch).find((commit) => commit.verifier === verifier)?.digest ?? null,
      nonceCommit: (verifier) => state.nonceCommit(net, epoch, verifier),
      stakeOf: (verifier) => state.stakeOf(verifier, network.verifierNet === 0 ? net : (network.verifierNet as NetworkId)),
      funded: pot.funded,
      allocated: pot.allocated,
    },
  }
}
