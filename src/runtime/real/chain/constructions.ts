/** The contracts' creation code with their arguments. */
import { encodeDeployData, type Hex } from 'viem'
import { chainlinkOracleAbi } from '../../../protocol/abi/chainlink-oracle.ts'
import { creditsAbi } from '../../../protocol/abi/credits.ts'
import { delegationsAbi } from '../../../protocol/abi/delegations.ts'
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
import { pythOracleAbi } from '../../../protocol/abi/pyth-oracle.ts'
import { rewardsDistributorAbi } from '../../../protocol/abi/rewards-distributor.ts'
import { rootPublisherAbi } from '../../../protocol/abi/root-publisher.ts'
import { rootQuorumAbi } from '../../../protocol/abi/root-quorum.ts'
import { stakingAbi } from '../../../protocol/abi/staking.ts'
import { storageProofsAbi } from '../../../protocol/abi/storage-proofs.ts'
import { timelockAbi } from '../../../protocol/abi/timelock.ts'
import { tokenAbi } from '../../../protocol/abi/token.ts'
import type { Account } from '../../../protocol/ids.ts'
import type { AddressBook, DeployedName } from './deployment-addresses.ts'
import { type DeploymentParams, party, units } from './deployment-params.ts'

export type Codes = Readonly<Record<DeployedName, Hex>>

export interface Settings {
  readonly params: DeploymentParams
  readonly deployer: Account
  /** Unix seconds from which days of fees and emissions are counted. */
  readonly genesis: number
}

/** 1 credit is $0.00001 and a million µcredits: five digits more than a dollar with six decimals has. */
const MICROCREDITS_PER_MICRODOLLAR = 100_000n

/** µcredits a day. */
export const mintFloor = (params: DeploymentParams): bigint => units(params.dailyMintFloor, 6) * MICROCREDITS_PER_MICRODOLLAR

/** Constructor arguments, as Deployment.sol's `wires` will read them back. */
export function constructions(settings: Settings, codes: Codes, at: AddressBook): Codes {
  const { params, deployer, genesis } = settings
  const make = {
    Token: encodeDeployData({
      abi: tokenAbi,
      bytecode: codes.Token,
      args: [party(params.holder, deployer), units(params.supply), at.Emissions],
    }),
    Oracle: oracle(params, codes.Oracle),
    Credits: encodeDeployData({
      abi: creditsAbi,
      bytecode: codes.Credits,
      args: [at.Token, at.Escrow, at.Oracle, at.Timelock, mintFloor(params)],
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
      args: [at.Token, units(params.networkBond), params.minimums],
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
      args: [at.NetworkRegistry, party(params.guardian, deployer), at.DisputeManager, at.Staking],
    }),
    RootPublisher: encodeDeployData({
      abi: rootPublisherAbi,
      bytecode: codes.RootPublisher,
      args: [at.NetworkRegistry, at.RewardsDistributor],
    }),
  }
  return { ...make, ...judges(codes, at), ...governed(settings, codes, at) }
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
function governed({ params, deployer }: Settings, codes: Codes, at: AddressBook) {
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
    Emissions: encodeDeployData({ abi: emissionsAbi, bytecode: codes.Emissions, args: [peers, units(params.supply), params.halfLifeDays] }),
    Weights: encodeDeployData({ abi: governedWeightsAbi, bytecode: codes.Weights, args: [at.Timelock, at.Escrow] }),
    Market: encodeDeployData({ abi: marketAbi, bytecode: codes.Market, args: [at.Escrow, at.Staking, at.Timelock] }),
    PasskeyAccounts: codes.PasskeyAccounts,
    Timelock: encodeDeployData({
      abi: timelockAbi,
      bytecode: codes.Timelock,
      args: [BigInt(params.timelockSeconds), at.Governor, party(params.guardian, deployer)],
    }),
    Governor: encodeDeployData({
      abi: networkGovernorAbi,
      bytecode: codes.Governor,
      args: [at.Staking, at.Token, at.Timelock, units(params.governorThreshold)],
    }),
  }
}

function oracle({ oracle: of }: DeploymentParams, bytecode: Hex): Hex {
  switch (of.kind) {
    case 'fixed':
      return encodeDeployData({ abi: fixedOracleAbi, bytecode, args: [units(of.price)] })
    case 'chainlink':
      return encodeDeployData({ abi: chainlinkOracleAbi, bytecode, args: [of.feed, of.sequencer, of.maxAge, BigInt(of.confBps)] })
    case 'pyth':
      return encodeDeployData({ abi: pythOracleAbi, bytecode, args: [of.pyth, of.feedId, of.maxAge] })
  }
}
