/**
 * Asks whether the contracts' tests would notice a mistake: each check is dropped and each comparison bent, one at a
 * time, and some test must fail. `node scripts/mutate-contracts.ts` tries all; `--slice 12` twelve spread over all of
 * them; a word (`Escrow`) only the files whose path contains it; `--jobs 4` four at a time. The exit code is 1 when a
 * mutant survives.
 *
 * All mutants are compiled at once: `a < b` becomes `Mutants.on(7) ? a <= b : a < b`, and `Mutants.on` looks at the
 * block's coinbase, which forge sets per run. A compilation per mutant would take hours instead of minutes.
 *
 * What was found is kept under cache/mutants, so that an interrupted run goes on and a survivor alone is tried again after
 * a test was added; a contract that changes is tried anew. `--fresh` forgets it; `--table` prints it and tries nothing.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { EQUIVALENT } from './mutants-equivalent.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const work = join(root, 'cache/mutants')
/** Compiled in or without a condition of their own: interfaces and generated files have nothing to bend. */
const SKIPPED_FOLDERS = new Set(['test', 'interfaces', 'artifacts'])
/** Tests of nothing but gas. */
const NOT_GAS = '[gG]as|R5'
/** A survivor of its own tests gets all tests; an endless loop counts as noticed. */
const RUN_MS_MAX = 240_000
/** The first run compiles everything, in WebAssembly, on a machine that may be busy. */
const COMPILE_MS_MAX = 1_800_000
/** High enough to be no precompile and no address of a test. */
const COINBASE_BASE = 0xc0de0000n

const BENT: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==' }

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
  MintLimit: 'Credits',
  Pause: '{Credits,Market,StakingPools}',
  Pointers: 'Delegations',
  Schedule: 'Emissions',
  RootPublisher: 'RewardsDistributor',
  StorageTree: 'StorageProofs',
  Shares: 'StakingPools',
  ThawWeeks: 'Staking*',
}

interface Node {
  readonly nodeType: string
  readonly src: string
  readonly operator?: string
  readonly leftExpression?: Node
  readonly rightExpression?: Node
  readonly condition?: Node
  readonly trueBody?: Node
  readonly statements?: readonly Node[]
  readonly expression?: Node
  readonly name?: string
}

interface Mutant {
  readonly id: number
  readonly file: string
  readonly line: number
  /** The source text that is bent, on one line. */
  readonly text: string
  readonly change: string
  /** The same from run to run, until its file changes. */
  readonly key: string
}

interface Result {
  readonly key: string
  readonly survived: boolean
  readonly seconds: number
}

/** Insertions into a source by byte offset; at one offset, closing ones come before opening ones. */
type Insertion = { readonly at: number; readonly text: string; readonly order: number }

const span = (node: Node): { start: number; end: number } => {
  const [start = 0, length = 0] = node.src.split(':').map(Number)
  return { start, end: start + length }
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'nodeType' in value

function* walk(node: Node): Generator<Node> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child)
  }
}

const reverts = (body: Node | undefined): boolean =>
  body !== undefined &&
  (body.nodeType === 'RevertStatement' || (body.nodeType === 'Block' && body.statements?.at(-1)?.nodeType === 'RevertStatement'))

/** Statements like `_requireOpen(net);` exist only to revert. */
function isCheckCall(node: Node): boolean {
  if (node.nodeType !== 'ExpressionStatement' || node.expression?.nodeType !== 'FunctionCall') return false
  return /^_(require|bound|check)/.test(node.expression.expression?.name ?? '')
}

function parse(paths: readonly string[]): Map<string, Node> {
  const solc: { compile(input: string): string } = createRequire(import.meta.url)('solc')
  const sources = Object.fromEntries(paths.map((path) => [path, { content: readFileSync(join(root, path), 'utf8') }]))
  const settings = { stopAfter: 'parsing', outputSelection: { '*': { '': ['ast'] } } }
  const output: { sources: Record<string, { ast: Node }> } = JSON.parse(
    solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })),
  )
  return new Map(Object.entries(output.sources).map(([path, { ast }]) => [path, ast]))
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : sources(path)
      return entry.name.endsWith('.sol') ? [path] : []
    })
    .sort()
}

/** Offsets of solc count bytes, so the source is handled as bytes. */
class Instrumented {
  readonly mutants: Mutant[] = []
  private readonly insertions: Insertion[] = []
  private readonly file: string
  private readonly bytes: Buffer
  private readonly firstId: number
  private readonly version: string

  constructor(file: string, bytes: Buffer, firstId: number) {
    this.file = file
    this.bytes = bytes
    this.firstId = firstId
    this.version = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  }

  private wrap(node: Node, before: string, after: string): void {
    const { start, end } = span(node)
    // Outer wraps are made first (the walk goes down), so at one place they must open first and close last.
    this.insertions.push({ at: start, text: before, order: this.insertions.length })
    this.insertions.push({ at: end, text: after, order: -this.insertions.length })
  }

  private add(node: Node, change: string): number {
    const { start, end } = span(node)
    const id = this.firstId + this.mutants.length
    const line = this.bytes.subarray(0, start).toString().split('\n').length
    const text = this.bytes.subarray(start, end).toString().replace(/\s+/g, ' ')
    const key = `${this.file}@${this.version} ${start} ${change}`
    this.mutants.push({ id, file: this.file, line, text, change, key })
    return id
  }

  visit(node: Node): void {
    const { condition, leftExpression: left, rightExpression: right, operator = '' } = node
    if (node.nodeType === 'IfStatement' && condition !== undefined && reverts(node.trueBody)) {
      this.wrap(condition, `Mutants.off(${this.add(condition, 'check dropped')}) && (`, ')')
    }
    if (isCheckCall(node)) this.wrap(node, `if (Mutants.off(${this.add(node, 'check dropped')})) `, '')
    const bent = BENT[operator]
    if (node.nodeType !== 'BinaryOperation' || bent === undefined || left === undefined || right === undefined) return
    const id = this.add(node, `${operator} → ${bent}`)
    if (operator === '==' || operator === '!=') {
      this.wrap(node, `(Mutants.on(${id}) != (`, '))')
      return
    }
    const text = (of: Node): string => this.bytes.subarray(span(of).start, span(of).end).toString()
    this.wrap(node, `(Mutants.on(${id}) ? ${text(left)} ${bent} ${text(right)} : `, ')')
  }

  text(): string {
    const sorted = [...this.insertions].sort((a, b) => a.at - b.at || a.order - b.order)
    const parts: Buffer[] = []
    let done = 0
    for (const { at, text } of sorted) {
      parts.push(this.bytes.subarray(done, at), Buffer.from(text))
      done = at
    }
    return Buffer.concat([...parts, this.bytes.subarray(done)]).toString()
  }
}

const LIBRARY = `// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

library Mutants {
    function on(uint256 id) internal pure returns (bool) {
        function(uint256) internal view returns (bool) looks = _isCoinbase;
        function(uint256) internal pure returns (bool) disguised;
        assembly {
            disguised := looks
        }
        return disguised(id);
    }

    function off(uint256 id) internal pure returns (bool) {
        return !on(id);
    }

    function _isCoinbase(uint256 id) private view returns (bool) {
        return uint160(address(block.coinbase)) == ${COINBASE_BASE} + id;
    }
}
`

/** forge asks for the compiler's version in every run, and to load the compiler for it would take longer than most tests. */
function writeCompiler(): void {
  const solc: { version(): string } = createRequire(import.meta.url)('solc')
  const script = [
    '#!/bin/sh',
    `case "$*" in *--version*) echo "solc, the solidity compiler commandline interface"; echo "Version: ${solc.version()}" ;;`,
    `*) exec "${join(root, 'scripts/solc')}" "$@" ;; esac`,
  ]
  mkdirSync(join(work, 'scripts'), { recursive: true })
  writeFileSync(join(work, 'scripts/solc'), `${script.join('\n')}\n`)
  chmodSync(join(work, 'scripts/solc'), 0o755)
}

/** Writes the instrumented project and returns its mutants. Unchanged files keep forge's cache of the last time. */
function instrument(): Mutant[] {
  mkdirSync(work, { recursive: true })
  if (!existsSync(join(work, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'))
  writeCompiler()
  // Snapshots and gas checks of the real project must not be touched.
  cpSync(join(root, 'foundry.toml'), join(work, 'foundry.toml'))
  rmSync(join(work, 'contracts'), { recursive: true, force: true })
  cpSync(join(root, 'contracts'), join(work, 'contracts'), { recursive: true })
  writeFileSync(join(work, 'contracts/Mutants.sol'), LIBRARY)
  // Gas of instrumented code means nothing: the one place that compares it with its limit does nothing here.
  const base = join(work, 'contracts/test/Vm.sol')
  const [tests, gated] = [readFileSync(base, 'utf8'), / {8}vm\.snapshotValue\(group, name, used\);\n {8}assertLe\(used, limit, name\);\n/]
  if (!gated.test(tests)) throw new Error(`${base} does not compare gas where it did`)
  writeFileSync(base, tests.replace(gated, ''))
  const mutants: Mutant[] = []
  for (const [path, ast] of parse(sources('contracts'))) {
    const instrumented = new Instrumented(path, readFileSync(join(root, path)), mutants.length + 1)
    for (const node of walk(ast)) instrumented.visit(node)
    if (instrumented.mutants.length === 0) continue
    mutants.push(...instrumented.mutants)
    const library = relative(dirname(path), 'contracts/Mutants.sol')
    const from = library.startsWith('.') ? library : `./${library}`
    const text = instrumented.text().replace(/^(pragma solidity [^;]*;)$/m, `$1\nimport {Mutants} from "${from}";`)
    writeFileSync(join(work, path), text)
  }
  return mutants
}

/** Few runs, because every mutant meets them; one seed, so that a survivor survives the next time too. */
const ENVIRONMENT = { FOUNDRY_FUZZ_RUNS: '32', FOUNDRY_INVARIANT_RUNS: '4', FOUNDRY_FUZZ_SEED: '0x1' }

interface Run {
  readonly ok: boolean
  readonly output: string
}

function forge(id: number, args: readonly string[], timeout = RUN_MS_MAX): Promise<Run> {
  const coinbase = `0x${(COINBASE_BASE + BigInt(id)).toString(16).padStart(40, '0')}`
  const all = ['test', '--code-size-limit', '1000000', '--fail-fast', '--no-match-test', NOT_GAS, '--block-coinbase', coinbase, ...args]
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

/** The tests nearest to a file: most mutants die there in a second. */
function nearest(file: string): string {
  const folder = FOLDER_TESTS.find(([part]) => file.includes(part))
  if (folder !== undefined) return `contracts/test/${folder[1]}.t.sol`
  const name = file.slice(file.lastIndexOf('/') + 1, -'.sol'.length)
  const own = existsSync(join(root, `contracts/test/${name}.t.sol`))
  return `contracts/test/${own ? name : (HOMES[name] ?? 'Deployment')}.t.sol`
}

async function survives(mutant: Mutant): Promise<boolean> {
  if (!(await forge(mutant.id, ['--match-path', nearest(mutant.file)])).ok) return false
  return (await forge(mutant.id, [])).ok
}

const isEquivalent = (mutant: Mutant): boolean =>
  EQUIVALENT.some((known) => mutant.file.endsWith(known.file) && known.text === mutant.text && known.change === mutant.change)

function choose(mutants: readonly Mutant[], word: string | undefined, slice: string | undefined): Mutant[] {
  const wanted = mutants.filter((mutant) => mutant.file.includes(word ?? '') && !isEquivalent(mutant))
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
  const unused = EQUIVALENT.filter(
    (known) => !mutants.some((m) => m.file.endsWith(known.file) && m.text === known.text && m.change === known.change),
  )
  for (const { file, text } of unused) process.stderr.write(`mutants-equivalent.ts names what is no longer there: ${file}: ${text}\n`)
  if (!values.table) {
    const before = readResults()
    const chosen = choose(mutants, positionals[0], values.slice).filter((mutant) => before.get(mutant.key)?.survived !== false)
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
