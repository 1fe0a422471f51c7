/** A verifier keeps itself in the sets that sign roots: next week's is made this week, from the stake of now. */
import { networkId } from '../../protocol/ids.ts'
import { nominateVerifier } from '../../runtime/actions/rewards.ts'
import { WEEK_SECONDS } from '../../runtime/chain-index/index.ts'
import { once, type VerifierParts } from './settle-epoch.ts'

/**
 * Nominates this verifier for the week after `now` (Unix seconds), once for each amount of its stake. `tried` remembers what
 * was sent: a set that is full of larger stakes is not asked again.
 */
export function nominateSelf(parts: Pick<VerifierParts, 'rt' | 'net' | 'signer' | 'underWay'>, now: number, tried: Set<string>): void {
  const { rt, net, signer } = parts
  const verifierNet = networkId(rt.chain.network(net)?.verifierNet ?? 0)
  const stake = rt.chain.stakeOf(signer.account, verifierNet)
  // What Staking.isEligible asks for.
  if (stake === 0n || stake < (rt.chain.network(verifierNet)?.minStake ?? 0n)) return
  const week = Math.floor(now / WEEK_SECONDS) + 1
  if (rt.chain.nominated(verifierNet, week, signer.account) === stake) return
  const key = `nominate:${verifierNet}:${week}:${stake}`
  if (tried.has(key)) return
  once(parts, key, async () => {
    const outcome = await nominateVerifier(signer, { verifierNet, operator: signer.account }, { key })
    tried.add(key)
    if (outcome.is === 'reverted') rt.log.warn('not in the set that signs roots next week', { week, error: outcome.error })
  })
}
