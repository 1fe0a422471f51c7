/**
 * Compiles the contracts and writes what TypeScript needs of them:
 * `src/protocol/abi/<name>.ts` (`export const <name>Abi = [...] as const`), which also browsers import, and
 * `contracts/artifacts/<Name>.json` (bytecode), which only deployment and `chain verify` read.
 * With `--check` nothing is written and the exit code is 1 when a committed file is stale.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const abiFolder = join(root, 'src/protocol/abi')
const artifactFolder = join(root, 'contracts/artifacts')
/** Folders of `contracts/` that hold nothing to deploy. */
const notDeployed = new Set(['test', 'interfaces', 'libraries', 'artifacts'])
/** Where a contract stops being small (reference/contracts.md §2.11); the chain's own limit is 24 576. */
const maxRuntimeBytes = 16_384

type AbiItem = { type: string; name?: string; inputs?: readonly { type: string }[] }
type Range = { start: number; length: number }
type ForgeArtifact = {
  abi: readonly AbiItem[]
  bytecode: { object: string }
  deployedBytecode: { object: string; immutableReferences?: Record<string, readonly Range[]> }
}

function sources(folder: string): string[] {
  const files: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && !notDeployed.has(entry.name)) files.push(...sources(join(folder, entry.name)))
    if (entry.isFile() && entry.name.endsWith('.sol')) files.push(join(folder, entry.name))
  }
  return files.sort()
}

function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}

function camel(name: string): string {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}`
}

/** The compiler's order depends on inheritance; sorted, the file changes only with the interface. */
function sorted(abi: readonly AbiItem[]): AbiItem[] {
  const key = (item: AbiItem): string => `${item.type} ${item.name ?? ''}(${(item.inputs ?? []).map((input) => input.type).join()})`
  return [...abi].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function abiModule(name: string, source: string, abi: readonly AbiItem[]): string {
  // Solidity's own type names help no reader of the ABI and are a third of its bytes.
  const drop = (key: string, value: unknown): unknown => (key === 'internalType' ? undefined : value)
  const lines = sorted(abi).map((item) => `  ${JSON.stringify(item, drop)},`)
  return [
    `// Generated from ${source} by scripts/build-contracts.ts; do not edit.`,
    `export const ${camel(name)}Abi = [`,
    ...lines,
    '] as const',
    '',
  ].join('\n')
}

function deployable(name: string, source: string, artifact: ForgeArtifact): string {
  const immutables = Object.values(artifact.deployedBytecode.immutableReferences ?? {})
    .flat()
    .map(({ start, length }) => ({ start, length }))
    .sort((a, b) => a.start - b.start)
  const value = { name, source, bytecode: artifact.bytecode.object, runtime: artifact.deployedBytecode.object, immutables }
  return `${JSON.stringify(value, null, 1)}\n`
}

/** Path → content of every generated file. */
function generate(): Map<string, string> {
  // Not node_modules/.bin/forge: that one exits with 0 when the compiler fails, and stale output would be read.
  execFileSync(join(root, 'scripts/forge'), ['build', '--skip', 'test'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const files = new Map<string, string>()
  for (const path of sources(join(root, 'contracts'))) {
    const file = path.slice(path.lastIndexOf('/') + 1)
    const name = file.slice(0, -'.sol'.length)
    const artifact: ForgeArtifact = JSON.parse(readFileSync(join(root, 'out', file, `${name}.json`), 'utf8'))
    // Abstract contracts and libraries that are compiled in have no address.
    if (artifact.bytecode.object === '0x' || !artifact.abi.some((item) => item.type === 'function')) continue
    const bytes = artifact.deployedBytecode.object.length / 2 - 1
    if (bytes > maxRuntimeBytes) process.stderr.write(`warning: ${name} has ${bytes} bytes of code, more than ${maxRuntimeBytes}\n`)
    const source = relative(root, path)
    files.set(join(abiFolder, `${kebab(name)}.ts`), abiModule(name, source, artifact.abi))
    files.set(join(artifactFolder, `${name}.json`), deployable(name, source, artifact))
  }
  return files
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function present(): string[] {
  return [abiFolder, artifactFolder].flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
}

function main(check: boolean): number {
  mkdirSync(abiFolder, { recursive: true })
  mkdirSync(artifactFolder, { recursive: true })
  const files = generate()
  const stale = [...files].filter(([path, content]) => read(path) !== content).map(([path]) => path)
  const extra = present().filter((path) => !files.has(path))
  if (check) {
    for (const path of [...stale, ...extra]) process.stderr.write(`stale: ${relative(root, path)}\n`)
    if (stale.length + extra.length > 0) process.stderr.write('run: node scripts/build-contracts.ts\n')
    return stale.length + extra.length > 0 ? 1 : 0
  }
  for (const path of stale) writeFileSync(path, files.get(path) ?? '')
  for (const path of extra) rmSync(path)
  process.stdout.write(`${files.size} files, ${stale.length} written, ${extra.length} removed\n`)
  return 0
}

process.exitCode = main(process.argv.includes('--check'))
