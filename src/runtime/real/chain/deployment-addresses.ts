import { concatHex, encodeAbiParameters, getContractAddress, type Hex, keccak256, pad, stringToHex } from 'viem'
import { type Account, type Address, address } from '../../../protocol/ids.ts'

/** Names in Deployment.sol, in the order in which they are deployed; any order works. */
export const DEPLOYED = [
  'Token',
  'Oracle',
  'Credits',
  'Escrow',
  'Delegations',
  'NetworkRegistry',
  'DeviceRegistry',
  'Staking',
  'Pointers',
  'EvidenceLog',
  'RewardsDistributor',
  'RootPublisher',
  'RootQuorum',
  'StorageProofs',
  'DisputeManager',
  'Emissions',
  'Weights',
  'Market',
  'PasskeyAccounts',
  'Timelock',
  'Governor',
] as const
export type DeployedName = (typeof DEPLOYED)[number]
export type AddressBook = Readonly<Record<DeployedName, Address>>

/**
 * The deterministic deployment proxy (github.com/Arachnid/deterministic-deployment-proxy): on nearly every EVM chain at
 * this address, and part of anvil's genesis. Its calldata is a salt and creation code.
 */
export const CREATE2_PROXY = address('0x4e59b44847b379578588920ca78fbf26c0b4956c')
/** Who signed the one transaction that creates the proxy, before anybody knew its key; and the gas that it offers. */
export const PROXY_MAKER = address('0x3fab184622dc19b6109349b94811493bf2a45362')
export const PROXY_COINS = '0.01'
/** Create3 of OpenZeppelin 5.7: hash of the constant code through which it deploys. */
const CREATE3_PROXY_HASH: Hex = '0x57a34f6e879358dd76825d6700df87013ad6a3fb43c0d0c602f70a8772c153bd'
const ZERO_SALT: Hex = `0x${'00'.repeat(32)}`

export const nameBytes = (name: DeployedName): Hex => pad(stringToHex(name), { dir: 'right', size: 32 })

/** Where Deployment.sol will be, from its creation code with arguments alone. */
export const factoryAddress = (creationCode: Hex): Address =>
  address(getContractAddress({ opcode: 'CREATE2', from: CREATE2_PROXY, salt: ZERO_SALT, bytecode: creationCode }))

/** Calldata for `CREATE2_PROXY` that creates Deployment.sol at `factoryAddress`. */
export const factoryCalldata = (creationCode: Hex): Hex => concatHex([ZERO_SALT, creationCode])

/** Deployment.addressOf for every name: the addresses are known before anything is sent. */
export function predict(factory: Address, deployer: Account, release: Hex): AddressBook {
  const of = (name: DeployedName): Address => {
    const types = [{ type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }] as const
    const salt = keccak256(encodeAbiParameters(types, [deployer, release, nameBytes(name)]))
    const proxy = getContractAddress({ opcode: 'CREATE2', from: factory, salt, bytecodeHash: CREATE3_PROXY_HASH })
    return address(getContractAddress({ from: proxy, nonce: 1n }))
  }
  return {
    Token: of('Token'),
    Oracle: of('Oracle'),
    Credits: of('Credits'),
    Escrow: of('Escrow'),
    Delegations: of('Delegations'),
    NetworkRegistry: of('NetworkRegistry'),
    DeviceRegistry: of('DeviceRegistry'),
    Staking: of('Staking'),
    Pointers: of('Pointers'),
    EvidenceLog: of('EvidenceLog'),
    RewardsDistributor: of('RewardsDistributor'),
    RootPublisher: of('RootPublisher'),
    RootQuorum: of('RootQuorum'),
    StorageProofs: of('StorageProofs'),
    DisputeManager: of('DisputeManager'),
    Emissions: of('Emissions'),
    Weights: of('Weights'),
    Market: of('Market'),
    PasskeyAccounts: of('PasskeyAccounts'),
    Timelock: of('Timelock'),
    Governor: of('Governor'),
  }
}
