/**
 * Compiles the contracts and writes what TypeScript needs of them:
 * `src/protocol/abi/<name>.ts` (`export const <name>Abi = [...] as const`), which also browsers import, and
 * `contracts/artifacts/<Name>.json` (bytecode), which only deployment and `chain verify` read. `contracts/layouts.json` holds
 * what must not change unnoticed: each contract's size and what lies in which slot.
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
/** Where a contract stops being small. */
const smallBytes = 16_384
/** EIP-170: no chain takes more. */
const runtimeBytesMax = 24_576
/** EIP-3860: nor longer creation code; the longest arguments, Emissions' and DisputeManager's, have 288 bytes. */
const creationBytesMax = 49_152 - 288
const layoutFile = join(root, 'contracts/layouts.json')

type AbiItem = { type: string; name?: string; inputs?: readonly { type: string }[] }
type Range = { start: number; length: number }
type Variable = { label: string; slot: string; offset: number; type: string }
type StorageType = { label: string; numberOfBytes: string; key?: string; value?: string; base?: string; members?: readonly Variable[] }
type ForgeArtifact = {
  abi: readonly AbiItem[]
  storageLayout: { storage: readonly Variable[]; types: Readonly<Record<string, StorageType>> | null }
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

/** `12+4  name: type, bytes` for each variable, and below them the structs that they are made of. */
function layoutOf({ storageLayout, bytecode, deployedBytecode }: ForgeArtifact): object {
  const types = storageLayout.types ?? {}
  const structs = new Map<string, readonly string[]>()
  const line = ({ label, slot, offset, type }: Variable): string => {
    gather(type)
    const of = types[type]
    return `${`${slot}+${offset}`.padEnd(5)} ${label}: ${of?.label ?? type}, ${of?.numberOfBytes ?? '?'}`
  }
  const gather = (type: string): void => {
    const of = types[type]
    if (of === undefined || structs.has(of.label)) return
    for (const inner of [of.key, of.value, of.base]) if (inner !== undefined) gather(inner)
    if (of.members === undefined) return
    structs.set(of.label, [])
    structs.set(of.label, of.members.map(line))
  }
  const storage = storageLayout.storage.map(line)
  const size = (code: string): number => code.length / 2 - 1
  return {
    runtimeBytes: size(deployedBytecode.object),
    creationBytes: size(bytecode.object),
    ...(storage.length === 0 ? {} : { storage }),
    ...(structs.size === 0 ? {} : { structs: Object.fromEntries([...structs].sort(([a], [b]) => (a < b ? -1 : 1))) }),
  }
}

/** No chain would take it: better known when it is built than when it is deployed. */
function requireDeployable(name: string, { bytecode, deployedBytecode }: ForgeArtifact): void {
  const [runtime, creation] = [deployedBytecode.object.length / 2 - 1, bytecode.object.length / 2 - 1]
  if (runtime > runtimeBytesMax) throw new Error(`${name} has ${runtime} bytes of code; EIP-170 allows ${runtimeBytesMax}`)
  if (creation > creationBytesMax) throw new Error(`${name} has ${creation} bytes of creation code; EIP-3860 leaves ${creationBytesMax}`)
  if (runtime > smallBytes) process.stderr.write(`warning: ${name} has ${runtime} bytes of code, more than ${smallBytes}\n`)
}

/** Path → content of every generated file. */
function generate(): Map<string, string> {
  // Not node_modules/.bin/forge: that one exits with 0 when the compiler fails, and stale output would be read.
  execFileSync(join(root, 'scripts/forge'), ['build', '--skip', 'test'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const files = new Map<string, string>()
  const layouts: Record<string, object> = {}
  for (const path of sources(join(root, 'contracts'))) {
    const file = path.slice(path.lastIndexOf('/') + 1)
    const name = file.slice(0, -'.sol'.length)
    const artifact: ForgeArtifact = JSON.parse(readFileSync(join(root, 'out', file, `${name}.json`), 'utf8'))
    // Abstract contracts and libraries that are compiled in have no address.
    if (artifact.bytecode.object === '0x' || !artifact.abi.some((item) => item.type === 'function')) continue
    requireDeployable(name, artifact)
    layouts[name] = layoutOf(artifact)
    const source = relative(root, path)
    files.set(join(abiFolder, `${kebab(name)}.ts`), abiModule(name, source, artifact.abi))
    files.set(join(artifactFolder, `${name}.json`), deployable(name, source, artifact))
  }
  const sortedLayouts = Object.fromEntries(Object.entries(layouts).sort(([a], [b]) => (a < b ? -1 : 1)))
  files.set(layoutFile, `${JSON.stringify(sortedLayouts, null, 1)}\n`)
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
