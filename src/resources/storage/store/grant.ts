/**
 * Orders that this customer lends to verifiers, so that providers are probed by reads that look like its own. They are served
 * and paid like its own, too: so it lends no more than a small share of what it pays for keeping.
 */
import { isCairnError } from '../../../protocol/errors.ts'
import type { DeviceId } from '../../../protocol/ids.ts'
import { PPM } from '../../../protocol/units.ts'
import { SLOTS_PER_SET } from '../challenge.ts'
import { FRAME_BYTES } from '../layout.ts'
import { readTicket, readWish } from '../messages.ts'
import { PROVIDER_RATES } from '../terms.ts'
import type { StoreParts } from './parts.ts'

/** Of what keeping costs, in parts per million: a TB is then read from every minute, and 10 GB about once an hour. */
export const READS_PPM = 50_000
/** What one verifier reads of a set at a time; less would say nothing, so it is lent whole or not at all. */
const ROUND_BYTES = BigInt(SLOTS_PER_SET * FRAME_BYTES)
/** Rounds that may be saved up, and spent on several verifiers in one epoch. */
const ROUNDS_MAX = 8n

interface Purse {
  epoch: number
  since: number
  bytes: bigint
  open: boolean
}

/** Grants a wish for a piece that is this customer's on that device, while `sharePpm` of the price of keeping covers it. */
export function grantReads(parts: StoreParts, sharePpm: number = READS_PPM): (wish: Uint8Array) => Uint8Array | null {
  const { at, orders, database } = parts
  const known = database.prepare('SELECT 1 AS one FROM pieces WHERE id = ? AND device = ?')
  const kept = database.prepare('SELECT coalesce(sum(size), 0) AS bytes FROM pieces WHERE device = ?')
  const began = at.clock.now()
  const purses = new Map<DeviceId, Purse>()

  /** Looked at once in an epoch, since the sum reads every row of the device. */
  function purseOf(device: DeviceId): Purse {
    const now = at.clock.now()
    const epoch = Math.floor(now / 1000 / (at.chain.network(at.net)?.epochSeconds ?? 60))
    const purse = purses.get(device) ?? { epoch: -1, since: began, bytes: 0n, open: false }
    if (purse.epoch === epoch) return purse
    const seconds = BigInt(Math.max(0, Math.floor((now - purse.since) / 1000)))
    const bytes = purse.bytes + affordable(BigInt(Number(kept.get(device)?.['bytes'] ?? 0)) * seconds, sharePpm)
    const most = ROUNDS_MAX * ROUND_BYTES
    Object.assign(purse, { epoch, since: now, bytes: bytes < most ? bytes : most, open: bytes >= ROUND_BYTES })
    purses.set(device, purse)
    return purse
  }

  return (bytes) => {
    try {
      const { device, pieceId, maxBytes } = readWish.decode(bytes)
      if (known.get(pieceId, device) === null) return null
      const purse = purseOf(device)
      if (!purse.open || purse.bytes < BigInt(maxBytes)) return null
      purse.bytes -= BigInt(maxBytes)
      at.served.add(device, maxBytes)
      return readTicket.encode(orders.sign('get', device, pieceId, maxBytes))
    } catch (error) {
      // A verifier that sends what is no wish gets nothing.
      if (isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')) return null
      throw error
    }
  }
}

/** Bytes whose reading costs the share `ppm` of keeping so many byte-seconds. */
function affordable(byteSeconds: bigint, ppm: number): bigint {
  const { kept, served } = PROVIDER_RATES
  const share = byteSeconds * kept.numerator * served.denominator * BigInt(ppm)
  return share / (kept.denominator * served.numerator * BigInt(PPM))
}
