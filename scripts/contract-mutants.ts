/**
 * Bends the contracts for scripts/mutate-contracts.ts: a copy of the project under cache/mutants in which every mutant is
 * compiled in, and asleep until forge gives the block the coinbase with its number.
 */
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const work = join(root, 'cache/mutants')
/** Compiled in or without a condition of their own: interfaces and generated files have nothing to bend. */
const SKIPPED_FOLDERS = new Set(['test', 'interfaces', 'artifacts'])
/** High enough to be no precompile and no address of a test. */
const COINBASE_BASE = 0xc0de0000n

const BENT: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==' }

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

export interface Mutant {
  readonly id: number
  readonly file: string
  readonly line: number
  /** The source text that is bent, on one line. */
  readonly text: string
  /** The line in which that begins. */
  readonly context: string
  readonly change: string
  /** The same from run to run, until its file changes. */
  readonly key: string
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
    const context = (this.bytes.toString().split('\n')[line - 1] ?? '').trim()
    const text = this.bytes.subarray(start, end).toString().replace(/\s+/g, ' ')
    const key = `${this.file}@${this.version} ${start} ${change}`
    this.mutants.push({ id, file: this.file, line, text, context, change, key })
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
export function instrument(): Mutant[] {
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

/** What wakes mutant `id`; 0 wakes none. */
export const coinbaseOf = (id: number): string => `0x${(COINBASE_BASE + BigInt(id)).toString(16).padStart(40, '0')}`
