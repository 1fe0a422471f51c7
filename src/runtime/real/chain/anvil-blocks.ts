import { open } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { type Digest, digest, type Hex } from '../../../protocol/ids.ts'
import { bytesAt } from './anvil-state.ts'

/** Everything that anvil needs to make a block again: from the same parent it comes out with the same hash. */
export interface KeptBlock {
  readonly number: bigint
  readonly hash: Digest
  readonly parent: Digest
  /** Unix seconds. */
  readonly timestamp: number
  readonly baseFee: bigint
  /** Signed, in the order of the block. */
  readonly transactions: readonly Hex[]
}

/** The blocks of a local chain since its last whole state, a line each. */
export interface BlockFile {
  /** Blocks in it. */
  length(): number
  /** Resolves when they are on the disk. After a failure only `clear` makes the file whole again. */
  append(blocks: readonly KeptBlock[]): Promise<void>
  clear(): Promise<void>
  close(): Promise<void>
}

const hex = z
  .string()
  .regex(/^0x([0-9a-f]{2})*$/i)
  .transform((text): Hex => `0x${text.slice(2)}`)
const kept = z.strictObject({
  number: z.string().regex(/^\d+$/).transform(BigInt),
  hash: z.string().transform(digest),
  parent: z.string().transform(digest),
  timestamp: z.number().int().nonnegative(),
  baseFee: z.string().regex(/^\d+$/).transform(BigInt),
  transactions: z.array(hex),
})

/** The blocks of the file at `path`; what a killed writer left half written at its end is not one. */
export async function readBlocks(path: string): Promise<readonly KeptBlock[]> {
  const text = (await bytesAt(path))?.toString('utf8') ?? ''
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => {
      try {
        return kept.parse(JSON.parse(line))
      } catch (cause) {
        throw new CairnError('CORRUPT', { what: path, why: `line ${at + 1} is no block of the local chain` }, { cause })
      }
    })
}

/** Opens the file at `path`. What it holds must be cleared before something is appended. */
export async function openBlocks(path: string): Promise<BlockFile> {
  let length = 0
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw new CairnError('DISK', { path, why: String(error) }, { cause: error })
    }
  }
  const file = await guarded(() => open(path, 'a', 0o600))
  return {
    length: () => length,
    append: (blocks) =>
      guarded(async () => {
        const lines = blocks.map(
          (block) => `${JSON.stringify({ ...block, number: String(block.number), baseFee: String(block.baseFee) })}\n`,
        )
        await file.appendFile(lines.join(''))
        await file.datasync()
        length += blocks.length
      }),
    clear: () =>
      guarded(async () => {
        await file.truncate(0)
        await file.datasync()
        length = 0
      }),
    close: () => guarded(() => file.close()),
  }
}
