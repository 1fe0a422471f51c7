/**
 * Takes over what a provider's last co-signed set says, when the two sides have come apart: a reply was lost on its way,
 * or this gateway was rebuilt. Pieces that nothing here names are kept as orphans, and are never signed away at once.
 */
import { CairnError } from '../../../protocol/errors.ts'
import { type DeviceId, type Digest, digest } from '../../../protocol/ids.ts'
import type { ManifestEntry, SetHead } from '../messages.ts'
import { manageOrder, receiveReply, sendRequest } from './exchange.ts'
import { saveHead } from './heads.ts'
import type { StoreParts } from './parts.ts'

/** What nothing names is kept for so long (DESIGN §6): time to find out that it was needed after all. */
const ORPHAN_MS = 30 * 86_400_000
/** A set that changes while its manifest is read is read again; a gateway signs it once an epoch at most. */
const READS_MAX = 5
/** Pages of a manifest: a million pieces of one provider are 245. */
const PAGES_MAX = 4096

export interface Adopted {
  readonly version: bigint
  readonly pieces: number
  /** Pieces that this gateway does not know. */
  readonly orphans: number
}

/** The provider's last co-signed manifest for this account, whole. */
export async function readManifest(
  parts: StoreParts,
  device: DeviceId,
  reads = 1,
): Promise<{ head: SetHead | null; entries: readonly ManifestEntry[] }> {
  const { at, providers, orders } = parts
  const entries: ManifestEntry[] = []
  let head: SetHead | null = null
  let after: Digest | null = null
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const io = await providers.open(device)
    await sendRequest(io, { op: 'manifest', order: manageOrder(orders, device), after })
    const reply = await receiveReply(at.clock, io, 'manifest')
    await io.end()
    // A new head between two pages would mix two sets: begin again.
    if (head !== null && reply.head?.version !== head.version) {
      if (reads === READS_MAX)
        throw new CairnError('PROTOCOL', { peer: device, why: `its set changed ${READS_MAX} times while it was read` })
      return readManifest(parts, device, reads + 1)
    }
    head = reply.head
    entries.push(...reply.entries)
    after = entries.at(-1)?.pieceId ?? null
    if (!reply.more || after === null) break
  }
  return { head, entries }
}

/** Makes this side's books agree with the provider's set, so that the next proposal is a change of it. */
export async function adoptManifest(parts: StoreParts, device: DeviceId): Promise<Adopted> {
  const { head, entries } = await readManifest(parts, device)
  const { database, metadata } = parts
  const held = new Set(entries.map((entry) => entry.pieceId))
  const before = new Set(metadata.segments.manifest(device).map((entry) => entry.pieceId))
  const leaving = new Set(
    database
      .prepare('SELECT piece FROM removals WHERE device = ?')
      .all(device)
      .map((row) => digest(String(row['piece']))),
  )
  let orphans = 0
  database.transaction(() => {
    database.prepare('UPDATE pieces SET signed = 0 WHERE device = ?').run(device)
    for (const entry of entries) {
      if (leaving.has(entry.pieceId)) continue
      if (!before.has(entry.pieceId)) orphans += 1
      metadata.segments.addOrphan(device, entry)
    }
    for (const piece of leaving)
      if (!held.has(piece)) database.prepare('DELETE FROM removals WHERE device = ? AND piece = ?').run(device, piece)
    saveHead(parts, device, { version: head?.version ?? 0n, expiresAt: 0 }, new Uint8Array(), new Uint8Array())
  })
  return { version: head?.version ?? 0n, pieces: entries.length, orphans }
}

/**
 * Drops orphans that are known for 30 days: they leave the data sets with the next signature, and providers may delete them
 * then. Called once an epoch; what is new is noted with the time of this call.
 */
export function dropOldOrphans(parts: Pick<StoreParts, 'at' | 'database' | 'metadata'>): number {
  const now = parts.at.clock.now()
  return parts.database.transaction(() => parts.metadata.segments.sweepOrphans(now, now - ORPHAN_MS))
}
