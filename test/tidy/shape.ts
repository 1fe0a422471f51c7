import { isTest, lineOf, type Node, programOf, type Source, walk } from './source.ts'

const FILE_LINES_MAX = 400
/** A test file has many short parts and no reader who needs all of it at once. */
const TEST_LINES_MAX = 800
/** What fits on a screen, not counting the functions inside: those are functions of their own. */
const FUNCTION_LINES_MAX = 70
/** A function that builds something out of such inner functions is what a class is elsewhere. */
const FACTORY_LINES_MAX = 250
const FUNCTION = /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/

/** Lines of a function in all, and without those of the functions that lie inside it. */
function linesOf(source: Source, node: Node): { all: number; own: number } {
  const count = (of: Node): number => lineOf(source, of.end) - lineOf(source, of.start) + 1
  const all = count(node)
  let own = all
  walk(node, (inner, parents) => {
    const outer = parents.filter(({ type }) => FUNCTION.test(type))
    // The line with the inner function's name stays with the outer one.
    if (outer.length === 1 && FUNCTION.test(inner.type)) own -= count(inner) - 1
  })
  return { all, own }
}

export function lengthProblems(sources: readonly Source[]): string[] {
  const problems: string[] = []
  for (const source of sources) {
    const lines = source.text.split('\n').length - 1
    const most = isTest(source.path) ? TEST_LINES_MAX : FILE_LINES_MAX
    if (lines > most) problems.push(`${source.path} has ${lines} lines, ${most} are allowed`)
    if (isTest(source.path)) continue
    walk(programOf(source), (node) => {
      if (!FUNCTION.test(node.type)) return
      const { all, own } = linesOf(source, node)
      const at = `${source.path}:${lineOf(source, node.start)}`
      if (own > FUNCTION_LINES_MAX) problems.push(`${at} is a function of ${own} lines, ${FUNCTION_LINES_MAX} are allowed`)
      else if (all > FACTORY_LINES_MAX) problems.push(`${at} builds something in ${all} lines, ${FACTORY_LINES_MAX} are allowed`)
    })
  }
  return problems
}

export function anyProblems(sources: readonly Source[]): string[] {
  const problems: string[] = []
  for (const source of sources) {
    walk(programOf(source), (node) => {
      if (node.type === 'TSAnyKeyword') problems.push(`${source.path}:${lineOf(source, node.start)} says any`)
    })
  }
  return problems
}

/** What a resource folder may hold: the reader of one resource finds everything of the next in the same place. */
const RESOURCE_FILES = new Set(
  'README.md index.ts kind.ts terms.ts provide.ts gateway.ts payees.ts match.ts meter.ts challenge.ts collect.ts verify.ts score.ts observe.ts tend.ts faults.ts messages.ts'.split(
    ' ',
  ),
)

/** Nouns of one resource that all its parts share and that no other resource has. */
const SHARED_NOUNS: Readonly<Record<string, readonly string[]>> = {
  storage: ['data-set.ts', 'layout.ts', 'object-store.ts', 'order.ts', 'piece-tree.ts'],
}

export function resourceProblems(paths: readonly string[]): string[] {
  const problems: string[] = []
  const resources = new Set<string>()
  for (const path of paths) {
    const [, , resource, name, ...deeper] = path.split('/')
    if (!path.startsWith('src/resources/') || resource === undefined || name === undefined) continue
    resources.add(resource)
    // Folders group the parts of one of these files; their own names are the resource's business.
    const about = name.replace(/\.(test|contract)\.ts$/, '.ts')
    const allowed = RESOURCE_FILES.has(about) || SHARED_NOUNS[resource]?.includes(about) === true || name === `${resource}.test.ts`
    if (deeper.length > 0 || allowed) continue
    problems.push(`${path}: a resource folder has no ${name}; put it into a subfolder, or into one of the files that every resource has`)
  }
  for (const resource of resources) {
    if (!paths.includes(`src/resources/${resource}/index.ts`)) problems.push(`src/resources/${resource}/ has no index.ts`)
  }
  return problems
}

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/

/** Names of files and folders of code that are not kebab-case. */
export function nameProblems(paths: readonly string[]): string[] {
  return paths
    .filter((path) => path.endsWith('.ts') && !path.split('/').every((part) => KEBAB.test(part)))
    .map((path) => `${path} is not kebab-case`)
}
