import type { Abi } from 'ox/Abi'
import * as AbiError from 'ox/AbiError'
import * as AbiEvent from 'ox/AbiEvent'
import * as AbiFunction from 'ox/AbiFunction'
import * as AbiParameters from 'ox/AbiParameters'
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
import { passkeyAccountAbi } from '../../../protocol/abi/passkey-account.ts'
import { passkeyAccountsAbi } from '../../../protocol/abi/passkey-accounts.ts'
import { pointersAbi } from '../../../protocol/abi/pointers.ts'
import { rewardsDistributorAbi } from '../../../protocol/abi/rewards-distributor.ts'
import { rootPublisherAbi } from '../../../protocol/abi/root-publisher.ts'
import { rootQuorumAbi } from '../../../protocol/abi/root-quorum.ts'
import { stakingAbi } from '../../../protocol/abi/staking.ts'
import { storageProofsAbi } from '../../../protocol/abi/storage-proofs.ts'
import { timelockAbi } from '../../../protocol/abi/timelock.ts'
import { tokenAbi } from '../../../protocol/abi/token.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Address, Hex } from '../../../protocol/ids.ts'
import { type Addresses, type ChainCall, CONTRACT_NAMES, type ContractName } from '../../chain.ts'
import type { RawLog } from './rpc.ts'

/** The interface of every contract, by its name in `Addresses`. */
export const ABIS: { readonly [K in ContractName]: Abi } = {
  token: tokenAbi,
  credits: creditsAbi,
  escrow: escrowAbi,
  networks: networkRegistryAbi,
  devices: deviceRegistryAbi,
  staking: stakingAbi,
  delegations: delegationsAbi,
  pointers: pointersAbi,
  evidence: evidenceLogAbi,
  rewards: rewardsDistributorAbi,
  publisher: rootPublisherAbi,
  oracle: fixedOracleAbi,
  quorum: rootQuorumAbi,
  proofs: storageProofsAbi,
  disputes: disputeManagerAbi,
  emissions: emissionsAbi,
  weights: governedWeightsAbi,
  market: marketAbi,
  passkeys: passkeyAccountsAbi,
  passkeyAccount: passkeyAccountAbi,
  timelock: timelockAbi,
  governor: networkGovernorAbi,
}

// Selectors are hashes, 300 of them: a daemon works out those of a contract when it first meets it, and not at its start.
const knownErrors = new Map<string, AbiError.AbiError>()
const knownEvents = new Map<keyof Addresses, ReadonlyMap<string, AbiEvent.AbiEvent>>()

/** Every custom error of every contract, by its first four bytes: a call may fail in a contract that it calls in turn. */
function errors(): ReadonlyMap<string, AbiError.AbiError> {
  if (knownErrors.size > 0) return knownErrors
  const abis: readonly Abi[] = [...Object.values(ABIS), deploymentAbi]
  for (const abi of abis) {
    for (const item of abi) if (item.type === 'error') knownErrors.set(AbiError.getSelector(item), item)
  }
  return knownErrors
}

/** Events of a contract by their first topic. */
function eventsOf(contract: keyof Addresses): ReadonlyMap<string, AbiEvent.AbiEvent> {
  const known = knownEvents.get(contract)
  if (known !== undefined) return known
  const events = ABIS[contract].filter((item) => item.type === 'event').map((item) => [AbiEvent.getSelector(item), item] as const)
  const made = new Map<string, AbiEvent.AbiEvent>(events)
  knownEvents.set(contract, made)
  return made
}

/** Where a call goes. Throws `CONFIG` for one of many contracts without its address. */
export function targetOf(call: ChainCall, addresses: Addresses): Address {
  if (call.at !== undefined) return call.at
  if (call.contract !== 'passkeyAccount') return addresses[call.contract]
  throw new CairnError('CONFIG', { what: `${call.contract}.${call.function}`, why: 'there are many of them', fix: 'say at which address' })
}

/** The call's ABI encoding. Throws `CONFIG` for a function or arguments that the contract does not have. */
export function encodeCall(call: ChainCall): Hex {
  try {
    const args: readonly unknown[] = call.args
    // Overloads are told apart by their arguments, as Solidity does.
    const found = AbiFunction.fromAbi<Abi, string, readonly unknown[]>(ABIS[call.contract], call.function, { args })
    return AbiFunction.encodeData(found, args)
  } catch (cause) {
    const what = `${call.contract}.${call.function}`
    throw new CairnError('CONFIG', { what, why: cause instanceof Error ? cause.message : String(cause), fix: 'see its ABI' }, { cause })
  }
}

/**
 * A call as people write it, `weights.set([2],[4000])`, from its target and calldata; null for one that none of our
 * contracts understands. Integers are decimal text in quotes where JSON's own would lose digits.
 */
export function describeCall(addresses: Addresses, target: string, calldata: Hex): string | null {
  const name = CONTRACT_NAMES.find((contract) => addresses[contract] === target)
  if (name === undefined) return null
  try {
    const found = AbiFunction.fromAbi(ABIS[name], calldata.slice(0, 10) as Hex)
    const values: unknown = AbiFunction.decodeData(found, calldata)
    const args: readonly unknown[] = Array.isArray(values) ? values.map(plain) : []
    const text = JSON.stringify(args, (_, value: unknown) => (typeof value === 'bigint' ? integer(value) : value))
    return `${name}.${found.name}(${text.slice(1, -1)})`
  } catch {
    return null
  }
}

const integer = (value: bigint): number | string => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString())

/** What a view function returned: the value itself, or the values by position when it returns several. Throws `MALFORMED`. */
export function decodeResult(call: ChainCall, data: Hex): unknown {
  const found = AbiFunction.fromAbi<Abi, string, readonly unknown[]>(ABIS[call.contract], call.function, { args: call.args })
  try {
    return plain(AbiFunction.decodeResult(found, data))
  } catch (cause) {
    const what = `the answer of ${call.contract}.${call.function}`
    throw new CairnError('MALFORMED', { what, why: cause instanceof Error ? cause.message : String(cause) }, { cause })
  }
}

export interface Revert {
  readonly error: string
  readonly data: Readonly<Record<string, unknown>>
}

/** The custom error that revert data names, with its arguments by name. */
export function decodeRevert(data: Hex, why: string): Revert {
  if (data === '0x') return { error: 'Reverted', data: { why } }
  const error = errors().get(data.slice(0, 10))
  try {
    if (error === undefined) throw new Error('no contract has it')
    const values: readonly unknown[] = AbiParameters.decode(error.inputs, `0x${data.slice(10)}`)
    return { error: error.name, data: Object.fromEntries(error.inputs.map((input, i) => [input.name ?? String(i), values[i]])) }
  } catch {
    return { error: 'Unknown', data: { bytes: data.slice(0, 2 + 2 * 256), why } }
  }
}

/** An event by name, with its arguments by name; null for one that the ABI does not have. */
export function decodeEvent(
  contract: keyof Addresses,
  log: Pick<RawLog, 'topics' | 'data'>,
): { name: string; args: Readonly<Record<string, unknown>> } | null {
  const [first, ...rest] = log.topics
  const event = first === undefined ? undefined : eventsOf(contract).get(first)
  if (first === undefined || event === undefined) return null
  try {
    const args: unknown = AbiEvent.decode(event, { topics: [first, ...rest], data: log.data })
    return { name: event.name, args: typeof args === 'object' && args !== null ? fieldsOf(args) : {} }
  } catch {
    return null
  }
}

const CHECKSUMMED = /^0x[0-9a-fA-F]{40}$/

/** ox writes addresses with mixed case as a checksum; ids here are lower case, so that equal ones are equal strings. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return CHECKSUMMED.test(value) ? value.toLowerCase() : value
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === 'object' && value !== null ? fieldsOf(value) : value
}

const fieldsOf = (value: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
