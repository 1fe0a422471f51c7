/** The chain and the nodes of a local network that is not running, for as long as a verb needs them. */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { chainFiles, startAnvil } from '../../runtime/real/chain/index.ts'
import { codeOf } from '../../runtime/real/errno.ts'
import { createClock, createLog } from '../../runtime/real/index.ts'
import { isAlive } from '../claim.ts'
import { type Child, startChild } from '../up/children.ts'
import type { Plan } from '../up/plan.ts'
import type { Progress } from './output.ts'

export interface Borrowed {
  stop(): Promise<void>
}

/** The process of `cairn up` in a folder; null when it does not run. */
export async function upProcess(folder: string): Promise<number | null> {
  const pid = Number(await readFile(join(folder, 'up.pid'), 'utf8').catch(() => '0'))
  return pid > 0 && isAlive(pid) ? pid : null
}

export interface ChainCopy {
  readonly url: string
  stop(): Promise<void>
}

/**
 * A chain like that of a local network that is not running, for as long as a verb only reads: of a copy of its files, so
 * that nothing is mined in the folder, and `cairn up` may start meanwhile. Null when `cairn up` runs. Stop it when done;
 * it is stopped with the process when that is interrupted.
 * @throws `CONFIG` when the folder has no chain, and as `startAnvil`.
 */
export async function borrowChain(folder: string, plan: Plan): Promise<ChainCopy | null> {
  if ((await upProcess(folder)) !== null) return null
  const scratch = await mkdtemp(join(tmpdir(), 'cairn-chain-'))
  const [from, to] = [chainFiles(join(folder, 'chain')), chainFiles(scratch)]
  try {
    // Blocks that the state has by now are skipped; those that neither file had would be missing.
    for (const file of ['blocks', 'state'] as const) await copyFile(from[file], to[file])
    const clock = createClock()
    const starting = startAnvil({ folder: scratch, clock, log: createLog(clock, 'error'), mnemonic: plan.mnemonic })
    const stop = async (): Promise<void> => {
      process.off('SIGINT', interrupted)
      process.off('SIGTERM', interrupted)
      await starting.then((chain) => chain.stop()).finally(() => rm(scratch, { recursive: true, force: true }))
    }
    // It is in a session of its own, where no Ctrl-C reaches it.
    const interrupted = (signal: NodeJS.Signals): void => {
      void stop().finally(() => process.kill(process.pid, signal))
    }
    process.once('SIGINT', interrupted)
    process.once('SIGTERM', interrupted)
    const chain = await starting
    await chain.leaveMining()
    return { url: chain.url, stop }
  } catch (error) {
    await rm(scratch, { recursive: true, force: true })
    if (codeOf(error) !== 'ENOENT') throw error
    const fix = 'run `cairn up` on it, or name another with --data'
    throw new CairnError('CONFIG', { what: folder, why: 'it has no chain', fix }, { cause: error })
  }
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
