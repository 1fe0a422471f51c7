/** What the compiler made of the contracts, as committed in `contracts/artifacts`. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import type { Hex } from '../../../protocol/ids.ts'

/** Creation code of the largest contract is below 50 kB, twice as many digits, with its runtime beside it. */
const ARTIFACT_BYTES_MAX = 1 << 20
const ARTIFACTS = new URL('../../../../contracts/artifacts/', import.meta.url)

const hex = z
  .string()
  .regex(/^0x[0-9a-f]+$/)
  .transform((text): Hex => `0x${text.slice(2)}`)
const artifactType = z.object({
  bytecode: hex,
  runtime: hex,
  immutables: z.array(z.object({ start: z.number().int().min(0), length: z.literal(32) })).max(1_000),
})

export interface Artifact {
  /** Creation code, without arguments. */
  readonly bytecode: Hex
  /** Code as it lies on chain, with zeros where immutables are. */
  readonly runtime: Hex
  /** Where those are, in bytes. */
  readonly immutables: readonly { readonly start: number; readonly length: number }[]
}

/** @throws `CONFIG` when it is not there, `LIMIT`. */
export async function readArtifact(contract: string): Promise<Artifact> {
  const text = await readFile(new URL(`${contract}.json`, ARTIFACTS), 'utf8').catch((cause: unknown) => {
    const fix = 'run scripts/build-contracts.ts'
    throw new CairnError('CONFIG', { what: `the artifact of ${contract}`, why: 'it cannot be read', fix }, { cause })
  })
  if (text.length > ARTIFACT_BYTES_MAX) throw new CairnError('LIMIT', { what: `the artifact of ${contract}`, limit: ARTIFACT_BYTES_MAX })
  return artifactType.parse(JSON.parse(text))
}
