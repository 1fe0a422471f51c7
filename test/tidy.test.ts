import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { cycleProblems, importTimeProblems, layerProblems, worldProblems } from './tidy/layers.ts'
import { anyProblems, lengthProblems, nameProblems, resourceProblems } from './tidy/shape.ts'
import { isCode, readSource, repositoryFiles, root, type Source } from './tidy/source.ts'
import { dependencyProblems, pathProblems, wordProblems } from './tidy/text.ts'

/** Files whose text nobody here wrote. */
const FOREIGN = /^(LICENSE|package-lock\.json|contracts\/artifacts\/|snapshots\/|src\/protocol\/abi\/)|\.wasm\.ts$|\.(png|svg|bin)$/

const paths = repositoryFiles()
const read = (chosen: readonly string[]): Source[] => chosen.map(readSource).filter((source) => source !== null)
const code = read(paths.filter(isCode))
const texts = read(paths.filter((path) => !FOREIGN.test(path)))
const documents = read(paths.filter((path) => /^([A-Z]+\.md|docs\/.*\.md|src\/resources\/[^/]+\/README\.md)$/.test(path)))

const source = (path: string, text: string): Source => ({ path, text })

/** A check that looks at nothing finds nothing: each of them must have seen at least this much. */
function saw(what: readonly unknown[], least: number): void {
  assert.ok(what.length >= least, `only ${what.length} files were looked at`)
}

function none(problems: readonly string[]): void {
  assert.equal(problems.length, 0, `\n${problems.join('\n')}`)
}

describe('layers', () => {
  test('imports only go down, and folders are entered through their doors', () => {
    saw(code, 50)
    none(layerProblems(code))
  })

  test('an import that goes up, sideways or round the door is found', () => {
    const bad = [
      source('src/std/a.ts', `import { x } from '../protocol/b.ts'`),
      source('src/protocol/b.ts', `export * from '../runtime/c.ts'`),
      source('src/resources/storage/a.ts', `import type { X } from '../wireless/index.ts'`),
      source('src/roles/node/a.ts', `const b = await import('../gateway/inner.ts')`),
      source('src/roles/gateway/index.ts', ''),
      source('src/client/a.ts', `import { y } from '../runtime/real/clock.ts'`),
      source('src/runtime/real/a.ts', `import { y } from '../fake/clock.ts'`),
      source('src/runtime/a.ts', `import { y } from '../../test/b.ts'`),
    ]
    assert.equal(layerProblems(bad).length, 7)
    const good = [
      source('src/cli/main.ts', `import { y } from '../runtime/real/clock.ts'`),
      source('src/roles/node/a.ts', `import { y } from '../gateway/index.ts'\nimport { z } from './inner/b.ts'`),
      source('src/resources/storage/a.test.ts', `import { y } from '../../runtime/fake/clock.ts'`),
      source('src/resources/index.ts', `import { storage } from './storage/index.ts'`),
    ]
    none(layerProblems(good))
  })

  test('no files load each other in a circle', () => {
    saw(code, 50)
    none(cycleProblems(code))
  })

  test('a circle is found, and types may refer both ways', () => {
    const a = source('src/std/a.ts', `import { b } from './b.ts'`)
    const b = source('src/std/b.ts', `import { c } from './c.ts'`)
    assert.equal(cycleProblems([a, b, source('src/std/c.ts', `export { a } from './a.ts'`)]).length, 1)
    none(cycleProblems([a, b, source('src/std/c.ts', `import type { a } from './a.ts'`)]))
    none(cycleProblems([a, b, source('src/std/c.ts', `import { type a } from './a.ts'`)]))
  })

  test('the world is only touched through the runtime', () => {
    saw(code, 50)
    none(worldProblems(code))
  })

  test('every way to the world is found, and nothing else', () => {
    const bad = [
      'Date.now()',
      'new Date()',
      'fetch(url)',
      'process.env',
      'Math.random()',
      'setTimeout(f, 1)',
      'globalThis, performance.now()',
    ]
    for (const text of bad) assert.equal(worldProblems([source('src/std/a.ts', `export const f = () => { ${text} }`)]).length, 1, text)
    assert.equal(worldProblems([source('src/std/a.ts', `import { open } from 'node:fs'`)]).length, 1)
    const good = ['new Date(5).toISOString()', 'clock.fetch()', '({ process: 1 })', 'const g = (process: string) => process', 'Math.max(1)']
    for (const text of good) none(worldProblems([source('src/std/a.ts', `export const f = () => { ${text} }`)]))
    none(worldProblems([source('src/runtime/real/a.ts', 'Date.now()'), source('scripts/a.ts', 'Date.now()')]))
  })

  test('nothing runs when it is imported', () => {
    saw(code, 50)
    none(importTimeProblems(code))
  })

  test('what runs when it is imported is found', () => {
    for (const text of ['start()', 'if (x) y()', 'export const a = await f()', 'for (;;) {}']) {
      assert.ok(importTimeProblems([source('src/std/a.ts', text)]).length > 0, text)
    }
    none(importTimeProblems([source('src/std/a.ts', 'export const a = async () => await f()\nexport interface B {}\nfunction c() {}')]))
  })
})

describe('shape', () => {
  test('files and functions are short', () => {
    saw(code, 50)
    none(lengthProblems(code))
  })

  test('a long file and a long function are found', () => {
    const long = (lines: number): string => 'f()\n'.repeat(lines)
    assert.equal(lengthProblems([source('src/std/a.ts', long(401))]).length, 1)
    assert.equal(lengthProblems([source('src/std/a.ts', `export const f = () => {\n${long(69)}}`)]).length, 1)
    const inner = `function g() {\n${long(60)}}\n`
    none(lengthProblems([source('src/std/a.ts', `function f() {\n${inner.repeat(4)}}`)]))
    assert.equal(lengthProblems([source('src/std/a.ts', `function f() {\n${inner.repeat(5)}}`)]).length, 1)
    assert.equal(lengthProblems([source('src/std/a.ts', `function f() {\n${inner}${long(70)}}`)]).length, 1)
    none(lengthProblems([source('src/std/a.ts', `function f() {\n${long(68)}}`), source('src/std/a.test.ts', long(500))]))
  })

  test('nothing says any', () => {
    saw(code, 50)
    none(anyProblems(code))
  })

  test('any is found in types and not in words', () => {
    assert.equal(anyProblems([source('src/std/a.ts', 'export const f = (x: any[]) => x as any')]).length, 2)
    none(anyProblems([source('src/std/a.ts', '// any\nexport const any = "any"')]))
  })

  test('resource folders have the same names in them', () => {
    saw(
      paths.filter((path) => path.startsWith('src/resources/')),
      3,
    )
    none(resourceProblems(paths))
  })

  test('a name that other resources do not have is found', () => {
    const index = 'src/resources/a/index.ts'
    assert.equal(resourceProblems([index, 'src/resources/a/utils.ts', 'src/resources/b/terms.ts']).length, 2)
    none(resourceProblems([index, 'src/resources/a/a.test.ts', 'src/resources/a/terms.test.ts', 'src/resources/a/doors/s3/put.ts']))
  })

  test('names are kebab-case', () => {
    saw(paths, 100)
    none(nameProblems(paths))
    assert.equal(nameProblems(['src/std/aB.ts', 'src/Std/a.ts', 'src/std/a_b.ts', 'src/std/a-b.test.ts']).length, 3)
  })
})

describe('text', () => {
  test('no banned words', () => {
    saw(texts, 100)
    none(wordProblems(texts))
  })

  test('banned words are found', () => {
    const words = [`// TO${'DO'} later`, `/wo${'rk'}/main`, `a hel${'per'}`, `@par${'am'} {string}`, `${'<'.repeat(7)} HEAD`]
    for (const text of words) assert.equal(wordProblems([source('a.md', text)]).length, 1, text)
    none(wordProblems([source('a.md', 'mastodon, src/work/x, homework, a helpful word')]))
  })

  test('paths that documents name exist', () => {
    saw(documents, 4)
    none(pathProblems(documents, (path) => existsSync(join(root, path))))
  })

  test('a path that is not there is found', () => {
    const text = 'See `src/gone.ts`, [this](./gone.md) and [that](../here.md#part), `src/here.ts:12`, [web](https://x.y/z).'
    const problems = pathProblems([source('docs/a.md', text)], (path) => path.includes('here'))
    assert.deepEqual(problems, ['docs/a.md names src/gone.ts, which is not there', 'docs/a.md names docs/gone.md, which is not there'])
  })
})

test('every dependency has its reason written down', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readSource('package.json')?.text ?? '')
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
  saw(names, 10)
  none(dependencyProblems(names, readSource('docs/dependencies.md')?.text ?? ''))
  assert.equal(dependencyProblems(['a', 'b'], '| `a` | why |\n| `c` | why |\n').length, 2)
})

test('the lock file knows the packages of every platform', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/complete-lockfile.ts'), '--check'], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
