import { type Abi, decodeErrorResult, decodeEventLog, encodeFunctionData } from 'viem'
import { creditsAbi } from '../../../protocol/abi/credits.ts'
import { delegationsAbi } from '../../../protocol/abi/delegations.ts'
import { deploymentAbi } from '../../../protocol/abi/deployment.ts'
import { deviceRegistryAbi } from '../../../protocol/abi/device-registry.ts'
import { escrowAbi } from '../../../protocol/abi/escrow.ts'
import { evidenceLogAbi } from '../../../protocol/abi/evidence-log.ts'
import { networkRegistryAbi } from '../../../protocol/abi/network-registry.ts'
import { pointersAbi } from '../../../protocol/abi/pointers.ts'
import { rewardsDistributorAbi } from '../../../protocol/abi/rewards-distributor.ts'
import { rootPublisherAbi } from '../../../protocol/abi/root-publisher.ts'
import { stakingAbi } from '../../../protocol/abi/staking.ts'
import { tokenAbi } from '../../../protocol/abi/token.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Hex } from '../../../protocol/ids.ts'
import type { Addresses, ChainCall } from '../../chain.ts'
import type { RawLog } from './rpc.ts'

/** The interface of every contract, by its name in `Addresses`. */
export const ABIS: { readonly [K in keyof Addresses]: Abi } = {
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
}

/** Every custom error of every contract: a call may fail in a contract that it calls in turn. */
const ERRORS: Abi = [...Object.values(ABIS), deploymentAbi].flatMap((abi) => abi.filter((item) => item.type === 'error'))

/** The call's ABI encoding. Throws `CONFIG` for a function or arguments that the contract does not have. */
export function encodeCall(call: ChainCall): Hex {
  try {
    return encodeFunctionData({ abi: ABIS[call.contract], functionName: call.function, args: [...call.args] })
  } catch (cause) {
    const what = `${call.contract}.${call.function}`
    throw new CairnError('CONFIG', { what, why: cause instanceof Error ? cause.message : String(cause), fix: 'see its ABI' }, { cause })
  }
}

export interface Revert {
  readonly error: string
  readonly data: Readonly<Record<string, unknown>>
}

/** The custom error that revert data names, with its arguments by name. */
export function decodeRevert(data: Hex, why: string): Revert {
  if (data === '0x') return { error: 'Reverted', data: { why } }
  try {
    const decoded = decodeErrorResult({ abi: ERRORS, data })
    const inputs = decoded.abiItem.type === 'error' ? decoded.abiItem.inputs : []
    const values: readonly unknown[] = decoded.args ?? []
    return { error: decoded.errorName, data: Object.fromEntries(inputs.map((input, i) => [input.name ?? String(i), values[i]])) }
  } catch {
    return { error: 'Unknown', data: { bytes: data.slice(0, 2 + 2 * 256), why } }
  }
}

/** An event by name, with its arguments by name; null for one that the ABI does not have. */
export function decodeEvent(contract: keyof Addresses, log: RawLog): { name: string; args: Readonly<Record<string, unknown>> } | null {
  const [first, ...rest] = log.topics
  if (first === undefined) return null
  try {
    const decoded = decodeEventLog({ abi: ABIS[contract], topics: [first, ...rest], data: log.data })
    const args: unknown = decoded.args
    return { name: decoded.eventName ?? '', args: typeof args === 'object' && args !== null ? fieldsOf(args) : {} }
  } catch {
    return null
  }
}

/** viem writes addresses with mixed case as a checksum; ids here are lower case, so that equal ones are equal strings. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith('0x') ? value.toLowerCase() : value
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === 'object' && value !== null ? fieldsOf(value) : value
}

const fieldsOf = (value: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
