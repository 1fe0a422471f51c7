/** Roots of a network that one verifier signs for: every epoch is published as soon as it is settled. */
import type { Digest, Epoch } from '../../protocol/ids.ts'
import { rootMessageHash } from '../../protocol/roots.ts'
import { publishRoot } from '../../runtime/actions/rewards.ts'
import { toHex } from '../../std/bytes.ts'
import { once, publishableAt, readSettlement, settleEpoch, type VerifierParts } from './settle-epoch.ts'

/** Settles an epoch whose evidence is complete, and publishes its root; does nothing when that is done or impossible. */
export async function settleAndPublish(parts: VerifierParts, epoch: Epoch): Promise<void> {
  const row = parts.book.get(epoch)
  if (row === null || row.state === 'void' || row.state === 'missed' || row.state === 'published' || row.state === 'superseded') return
  if (row.state === 'settled' && row.settlement !== null) return publish(parts, epoch, row.settlement)
  const outcome = await settleEpoch(parts, epoch, false)
  if (outcome.is === 'settled') await publish(parts, epoch, outcome.settled.digest)
}

async function publish(parts: VerifierParts, epoch: Epoch, dataHash: Digest): Promise<void> {
  const { rt, book, net, signer, signRoot } = parts
  const roots = rt.chain.roots(net)
  if (roots.some((root) => root.epoch === epoch)) return book.mark(epoch, 'published')
  // Totals are cumulative, so a later root pays for this epoch, too.
  if (roots.some((root) => root.epoch > epoch)) return book.mark(epoch, 'superseded')
  const key = `root:${net}:${epoch}`
  if (signRoot === null || (rt.chain.head()?.timestamp ?? 0) < publishableAt(parts) || parts.underWay.has(key)) return
  const { owners, root, total } = await readSettlement(book, dataHash)
  if (owners.length === 0) return
  const { chainId, addresses } = rt.chain
  const message = { net, asset: addresses.token, epoch, attempt: 0, setId: 0, root, total, dataHash }
  once(parts, key, async () => {
    const signature = signRoot(rootMessageHash(rt.crypto, chainId, addresses.publisher, message))
    const outcome = await publishRoot(signer, { message, signatures: `0x${toHex(signature)}` }, { key })
    if (outcome.is === 'reverted') rt.log.warn('a root was refused', { epoch, error: outcome.error })
    else book.mark(epoch, 'published')
  })
}
