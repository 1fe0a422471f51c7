import type { ChildProcess } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isCairnError } from '../../../protocol/errors.ts'
import { present } from '../../../std/assert.ts'
import type { Clock, Log } from '../../index.ts'
import { drawPorts } from '../ports.ts'
import { type BlockFile, openBlocks, readBlocks } from './anvil-blocks.ts'
import { createKeeper, type Keeper, replay } from './anvil-keeper.ts'
import { endLeftover, exitOf, launch, type ProcessOptions, terminate, within } from './anvil-process.ts'
import { chainFiles } from './anvil-state.ts'
import { createRpc } from './rpc.ts'

export interface AnvilOptions {
  /** Folder that holds the chain's state; one process at a time. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  /** Taken if given; otherwise one is drawn. It stays the same over restarts. */
  readonly port?: number
  readonly chainId?: number
  /** Seconds between blocks. */
  readonly blockSeconds?: number
  /** Of the genesis accounts, which hold `balanceEther` each. Only the first start of a folder uses them. */
  readonly mnemonic?: string
  readonly accounts?: number
  readonly balanceEther?: number
  /** Unix seconds at which its clock starts, for what must have happened in the past; the wall clock's unless given. */
  readonly startsAt?: number
  /** Begins with an empty chain, whatever the folder holds. */
  readonly anew?: boolean
}

export interface Anvil {
  readonly url: string
  readonly port: number
  readonly chainId: number
  /** Process id, or null between a crash and the restart. */
  pid(): number | null
  /** Ends a start in the past: from the next block on its time is the wall clock's, also after a restart. */
  toPresent(): Promise<void>
  /** Ends mining by the clock: whoever gives orders to anvil itself says when there is a block. Those are not kept. */
  leaveMining(): Promise<void>
  /** How often it was started again after it ended by itself. */
  restarts(): number
  /** Writes its state and ends it; kills it when it does not end within the deadline. */
  stop(): Promise<void>
}

/** Foundry's own development mnemonic: the accounts of a local chain are nobody's secret. */
export const DEV_MNEMONIC = 'test test test test test test test test test test test junk'
export const LOCAL_CHAIN_ID = 31_337

/** `up` must end within 10 s of Ctrl-C. What is not written by then is made again from its blocks. */
const SAVE_MS = 3_000
const RESTART_MS = 100
const RESTART_MS_MAX = 10_000

/**
 * Runs a local chain whose state lives in `folder`, and starts it again whenever it ends. Blocks come by the clock;
 * after a restart their timestamps go on from the wall clock. A kill costs at most the newest block (`anvil-keeper.ts`).
 * @throws `CHAIN_AWAY` when it does not answer in time or its port is taken, `CORRUPT` for an unreadable state, `CONFIG`
 * without a binary.
 */
export async function startAnvil(given: AnvilOptions): Promise<Anvil> {
  const { clock, log } = given
  const folder = resolve(given.folder)
  const files = chainFiles(folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await endLeftover(files, clock)
  if (given.anew === true) await Promise.all([files.state, files.blocks].map((file) => rm(file, { force: true })))
  const [port = 0, privatePort = 0] = given.port === undefined ? await draw(2) : [given.port, ...(await draw(1))]
  let options: ProcessOptions = {
    files,
    folder,
    clock,
    port,
    chainId: given.chainId ?? LOCAL_CHAIN_ID,
    mnemonic: given.mnemonic ?? DEV_MNEMONIC,
    accounts: given.accounts ?? 10,
    balanceEther: given.balanceEther ?? 10_000,
    startsAt: given.startsAt,
  }
  function draw(count: number): Promise<readonly number[]> {
    return drawPorts({ folder, count })
  }

  /** Brings the whole state up to the last block that was written, on a port where nobody's transactions come between. */
  async function restore(): Promise<void> {
    const made = await readBlocks(files.blocks)
    const [first] = made
    if (first === undefined) return
    // Blocks get their own times, none of which may be before its clock's start.
    const { child, rpc } = await launch({ ...options, port: privatePort, startsAt: first.timestamp })
    const blocks = await openBlocks(files.blocks)
    try {
      const differs = await replay(rpc, made)
      if (differs !== null) log.warn('blocks of the local chain are not what they were', { from: differs })
      await createKeeper({ rpc, blocks, state: files.state }).save()
    } finally {
      await blocks.close()
      await terminate(child, clock)
    }
  }

  interface Running {
    readonly child: ChildProcess
    readonly keeper: Keeper
    readonly blocks: BlockFile
  }
  async function start(): Promise<Running> {
    await restore()
    const { child, rpc } = await launch(options)
    const blocks = await openBlocks(files.blocks)
    const keeper = createKeeper({ rpc, blocks, state: files.state })
    try {
      await keeper.save()
      return { child, keeper, blocks }
    } catch (error) {
      await blocks.close()
      await terminate(child, clock)
      throw error
    }
  }

  let running: Running | null = await start()
  const stopped = new AbortController()
  const left = new AbortController()
  let restarts = 0

  async function supervise(): Promise<void> {
    let wait = RESTART_MS
    while (!stopped.signal.aborted) {
      const current = running
      if (current !== null) {
        await exitOf(current.child)
        if (stopped.signal.aborted) return
        log.warn('the local chain ended by itself; starting it again', { code: current.child.exitCode, signal: current.child.signalCode })
        running = null
        await current.blocks.close()
      }
      try {
        running = await start()
        restarts += 1
        wait = RESTART_MS
      } catch (error) {
        log.error('the local chain does not start', { error: String(error), retryMs: wait })
        await clock.sleep(wait, stopped.signal).catch(() => undefined)
        wait = Math.min(2 * wait, RESTART_MS_MAX)
      }
    }
  }

  async function mine(): Promise<void> {
    const signal = AbortSignal.any([stopped.signal, left.signal])
    const every = (given.blockSeconds ?? 1) * 1_000
    let due = clock.monotonic() + every
    while (!signal.aborted) {
      await clock.sleep(Math.max(0, due - clock.monotonic()), signal).catch(() => undefined)
      if (signal.aborted) return
      // What could not be mined in time is not made up for.
      due = Math.max(due + every, clock.monotonic())
      try {
        await running?.keeper.mine()
      } catch (error) {
        // Mostly because it was killed; otherwise nothing is mined until it works again.
        if (!isCairnError(error, 'CHAIN_AWAY')) log.error('a block of the local chain cannot be kept', { error: String(error) })
      }
    }
  }
  const supervising = supervise()
  const mining = mine()

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    chainId: options.chainId,
    pid: () => running?.child.pid ?? null,
    restarts: () => restarts,
    async toPresent() {
      options = { ...options, startsAt: undefined }
      const rpc = createRpc(`http://127.0.0.1:${port}`)
      await rpc.request('evm_setTime', [Math.floor(clock.now() / 1000)])
      await rpc.request('evm_mine', [])
    },
    async leaveMining() {
      left.abort()
      await mining
    },
    async stop() {
      stopped.abort()
      const last = running
      if (last !== null) {
        const saved = mining
          .then(() => last.keeper.save())
          .catch((error: unknown) => log.warn('the local chain ends unsaved', { error: String(error) }))
        await within(saved, SAVE_MS, clock)
        await terminate(last.child, clock)
        await saved
      }
      await Promise.all([mining, supervising])
      // A restart may have been under way when the stop came.
      if (running !== null) {
        await terminate(present(running, 'just checked').child, clock)
        await running.blocks.close()
      }
      await Promise.all([files.pid, files.scratch].map((path) => rm(path, { recursive: true, force: true })))
    },
  }
}
