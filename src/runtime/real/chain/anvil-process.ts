/** One anvil process: started on files of a folder, ended, and found again when it was left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { CairnError } from '../../../protocol/errors.ts'
import type { Clock } from '../../index.ts'
import { type ChainFiles, prepareState } from './anvil-state.ts'
import { createRpc, type Rpc } from './rpc.ts'

export interface ProcessOptions {
  readonly files: ChainFiles
  readonly folder: string
  readonly clock: Clock
  readonly port: number
  readonly chainId: number
  readonly mnemonic: string
  readonly accounts: number
  readonly balanceEther: number
  /** Unix seconds at which its clock starts; the wall clock's unless given. */
  readonly startsAt: number | undefined
}

export interface AnvilProcess {
  readonly child: ChildProcess
  /** For its supervisor, which waits for whole states. */
  readonly rpc: Rpc
}

const READY_MS = 15_000
const READY_POLL_MS = 25
const STOP_MS = 5_000
/** A block of a billion gas, or a whole state of weeks, takes its time. */
const ORDER_MS = 60_000
/** Of a whole state: what one string can hold. It comes packed, as hexadecimal. */
const ANSWER_BYTES_MAX = 500_000_000
/** EIP-7825 bounds one transaction to 2^24 gas; a block holds a burst of them. */
const BLOCK_GAS_LIMIT = 1_000_000_000
/** Blocks whose state is kept to be asked for: beyond 64 nothing asks. Without a number it fills the disk with them. */
const STATES_KEPT = 256
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

function argumentsOf(options: ProcessOptions, loads: boolean): string[] {
  const pairs: Record<string, string | number> = {
    ...(options.startsAt === undefined ? {} : { timestamp: options.startsAt }),
    ...(loads ? { 'load-state': options.files.state } : {}),
    host: '127.0.0.1',
    port: options.port,
    'chain-id': options.chainId,
    order: 'fifo',
    'cache-path': options.files.scratch,
    'prune-history': STATES_KEPT,
    hardfork: 'osaka',
    'gas-limit': BLOCK_GAS_LIMIT,
    mnemonic: options.mnemonic,
    accounts: options.accounts,
    balance: options.balanceEther,
  }
  // Never automine: it was measured to leave transactions of concurrent senders unmined.
  return ['--silent', '--no-mining', ...Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, String(value)])]
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

export const exitOf = (child: ChildProcess): Promise<void> =>
  ended(child) ? Promise.resolve() : new Promise((done) => child.once('exit', () => done()))

/** Waits for `work`, `ms` at most. No timer is left behind, which would hold up the process that ends with this. */
export async function within(work: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController()
  await Promise.race([work, clock.sleep(ms, done.signal).catch(() => undefined)]).finally(() => done.abort())
}

export async function terminate(child: ChildProcess, clock: Clock): Promise<void> {
  if (ended(child)) return
  child.kill('SIGTERM')
  await within(exitOf(child), STOP_MS, clock)
  if (ended(child)) return
  child.kill('SIGKILL')
  await exitOf(child)
}

/**
 * Ends the anvil that a killed daemon left behind on this folder. It is recognised by its id in `anvil.pid` and by our
 * scratch folder among its arguments, so that a reused id is never hit.
 */
export async function endLeftover(files: ChainFiles, clock: Clock): Promise<void> {
  const text = await readFile(files.pid, 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  if (!Number.isInteger(pid) || pid <= 1) return
  const ours = async (): Promise<boolean> =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(files.scratch)
  const deadline = clock.monotonic() + STOP_MS
  if (await ours()) process.kill(pid, 'SIGTERM')
  while (await ours()) {
    if (clock.monotonic() > deadline) process.kill(pid, 'SIGKILL')
    await clock.sleep(READY_POLL_MS)
  }
  await rm(files.pid, { force: true })
}

/**
 * Starts anvil on the whole state of its folder, or on a new chain without one, and resolves when it answers.
 * @throws `CHAIN_AWAY` when it ends first or does not answer in time, `CORRUPT` for an unreadable state, `CONFIG`
 * without a binary.
 */
export async function launch(options: ProcessOptions): Promise<AnvilProcess> {
  const { clock, files, port } = options
  await rm(files.scratch, { recursive: true, force: true })
  const child = spawn(binaryPath(), argumentsOf(options, await prepareState(files.state)), {
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
  const look = createRpc(url, READY_MS)
  const deadline = clock.monotonic() + READY_MS
  try {
    await writeFile(files.pid, String(child.pid ?? ''), { mode: 0o600 })
    while (clock.monotonic() < deadline && !ended(child)) {
      const id = await look.chainId().catch(() => null)
      // The child is asked after the answer: another process may be the one that answers on this port.
      if (id === options.chainId && !ended(child)) return { child, rpc: createRpc(url, ORDER_MS, ANSWER_BYTES_MAX) }
      await clock.sleep(READY_POLL_MS)
    }
  } catch (error) {
    await terminate(child, clock)
    throw error
  }
  await terminate(child, clock)
  throw new CairnError('CHAIN_AWAY', { rpc: url, why: `anvil did not start: ${errors.trim() || `exit code ${child.exitCode}`}` })
}
