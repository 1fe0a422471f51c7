/** `deployment.json`: where the contracts are. Apart from what deploys them, which only `cairn up` needs. */
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { type Account, type Address, account, address, digest } from '../../../protocol/ids.ts'
import { utf8 } from '../../../std/bytes.ts'
import type { Addresses } from '../../chain.ts'
import { replaceFile } from './anvil-state.ts'

export interface Deployment {
  readonly chainId: number
  /** Hash of the chain's first block. */
  readonly chain: string
  /** Names code and configuration; another release has other addresses. */
  readonly release: string
  readonly factory: Address
  /** Nothing of this deployment is older than this block. */
  readonly fromBlock: bigint
  readonly addresses: Addresses
  /** By whom and with which parameters, for `cairn chain verify`. Parsed by who needs them. */
  readonly made?: { readonly deployer: Account; readonly params: Readonly<Record<string, unknown>> } | undefined
}

const addressType = z.string().transform(address)
const deploymentType = z.object({
  chainId: z.number().int().positive(),
  chain: z.string().transform(digest),
  release: z.string(),
  factory: addressType,
  fromBlock: z.string().regex(/^\d+$/).transform(BigInt),
  addresses: z.object({
    token: addressType,
    credits: addressType,
    escrow: addressType,
    networks: addressType,
    devices: addressType,
    staking: addressType,
    delegations: addressType,
    pointers: addressType,
    evidence: addressType,
    rewards: addressType,
    publisher: addressType,
    oracle: addressType,
    quorum: addressType,
    proofs: addressType,
    disputes: addressType,
    emissions: addressType,
    weights: addressType,
    market: addressType,
    passkeys: addressType,
    timelock: addressType,
    governor: addressType,
  }),
  made: z.object({ deployer: z.string().transform(account), params: z.record(z.string(), z.unknown()) }).optional(),
})

/** Writes `deployment.json`, which every process of a data folder reads. */
export async function saveDeployment(path: string, deployment: Deployment): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await replaceFile(path, utf8(`${JSON.stringify({ ...deployment, fromBlock: deployment.fromBlock.toString() }, null, 2)}\n`))
}

/** The saved deployment, or null when there is none. Throws `MALFORMED`. */
export async function loadDeployment(path: string): Promise<Deployment | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  return text === null ? null : parseDeployment(text)
}

/** A deployment from its JSON, such as a network's descriptor carries it. Throws `MALFORMED`. */
export function parseDeployment(text: string): Deployment {
  try {
    return deploymentType.parse(JSON.parse(text))
  } catch (cause) {
    throw new CairnError('MALFORMED', { what: 'deployment.json', why: cause instanceof Error ? cause.message : String(cause) }, { cause })
  }
}
