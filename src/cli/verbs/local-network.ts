/** The chain and the nodes of a local network that is not running, for as long as a verb needs them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startAnvil } from '../../runtime/real/chain/index.ts'
import { createClock, createLog } from '../../runtime/real/index.ts'
import { type Child, startChild } from '../up/children.ts'
import type { Plan } from '../up/plan.ts'
import { isAlive } from './desk.ts'
import type { Progress } from './output.ts'

export interface Borrowed {
  stop(): Promise<void>
}

/** The process of `cairn up` in a folder; null when it does not run. */
export async function upProcess(folder: string): Promise<number | null> {
  const pid = Number(await readFile(join(folder, 'up.pid'), 'utf8').catch(() => '0'))
  return pid > 0 && isAlive(pid) ? pid : null
}

/** Starts what `cairn up` would, without verifier and gateway; null when `cairn up` runs. Stop it when done. */
export async function borrowNetwork(folder: string, plan: Plan, bar: Progress): Promise<Borrowed | null> {
  if ((await upProcess(folder)) !== null) return null
  bar.step('starting chain and nodes for the time of this command')
  const clock = createClock()
  const chain = await startAnvil({
    folder: join(folder, 'chain'),
    clock,
    log: createLog(clock, 'warn'),
    port: plan.ports.chain,
    mnemonic: plan.mnemonic,
    accounts: 20 + plan.nodes.length,
  })
  const children: Child[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop()))
    await chain.stop()
  }
  try {
    await Promise.all(
      plan.nodes.map(async (_, i) => {
        const path = join(folder, 'nodes', String(i + 1))
        const options = {
          name: `node ${i + 1}`,
          role: 'node',
          folder: path,
          respawn: false,
          log: (line: string) => bar.step(line),
        } as const
        // A node that does not start is one that does not answer.
        const child = await startChild(options).catch(() => null)
        if (child !== null) children.push(child)
      }),
    )
    return { stop }
  } catch (error) {
    await stop()
    throw error
  }
}
