/** A folder for what a measurement writes. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface BenchFolder {
  readonly path: string
  remove(): Promise<void>
}

/**
 * A fresh folder inside `parent`, or inside the system's temporary folder. It is always a new one, so that nobody's data is
 * measured, continued or removed by mistake; `parent` is removed with it when it was not there before.
 */
export async function benchFolder(parent: string | null): Promise<BenchFolder> {
  const made = parent === null ? undefined : await mkdir(parent, { recursive: true })
  const path = await mkdtemp(join(parent ?? tmpdir(), 'cairn-bench-'))
  return { path, remove: () => rm(made ?? path, { recursive: true, force: true }) }
}
