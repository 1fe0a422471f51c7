/** Orders that this customer lends to verifiers, so that providers are probed by reads that look like its own. */
import { isCairnError } from '../../../protocol/errors.ts'
import type { DeviceId } from '../../../protocol/ids.ts'
import { readTicket, readWish } from '../messages.ts'
import type { StoreParts } from './parts.ts'

/** Reads of one provider in an epoch: the 8 that one verifier makes of a set, for a few verifiers. Each is 64 KiB at most. */
const READS_PER_EPOCH = 64

/** Grants a wish for a piece that is this customer's on that device. What is granted is counted as served, and so is paid. */
export function grantReads(parts: StoreParts): (wish: Uint8Array) => Uint8Array | null {
  const { at, orders, database } = parts
  const known = database.prepare('SELECT 1 AS one FROM pieces WHERE id = ? AND device = ?')
  let epoch = -1
  let granted = new Map<DeviceId, number>()
  return (bytes) => {
    try {
      const { device, pieceId, maxBytes } = readWish.decode(bytes)
      const now = Math.floor(at.clock.now() / 1000 / (at.chain.network(at.net)?.epochSeconds ?? 60))
      if (now !== epoch) granted = new Map()
      epoch = now
      const before = granted.get(device) ?? 0
      if (before >= READS_PER_EPOCH || known.get(pieceId, device) === null) return null
      granted.set(device, before + 1)
      at.served.add(device, maxBytes)
      return readTicket.encode(orders.sign('get', device, pieceId, maxBytes))
    } catch (error) {
      // A verifier that sends what is no wish gets nothing.
      if (isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')) return null
      throw error
    }
  }
}
