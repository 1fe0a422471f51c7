/** What a deployment will be before anything is sent: its code with arguments, its release and its addresses. */
import { encodeDeployData, type Hex, keccak256, stringToHex } from 'viem'
import { deploymentAbi } from '../../../protocol/abi/deployment.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Account, Address } from '../../../protocol/ids.ts'
import type { Addresses } from '../../chain.ts'
import { type Artifact, readArtifact } from './artifacts.ts'
import { type Codes, constructions } from './constructions.ts'
import { type AddressBook, DEPLOYED, type DeployedName, factoryAddress, predict } from './deployment-addresses.ts'
import type { DeploymentParams } from './deployment-params.ts'
import type { Header, Rpc } from './rpc.ts'

/** The set of contracts for one set of parameters on one chain. */
export interface DeploymentPlan {
  readonly chainId: number
  /** Hash of the chain's first block. */
  readonly chain: string
  readonly deployer: Account
  readonly params: DeploymentParams
  /** Unix seconds. */
  readonly genesis: number
  readonly release: Hex
  readonly factory: Address
  /** Creation code of Deployment.sol with arguments. */
  readonly factoryInit: Hex
  readonly at: AddressBook
  /** Creation code of each contract with arguments. */
  readonly made: Codes
}

const ORACLES = { fixed: 'FixedOracle', chainlink: 'ChainlinkOracle', pyth: 'PythOracle' } as const

/** The artifact of a name, which may be a role in the set and not a contract's own name. */
export function artifactOf(name: DeployedName, params: DeploymentParams): string {
  if (name === 'Oracle') return ORACLES[params.oracle.kind]
  if (name === 'Weights') return 'GovernedWeights'
  return name === 'Governor' ? 'NetworkGovernor' : name
}

export interface Build {
  readonly factory: Artifact
  readonly contracts: Readonly<Record<DeployedName, Artifact>>
}

/** Everything that is deployed, as it was built. Throws CONFIG without the artifacts. */
export async function readBuild(params: DeploymentParams): Promise<Build> {
  const read = async (name: DeployedName) => [name, await readArtifact(artifactOf(name, params))] as const
  const [factory, pairs] = await Promise.all([readArtifact('Deployment'), Promise.all(DEPLOYED.map(read))])
  // The keys are exactly DEPLOYED, which Object.fromEntries cannot say.
  return { factory, contracts: Object.fromEntries(pairs) as Build['contracts'] }
}

/** Names chain, parameters and code, so that whatever differs in one of them gets addresses of its own. */
export function releaseOf(chain: string, params: DeploymentParams, build: Build): Hex {
  const codes = DEPLOYED.map((name) => build.contracts[name].bytecode)
  return keccak256(stringToHex([chain, JSON.stringify(params), build.factory.bytecode, ...codes].join('\n')))
}

/** Unix seconds of the parameters' genesis. */
export const genesisOf = (params: DeploymentParams, first: Header): number =>
  params.genesis === 'first-block' ? first.timestamp : Math.floor(Date.parse(params.genesis) / 1000)

/** Deployment.sol's creation code with its arguments. */
export const factoryInitOf = (build: Build, deployer: Account, release: Hex): Hex =>
  encodeDeployData({ abi: deploymentAbi, bytecode: build.factory.bytecode, args: [deployer, release] })

/** Creation code of every contract of a set at known addresses. */
export function madeOf(build: Build, at: AddressBook, settings: { params: DeploymentParams; deployer: Account; genesis: number }): Codes {
  const codes = Object.fromEntries(DEPLOYED.map((name) => [name, build.contracts[name].bytecode]))
  // The keys are exactly DEPLOYED, which Object.fromEntries cannot say.
  return constructions(settings, codes as Codes, at)
}

/** The chain's first block, by which it is known. Throws CHAIN_AWAY where there is none. */
export async function firstBlock(rpc: Rpc): Promise<Header> {
  const first = await rpc.header(0n)
  if (first === null) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: 'it has no first block' })
  return first
}

/**
 * Plans the deployment of `params` by `deployer`; nothing is sent. Planning it again gives the same plan.
 * @throws `CONFIG` when the parameters are for another chain or begin in its future, `CHAIN_AWAY`.
 */
export async function planDeployment(rpc: Rpc, deployer: Account, params: DeploymentParams): Promise<DeploymentPlan> {
  const [build, chainId, first, head] = await Promise.all([readBuild(params), rpc.chainId(), firstBlock(rpc), rpc.header('latest')])
  const wrong = (what: string, why: string, fix: string): CairnError => new CairnError('CONFIG', { what, why, fix })
  if (params.chainId !== undefined && params.chainId !== chainId) {
    const why = `the parameters are for chain ${params.chainId}, and the endpoint is on chain ${chainId}`
    throw wrong(rpc.url, why, 'give the right endpoint with --rpc, or other parameters with --params')
  }
  const genesis = genesisOf(params, first)
  if (genesis > (head?.timestamp ?? 0)) {
    throw wrong('genesis', `${params.genesis} is in the chain’s future`, 'name a day that has begun')
  }
  const release = releaseOf(first.hash, params, build)
  const factoryInit = factoryInitOf(build, deployer, release)
  const factory = factoryAddress(factoryInit)
  const at = predict(factory, deployer, release)
  const made = madeOf(build, at, { params, deployer, genesis })
  return { chainId, chain: first.hash, deployer, params, genesis, release, factory, factoryInit, at, made }
}

/** The addresses by the names that everything else uses. */
export function addressesOf(at: AddressBook): Addresses {
  return {
    token: at.Token,
    credits: at.Credits,
    escrow: at.Escrow,
    networks: at.NetworkRegistry,
    devices: at.DeviceRegistry,
    staking: at.Staking,
    delegations: at.Delegations,
    pointers: at.Pointers,
    evidence: at.EvidenceLog,
    rewards: at.RewardsDistributor,
    publisher: at.RootPublisher,
    oracle: at.Oracle,
    quorum: at.RootQuorum,
    proofs: at.StorageProofs,
    disputes: at.DisputeManager,
    emissions: at.Emissions,
    weights: at.Weights,
    market: at.Market,
    passkeys: at.PasskeyAccounts,
    timelock: at.Timelock,
    governor: at.Governor,
  }
}
