/** A chain on which nothing ever happened: for tests whose subject asks it a few questions, which they answer themselves. */
import { account, address, type NetworkId } from '../../protocol/ids.ts'
import { type ChainView, CONTRACT_NAMES, type NetworkRow } from '../chain.ts'

const ZERO = `0x${'00'.repeat(20)}`
const nobody = account(ZERO)

/** Anvil's chain id. */
const CHAIN_ID = 31337

export const stillNetwork = (id: NetworkId, over: Partial<NetworkRow> = {}): NetworkRow => ({
  id,
  owner: nobody,
  epochSeconds: 60,
  minStake: 0n,
  challengeSeconds: 10,
  rootEpochs: 1,
  feeBps: 0,
  feeRecipient: nobody,
  publisher: address(ZERO),
  verifier: nobody,
  verifierNet: 0,
  closed: false,
  ...over,
})

/** Every question that `answers` leaves out is answered as on the first day, except for what can then only be a mistake. */
export function createStillChain<T extends Partial<ChainView>>(answers: T): ChainView & T {
  const unused = (): never => {
    throw new Error('a question that this test has no answer for')
  }
  const addresses = Object.fromEntries(CONTRACT_NAMES.map((name, i) => [name, address(`0x${`${i + 16}`.repeat(20)}`)]))
  const still: ChainView = {
    chainId: CHAIN_ID,
    addresses: addresses as unknown as ChainView['addresses'],
    head: () => null,
    freshAt: unused,
    degraded: () => false,
    network: (id) => stillNetwork(id),
    networks: () => [],
    devices: () => [],
    device: () => null,
    stakeOf: () => 0n,
    thawingOf: () => [],
    pools: () => [],
    delegationsOf: () => [],
    proposals: () => [],
    session: () => null,
    sessionsOf: () => [],
    sessionActive: (of, key) => String(of) === String(key),
    sessionRedeemable: (of, key) => String(of) === String(key),
    channel: () => null,
    channelsOf: () => [],
    escrow: () => ({ available: 0n, thawing: 0n, earned: 0n }),
    pointer: () => null,
    evidence: () => [],
    evidenceFrom: () => [],
    nonceCommit: () => null,
    roots: () => [],
    rootSet: () => null,
    nominated: () => 0n,
    claimed: () => 0n,
    pot: () => ({ funded: 0n, allocated: 0n, claimed: 0n }),
    lease: () => null,
    leasesOf: () => [],
    quoteCancelled: () => false,
    demand: () => null,
    demands: () => [],
    dispute: () => null,
    disputes: () => [],
    punished: () => [],
    punishedSigners: () => [],
    epochSeed: unused,
    advanced: unused,
  }
  return { ...still, ...answers }
}
