import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { encodeDeployData, encodeFunctionData, type Hex, keccak256, stringToHex } from 'viem'
import { z } from 'zod'
import { creditsAbi } from '../../../protocol/abi/credits.ts'
import { delegationsAbi } from '../../../protocol/abi/delegations.ts'
import { deploymentAbi } from '../../../protocol/abi/deployment.ts'
import { deviceRegistryAbi } from '../../../protocol/abi/device-registry.ts'
import { disputeManagerAbi } from '../../../protocol/abi/dispute-manager.ts'
import { emissionsAbi } from '../../../protocol/abi/emissions.ts'
import { escrowAbi } from '../../../protocol/abi/escrow.ts'
import { evidenceLogAbi } from '../../../protocol/abi/evidence-log.ts'
import { fixedOracleAbi } from '../../../protocol/abi/fixed-oracle.ts'
import { governedWeightsAbi } from '../../../protocol/abi/governed-weights.ts'
import { marketAbi } from '../../../protocol/abi/market.ts'
import { networkGovernorAbi } from '../../../protocol/abi/network-governor.ts'
import { networkRegistryAbi } from '../../../protocol/abi/network-registry.ts'
import { pointersAbi } from '../../../protocol/abi/pointers.ts'
import { rewardsDistributorAbi } from '../../../protocol/abi/rewards-distributor.ts'
import { rootPublisherAbi } from '../../../protocol/abi/root-publisher.ts'
import { rootQuorumAbi } from '../../../protocol/abi/root-quorum.ts'
import { stakingAbi } from '../../../protocol/abi/staking.ts'
import { storageProofsAbi } from '../../../protocol/abi/storage-proofs.ts'
import { timelockAbi } from '../../../protocol/abi/timelock.ts'
import { tokenAbi } from '../../../protocol/abi/token.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Account, Address } from '../../../protocol/ids.ts'
import type { Addresses } from '../../chain.ts'
import {
  type AddressBook,
  CREATE2_PROXY,
  DEPLOYED,
  type DeployedName,
  factoryAddress,
  factoryCalldata,
  nameBytes,
  predict,
} from './deployment-addresses.ts'
import type { Deployment } from './deployment-file.ts'
import type { Rpc } from './rpc.ts'
import type { TxQueue } from './tx-queue.ts'

/** What differs between one deployment and another. Everything else is in the code. */
export interface DeploymentConfig {
  /** Wei of CAIRN that exist, all given to the deployer. */
  readonly supply: bigint
  /** USD · 1e18 per CAIRN, of the fixed oracle. */
  readonly price: bigint
  /** µcredits that may be minted a day while a tenth of the supply is less. */
  readonly dailyMintFloor: bigint
  /** Wei of CAIRN to create a network. */
  readonly networkBond: bigint
  /** Smallest windows of a network, in seconds. */
  readonly minimums: { readonly epochLength: number; readonly challengeWindow: number; readonly responseWindow: number }
  /** May pause new commitments for days and `veto` a root. The deployer locally. */
  readonly guardian: Account
}

/** CONTRACTS.md: what governance decides waits for a week, and an oracle for two more. */
const TIMELOCK_SECONDS = 7n * 86_400n
/** Emissions double the genesis supply in the end, half of that in the first two years. */
const HALF_LIFE_DAYS = 730
/** A thousandth of the supply proposes: enough to keep noise out, a tenth of what the least quorum needs. */
const THRESHOLD_PARTS = 1000n

/** Deploying is three dozen transactions in a few blocks; a minute covers a slow public chain's blocks too. */
const DEPLOY_MS = 180_000
const VISIBLE_POLL_MS = 50
const VISIBLE_TRIES = DEPLOY_MS / VISIBLE_POLL_MS
/** Creation code of the largest contract is below 50 kB, twice as many digits, with its runtime beside it. */
const ARTIFACT_BYTES_MAX = 1 << 20

const artifactType = z.object({ bytecode: z.string().regex(/^0x[0-9a-f]+$/) })

const ARTIFACTS = new URL('../../../../contracts/artifacts/', import.meta.url)

async function creationCode(contract: string): Promise<Hex> {
  const url = new URL(`${contract}.json`, ARTIFACTS)
  const text = await readFile(url, 'utf8').catch((cause: unknown) => {
    const fix = 'run scripts/build-contracts.ts'
    throw new CairnError('CONFIG', { what: `the artifact of ${contract}`, why: 'it cannot be read', fix }, { cause })
  })
  if (text.length > ARTIFACT_BYTES_MAX) throw new CairnError('LIMIT', { what: `the artifact of ${contract}`, limit: ARTIFACT_BYTES_MAX })
  const code = artifactType.parse(JSON.parse(text)).bytecode
  return `0x${code.slice(2)}`
}

/** Files of the names that are a role in the set and not a contract's own name. */
const FILES: Readonly<Partial<Record<DeployedName, string>>> = {
  Oracle: 'FixedOracle',
  Weights: 'GovernedWeights',
  Governor: 'NetworkGovernor',
}
const fileOf = (name: DeployedName): string => FILES[name] ?? name

type Codes = Readonly<Record<DeployedName, Hex>>

async function readCodes(): Promise<Codes> {
  const pairs = await Promise.all(DEPLOYED.map(async (name) => [name, await creationCode(fileOf(name))] as const))
  const codes = Object.fromEntries(pairs)
  // The keys are exactly DEPLOYED, which Object.fromEntries cannot say.
  return codes as Codes
}

/** Constructor arguments, as Deployment.sol's `wires` will read them back. */
function constructions(config: DeploymentConfig, codes: Codes, at: AddressBook, deployer: Account, genesis: number): Codes {
  const { minimums } = config
  const make = {
    Token: encodeDeployData({ abi: tokenAbi, bytecode: codes.Token, args: [deployer, config.supply, at.Emissions] }),
    Oracle: encodeDeployData({ abi: fixedOracleAbi, bytecode: codes.Oracle, args: [config.price] }),
    Credits: encodeDeployData({
      abi: creditsAbi,
      bytecode: codes.Credits,
      args: [at.Token, at.Escrow, at.Oracle, at.Timelock, config.dailyMintFloor],
    }),
    Escrow: encodeDeployData({
      abi: escrowAbi,
      bytecode: codes.Escrow,
      args: [at.Credits, at.NetworkRegistry, at.Delegations, at.RewardsDistributor, genesis],
    }),
    Delegations: encodeDeployData({ abi: delegationsAbi, bytecode: codes.Delegations, args: [at.Escrow] }),
    NetworkRegistry: encodeDeployData({
      abi: networkRegistryAbi,
      bytecode: codes.NetworkRegistry,
      args: [at.Token, config.networkBond, minimums],
    }),
    DeviceRegistry: encodeDeployData({
      abi: deviceRegistryAbi,
      bytecode: codes.DeviceRegistry,
      args: [at.NetworkRegistry, at.Delegations, at.DisputeManager],
    }),
    Staking: encodeDeployData({
      abi: stakingAbi,
      bytecode: codes.Staking,
      args: [at.Token, at.NetworkRegistry, at.Timelock, at.DisputeManager],
    }),
    Pointers: encodeDeployData({ abi: pointersAbi, bytecode: codes.Pointers, args: [at.Delegations] }),
    EvidenceLog: encodeDeployData({ abi: evidenceLogAbi, bytecode: codes.EvidenceLog, args: [at.NetworkRegistry, at.Staking] }),
    RewardsDistributor: encodeDeployData({
      abi: rewardsDistributorAbi,
      bytecode: codes.RewardsDistributor,
      args: [at.NetworkRegistry, config.guardian, at.DisputeManager, at.Staking],
    }),
    RootPublisher: encodeDeployData({
      abi: rootPublisherAbi,
      bytecode: codes.RootPublisher,
      args: [at.NetworkRegistry, at.RewardsDistributor],
    }),
  }
  return { ...make, ...judges(codes, at), ...governed(config, codes, at) }
}

/** What judges roots, evidence and demands. */
function judges(codes: Codes, at: AddressBook) {
  return {
    RootQuorum: encodeDeployData({
      abi: rootQuorumAbi,
      bytecode: codes.RootQuorum,
      args: [at.NetworkRegistry, at.RewardsDistributor, at.Staking],
    }),
    StorageProofs: encodeDeployData({
      abi: storageProofsAbi,
      bytecode: codes.StorageProofs,
      args: [at.Token, at.NetworkRegistry, at.Delegations, at.DisputeManager],
    }),
    DisputeManager: encodeDeployData({
      abi: disputeManagerAbi,
      bytecode: codes.DisputeManager,
      args: [
        at.Token,
        at.NetworkRegistry,
        at.Staking,
        at.DeviceRegistry,
        at.RewardsDistributor,
        at.RootPublisher,
        at.RootQuorum,
        at.StorageProofs,
      ],
    }),
  }
}

/** What mints, lets and decides: the contracts that governance stands behind. */
function governed(config: DeploymentConfig, codes: Codes, at: AddressBook) {
  const peers = {
    token: at.Token,
    credits: at.Credits,
    escrow: at.Escrow,
    registry: at.NetworkRegistry,
    distributor: at.RewardsDistributor,
    weights: at.Weights,
    authority: at.Timelock,
  }
  return {
    Emissions: encodeDeployData({ abi: emissionsAbi, bytecode: codes.Emissions, args: [peers, config.supply, HALF_LIFE_DAYS] }),
    Weights: encodeDeployData({ abi: governedWeightsAbi, bytecode: codes.Weights, args: [at.Timelock, at.Escrow] }),
    Market: encodeDeployData({ abi: marketAbi, bytecode: codes.Market, args: [at.Escrow, at.Staking, at.Timelock] }),
    PasskeyAccounts: codes.PasskeyAccounts,
    Timelock: encodeDeployData({
      abi: timelockAbi,
      bytecode: codes.Timelock,
      args: [TIMELOCK_SECONDS, at.Governor, config.guardian],
    }),
    Governor: encodeDeployData({
      abi: networkGovernorAbi,
      bytecode: codes.Governor,
      args: [at.Staking, at.Token, at.Timelock, config.supply / THRESHOLD_PARTS],
    }),
  }
}

function addressesOf(at: AddressBook): Addresses {
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

const releaseOf = (config: DeploymentConfig, codes: Codes, chain: string, factoryCode: Hex): Hex => {
  const settings = JSON.stringify(config, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))
  return keccak256(stringToHex([chain, settings, factoryCode, ...DEPLOYED.map((name) => codes[name])].join('\n')))
}

/**
 * Deploys the contracts, or whatever of them a run before did not get to. The addresses follow from the code, the
 * configuration and the chain, so running it again changes nothing and a new version gets addresses of its own.
 * @throws `REVERTED` when a transaction fails, `CHAIN_AWAY`, `DEADLINE`, `CONFIG` on a chain without the CREATE2 proxy.
 */
export async function deployContracts(rpc: Rpc, queue: TxQueue, config: DeploymentConfig): Promise<Deployment> {
  const [codes, factoryCode, chainId, first, latest, proxy] = await Promise.all([
    readCodes(),
    creationCode('Deployment'),
    rpc.chainId(),
    rpc.header(0n),
    rpc.blockNumber(),
    rpc.code(CREATE2_PROXY),
  ])
  if (first === null) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: 'it has no first block' })
  if (proxy === '0x') {
    const fix = 'deploy it first with the signed transaction of its repository'
    throw new CairnError('CONFIG', { what: `chain ${chainId}`, why: `it has no CREATE2 proxy at ${CREATE2_PROXY}`, fix })
  }
  const release = releaseOf(config, codes, first.hash, factoryCode)
  const factoryInit = encodeDeployData({ abi: deploymentAbi, bytecode: factoryCode, args: [queue.account, release] })
  const factory = factoryAddress(factoryInit)
  const at = predict(factory, queue.account, release)
  const made = constructions(config, codes, at, queue.account, first.timestamp)
  const confirm = (to: Address, data: Hex, label: string): Promise<void> => mustConfirm(queue, to, data, label, release)
  const sealing = encodeFunctionData({ abi: deploymentAbi, functionName: 'seal' })
  const sends: Promise<void>[] = []
  if ((await rpc.code(factory)) === '0x') {
    sends.push(confirm(CREATE2_PROXY, factoryCalldata(factoryInit), 'deploy Deployment'))
    await Promise.race([visible(rpc, factory), sends[0]])
  }
  const codeThere = await Promise.all(DEPLOYED.map((name) => rpc.code(at[name])))
  DEPLOYED.forEach((name, i) => {
    if (codeThere[i] !== '0x') return
    const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'deploy', args: [nameBytes(name), made[name]] })
    sends.push(confirm(factory, data, `deploy ${name}`))
  })
  const wasWhole = sends.length === 0
  // Sent with the others where the pending block shows them; elsewhere its simulation fails and it is sent afterwards.
  const early = wasWhole ? null : confirm(factory, sealing, 'seal').catch(() => undefined)
  await Promise.all([...sends, early])
  if (!(await isSealed(rpc, factory))) await confirm(factory, sealing, 'seal')
  await verifyCode(rpc, at)
  const fromBlock = wasWhole ? 1n : latest + 1n
  return { chainId, chain: first.hash, release, factory, fromBlock, addresses: addressesOf(at) }
}

async function mustConfirm(queue: TxQueue, to: Address, data: Hex, label: string, release: Hex): Promise<void> {
  const outcome = await queue.submit({ to, data, label, key: `${label} ${release}` }, DEPLOY_MS)
  if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: label, reason: outcome.error })
}

/** Resolves when calls to `factory` can be simulated: at once where there is a pending block, else when it is mined. */
async function visible(rpc: Rpc, factory: Address): Promise<void> {
  const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'release' })
  for (let tries = 0; tries < VISIBLE_TRIES; tries += 1) {
    const answer = await rpc.call(factory, factory, data, 'pending')
    if (typeof answer === 'string' && answer !== '0x') return
    await setTimeout(VISIBLE_POLL_MS)
  }
  throw new CairnError('DEADLINE', { what: 'the deployment factory', ms: VISIBLE_TRIES * VISIBLE_POLL_MS })
}

async function isSealed(rpc: Rpc, factory: Address): Promise<boolean> {
  const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'owner' })
  const answer = await rpc.call(factory, factory, data, 'latest')
  return typeof answer === 'string' && answer !== '0x' && BigInt(answer) === 0n
}

/** @throws `CONFIG` when a contract is missing: the chain is another one, or it lost the deployment. */
async function verifyCode(rpc: Rpc, at: AddressBook): Promise<void> {
  const codes = await Promise.all(DEPLOYED.map((name) => rpc.code(at[name])))
  DEPLOYED.forEach((name, i) => {
    if (codes[i] !== '0x') return
    throw new CairnError('CONFIG', { what: `contract ${name}`, why: `there is no code at ${at[name]}`, fix: 'deploy again' })
  })
}
