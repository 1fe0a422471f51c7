/** Evidence is kept for as long as anybody may audit with it, and not for ever: an epoch of a large network is gigabytes. */
import { type Digest, type Epoch, epoch as epochOf } from '../../protocol/ids.ts'
import { openBundle, settlementSchema } from '../../resources/evidence.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** DESIGN §7: bundles are kept at least this long after their epoch. */
const EVIDENCE_SECONDS = 90 * 86_400
/** Bundles deleted at a time, so that a verifier that comes back after a year does its epoch first. */
const PRUNE_MAX = 16

/** The bundles that an epoch was settled from: those of other verifiers were copied here. */
async function settledFrom(book: VerifierParts['book'], at: Epoch): Promise<readonly Digest[]> {
  const settlement = book.get(at)?.settlement ?? null
  const bytes = settlement === null ? null : await book.readFile(settlement)
  return bytes === null ? [] : settlementSchema.decode(bytes).bundles
}

/** Deletes bundles and proofs of epochs that ended over 90 days before `now` (Unix seconds); how many epochs. */
export async function pruneEvidence({ rt, book }: Pick<VerifierParts, 'rt' | 'book'>, epochSeconds: number, now: number): Promise<number> {
  const before = epochOf(Math.max(0, Math.floor((now - EVIDENCE_SECONDS) / epochSeconds)))
  book.dropSigned(before)
  const old = book.bundlesBefore(before, PRUNE_MAX)
  for (const { epoch, bundle } of old) {
    const files: Digest[] = []
    for (const name of new Set([...(await settledFrom(book, epoch)), bundle])) {
      const bytes = await book.readFile(name)
      const blobs = bytes === null ? null : (openBundle(rt.crypto, name, bytes)?.blobs ?? null)
      // A bundle names its proofs, so it goes after them.
      files.push(...(blobs === null ? [name] : [blobs, name]))
    }
    await book.dropEvidence(epoch, files)
  }
  if (old.length > 0) rt.log.info('deleted evidence of over 90 days', { epochs: old.length })
  return old.length
}
