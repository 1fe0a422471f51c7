/** A whole network of its own for one measurement: brought up in a temporary folder, taken down with everything in it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { benchFolder } from './folder.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** The first start deploys contracts and registers operators; a busy machine needs about a minute. */
const START_MS = 180_000
const STOP_MS = 20_000
/** Linux counts processor time in hundredths of a second for every program (USER_HZ, proc(5)). */
const TICK_MS = 10

const factsSchema = z.object({
  ready: z.literal(true),
  s3: z.object({ endpoint: z.string(), accessKey: z.string(), secretKey: z.string(), region: z.string() }),
  nodes: z.array(z.object({ pid: z.number().nullable() })),
  gateway: z.object({ pid: z.number().nullable() }),
})
export type NetworkFacts = z.output<typeof factsSchema>

export interface LocalNetwork {
  readonly facts: NetworkFacts
  /** Processor milliseconds that the gateway and all nodes have used, with their threads; null where /proc is missing. */
  cpu(): Promise<{ readonly gateway: number; readonly nodes: number } | null>
  stop(): Promise<void>
}

/** Brings a network up in a fresh folder (`benchFolder`). Rejects when it is not ready in time; nothing is left behind then. */
export async function startNetwork(nodes: number, data: string | null): Promise<LocalNetwork> {
  const folder = await benchFolder(data)
  const args = [MAIN, 'up', '--json', '--data', folder.path, '--epoch-seconds', '60', '--nodes', String(nodes)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    if (said.length > 20) said.shift()
  })
  const stop = async (): Promise<void> => {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
    await end(child)
    await folder.remove()
  }
  const interrupted = (): void => void stop().finally(() => process.exit(1))
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
  try {
    const facts = factsSchema.parse(JSON.parse(await firstLine(child)))
    return { facts, cpu: () => cpuOf(facts), stop }
  } catch (error) {
    await stop()
    throw new Error(`the network did not come up: ${said.join(' / ')}`, { cause: error })
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready after ${START_MS / 1000} s`)), START_MS)
    const settle = (act: () => void): void => {
      clearTimeout(late)
      act()
    }
    child.once('exit', (code) => settle(() => reject(new Error(`it ended with ${code}`))))
    if (child.stdout === null) return reject(new Error('its output is piped'))
    createInterface({ input: child.stdout }).once('line', (line) => settle(() => resolve(line)))
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    child.once('exit', () => {
      clearTimeout(hard)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** utime + stime of proc(5), fields 14 and 15; the command in parentheses may hold spaces. */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

async function cpuOf(facts: NetworkFacts): Promise<{ gateway: number; nodes: number } | null> {
  const pids = facts.nodes.flatMap((node) => (node.pid === null ? [] : [node.pid]))
  if (facts.gateway.pid === null) return null
  try {
    const [gateway, ...nodes] = await Promise.all([facts.gateway.pid, ...pids].map(cpuMs))
    return { gateway: gateway ?? 0, nodes: nodes.reduce((sum, ms) => sum + ms, 0) }
  } catch {
    // Not Linux, or a process is gone: the rates still stand.
    return null
  }
}
