import { importsOf, isTest, lineOf, type Node, programOf, type Source, walk } from './source.ts'

/** Imports only go down this list. Written out here and not read from Biome's settings: two mistakes must agree to pass. */
const LAYERS = [['cli', 'sim'], ['roles'], ['client'], ['resources'], ['runtime'], ['protocol'], ['std']] as const

const rankOf = (layer: string): number => LAYERS.findIndex((names) => (names as readonly string[]).includes(layer))
const layerOf = (path: string): string => path.split('/')[1] ?? ''
/** `src/roles/node` of `src/roles/node/serve.ts`; null for files that lie directly in the layer. */
const memberOf = (path: string): string | null => (path.split('/').length > 3 ? path.split('/').slice(0, 3).join('/') : null)

const isWorld = (path: string): boolean => /^src\/runtime\/(real|fake)\//.test(path)

/** Why `from` must not import `to`, or null. `has` says which files there are. */
function forbidden(from: string, to: string, has: (path: string) => boolean): string | null {
  if (!to.startsWith('src/')) return 'src/ is not built on what lies outside it'
  const [upper, lower] = [layerOf(from), layerOf(to)]
  if (rankOf(upper) < 0) return `src/${upper}/ is no layer`
  if (rankOf(lower) < rankOf(upper)) return `${upper} lies below ${lower}`
  if (isWorld(to) && upper === 'runtime' && from.split('/')[2] !== to.split('/')[2]) return 'interfaces do not know their implementations'
  if (isWorld(to) && upper !== 'runtime' && rankOf(upper) !== 0) return 'only cli and sim choose between the real and the simulated world'
  const [mine, theirs] = [memberOf(from), memberOf(to)]
  if (theirs === null || mine === theirs) return null
  if (upper === 'resources' && lower === 'resources' && mine !== null) return 'resources do not know each other'
  const door = `${theirs}/index.ts`
  // A resource's customer side is a door of its own, so that a node or a verifier does not load it.
  const gateway = lower === 'resources' && to === `${theirs}/gateway.ts`
  const hasDoor = lower === 'roles' || lower === 'resources'
  return hasDoor && to !== door && !gateway && has(door) ? `${theirs} is entered through its index.ts` : null
}

export function layerProblems(sources: readonly Source[]): string[] {
  const paths = new Set(sources.map((source) => source.path))
  const problems: string[] = []
  for (const source of sources) {
    if (!source.path.startsWith('src/') || isTest(source.path)) continue
    for (const { path, line, specifier } of importsOf(source)) {
      const why = path === null ? null : forbidden(source.path, path, (other) => paths.has(other))
      if (why !== null) problems.push(`${source.path}:${line} imports ${specifier}: ${why}`)
    }
  }
  return problems
}

/** Groups of files that load each other in a circle. Types are erased and may refer both ways. */
export function cycleProblems(sources: readonly Source[]): string[] {
  const loads = new Map(sources.map((source) => [source.path, importsOf(source).filter(({ typeOnly }) => !typeOnly)] as const))
  const state = new Map<string, 'open' | 'done'>()
  const problems: string[] = []
  function visit(path: string, trail: readonly string[]): void {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      problems.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    state.set(path, 'open')
    for (const next of loads.get(path) ?? []) if (next.path !== null && loads.has(next.path)) visit(next.path, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of loads.keys()) visit(path, [])
  return problems
}

/** Names through which a program touches the world, wherever it likes and without anybody seeing it in a signature. */
const WORLD = new Set([
  'fetch',
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process',
  'performance',
  'XMLHttpRequest',
  'WebSocket',
])
/** Waiting for the event loop to turn is how simulated time lets promises settle; no real time passes in it. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = { 'src/runtime/fake/clock.ts': ['setImmediate'] }

const mayTouchTheWorld = (path: string): boolean =>
  !path.startsWith('src/') || path.startsWith('src/runtime/real/') || path.startsWith('src/cli/') || isTest(path)

/** Names that the file itself declares somewhere: a parameter called `process` is not the global. */
function declaredIn(program: Node): Set<string> {
  const names = new Set<string>()
  const add = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || !('type' in value)) return
    const node = value as Node
    if (node.type === 'Identifier') names.add(String(node.name))
    else for (const child of Object.values(node)) for (const each of Array.isArray(child) ? child : [child]) add(each)
  }
  walk(program, (node) => {
    if (node.type === 'VariableDeclarator') add(node.id)
    else if (/^(Function|ArrowFunction)/.test(node.type)) for (const each of node.params as unknown[]) add(each)
    else if (/^Import.*Specifier$/.test(node.type)) add(node.local)
  })
  return names
}

/** True when this use of `Date` only turns a given time into text. */
const isPureDate = (parents: readonly Node[]): boolean => {
  const parent = parents.at(-1)
  return parent?.type === 'NewExpression' && Array.isArray(parent.arguments) && parent.arguments.length > 0
}

function worldName(node: Node, parents: readonly Node[]): string | null {
  const parent = parents.at(-1)
  if (node.type === 'MemberExpression') {
    const [object, property] = [node.object as Node, node.property as Node]
    return object.name === 'Math' && property.name === 'random' ? 'Math.random' : null
  }
  if (node.type !== 'Identifier' || parent === undefined) return null
  const isKey = (parent.property === node || parent.key === node) && parent.computed !== true
  // A type is erased; naming one touches nothing.
  if (isKey || parents.some(({ type }) => type.startsWith('TSType'))) return null
  const name = String(node.name)
  return WORLD.has(name) && !(name === 'Date' && isPureDate(parents)) ? name : null
}

export function worldProblems(sources: readonly Source[]): string[] {
  const problems: string[] = []
  for (const source of sources) {
    if (mayTouchTheWorld(source.path)) continue
    for (const { specifier, line } of importsOf(source)) {
      if (specifier.startsWith('node:')) problems.push(`${source.path}:${line} imports ${specifier}: only runtime/real does`)
    }
    const program = programOf(source)
    const mine = declaredIn(program)
    walk(program, (node, parents) => {
      const name = worldName(node, parents)
      if (name === null || mine.has(name) || EXCEPTIONS[source.path]?.includes(name) === true) return
      problems.push(`${source.path}:${lineOf(source, node.start)} uses ${name}: take it from the runtime`)
    })
  }
  return problems
}

/** Statements that declare and do nothing else. */
const DECLARES = /^(Import|Export|Function|Class|TS|Variable)/

const isEntry = (path: string): boolean => path === 'src/cli/main.ts' || path.endsWith('/worker.ts')

/** Files of src/ that do something when they are imported. A test cannot replace what happened before it began. */
export function importTimeProblems(sources: readonly Source[]): string[] {
  const problems: string[] = []
  for (const source of sources) {
    if (!source.path.startsWith('src/') || isTest(source.path) || isEntry(source.path)) continue
    for (const statement of programOf(source).body as readonly Node[]) {
      if (!DECLARES.test(statement.type)) problems.push(`${source.path}:${lineOf(source, statement.start)} runs when it is imported`)
    }
    walk(programOf(source), (node, parents) => {
      const inFunction = parents.some(({ type }) => /Function|Method|StaticBlock/.test(type))
      if (node.type === 'AwaitExpression' && !inFunction)
        problems.push(`${source.path}:${lineOf(source, node.start)} awaits when it is imported`)
    })
  }
  return problems
}
