/** The processes of a local network: started, watched, and ended in order. */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CairnError } from '../../protocol/errors.ts'

export interface Child {
  readonly name: string
  pid(): number | null
  /** What its last ready message said. */
  facts(): Readonly<Record<string, unknown>>
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly name: string
  /** `cairn run ROLE`. */
  readonly role: 'node' | 'gateway' | 'verifier'
  readonly folder: string
  /** Started again when it ends by itself. Nodes are not: a local network is there to try their loss on. */
  readonly respawn: boolean
  readonly log: (line: string) => void
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
/** A start takes a second or two; a machine that is busy with other things takes many times that. */
const READY_MS = 180_000
const RESPAWN_MS = 250
const RESPAWN_MS_MAX = 5_000
/** `up` promises to end within 10 s. */
const STOP_MS = 7_000

/**
 * How large V8 may make a daemon's young generation, in MiB; `cairn` gives it to every process. Each read of a socket makes
 * a buffer outside of the heap, and V8 collects the whole heap whenever 64 MiB of those were made since it last did. With
 * 4 MiB it collects young ones so often that this hardly happens. With its own choice of up to 16 MiB a quarter of a GET's
 * processor time and a fifth of a PUT's were whole collections, and a node kept 20 MiB more.
 */
const V8_FLAGS = ['--max-semi-space-size=4']

/** Starts a daemon and resolves when it says that it serves. */
export async function startChild(options: ChildOptions): Promise<Child> {
  let process_: ChildProcess | null = null
  let facts: Readonly<Record<string, unknown>> = {}
  let stopping = false
  let wait = RESPAWN_MS

  const launch = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // Recovery moves a gateway's folder into place while its supervisor waits for it.
      mkdirSync(options.folder, { recursive: true })
      const out = openSync(join(options.folder, 'log.jsonl'), 'a')
      const child = fork(MAIN, ['run', options.role, '--data', options.folder], { stdio: ['ignore', out, out, 'ipc'], execArgv: V8_FLAGS })
      closeSync(out)
      process_ = child
      const late = setTimeout(() => {
        child.kill('SIGKILL')
        reject(new CairnError('DEADLINE', { what: `${options.name}: starting (see ${join(options.folder, 'log.jsonl')})`, ms: READY_MS }))
      }, READY_MS)
      child.once('message', (message) => {
        clearTimeout(late)
        facts = message as Readonly<Record<string, unknown>>
        wait = RESPAWN_MS
        resolve()
      })
      child.once('exit', (code, signal) => {
        clearTimeout(late)
        if (process_ === child) process_ = null
        const why = `it ended with ${signal ?? `code ${code}`}; see ${join(options.folder, 'log.jsonl')}`
        reject(new CairnError('CONFIG', { what: options.name, why, fix: 'look there for what went wrong' }))
        if (!stopping && options.respawn) again(why)
        else if (!stopping) options.log(`${options.name} is gone: ${why}`)
      })
    })

  const again = (why: string): void => {
    options.log(`${options.name} starts again: ${why}`)
    setTimeout(() => {
      if (!stopping) launch().catch(() => undefined)
    }, wait)
    wait = Math.min(2 * wait, RESPAWN_MS_MAX)
  }

  await launch()
  return {
    name: options.name,
    pid: () => process_?.pid ?? null,
    facts: () => facts,
    async stop() {
      stopping = true
      const child = process_
      if (child === null || child.exitCode !== null) return
      await new Promise<void>((resolve) => {
        const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        child.once('exit', () => {
          clearTimeout(hard)
          resolve()
        })
        child.kill('SIGTERM')
      })
    },
  }
}
