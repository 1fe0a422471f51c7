import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { CairnError } from '../../../protocol/errors.ts'
import { present } from '../../../std/assert.ts'
import type { Clock, Log } from '../../index.ts'
import { copyState, prepareState, type StateFiles, stateFiles } from './anvil-state.ts'
import { createRpc } from './rpc.ts'

export interface AnvilOptions {
  /** Folder that holds the chain's state; one process at a time. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  /** Taken if given; otherwise a free one. It stays the same over restarts. */
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
  /** How often it was started again after it ended by itself. */
  restarts(): number
  /** Asks it to end and write its state; kills it when it does not within the deadline. */
  stop(): Promise<void>
}

/** Foundry's own development mnemonic: the accounts of a local chain are nobody's secret. */
export const DEV_MNEMONIC = 'test test test test test test test test test test test junk'
export const LOCAL_CHAIN_ID = 31_337

const READY_MS = 15_000
const READY_POLL_MS = 25
/** `up` must end within 10 s of Ctrl-C; anvil was measured to write its state and end in 61 ms. */
const STOP_MS = 5_000
/** Copies of the state file are this far apart, so that a torn file costs at most as many blocks: far fewer than the 64
 *  for which every transaction is kept to be sent again. */
const COPY_MS = 5_000
/** Copying never takes more than a tenth of the time, however large the file has grown. */
const COPY_SHARE = 10
const RESTART_MS_MAX = 10_000
/** A port that was free can be taken before anvil binds it. */
const PORT_ATTEMPTS = 3
/** EIP-7825 bounds one transaction to 2^24 gas; a block holds a burst of them. */
const BLOCK_GAS_LIMIT = 1_000_000_000
const ERROR_TEXT_MAX = 2_000

/** Where the binary for this machine lies. Its npm wrapper would only add a process. */
function binaryPath(): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${arch}`
  const require = createRequire(import.meta.url)
  try {
    // The platform packages are dependencies of the wrapper, so they are resolved from there.
    const wrapper = require.resolve('@foundry-rs/anvil/package.json')
    return createRequire(wrapper).resolve(`${name}/bin/anvil`)
  } catch (cause) {
    const fix = 'run npm ci with optional dependencies, or give the URL of another chain'
    throw new CairnError('CONFIG', { what: 'the local chain', why: `${name} is not installed`, fix }, { cause })
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer()
    server.once('error', failed)
    server.listen(0, '127.0.0.1', () => {
      const at = server.address()
      server.close(() => (typeof at === 'object' && at !== null ? done(at.port) : failed(new Error('no port'))))
    })
  })
}

function argumentsOf(options: AnvilOptions, port: number, files: StateFiles): string[] {
  const pairs: Record<string, string | number> = {
    ...(options.startsAt === undefined ? {} : { timestamp: options.startsAt }),
    host: '127.0.0.1',
    port,
    'chain-id': options.chainId ?? LOCAL_CHAIN_ID,
    // Never plain automine: it was measured to leave transactions of concurrent senders unmined.
    'block-time': options.blockSeconds ?? 1,
    order: 'fifo',
    state: files.live,
    'state-interval': 1,
    hardfork: 'osaka',
    'gas-limit': BLOCK_GAS_LIMIT,
    mnemonic: options.mnemonic ?? DEV_MNEMONIC,
    accounts: options.accounts ?? 10,
    balance: options.balanceEther ?? 10_000,
  }
  return ['--silent', ...Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, String(value)])]
}

async function chainIdAt(url: string): Promise<number | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
      signal: AbortSignal.timeout(1_000),
    })
    const answer: unknown = await response.json()
    if (typeof answer !== 'object' || answer === null || !('result' in answer) || typeof answer.result !== 'string') return null
    return Number(answer.result)
  } catch {
    return null
  }
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const exitOf = (child: ChildProcess): Promise<void> =>
  ended(child) ? Promise.resolve() : new Promise((done) => child.once('exit', () => done()))

async function terminate(child: ChildProcess, clock: Clock): Promise<void> {
  if (ended(child)) return
  child.kill('SIGTERM')
  await Promise.race([exitOf(child), clock.sleep(STOP_MS)])
  if (ended(child)) return
  child.kill('SIGKILL')
  await exitOf(child)
}

/**
 * Ends the anvil that a killed daemon left behind on this folder: two writers of one state file would ruin it. It is
 * recognised by its id in `anvil.pid` and by our state file among its arguments, so that a reused id is never hit.
 */
async function endLeftover(pidFile: string, files: StateFiles, clock: Clock): Promise<void> {
  const text = await readFile(pidFile, 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  if (!Number.isInteger(pid) || pid <= 1) return
  const ours = async (): Promise<boolean> =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(files.live)
  const deadline = clock.monotonic() + STOP_MS
  if (await ours()) process.kill(pid, 'SIGTERM')
  while (await ours()) {
    if (clock.monotonic() > deadline) process.kill(pid, 'SIGKILL')
    await clock.sleep(READY_POLL_MS)
  }
  await rm(pidFile, { force: true })
}

/** Starts one process and waits until it answers; null when it ended first (a taken port, mostly). */
async function launch(options: AnvilOptions, port: number, files: StateFiles): Promise<{ child: ChildProcess; errors: () => string }> {
  const child = spawn(binaryPath(), argumentsOf(options, port, files), {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.folder,
    // A session of its own: Ctrl-C in a terminal reaches us alone, and we end it in order.
    detached: true,
  })
  let errors = ''
  const note = (chunk: Buffer): void => {
    errors = (errors + chunk.toString('utf8')).slice(-ERROR_TEXT_MAX)
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  child.once('error', (error) => note(Buffer.from(String(error))))
  const url = `http://127.0.0.1:${port}`
  const deadline = options.clock.monotonic() + READY_MS
  while (options.clock.monotonic() < deadline && !ended(child)) {
    // The child is asked after the answer: another process may be the one that answers on this port.
    if ((await chainIdAt(url)) === (options.chainId ?? LOCAL_CHAIN_ID) && !ended(child)) return { child, errors: () => errors }
    await options.clock.sleep(READY_POLL_MS)
  }
  await terminate(child, options.clock)
  throw new CairnError('CHAIN_AWAY', { rpc: url, why: `anvil did not start: ${errors.trim() || `exit code ${child.exitCode}`}` })
}

/**
 * Runs a local chain whose state lives in `folder`, and starts it again whenever it ends. Blocks come by the clock;
 * after a restart their timestamps go on from the wall clock. A kill can cost the newest blocks.
 * @throws `CHAIN_AWAY` when it does not answer in time, `CORRUPT` for an unreadable state, `CONFIG` without a binary.
 */
export async function startAnvil(given: AnvilOptions): Promise<Anvil> {
  let options: AnvilOptions = { ...given, folder: resolve(given.folder) }
  const { clock, log } = options
  const files = stateFiles(options.folder)
  const pidFile = join(options.folder, 'anvil.pid')
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  await endLeftover(pidFile, files, clock)
  if (options.anew === true) await Promise.all([files.live, files.copy].map((file) => rm(file, { force: true })))

  const start = async (port: number): Promise<{ child: ChildProcess; errors: () => string }> => {
    const from = await prepareState(files)
    if (from === 'copy') log.warn('the state of the local chain was torn; its newest blocks are lost', { file: files.live })
    const started = await launch(options, port, files)
    await writeFile(pidFile, String(started.child.pid), { mode: 0o600 })
    return started
  }

  let port = options.port ?? (await freePort())
  let running: { child: ChildProcess; errors: () => string } | null = null
  for (let attempt = 1; running === null; attempt += 1) {
    try {
      running = await start(port)
    } catch (error) {
      if (options.port !== undefined || attempt >= PORT_ATTEMPTS || !(error instanceof CairnError && error.code === 'CHAIN_AWAY'))
        throw error
      port = await freePort()
    }
  }

  const stopped = new AbortController()
  let restarts = 0
  const copying = keepCopies(files, clock, log, stopped.signal)

  const supervise = async (): Promise<void> => {
    let wait = 100
    while (!stopped.signal.aborted) {
      const current = running
      if (current !== null) {
        await exitOf(current.child)
        if (stopped.signal.aborted) return
        log.warn('the local chain ended by itself; starting it again', { code: current.child.exitCode, signal: current.child.signalCode })
        running = null
      }
      try {
        running = await start(port)
        restarts += 1
        wait = 100
      } catch (error) {
        log.error('the local chain does not start', { error: String(error), retryMs: wait })
        await clock.sleep(wait, stopped.signal).catch(() => undefined)
        wait = Math.min(2 * wait, RESTART_MS_MAX)
      }
    }
  }
  const supervising = supervise()

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    chainId: options.chainId ?? LOCAL_CHAIN_ID,
    pid: () => running?.child.pid ?? null,
    restarts: () => restarts,
    async toPresent() {
      const { startsAt: _, ...rest } = options
      options = rest
      const rpc = createRpc(`http://127.0.0.1:${port}`)
      await rpc.request('evm_setTime', [Math.floor(clock.now() / 1000)])
      await rpc.request('evm_mine', [])
    },
    async stop() {
      stopped.abort()
      if (running !== null) await terminate(running.child, clock)
      await supervising
      // A restart may have been under way when the stop came.
      if (running !== null) await terminate(present(running, 'just checked').child, clock)
      await copying
      await rm(pidFile, { force: true })
    },
  }
}

async function keepCopies(files: StateFiles, clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  let wait = COPY_MS
  while (!signal.aborted) {
    await clock.sleep(wait, signal).catch(() => undefined)
    if (signal.aborted) return
    const began = clock.monotonic()
    try {
      // Not whole means that anvil is just writing it: the next moment will do.
      wait = (await copyState(files)) ? COPY_MS : 100
    } catch (error) {
      log.error('the state of the local chain cannot be copied', { error: String(error) })
      wait = COPY_MS
    }
    wait = Math.max(wait, COPY_SHARE * (clock.monotonic() - began))
  }
}
