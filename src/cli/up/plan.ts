/** What a local network consists of, fixed at its first start and kept in the data folder. */

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { writeWhole } from '../whole-file.ts'

export const FORMAT = 1

const nodePlan = z.strictObject({
  port: z.number().int(),
  deviceKey: z.string(),
  transportKey: z.string(),
})

const plan = z.strictObject({
  format: z.literal(FORMAT),
  /** Of every account of this local network: 0 deploys and holds, 1 is the customer, 2… the verifiers, 10… are operators. */
  mnemonic: z.string(),
  epochSeconds: z.number().int(),
  ports: z.strictObject({ chain: z.number().int(), s3: z.number().int(), verifier: z.number().int() }),
  sessionKey: z.string(),
  gatewayKey: z.string(),
  verifierKey: z.string(),
  /** Those beside the first. With three of them and more a quorum signs roots. */
  moreVerifiers: z.array(z.strictObject({ port: z.number().int(), transportKey: z.string() })).default([]),
  accessKey: z.string(),
  secretKey: z.string(),
  nodes: z.array(nodePlan).min(1).max(1000),
  /** The network's id on chain, once it is set up. */
  net: z.number().int().nullable(),
})
export type Plan = z.output<typeof plan>

const NAME = 'cairn.json'

/** The plan of a data folder, or null when it is new. Throws DATA_FOLDER for one of another version. */
export async function readPlan(folder: string): Promise<Plan | null> {
  const path = join(folder, NAME)
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  const parsed = plan.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  throw new CairnError('DATA_FOLDER', { path: folder, why: 'it was written by another version', fix: 'use another folder with --data' })
}

export async function writePlan(folder: string, value: Plan): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeWhole(join(folder, NAME), `${JSON.stringify(value, null, 2)}\n`)
}

/** Wallets of a local network that are nobody's yet and have coins: whoever is to stake on operators. */
export const DELEGATORS = 10

/** Indices of the accounts under the plan's mnemonic; the delegators' begin after the last operator's. */
export const ACCOUNT = {
  holder: 0,
  customer: 1,
  verifier: 2,
  verifierAt: (index: number) => 2 + index,
  operator: (node: number) => 10 + node,
  delegator: (nodes: number, n: number) => 10 + nodes + n,
} as const

/** As many as there are accounts for before the operators'. */
export const VERIFIERS_MAX = 8
/** RootQuorum takes no fewer, since nobody's weight counts more than a quarter. */
export const QUORUM_LEAST = 4

export interface VerifierPlan {
  readonly port: number
  readonly transportKey: string
  /** Within the network's folder. */
  readonly folder: string
  readonly name: string
  /** Index of its account. */
  readonly account: number
}

/** The verifiers of a local network; the first has the folder and the name that a single one has. */
export function verifiersOf(plan: Plan): readonly VerifierPlan[] {
  return [{ port: plan.ports.verifier, transportKey: plan.verifierKey }, ...plan.moreVerifiers].map((one, i) => ({
    ...one,
    folder: i === 0 ? 'verifier' : `verifiers/${i + 1}`,
    name: i === 0 ? 'verifier' : `verifier ${i + 1}`,
    account: ACCOUNT.verifierAt(i),
  }))
}

/** Whether a quorum signs the network's roots. */
export const byQuorum = (plan: Plan): boolean => plan.moreVerifiers.length > 0
