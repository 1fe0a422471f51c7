/** Which process works on a file or a folder, for those that must not work on it two at a time. */
import { open, readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../protocol/errors.ts'
import { codeOf } from '../runtime/real/errno.ts'

export type Claim =
  | { readonly is: 'ours'; release(): Promise<void> }
  /** By process `pid`, which is alive. */
  | { readonly is: 'held'; readonly pid: number }

/** Another may have created the file and not yet written its id; it writes at once, unless it was killed in between. */
const EMPTY_TRIES = 25
const POLL_MS = 20
const PERMIT_MS = 10_000
/** Each try finds the claim of a process that is gone, or waits for another that removes it. */
const TRIES = 100

/** What this process holds: an id of ours in a file that we do not hold is from a process before, whose id we got. */
const held = new Set<string>()

/**
 * Claims `path` for this process, by a file with its id; its folder must exist. A claim of a process that is gone is
 * taken over.
 * @throws `DATA_FOLDER` when the file cannot be written.
 */
export async function claim(path: string): Promise<Claim> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await created(path)) {
      held.add(path)
      const release = async (): Promise<void> => {
        held.delete(path)
        await rm(path, { force: true })
      }
      return { is: 'ours', release }
    }
    const pid = await holderOf(path)
    if (pid === process.pid ? held.has(path) : pid > 0 && isAlive(pid)) return { is: 'held', pid }
    await discard(path, pid)
  }
  throw new CairnError('DATA_FOLDER', { path, why: 'other processes keep claiming it', fix: 'run one of them at a time' })
}

async function created(path: string): Promise<boolean> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (codeOf(error) === 'EEXIST') return null
    throw new CairnError('DATA_FOLDER', { path, why: String(error), fix: 'make its folder writable' }, { cause: error })
  })
  await file?.writeFile(String(process.pid)).finally(() => file.close())
  return file !== null
}

/** Zero when nobody is named, even after a while. */
async function holderOf(path: string): Promise<number> {
  for (let tries = 0; tries < EMPTY_TRIES; tries += 1) {
    const text = await readFile(path, 'utf8').catch(() => null)
    if (text === null) return 0
    const pid = Number(text.trim())
    if (text !== '') return Number.isSafeInteger(pid) && pid > 0 ? pid : 0
    await sleep(POLL_MS)
  }
  return 0
}

/** Removes the claim of `stale`, and no other: only whoever has the permit removes one, and looks again first. */
async function discard(path: string, stale: number): Promise<void> {
  const permit = `${path}.gone`
  if (!(await created(permit))) {
    const since = await stat(permit).catch(() => null)
    // Whoever had it was killed within a millisecond's work.
    if (since !== null && Date.now() - since.mtimeMs > PERMIT_MS) await rm(permit, { force: true })
    else await sleep(POLL_MS)
    return
  }
  try {
    if ((await holderOf(path)) === stale) await rm(path, { force: true })
  } finally {
    await rm(permit, { force: true })
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is there, and another user's.
    return codeOf(error) === 'EPERM'
  }
}
