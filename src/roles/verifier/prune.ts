/** Evidence is kept for as long as anybody may audit with it, and not for ever: an epoch of a large network is gigabytes. */
import { epoch as epochOf } from '../../protocol/ids.ts'
import { openBundle } from '../../resources/evidence.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** DESIGN §7: bundles are kept at least this long after their epoch. */
const EVIDENCE_SECONDS = 90 * 86_400
/** Bundles deleted at a time, so that a verifier that comes back after a year does its epoch first. */
const PRUNE_MAX = 16

/** Deletes bundles and proofs of epochs that ended over 90 days before `now` (Unix seconds); how many epochs. */
export async function pruneEvidence({ rt, book }: Pick<VerifierParts, 'rt' | 'book'>, epochSeconds: number, now: number): Promise<number> {
  const before = epochOf(Math.max(0, Math.floor((now - EVIDENCE_SECONDS) / epochSeconds)))
  book.dropSigned(before)
  const old = book.bundlesBefore(before, PRUNE_MAX)
  for (const { epoch, bundle } of old) {
    const bytes = await book.readFile(bundle)
    const blobs = bytes === null ? null : (openBundle(rt.crypto, bundle, bytes)?.blobs ?? null)
    // The bundle names the proofs, so it goes after them.
    await book.dropEvidence(epoch, blobs === null ? [bundle] : [blobs, bundle])
  }
  if (old.length > 0) rt.log.info('deleted evidence of over 90 days', { epochs: old.length })
  return old.length
}
