import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CairnError } from '../../../protocol/errors.ts'

/**
 * Anvil keeps its chain in one JSON file that it rewrites in place, so a kill in the middle of a write leaves half a
 * file. Beside it lives the last copy that was seen whole; a chain restored from it has lost its newest blocks, which
 * everything above treats as the reorg it is.
 */
export interface StateFiles {
  readonly live: string
  readonly copy: string
}

export const stateFiles = (folder: string): StateFiles => ({ live: join(folder, 'state.json'), copy: join(folder, 'state.good.json') })

/** Above this a full parse would hold up the event loop, so that a running copy is judged by its end alone. */
const PARSE_BYTES_MAX = 1 << 20

async function bytesAt(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new CairnError('DISK', { path, why: String(error) }, { cause: error })
  }
}

function parses(bytes: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

/** A torn write is a prefix of the file, and the file ends where its one object closes. */
function looksWhole(bytes: Buffer): boolean {
  if (bytes.length <= PARSE_BYTES_MAX) return parses(bytes)
  return bytes
    .toString('latin1', bytes.length - 8)
    .trimEnd()
    .endsWith('}}')
}

/** Puts `bytes` at `path` durably and in one step: write beside it, fsync, rename, fsync the folder. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const next = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const file = await open(next, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(next, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    await rm(next, { force: true })
    throw new CairnError('DISK', { path, why: String(error) }, { cause: error })
  }
}

interface StateBlock {
  readonly header: { readonly number: string; readonly timestamp: string }
}

const isBlock = (value: unknown): value is StateBlock => {
  if (typeof value !== 'object' || value === null || !('header' in value)) return false
  const { header } = value
  return typeof header === 'object' && header !== null && 'number' in header && 'timestamp' in header
}

/**
 * The state with one first block. Each start of anvil makes a first block of its own before it loads the others, and its
 * dump keeps them all; which of them block 0 is after the next start is then chance, and with it the chain's identity.
 * The oldest is the real one. Null when there is nothing to drop.
 */
export function withOneGenesis(state: unknown): object | null {
  if (typeof state !== 'object' || state === null || !('blocks' in state) || !Array.isArray(state.blocks)) return null
  const blocks: readonly unknown[] = state.blocks
  const first = blocks.filter((block) => isBlock(block) && BigInt(block.header.number) === 0n).filter(isBlock)
  if (first.length < 2) return null
  const oldest = first.reduce((a, b) => (BigInt(b.header.timestamp) < BigInt(a.header.timestamp) ? b : a))
  return { ...state, blocks: blocks.filter((block) => block === oldest || !first.some((one) => one === block)) }
}

/** The bytes as anvil shall read them. */
function mended(bytes: Buffer): Uint8Array {
  const state = withOneGenesis(JSON.parse(bytes.toString('utf8')))
  return state === null ? bytes : Buffer.from(JSON.stringify(state))
}

/**
 * Makes sure that anvil will find a whole state file, or none for a new chain.
 * @returns Where the state comes from.
 * @throws `CORRUPT` when a file exists and no version of it is whole: starting a new chain over it would lose money.
 */
export async function prepareState(files: StateFiles): Promise<'new' | 'live' | 'copy'> {
  const live = await bytesAt(files.live)
  if (live !== null && parses(live)) {
    const state = mended(live)
    if (state !== live) await replaceFile(files.live, state)
    await replaceFile(files.copy, state)
    return 'live'
  }
  const copy = await bytesAt(files.copy)
  if (copy !== null && parses(copy)) {
    await replaceFile(files.live, mended(copy))
    return 'copy'
  }
  if (live === null && copy === null) return 'new'
  throw new CairnError('CORRUPT', { what: files.live, why: 'neither the state of the local chain nor its copy can be read' })
}

/** Copies the live file when it is whole and nobody wrote it meanwhile; whether it did. */
export async function copyState(files: StateFiles): Promise<boolean> {
  const before = await stat(files.live).catch(() => null)
  if (before === null) return false
  const bytes = await bytesAt(files.live)
  const after = await stat(files.live).catch(() => null)
  if (bytes === null || after === null || after.mtimeMs !== before.mtimeMs || after.size !== bytes.length) return false
  if (!looksWhole(bytes)) return false
  await replaceFile(files.copy, bytes)
  return true
}
