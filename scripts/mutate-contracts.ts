/**
 * Asks whether the contracts' tests would notice a mistake: each check is dropped and each comparison bent, one at a
 * time, and some test must fail. `node scripts/mutate-contracts.ts` tries all; `--slice 12` twelve spread over all of
 * them; words (`Escrow Market`) only the files whose path contains one of them; `--jobs 4` four at a time. The exit code
 * is 1 when a mutant survives.
 *
 * All mutants are compiled at once: `a < b` becomes `Mutants.on(7) ? a <= b : a < b`, and `Mutants.on` looks at the
 * block's coinbase, which forge sets per run. A compilation per mutant would take hours instead of minutes.
 *
 * What was found is kept under cache/mutants, so that an interrupted run goes on and a survivor alone is tried again after
 * a test was added; a contract that changes is tried anew. `--fresh` forgets it; `--table` prints it and tries nothing.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { coinbaseOf, instrument, type Mutant, work } from './contract-mutants.ts'
import { EQUIVALENT } from './mutants-equivalent.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Tests of nothing but gas. */
const NOT_GAS = '[gG]as|R5'
/** A survivor of its own tests gets all tests; an endless loop counts as noticed. */
const RUN_MS_MAX = 240_000
/** The first run compiles everything, in WebAssembly, on a machine that may be busy. */
const COMPILE_MS_MAX = 1_800_000

/** Where tests of parts are that have no file of their own. */
const FOLDER_TESTS: readonly (readonly [string, string])[] = [
  ['/escrow/', 'Escrow*'],
  ['/Escrow.sol', 'Escrow*'],
  ['/staking/', 'Staking*'],
  ['/Staking.sol', 'Staking*'],
  ['/disputes/', 'Dispute*'],
  ['/oracle/', '{Oracles,Credits}'],
  ['/governance/', 'Governance*'],
  ['/accounts/', 'Passkeys'],
  ['/emissions/', 'Emissions'],
]
const HOMES: Readonly<Record<string, string>> = {
  DeviceKeys: 'DeviceRegistry',
  MerklePath: 'RewardsDistributor',
  MintLimit: 'Credits',
  Pause: '{Credits,Market,StakingPools}',
  Pointers: 'Delegations',
  Schedule: 'Emissions',
  RootPublisher: 'RewardsDistributor',
  StorageTree: 'StorageProofs',
  Shares: 'StakingPools',
  ThawWeeks: 'Staking*',
}

interface Result {
  readonly key: string
  readonly survived: boolean
  readonly seconds: number
}

/** Few runs, because every mutant meets them; one seed, so that a survivor survives the next time too. */
const ENVIRONMENT = { FOUNDRY_FUZZ_RUNS: '32', FOUNDRY_INVARIANT_RUNS: '4', FOUNDRY_FUZZ_SEED: '0x1' }

interface Run {
  readonly ok: boolean
  readonly output: string
}

function forge(id: number, args: readonly string[], timeout = RUN_MS_MAX): Promise<Run> {
  const all = [
    'test',
    '--code-size-limit',
    '1000000',
    '--fail-fast',
    '--no-match-test',
    NOT_GAS,
    '--block-coinbase',
    coinbaseOf(id),
    ...args,
  ]
  const path = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`
  const child = spawn(join(root, 'scripts/forge'), all, {
    cwd: work,
    env: { ...process.env, ...ENVIRONMENT, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ ok: code === 0, output: Buffer.concat(chunks).toString() }))
  })
}

/** The tests nearest to a file, with those of its bounds: most mutants die there in a second. */
function nearest(file: string): string {
  const folder = FOLDER_TESTS.find(([part]) => file.includes(part))
  const name = file.slice(file.lastIndexOf('/') + 1, -'.sol'.length)
  const own = existsSync(join(root, `contracts/test/${name}.t.sol`))
  const tests = folder?.[1] ?? (own ? name : (HOMES[name] ?? 'Deployment'))
  return `contracts/test/{${tests}.t.sol,bounds/${tests}Bounds.t.sol}`
}

async function survives(mutant: Mutant): Promise<boolean> {
  if (!(await forge(mutant.id, ['--match-path', nearest(mutant.file)])).ok) return false
  return (await forge(mutant.id, [])).ok
}

const isKnown = (known: (typeof EQUIVALENT)[number], mutant: Mutant): boolean =>
  mutant.file.endsWith(`/${known.file}`) &&
  known.text === mutant.text &&
  known.change === mutant.change &&
  mutant.context.startsWith(known.line ?? '')

const isEquivalent = (mutant: Mutant): boolean => EQUIVALENT.some((known) => isKnown(known, mutant))

function choose(mutants: readonly Mutant[], words: readonly string[], slice: string | undefined): Mutant[] {
  const isMeant = ({ file }: Mutant): boolean => words.length === 0 || words.some((word) => file.includes(word))
  const wanted = mutants.filter((mutant) => isMeant(mutant) && !isEquivalent(mutant))
  const count = slice === undefined ? wanted.length : Math.min(Number(slice), wanted.length)
  const spread = Array.from({ length: count }, (_, i) => wanted[Math.floor((i * wanted.length) / count)]).filter((m) => m !== undefined)
  // Shuffled, always in the same way: what an interrupted run has tried is a sample of all contracts.
  const place = new Map(spread.map((mutant) => [mutant, createHash('sha256').update(mutant.key).digest('hex')]))
  return spread.sort((a, b) => ((place.get(a) ?? '') < (place.get(b) ?? '') ? -1 : 1))
}

const resultsPath = join(work, 'results.jsonl')

function readResults(): Map<string, Result> {
  const lines = existsSync(resultsPath) ? readFileSync(resultsPath, 'utf8').split('\n').filter(Boolean) : []
  // The last word on a mutant counts.
  return new Map(lines.map((line): Result => JSON.parse(line)).map((result) => [result.key, result]))
}

/** One line for each contract, in Markdown, and one for all. */
function table(mutants: readonly Mutant[], results: ReadonlyMap<string, Result>): string {
  const row = (name: string, of: readonly Mutant[]): string => {
    const equivalent = of.filter(isEquivalent)
    const tried = of.filter((mutant) => !isEquivalent(mutant)).flatMap((mutant) => results.get(mutant.key) ?? [])
    const survived = tried.filter((result) => result.survived).length
    return `| ${[name, of.length, equivalent.length, tried.length, tried.length - survived, survived].join(' | ')} |`
  }
  const files = [...new Set(mutants.map((mutant) => mutant.file))]
  return [
    '| contract | mutants | equivalent | tried | killed | survived |',
    '|---|---|---|---|---|---|',
    ...files.map((file) =>
      row(
        file.slice('contracts/'.length, -'.sol'.length),
        mutants.filter((mutant) => mutant.file === file),
      ),
    ),
    row('all', mutants),
  ].join('\n')
}

/** Tries `chosen`, `jobs` at a time, and writes down each result as it is known. */
async function tryAll(chosen: readonly Mutant[], jobs: number): Promise<void> {
  const waiting = [...chosen]
  const worker = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const started = performance.now()
      const survived = await survives(mutant)
      const seconds = Math.round((performance.now() - started) / 100) / 10
      const { key, file, line, change, text } = mutant
      appendFileSync(resultsPath, `${JSON.stringify({ key, survived, seconds } satisfies Result)}\n`)
      if (survived) process.stdout.write(`SURVIVED ${file}:${line}  ${change}  ${text}\n`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      slice: { type: 'string' },
      jobs: { type: 'string', default: '1' },
      fresh: { type: 'boolean', default: false },
      table: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const mutants = instrument()
  if (values.fresh) rmSync(resultsPath, { force: true })
  const unused = EQUIVALENT.filter((known) => !mutants.some((mutant) => isKnown(known, mutant)))
  for (const { file, text } of unused) process.stderr.write(`mutants-equivalent.ts names what is no longer there: ${file}: ${text}\n`)
  if (!values.table) {
    const before = readResults()
    const chosen = choose(mutants, positionals, values.slice).filter((mutant) => before.get(mutant.key)?.survived !== false)
    // A mutant that fails where nothing is bent says nothing.
    const baseline = await forge(0, [], COMPILE_MS_MAX)
    if (!baseline.ok) {
      process.stderr.write(`${baseline.output.slice(-4000)}\nThe tests fail without any mutant.\n`)
      return 1
    }
    await tryAll(chosen, Number(values.jobs))
  }
  const results = readResults()
  process.stdout.write(`${table(mutants, results)}\n`)
  return unused.length > 0 || mutants.some((mutant) => results.get(mutant.key)?.survived === true && !isEquivalent(mutant)) ? 1 : 0
}

process.exitCode = await main()
