/** Asking running daemons how they are, through the address in their admin.json. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { isAlive } from '../claim.ts'
import { type AdminFile, adminFile, adminPath } from '../daemon/admin.ts'
import type { Place } from './place.ts'

const ASK_MS = 5_000

/** Where a daemon of this folder listens; null when none runs. */
export async function runningDaemon(folder: string): Promise<AdminFile | null> {
  const text = await readFile(adminPath(folder), 'utf8').catch(() => null)
  if (text === null) return null
  const parsed = adminFile.safeParse(JSON.parse(text))
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : null
}

const base = { pid: z.number(), ready: z.boolean(), reasons: z.array(z.string()) }
const amount = z.string().regex(/^\d+$/).transform(BigInt)

/** What /status of a node says, as far as verbs show it. */
export const nodeStatus = z.object({
  ...base,
  role: z.literal('node'),
  device: z.string(),
  operator: z.string(),
  address: z.string(),
  state: z.string(),
  usedBytes: z.number(),
  diskBytes: z.number(),
  freeBytes: z.number(),
  pieces: z.number(),
  sets: z.number(),
  owed: amount,
  earned: amount,
  accounts: z.array(z.object({ account: z.string(), keptBytes: amount, owed: amount, paid: amount, missedVouchers: z.number() })),
  vouchers: z.array(z.object({ payer: z.string(), cumulative: amount })),
})
export type NodeStatus = z.output<typeof nodeStatus>

const gatewayStatus = z.object({
  ...base,
  role: z.literal('gateway'),
  s3: z.string(),
  buckets: z.number(),
  objects: z.number(),
  bytes: z.number(),
  segments: z.number(),
})
const verifierStatus = z.object({
  ...base,
  role: z.literal('verifier'),
  account: z.string(),
  epochs: z.array(z.object({ epoch: z.number(), state: z.string() })),
})
export const anyStatus = z.discriminatedUnion('role', [nodeStatus, gatewayStatus, verifierStatus])
export type AnyStatus = z.output<typeof anyStatus>

/** Null when the daemon does not run or does not answer in time. */
export async function askStatus(folder: string): Promise<AnyStatus | null> {
  const daemon = await runningDaemon(folder)
  if (daemon === null) return null
  try {
    const response = await fetch(`${daemon.url}/status`, { signal: AbortSignal.timeout(ASK_MS) })
    const parsed = anyStatus.safeParse(await response.json())
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

/** Every daemon that belongs to a place, with what it says of itself. */
export function askAll(
  place: Place,
): Promise<readonly { readonly name: string; readonly folder: string; readonly status: AnyStatus | null }[]> {
  const folders = [
    ...place.nodes.map((folder, i) => ({ name: `node ${i + 1}`, folder })),
    ...place.verifierFolders.map((folder, i) => ({ name: i === 0 ? 'verifier' : `verifier ${i + 1}`, folder })),
    ...(place.gateway === null ? [] : [{ name: 'gateway', folder: place.gateway }]),
  ]
  return Promise.all(folders.map(async (one) => ({ ...one, status: await askStatus(one.folder) })))
}
