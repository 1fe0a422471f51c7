import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ParseResult, parseSync } from 'oxc-parser'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** One file of the repository. Paths have forward slashes and start at the root. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** A node of the syntax tree, as far as the checks look into it. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [name: string]: unknown
}

/** Every file that is or would be committed, without those that were deleted but not yet committed. */
export function repositoryFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  return listed.split('\n').filter((path) => path !== '')
}

export function readSource(path: string): Source | null {
  try {
    return { path, text: readFileSync(join(root, path), 'utf8') }
  } catch {
    // Deleted in the working tree, or removed by somebody while this ran.
    return null
  }
}

const isGenerated = (path: string): boolean => path.startsWith('src/protocol/abi/') || path.endsWith('.wasm.ts')
/** AssemblyScript looks like TypeScript and is not. */
const isAssemblyScript = (path: string): boolean => path.endsWith('.as.ts')
export const isTest = (path: string): boolean => /\.(test|contract|test-support)\.ts$/.test(path) || path.startsWith('test/')

/** The hand-written TypeScript of the repository. */
export const isCode = (path: string): boolean =>
  /^(src|scripts|bench|test)\/.*\.ts$/.test(path) && !path.endsWith('.d.ts') && !isGenerated(path) && !isAssemblyScript(path)

const parsed = new WeakMap<Source, ParseResult>()

export function parse(source: Source): ParseResult {
  const known = parsed.get(source)
  if (known !== undefined) return known
  const result = parseSync(source.path, source.text)
  if (result.errors.length > 0) throw new Error(`${source.path} cannot be parsed: ${result.errors[0]?.message}`)
  parsed.set(source, result)
  return result
}

export const programOf = (source: Source): Node => parse(source).program as unknown as Node

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value

/** Calls `visit` for every node below and including `node`, with the nodes that it is inside of, innermost last. */
export function walk(node: Node, visit: (node: Node, parents: readonly Node[]) => void, parents: readonly Node[] = []): void {
  visit(node, parents)
  const inside = [...parents, node]
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, inside)
  }
}

export const lineOf = (source: Source, offset: number): number => source.text.slice(0, offset).split('\n').length

export interface Import {
  readonly specifier: string
  /** Path of the imported file, when it is one of this repository. */
  readonly path: string | null
  /** True when nothing but types is imported, so that nothing is loaded. */
  readonly typeOnly: boolean
  readonly line: number
}

/** Static imports, re-exports and `import('…')` of a file. */
export function importsOf(source: Source): readonly Import[] {
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean, offset: number): void => {
    const path = specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : null
    found.push({ specifier, path, typeOnly, line: lineOf(source, offset) })
  }
  walk(programOf(source), (node) => {
    const from = node.source
    if (!isNode(from) || typeof from.value !== 'string') return
    const names = Array.isArray(node.specifiers) ? node.specifiers.filter(isNode) : []
    const kinds = names.map((name) => name.importKind ?? name.exportKind)
    const wholly = node.importKind === 'type' || node.exportKind === 'type'
    add(from.value, wholly || (kinds.length > 0 && kinds.every((kind) => kind === 'type')), node.start)
  })
  return found
}
