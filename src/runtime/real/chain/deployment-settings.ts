/** What a deployment's contracts say of themselves: their parameters, and who has a power over them. */
import { type Abi, decodeFunctionResult, encodeFunctionData, type Hex, keccak256, stringToHex } from 'viem'
import { chainlinkOracleAbi } from '../../../protocol/abi/chainlink-oracle.ts'
import { creditsAbi } from '../../../protocol/abi/credits.ts'
import { emissionsAbi } from '../../../protocol/abi/emissions.ts'
import { escrowAbi } from '../../../protocol/abi/escrow.ts'
import { fixedOracleAbi } from '../../../protocol/abi/fixed-oracle.ts'
import { networkGovernorAbi } from '../../../protocol/abi/network-governor.ts'
import { networkRegistryAbi } from '../../../protocol/abi/network-registry.ts'
import { pythOracleAbi } from '../../../protocol/abi/pyth-oracle.ts'
import { rewardsDistributorAbi } from '../../../protocol/abi/rewards-distributor.ts'
import { timelockAbi } from '../../../protocol/abi/timelock.ts'
import { tokenAbi } from '../../../protocol/abi/token.ts'
import { type Account, type Address, address } from '../../../protocol/ids.ts'
import { mintFloor } from './constructions.ts'
import type { AddressBook } from './deployment-addresses.ts'
import { type DeploymentParams, party, units } from './deployment-params.ts'
import type { Rpc } from './rpc.ts'

export interface Finding {
  readonly check: string
  /** A `warning` is worth knowing and breaks nothing. */
  readonly is: 'ok' | 'warning' | 'bad'
  readonly says: string
  /** What to do about it. */
  readonly fix?: string
}

/** What a view function answers, in lower case where it is hexadecimal; null when it refuses or answers nonsense. */
export async function getter(rpc: Rpc, at: Address, abi: Abi, name: string, args: readonly unknown[] = []): Promise<unknown> {
  const answer = await rpc.call(at, at, encodeFunctionData({ abi, functionName: name, args }), 'latest')
  if (typeof answer !== 'string') return null
  try {
    const value: unknown = decodeFunctionResult({ abi, functionName: name, data: answer })
    return typeof value === 'string' && value.startsWith('0x') ? value.toLowerCase() : value
  } catch {
    return null
  }
}

/** One parameter: where it is read, what it must be, and whether a vote may change it later. */
interface Setting {
  readonly name: string
  readonly at: Address
  readonly abi: Abi
  readonly read: string
  readonly is: bigint | string
  readonly voted?: true
}

/** Every parameter that a contract shows, compared with the file. */
export async function settings(
  rpc: Rpc,
  at: AddressBook,
  params: DeploymentParams,
  deployer: Account,
  genesis: number,
): Promise<readonly Finding[]> {
  const guardian = party(params.guardian, deployer)
  const { minimums } = params
  const list: readonly Setting[] = [
    { name: 'genesis', at: at.Escrow, abi: escrowAbi, read: 'GENESIS', is: BigInt(genesis) },
    { name: 'supply', at: at.Emissions, abi: emissionsAbi, read: 'TOTAL', is: units(params.supply) },
    { name: 'halfLifeDays', at: at.Emissions, abi: emissionsAbi, read: 'HALF_LIFE', is: BigInt(params.halfLifeDays) },
    ...oracleSettings(at, params),
    { name: 'timelockSeconds', at: at.Timelock, abi: timelockAbi, read: 'LEAST_DELAY', is: BigInt(params.timelockSeconds) },
    { name: 'guardian (pause)', at: at.Timelock, abi: timelockAbi, read: 'guardian', is: guardian, voted: true },
    { name: 'guardian (veto)', at: at.RewardsDistributor, abi: rewardsDistributorAbi, read: 'guardian', is: guardian },
    { name: 'epochLength', at: at.NetworkRegistry, abi: networkRegistryAbi, read: 'minEpochLength', is: BigInt(minimums.epochLength) },
    {
      name: 'challengeWindow',
      at: at.NetworkRegistry,
      abi: networkRegistryAbi,
      read: 'minChallengeWindow',
      is: BigInt(minimums.challengeWindow),
    },
    {
      name: 'responseWindow',
      at: at.NetworkRegistry,
      abi: networkRegistryAbi,
      read: 'minResponseWindow',
      is: BigInt(minimums.responseWindow),
    },
    { name: 'networkBond', at: at.NetworkRegistry, abi: networkRegistryAbi, read: 'creationBond', is: units(params.networkBond) },
    { name: 'dailyMintFloor', at: at.Credits, abi: creditsAbi, read: 'DAILY_FLOOR', is: mintFloor(params) },
    {
      name: 'governorThreshold',
      at: at.Governor,
      abi: networkGovernorAbi,
      read: 'proposalThreshold',
      is: units(params.governorThreshold),
      voted: true,
    },
  ]
  return Promise.all(list.map((one) => compare(rpc, one)))
}

function oracleSettings(at: AddressBook, { oracle }: DeploymentParams): readonly Setting[] {
  const of = (name: string, abi: Abi, read: string, is: bigint | string): Setting => ({
    name: `oracle.${name}`,
    at: at.Oracle,
    abi,
    read,
    is,
  })
  const used: Setting = { name: 'oracle', at: at.Credits, abi: creditsAbi, read: 'oracle', is: at.Oracle, voted: true }
  switch (oracle.kind) {
    case 'fixed':
      return [used, of('price', fixedOracleAbi, 'PRICE', units(oracle.price))]
    case 'chainlink':
      return [
        used,
        of('feed', chainlinkOracleAbi, 'FEED', oracle.feed),
        of('sequencer', chainlinkOracleAbi, 'SEQUENCER', oracle.sequencer),
        of('maxAge', chainlinkOracleAbi, 'maxAge', BigInt(oracle.maxAge)),
        of('confBps', chainlinkOracleAbi, 'CONF_BPS', BigInt(oracle.confBps)),
      ]
    case 'pyth':
      return [
        used,
        of('pyth', pythOracleAbi, 'PYTH', oracle.pyth),
        of('feedId', pythOracleAbi, 'FEED_ID', oracle.feedId),
        of('maxAge', pythOracleAbi, 'maxAge', BigInt(oracle.maxAge)),
      ]
  }
}

async function compare(rpc: Rpc, { name, at, abi, read, is, voted }: Setting): Promise<Finding> {
  const value = await getter(rpc, at, abi, read)
  // ABI types of up to 48 bits come as numbers, wider ones as bigints.
  const actual = typeof value === 'number' ? BigInt(value) : value
  if (actual === is) return { check: name, is: 'ok', says: String(is) }
  const says = `it is ${String(actual)}, and ${is} in the file`
  return voted
    ? { check: name, is: 'warning', says, fix: 'look for the vote that changed it; the contract lets nobody else' }
    : { check: name, is: 'bad', says, fix: 'no vote can change this: the file belongs to another deployment, or the contracts do' }
}

const ROLES = ['DEFAULT_ADMIN_ROLE', 'PROPOSER_ROLE', 'EXECUTOR_ROLE', 'CANCELLER_ROLE'] as const
/** OpenZeppelin's AccessControl: the role above all is zero, the others are hashes of their names. */
const roleId = (role: (typeof ROLES)[number]): Hex =>
  role === 'DEFAULT_ADMIN_ROLE' ? `0x${'00'.repeat(32)}` : keccak256(stringToHex(role))

/** What the deployer could still do, and what the chain must be able to do. */
export async function powers(rpc: Rpc, at: AddressBook, params: DeploymentParams, deployer: Account): Promise<readonly Finding[]> {
  const kept = await Promise.all(
    ROLES.map(async (role) => ({ role, has: await getter(rpc, at.Timelock, timelockAbi, 'hasRole', [roleId(role), deployer]) })),
  )
  const held = kept.filter(({ has }) => has !== false).map(({ role }) => role)
  const minter = await getter(rpc, at.Token, tokenAbi, 'minter')
  const guardian = await getter(rpc, at.Timelock, timelockAbi, 'guardian')
  const fix = 'do not use this deployment: its deployer can change it alone'
  return [
    held.length === 0
      ? { check: 'deployer’s roles', is: 'ok', says: `${deployer} has none in the timelock` }
      : { check: 'deployer’s roles', is: 'bad', says: `${deployer} has ${held.join(', ')}`, fix },
    minter === at.Emissions
      ? { check: 'minting', is: 'ok', says: 'Emissions alone, by its schedule' }
      : { check: 'minting', is: 'bad', says: `${String(minter)} can mint CAIRN`, fix },
    guardian === deployer
      ? {
          check: 'guardian',
          is: 'warning',
          says: 'the deployer itself: it can pause new commitments and veto roots',
          fix: 'fine for trying; on a public chain name a multisig in the parameters, or vote for one',
        }
      : { check: 'guardian', is: 'ok', says: String(guardian) },
    await price(rpc, at, params),
    await precompile(rpc),
  ]
}

async function price(rpc: Rpc, at: AddressBook, { oracle }: DeploymentParams): Promise<Finding> {
  const answer = await getter(rpc, at.Credits, creditsAbi, 'prices')
  if (Array.isArray(answer) && answer[0] === true) return { check: 'price', is: 'ok', says: 'credits can be bought and redeemed' }
  const fix = {
    fixed: 'the chain’s clock or its gas limit for calls is unusual; look at Credits.prices',
    chainlink: 'call ChainlinkOracle.poke every two hours; after twelve samples there is a price',
    pyth: 'normal while nobody posts prices: buyers bring one along',
  }[oracle.kind]
  return { check: 'price', is: 'warning', says: 'there is none now, so no credits can be bought', fix }
}

/** EIP-7951, RIP-7212 before. */
const P256 = address(`0x${'100'.padStart(40, '0')}`)
/** First of the vectors that go-ethereum tests it with: digest, r, s, x, y. */
const P256_VECTOR =
  '4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d' +
  'a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac' +
  '36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60' +
  '4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3' +
  '7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e'

/** A chain without it verifies P-256 in a contract's own code, which is right and far dearer. */
async function precompile(rpc: Rpc): Promise<Finding> {
  const says = async (input: string): Promise<boolean> => {
    const answer = await rpc.call(P256, P256, `0x${input}`, 'latest')
    return typeof answer === 'string' && answer !== '0x' && BigInt(answer) === 1n
  }
  const [good, bad] = await Promise.all([says(P256_VECTOR), says(`5${P256_VECTOR.slice(1)}`)])
  if (good && !bad) return { check: 'P-256 precompile', is: 'ok', says: `at ${P256}` }
  const fix = 'passkeys and P-256 devices work and cost far more gas; use secp256k1 devices, or another chain'
  return {
    check: 'P-256 precompile',
    is: good ? 'bad' : 'warning',
    says: good ? 'it accepts a wrong signature' : 'this chain has none',
    fix,
  }
}
