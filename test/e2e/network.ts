/**
 * A whole network of real processes in a folder of its own, as `cairn up` starts it. Parties are killed by process id,
 * found by the data folder among their arguments; whatever is left is ended by `close`, which also runs when a test fails.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Account, DeviceId, Hex } from '../../src/protocol/ids.ts'
import { chainFiles } from '../../src/runtime/real/chain/index.ts'
import type { S3Endpoint } from '../clients/suite.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** A start takes some 15 s of two cores; the machine may have much else to do. */
const READY_MS = 240_000
/** `up` promises 10 s; a loaded machine gets longer before it is killed. */
const STOP_MS = 30_000
const POLL_MS = 200

/** Verifiers beside the first are counted from 2. */
export type Party = 'gateway' | 'verifier' | `verifier ${number}` | 'chain' | `node ${number}`

interface Facts {
  readonly s3: { readonly endpoint: string; readonly accessKey: string; readonly secretKey: string; readonly region: string }
  readonly chain: { readonly rpc: string }
  readonly nodes: readonly { readonly id: DeviceId; readonly operator: Account }[]
  readonly verifiers: readonly { readonly account: Account }[]
}

export interface TestNetwork {
  readonly folder: string
  readonly s3: S3Endpoint
  readonly rpc: Hex | string
  readonly nodes: Facts['nodes']
  readonly verifiers: Facts['verifiers']
  /** Process id of a party now; null while it is not running. */
  pid(party: Party): number | null
  /** `kill -9`. Resolves when the process is gone; false when it was not running. */
  kill(...parties: readonly Party[]): Promise<boolean>
  /** SIGSTOP: it is there and says nothing; and SIGCONT. */
  pause(party: Party): void
  resumePaused(party: Party): void
  /** Starts a node that was killed, as `cairn run node` in its folder. */
  startNode(index: number): Promise<void>
  /** `kill -9` of a party that is not started again until `unpark`, since its configuration is put aside. */
  park(party: Party): Promise<void>
  unpark(party: Party): Promise<void>
  /** Runs another daemon on a copy of a parked party's folder and says where that is. */
  impersonate(party: Party, program: string, env: Readonly<Record<string, string>>): Promise<string>
  /** The gateway is killed and what it needs to start again is deleted; its books stay to be read. */
  loseGateway(): Promise<void>
  /** `kill -9` of every process at once, the one that supervises them included. */
  killAll(): Promise<void>
  /** Ctrl-C; the code that `up` ended with. */
  stop(): Promise<number | null>
  /** `up` again on the same folder. */
  resume(): Promise<void>
  /** Ends everything and deletes the folder. */
  close(): Promise<void>
  /** Lines of a party's log whose level is one of `levels`. */
  log(party: Party, ...levels: readonly string[]): readonly Record<string, unknown>[]
}

export interface NetworkOptions {
  readonly nodes?: number
  readonly epochSeconds?: number
  /** Four and more sign roots by quorum. */
  readonly verifiers?: number
}

export async function startNetwork(options: NetworkOptions = {}): Promise<TestNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-e2e-'))
  const { nodes = 8, epochSeconds = 60, verifiers = 1 } = options
  const loose: ChildProcess[] = []
  let up: ChildProcess | null = null
  let facts: Facts | null = null

  const launch = async (): Promise<void> => {
    const errors = join(folder, 'up.log')
    const sizes = ['--nodes', String(nodes), '--epoch-seconds', String(epochSeconds), '--verifiers', String(verifiers)]
    const args = [MAIN, 'up', '--json', '--data', folder, ...sizes]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', openSync(errors, 'a')] })
    up = child
    endWithUs(child)
    const line = await firstLine(child, READY_MS).catch(async (error: unknown) => {
      const said = readFileSync(errors, 'utf8').slice(-2000)
      const named = /see (\S+log\.jsonl)/.exec(said)?.[1]
      throw new Error(`${String(error)}\n${said}\n${named === undefined ? '' : (await textOf(named)).slice(-2000)}`)
    })
    facts = JSON.parse(line) as Facts
  }
  const marks = (party: Party): readonly string[] => {
    if (party === 'chain') return [chainFiles(join(folder, 'chain')).scratch]
    const [kind = '', number] = party.split(' ')
    return ['run', number === undefined ? join(folder, kind) : join(folder, `${kind}s`, number)]
  }
  const configOf = (party: Party): string => join(marks(party)[1] ?? folder, 'config.json')
  const pid = (party: Party): number | null => {
    const wanted = marks(party)
    const found = processes().find(({ args }) => wanted.every((mark) => args.includes(mark)))
    return found?.pid ?? null
  }
  const killAll = async (): Promise<void> => {
    // Twice: a supervisor that is killed second may have started something in between.
    for (let round = 0; round < 2; round += 1) {
      const mine = processes().filter(({ args }) => args.some((arg) => arg === folder || arg.startsWith(`${folder}/`)))
      for (const one of mine) signal(one.pid, 'SIGKILL')
      await Promise.all(mine.map((one) => gone(one.pid)))
    }
    up = null
  }
  const network: TestNetwork = {
    folder,
    get s3() {
      const { endpoint, ...rest } = present(facts).s3
      return { url: endpoint, ...rest }
    },
    get rpc() {
      return present(facts).chain.rpc
    },
    get nodes() {
      return present(facts).nodes
    },
    get verifiers() {
      return present(facts).verifiers
    },
    pid,
    async kill(...parties) {
      const pids = parties.map(pid).filter((one) => one !== null)
      for (const one of pids) signal(one, 'SIGKILL')
      await Promise.all(pids.map(gone))
      return pids.length === parties.length
    },
    pause: (party) => void signal(present(pid(party)), 'SIGSTOP'),
    resumePaused: (party) => void signal(present(pid(party)), 'SIGCONT'),
    async startNode(index) {
      const data = join(folder, 'nodes', String(index))
      const child = spawn(process.execPath, [MAIN, 'run', 'node', '--data', data], {
        stdio: ['ignore', 'pipe', openSync(join(data, 'log.jsonl'), 'a')],
      })
      loose.push(child)
      endWithUs(child)
      await firstLine(child, READY_MS)
      child.stdout?.resume()
    },
    async park(party) {
      await rename(configOf(party), `${configOf(party)}.parked`)
      await network.kill(party)
    },
    unpark: (party) => rename(`${configOf(party)}.parked`, configOf(party)),
    async impersonate(party, program, env) {
      const data = join(folder, `as ${party}`)
      await cp(dirname(configOf(party)), data, { recursive: true })
      await rename(join(data, 'config.json.parked'), join(data, 'config.json'))
      const child = spawn(process.execPath, [program, '--data', data], {
        stdio: ['ignore', 'pipe', openSync(join(data, 'log.jsonl'), 'a')],
        env: { ...process.env, ...env },
      })
      loose.push(child)
      endWithUs(child)
      await firstLine(child, READY_MS)
      child.stdout?.resume()
      return data
    },
    async loseGateway() {
      await rm(join(folder, 'gateway', 'config.json'), { force: true })
      await network.kill('gateway')
    },
    killAll,
    async stop() {
      for (const child of loose.splice(0)) await end(child)
      const code = up === null ? null : await end(up)
      up = null
      return code
    },
    resume: launch,
    async close() {
      await network.stop()
      await killAll()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
    log(party, ...levels) {
      const data = marks(party)[1]
      const path = join(data ?? folder, 'log.jsonl')
      if (!existsSync(path)) return []
      const lines = readFileSync(path, 'utf8').split('\n')
      const parsed = lines.flatMap((line): Record<string, unknown>[] => {
        try {
          return [JSON.parse(line) as Record<string, unknown>]
        } catch {
          // What a killed process wrote last, or what Node itself said.
          return line === '' ? [] : [{ level: 'raw', message: line }]
        }
      })
      return parsed.filter((line) => levels.length === 0 || levels.includes(String(line['level'])))
    },
  }
  try {
    await launch()
    return network
  } catch (error) {
    await network.close()
    throw error
  }
}

/** A test run that is cut off leaves no network behind. */
function endWithUs(child: ChildProcess): void {
  const end = (): void => void child.kill('SIGTERM')
  process.once('exit', end)
  child.once('exit', () => process.removeListener('exit', end))
}
// Told to end, the runner's child would end without its `exit` handlers.
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => process.exit(1))

function present<T>(value: T | null): T {
  assert(value !== null, 'the network is up')
  return value
}

/** Every process of this machine with its arguments; a kernel without /proc is asked through `ps`. */
function processes(): { pid: number; args: readonly string[] }[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').flatMap((line) => {
    const [id, stat, ...args] = line.trim().split(/\s+/)
    return id === undefined || stat === undefined || stat.startsWith('Z') ? [] : [{ pid: Number(id), args }]
  })
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

const gone = (pid: number): Promise<boolean> =>
  until('a killed process is gone', () => !processes().some((one) => one.pid === pid), STOP_MS)

function firstLine(child: ChildProcess, ms: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const late = setTimeoutOf(ms, () => {
      child.kill('SIGKILL')
      reject(new Error(`not ready within ${ms} ms`))
    })
    child.once('exit', (code, by) => {
      clearTimeout(late)
      reject(new Error(`ended with ${by ?? code} before it was ready`))
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      const at = text.indexOf('\n')
      if (at < 0) return
      clearTimeout(late)
      resolve(text.slice(0, at))
    })
  })
}

const setTimeoutOf = (ms: number, work: () => void): NodeJS.Timeout => setTimeout(work, ms)

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  child.kill('SIGTERM')
  const hard = setTimeoutOf(STOP_MS, () => child.kill('SIGKILL'))
  const code = await exit
  clearTimeout(hard)
  return code
}

/** Polls until `look` gives something truthy; fails with what was waited for, and with the last error. */
export async function until<T>(what: string, look: () => T | Promise<T>, ms: number): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms
  let last: unknown = null
  for (;;) {
    try {
      const found = await look()
      if (found) return found
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms${last === null ? '' : `; last: ${String(last)}`}`)
    await sleep(POLL_MS)
  }
}

/** A file of a network's folder as text, '' when there is none. */
export const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
