import { posix } from 'node:path'
import type { Source } from './source.ts'

/** Words that must not be committed, each with what to do instead. Split, so that this file passes its own check. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`), 'do it, or write down in docs/ why not'],
  [new RegExp(`(?<![\\w.])/(?:${['root', 'work', 'home/\\w+'].join('|')})/`), 'a path of one machine means nothing on another'],
  [new RegExp('\\bhel' + 'pers?\\b', 'i'), 'name what it does'],
  [new RegExp('@par' + 'am \\{'), 'the types say that already'],
  [new RegExp('@ts-ig' + 'nore|@ts-no' + 'check'), 'fix the type; @ts-expect-error with a reason in a test of types'],
  [/^(<{7}|>{7}) /m, 'resolve the conflict'],
]

export function wordProblems(sources: readonly Source[]): string[] {
  const problems: string[] = []
  for (const { path, text } of sources) {
    for (const [index, line] of text.split('\n').entries()) {
      for (const [pattern, instead] of BANNED) {
        const found = pattern.exec(line)
        if (found !== null) problems.push(`${path}:${index + 1} says ${JSON.stringify(found[0])}: ${instead}`)
      }
    }
  }
  return problems
}

const FOLDERS = 'src|test|bench|scripts|docs|contracts|deploy|dashboard|examples'
/** A path in backticks that starts at the root of the repository; with a placeholder or a pattern in it, it is none. */
const QUOTED = new RegExp(`\`((?:${FOLDERS})/[\\w./-]*)(?::\\d+)?\``, 'g')
const LINK = /\]\((?!\w+:)([^)#\s]+)(?:#[^)]*)?\)/g

/** Paths that a document names and that are not there. `exists` takes a path of a file or a folder. */
export function pathProblems(documents: readonly Source[], exists: (path: string) => boolean): string[] {
  const problems: string[] = []
  for (const { path, text } of documents) {
    const named = [...text.matchAll(QUOTED)].map((match) => match[1] ?? '')
    const linked = [...text.matchAll(LINK)].map((match) => posix.join(posix.dirname(path), match[1] ?? ''))
    for (const target of [...named, ...linked]) {
      if (!exists(target.replace(/\/$/, ''))) problems.push(`${path} names ${target}, which is not there`)
    }
  }
  return problems
}

/** Dependencies of package.json that docs/dependencies.md gives no reason for, and reasons for what is gone. */
export function dependencyProblems(dependencies: readonly string[], document: string): string[] {
  const explained = [...document.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '')
  const missing = dependencies
    .filter((name) => !explained.includes(name))
    .map((name) => `docs/dependencies.md does not say why ${name} is there`)
  const gone = explained
    .filter((name) => !dependencies.includes(name))
    .map((name) => `docs/dependencies.md explains ${name}, which is gone`)
  return [...missing, ...gone]
}
