/** Files of secrets and of what others read while they change. */
import { chmod, rename, writeFile } from 'node:fs/promises'

/** Replaces `path` in one step, readable by this user only: whoever reads it meanwhile gets the old text or the new, whole. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const next = `${path}.new`
  await writeFile(next, text, { mode: 0o600 })
  // The mode counts only for a file that was not left there before.
  await chmod(next, 0o600)
  await rename(next, path)
}
