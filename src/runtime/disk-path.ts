import { assert } from '../std/assert.ts'

/** Suffix of a file that is being written to take another's place. Never listed; the next replacement overwrites it. */
export const REPLACEMENT = '.replacing'
export const isReplacement = (name: string): boolean => name.endsWith(REPLACEMENT)

/** NAME_MAX of every file system that matters, less the suffix above. */
const NAME_BYTES_MAX = 255 - REPLACEMENT.length

/** `path`, asserted to stay inside its folder on every platform: `a/b/c`, no `..`, no root, no backslash, no NUL. */
export function checkPath(path: string): string {
  for (const name of path.split('/')) {
    const plain = name !== '' && name !== '.' && name !== '..' && !/[\\\0]/.test(name)
    assert(plain && name.length <= NAME_BYTES_MAX && !isReplacement(name), `a disk path is relative and plain, not ${JSON.stringify(path)}`)
  }
  return path
}
