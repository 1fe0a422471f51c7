/** What a deployment costs, before anything is sent. */
import { CairnError } from '../../../protocol/errors.ts'
import { isSealed, missingOf } from './deploy.ts'
import { CREATE2_PROXY, type DeployedName, factoryCalldata } from './deployment-addresses.ts'
import type { DeploymentPlan } from './deployment-plan.ts'
import type { Rpc } from './rpc.ts'

export interface DeploymentCost {
  /** Contracts that are not there yet. */
  readonly missing: readonly DeployedName[]
  /** Whether the factory lacks, or has not been sealed. */
  readonly open: boolean
  /** Gas of everything that is left to do, each transaction by itself. */
  readonly gas: bigint
  /** Wei at the chain's present price. */
  readonly expected: bigint
  /** Wei that the deployer should hold, should the price double meanwhile. */
  readonly advised: bigint
  readonly balance: bigint
}

/** Gas that Create3's proxy, the factory's look-up of the name and its event take beside the creation; rounded up. */
const FACTORY_GAS = 95_000n
/** Sealing reads back 55 pointers and 21 codes, and cannot be estimated before the contracts are there. */
const SEAL_GAS = 600_000n

/**
 * Estimates what is left to deploy. Constructors call none of their peers, so that each can be estimated by itself before
 * its factory exists; what an endpoint adds (the data fee of some rollups) is not in it.
 * @throws `REVERTED` when a constructor refuses its parameters, such as a price feed that is none; `CHAIN_AWAY`.
 */
export async function deploymentCost(rpc: Rpc, plan: DeploymentPlan): Promise<DeploymentCost> {
  const { deployer, factory } = plan
  const [missing, factoryCode, sealed, head, tip, balance] = await Promise.all([
    missingOf(rpc, plan),
    rpc.code(factory),
    isSealed(rpc, factory),
    rpc.header('latest'),
    rpc.tip(),
    rpc.balance(deployer),
  ])
  const estimate = async (what: string, to: typeof CREATE2_PROXY | null, data: `0x${string}`): Promise<bigint> => {
    const gas = await rpc.estimate(deployer, to, data, 0n)
    if (typeof gas === 'bigint') return gas
    throw new CairnError('REVERTED', { call: what, reason: `${gas.why}; look at its parameters` })
  }
  const contracts = await Promise.all(missing.map((name) => estimate(`the constructor of ${name}`, null, plan.made[name])))
  let gas = contracts.reduce((sum, one) => sum + one + FACTORY_GAS, sealed ? 0n : SEAL_GAS)
  if (factoryCode === '0x') gas += await estimate('the deployment factory', CREATE2_PROXY, factoryCalldata(plan.factoryInit))
  const baseFee = head?.baseFee ?? 0n
  return { missing, open: !sealed, gas, expected: gas * (baseFee + tip), advised: gas * (2n * baseFee + tip), balance }
}
