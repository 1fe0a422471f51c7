/**
 * Everything that must hold before a change is taken, in one command and one order: `./cairn test`. With a pattern, only
 * the tests whose path contains it: `./cairn test disk`; `./cairn test edr` is the contracts on their second engine, `./cairn test
 * seeds` twenty seeds of the simulation. The exit code is 1 when anything failed.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const inCi = process.env.CI === 'true'
/** Longest a step may take before it counts as failed. The whole suite takes a few minutes on two cores. */
const STEP_MS_MAX = 20 * 60_000
/** Longest one test may take: the end-to-end tests start whole networks. */
const TEST_MS_MAX = 5 * 60_000
/** Test files that run at once: more than the cores of a small machine makes timings unsteady and nothing faster. */
const TEST_CONCURRENCY = 2
/** Tests that start chains, whole networks or clients of their own: two at a time, since they mostly wait for epochs to end. */
const WHOLE = [
  /^test\/(e2e|clients)\//,
  /^test\/chain-differential\.test\.ts$/,
  /^src\/sim\//,
  /\.e2e\.test\.ts$/,
  /^src\/runtime\/real\/chain\//,
]
const WHOLE_CONCURRENCY = 2
/** A whole network takes its time to start, to settle epochs and to stop. */
const WHOLE_MS_MAX = 10 * 60_000

/**
 * Twenty nodes over fifty epochs, under faults and cheaters. A seed takes most of a minute of one core, so it gets what the
 * other tests leave: all seeds on a large machine, on two cores as many as fit while those run, and never fewer than `least`.
 * `./cairn test seeds` runs all of them.
 */
const SIMULATED = { nodes: 20, epochs: 50, seeds: 20, least: 1 } as const

/** Programs that tests drive as a customer would, and the Debian package each comes in. */
const OUTSIDE_PROGRAMS = [
  { program: 'aws', packaged: 'awscli' },
  { program: 'rclone', packaged: 'rclone' },
  { program: 's3cmd', packaged: 's3cmd' },
  { program: 'restic', packaged: 'restic' },
] as const

interface Result {
  readonly name: string
  readonly ok: boolean
  readonly seconds: number
  /** What to say beside the name at the end. */
  readonly note?: string
}

interface Ran {
  readonly ok: boolean
  /** The lines in which Node's test runner counts. With failures they stand far above the end. */
  readonly counts: readonly string[]
}

/** What a step in the background prints is kept until it is over, so that two steps never mix. */
const kept = new AsyncLocalStorage<(Buffer | string)[]>()

function print(chunk: Buffer | string, background = kept.getStore()): void {
  if (background === undefined) process.stdout.write(chunk)
  else background.push(chunk)
}

/** Does `work` beside what follows; `shown` prints what it printed once it is done. */
function inBackground(work: () => Promise<void>): { readonly done: Promise<void>; shown(): Promise<void> } {
  const chunks: (Buffer | string)[] = []
  const done = kept.run(chunks, work)
  return {
    done,
    async shown() {
      await done
      for (const chunk of chunks) process.stdout.write(chunk)
    },
  }
}

/** Runs a program with its output shown as it comes. The Node that runs this comes first on its PATH. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, priority = 0): Promise<Ran> {
  const path = [dirname(process.execPath), process.env.PATH ?? '/usr/bin:/bin'].join(delimiter)
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: STEP_MS_MAX,
    killSignal: 'SIGKILL',
  })
  if (priority !== 0 && child.pid !== undefined) setPriority(child.pid, priority)
  const background = kept.getStore()
  const counts: string[] = []
  let partial = ''
  child.stdout.on('data', (chunk: Buffer) => {
    print(chunk, background)
    const lines = (partial + chunk.toString('utf8')).split('\n')
    partial = lines.pop() ?? ''
    counts.push(...lines.filter((line) => line.startsWith('ℹ ')))
  })
  child.stderr.on('data', (chunk: Buffer) => print(chunk, background))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`${program}: ${error.message}\n`)
      resolve({ ok: false, counts })
    })
    child.on('close', (code) => resolve({ ok: code === 0, counts }))
  })
}

/** Runs a JavaScript tool of node_modules with this Node, whatever `node` the PATH may have. */
const tool = (script: string, ...args: readonly string[]): Promise<Ran> => run(process.execPath, [join('node_modules', script), ...args])

const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

async function installOutsidePrograms(): Promise<{ ok: boolean; note: string }> {
  const missing = OUTSIDE_PROGRAMS.filter(({ program }) => !isInstalled(program))
  if (missing.length === 0) return { ok: true, note: 'all there' }
  const packages = missing.map(({ packaged }) => packaged)
  if (existsSync('/etc/debian_version') && process.getuid?.() === 0) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    const install = ['install', '--yes', '--no-install-recommends', ...packages]
    // The lists may be there already; fetching them first would cost everybody half a minute.
    const ok =
      (await run('apt-get', install, env)).ok || ((await run('apt-get', ['update'], env)).ok && (await run('apt-get', install, env)).ok)
    if (ok) return { ok, note: `installed ${packages.join(', ')}` }
  }
  const note = `SKIPPED: tests that drive ${packages.join(', ')}; install them to run these`
  process.stdout.write(`${note}\n`)
  return { ok: !inCi, note }
}

/** The native forge of this platform; its package's own wrapper would only look for the same file. */
function forge(): string {
  const scope = join(root, 'node_modules/@foundry-rs')
  const found = readdirSync(scope).find((name) => name.startsWith('forge-') && existsSync(join(scope, name, 'bin/forge')))
  return found === undefined ? 'forge' : join(scope, found, 'bin/forge')
}

async function testContracts(): Promise<{ ok: boolean; note: string }> {
  const program = forge()
  const notes: string[] = []
  // Gas that a test records with `vm.snapshotGas` is compared with what is committed instead of written.
  const recorded = existsSync(join(root, 'snapshots'))
  let { ok } = await run(program, ['test'], recorded ? { FORGE_SNAPSHOT_CHECK: 'true' } : {})
  if (recorded) notes.push('gas compared with snapshots/')
  if (existsSync(join(root, '.gas-snapshot'))) {
    ok = (await run(program, ['snapshot', '--check'])).ok && ok
    notes.push('gas compared with .gas-snapshot')
  }
  for (const script of ['scripts/build-contracts.ts', 'scripts/build-kernel.ts']) {
    if (existsSync(join(root, script))) ok = (await run(process.execPath, [script, '--check'])).ok && ok
  }
  return { ok, note: notes.join(', ') }
}

/** The same tests on another EVM, of what forge has just compiled. */
async function testContractsAgain(): Promise<{ ok: boolean; note: string }> {
  const { ok } = await run('sh', ['-c', 'node scripts/install-edr.ts && node scripts/test-edr.ts'])
  return { ok, note: 'gas compared with that of forge' }
}

/**
 * Run by name alone, so that everything else stays within a quarter of an hour on two cores: the clients over a store in
 * memory (they run over a whole network), and a quorum of verifiers as processes (the simulation runs one).
 */
const BY_NAME = [/^test\/clients\//, /^test\/e2e\/quorum\.test\.ts$/]

const testFiles = (pattern: string): string[] =>
  globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root })
    .filter((file) => file.includes(pattern) && (pattern !== '' || !BY_NAME.some((named) => named.test(file))))
    .sort()

/** Tests, suites, passed, failed, cancelled, skipped, to do, duration. A test may print such a line too: the last ones count. */
const COUNTS = 8
const summaries: (readonly string[])[] = []

const isWhole = (file: string): boolean => WHOLE.some((pattern) => pattern.test(file))

async function runFiles(files: readonly string[], concurrency: number, ms: number): Promise<{ ok: boolean; note: string }> {
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${ms}`]
  const { ok, counts } = await run(process.execPath, ['--test', '--test-reporter=spec', ...limits, ...files])
  summaries.push(counts.slice(-COUNTS))
  return { ok, note: `${files.length} files` }
}

/** The runner's counts of all runs, added up line by line. */
function summary(): readonly string[] {
  const totals = new Map<string, number>()
  for (const line of summaries.flat()) {
    const [, name, value] = /^ℹ (\w+) ([\d.]+)$/.exec(line) ?? []
    if (name !== undefined) totals.set(name, (totals.get(name) ?? 0) + Number(value))
  }
  return [...totals].map(([name, value]) => `ℹ ${name} ${value}`)
}

async function runTests(pattern: string): Promise<void> {
  const files = testFiles(pattern)
  const parts = files.filter((file) => !isWhole(file))
  const whole = files.filter(isWhole)
  const named = pattern === '' ? '' : ` with ${JSON.stringify(pattern)}`
  if (files.length === 0) {
    await step(`tests${named}`, () => Promise.resolve({ ok: false, note: 'no test file has that in its path' }))
    return
  }
  if (parts.length > 0) await step(`tests of parts${named}`, () => runFiles(parts, TEST_CONCURRENCY, TEST_MS_MAX))
  if (whole.length > 0) await step(`tests of whole networks${named}`, () => runFiles(whole, WHOLE_CONCURRENCY, WHOLE_MS_MAX))
}

/** Seeds one after the other until all are run, or `others` are over and enough are. */
async function simulateSeeds(others: AbortSignal): Promise<{ ok: boolean; note: string }> {
  const { nodes, epochs, seeds, least } = SIMULATED
  const lowest = constants.priority.PRIORITY_LOW
  let seed = 0
  let ok = true
  while (ok && seed < seeds && (seed < least || !others.aborted)) {
    seed += 1
    const args = ['sim', '--nodes', nodes, '--epochs', epochs, '--seeds', 1, '--first', seed].map(String)
    ok = (await run(process.execPath, ['src/cli/main.ts', ...args], {}, lowest)).ok
  }
  return { ok, note: `${nodes} nodes × ${epochs} epochs, ${seed} of ${seeds} seeds` }
}

async function findUnused(): Promise<{ ok: boolean; note: string }> {
  const { ok } = await tool('knip/bin/knip.js')
  return { ok, note: ok ? '' : 'unused code, see above' }
}

const results: Result[] = []

async function step(name: string, work: () => Promise<{ ok: boolean; note?: string }>): Promise<void> {
  print(`\n── ${name} ${'─'.repeat(Math.max(3, 76 - name.length))}\n`)
  const before = performance.now()
  const { ok, note } = await work().catch((error: unknown) => {
    // A step that cannot even run has failed; the others still tell what they know.
    print(`${error instanceof Error ? error.stack : error}\n`)
    return { ok: false, note: 'could not run' }
  })
  const seconds = (performance.now() - before) / 1000
  results.push({ name, ok, seconds, ...(note === undefined || note === '' ? {} : { note }) })
  print(`── ${ok ? 'ok' : 'FAILED'} after ${seconds.toFixed(1)} s\n`)
}

async function everything(): Promise<void> {
  await step('outside programs', installOutsidePrograms)
  await step('types (tsc)', () => tool('typescript/bin/tsc'))
  await step('format and lint (biome)', () => tool('@biomejs/biome/bin/biome', 'ci'))
  // Solidity compiles on one core for minutes, while the first of the tests leave one.
  const contracts = inBackground(async () => {
    await step('contracts (forge)', testContracts)
    await step('contracts (EDR)', testContractsAgain)
  })
  const others = new AbortController()
  const simulation = inBackground(async () => {
    await contracts.done
    await step('simulation', () => simulateSeeds(others.signal))
  })
  await runTests('')
  await contracts.shown()
  await step('unused code (knip)', findUnused)
  others.abort()
  await simulation.shown()
}

const pattern = process.argv[2]
if (pattern === undefined) await everything()
else if (pattern === 'edr') await step('contracts (EDR)', testContractsAgain)
else if (pattern === 'seeds') await step('simulation', () => simulateSeeds(new AbortController().signal))
else await runTests(pattern)

process.stdout.write('\n')
for (const { name, ok, seconds, note } of results) {
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}${note === undefined ? '' : `: ${note}`}\n`)
}
// The runner's own counts come last, where whoever reads the log looks first.
process.stdout.write(`\n${summary().join('\n')}\n`)
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
