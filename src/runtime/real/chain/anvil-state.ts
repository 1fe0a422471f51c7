import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CairnError } from '../../../protocol/errors.ts'
import { codeOf } from '../errno.ts'

/** What a local chain's folder holds; `anvil-keeper.ts` says how the two files make one chain. */
export interface ChainFiles {
  /** The whole chain as of some block, as anvil loads it. Only ever replaced in one step. */
  readonly state: string
  /** The blocks since. */
  readonly blocks: string
  /** Where anvil may write what it likes. Among its arguments, it tells this folder's anvil from all others. */
  readonly scratch: string
  /** Process id of the anvil that runs on this folder. */
  readonly pid: string
}

export const chainFiles = (folder: string): ChainFiles => ({
  state: join(folder, 'state.json'),
  blocks: join(folder, 'blocks.jsonl'),
  scratch: join(folder, 'anvil'),
  pid: join(folder, 'anvil.pid'),
})

export async function bytesAt(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw new CairnError('DISK', { path, why: String(error) }, { cause: error })
  }
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

/**
 * Makes sure that anvil will find a state that it can load, or none for a new chain.
 * @returns Whether there is one.
 * @throws `CORRUPT` when it cannot be read: starting a new chain over it would lose money.
 */
export async function prepareState(path: string): Promise<boolean> {
  const bytes = await bytesAt(path)
  if (bytes === null) return false
  let state: unknown
  try {
    state = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new CairnError('CORRUPT', { what: path, why: 'the state of the local chain cannot be read' }, { cause })
  }
  const mended = withOneGenesis(state)
  if (mended !== null) await replaceFile(path, Buffer.from(JSON.stringify(mended)))
  return true
}
