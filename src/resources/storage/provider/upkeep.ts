/** What a provider does unasked: roots, metering, claims, garbage, compaction, scrubbing. One loop, bounded work per turn. */
import { isCairnError } from '../../../protocol/errors.ts'
import type { Account, Digest } from '../../../protocol/ids.ts'
import type { ProviderContext } from './context.ts'
import type { HeadRow, LeftPiece } from './ledger.ts'
import type { MeterDesk } from './meter.ts'
import type { OrderDesk } from './orders.ts'

/** How often meters and serials are made durable: a crash loses this much metering, to the provider's own cost. */
const TURN_MS = 1000
/** Without new pieces the roots are looked at this often. */
const ROOTS_IDLE_MS = 250
/** Bytes that compaction copies per turn: 16 MiB/s leave a slow disk most of its time. */
const COMPACT_BYTES = 16 * 1024 * 1024
/** Everything is read against its checksums once in this time. */
const SCRUB_SECONDS = 30 * 24 * 3600
const SCRUB_BYTES_MIN = 1024 * 1024
/** Pieces looked at per turn for garbage. */
const SWEEP_PIECES = 2000
/** Pieces that an account never signed for, or whose head expired, stay this long after that (DESIGN §6). */
const ABANDONED_MS = 30 * 24 * 3600 * 1000

export interface Upkeep {
  /** One turn, as the loop does each second. For tests and for the last moment before closing. */
  turn(): Promise<void>
  /** Runs until `signal` fires. */
  run(signal: AbortSignal): Promise<void>
}

/** An account's set, as it was last signed. */
interface LastSet {
  readonly setId: Digest
  readonly last: HeadRow | null
}

export interface UpkeepParts {
  readonly at: ProviderContext
  readonly orders: OrderDesk
  readonly meters: MeterDesk
}

export function createUpkeep({ at, orders, meters }: UpkeepParts): Upkeep {
  const { options, pieces, ledger } = at
  const { clock, log } = options.runtime
  let sweepAt: Iterator<Digest> | null = null
  let scrubAfter: Digest | null = null
  let epochSeen: number | null = null
  /** Before this none of the pieces that left their sets can go, so that the manifest is not searched for them each turn. */
  let leftDueAt = 0

  /** Pieces that left their set: every epoch that could still ask for them is over. */
  function dropLeft(now: number): Digest[] {
    if (now < leftDueAt) return []
    const doomed: Digest[] = []
    const settled: LeftPiece[] = []
    const rows = ledger.left(SWEEP_PIECES)
    leftDueAt = Number.POSITIVE_INFINITY
    for (const row of rows) {
      const held = pieces.stat(row.pieceId)
      if (held !== null && held.keepUntil > now) {
        leftDueAt = Math.min(leftDueAt, held.keepUntil)
        continue
      }
      settled.push(row)
      if (held !== null && !row.again && at.setIdOf(held.account) === row.setId) doomed.push(row.pieceId)
    }
    if (settled.length > 0) {
      ledger.dropLeft(settled)
      if (rows.length === SWEEP_PIECES) leftDueAt = now
    }
    return doomed
  }

  /**
   * Whether a piece that no remembered version names may go: its order has expired, and after that the account signed a
   * set without it whose epoch has begun. Or the account is gone.
   */
  function isGarbage(pieceId: Digest, now: number, epoch: number, setOf: (account: Account) => LastSet): boolean {
    const held = pieces.stat(pieceId)
    if (held === null || held.keepUntil > now) return false
    const { setId, last } = setOf(held.account)
    if (last === null) return now - held.keepUntil > ABANDONED_MS
    // While the head is valid the customer may demand any byte of the set on chain, whatever it owes.
    const expiredMs = now - 1000 * last.claim.head.expiresAt
    if (expiredMs > ABANDONED_MS || (expiredMs > 0 && meters.standing(held.account).mayDelete)) return true
    return last.signedAt >= held.keepUntil && last.epoch < epoch && !ledger.isNamed(setId, pieceId)
  }

  function sweep(now: number, epoch: number): Digest[] {
    sweepAt ??= pieces.all()[Symbol.iterator]()
    const doomed: Digest[] = []
    // Few accounts have many pieces: reading a head for each piece again took a tenth of an idle node's time.
    const sets = new Map<Account, LastSet>()
    const setOf = (account: Account): LastSet => {
      const known = sets.get(account)
      if (known !== undefined) return known
      const setId = at.setIdOf(account)
      const set = { setId, last: ledger.lastHead(setId) }
      sets.set(account, set)
      return set
    }
    for (let i = 0; i < SWEEP_PIECES; i += 1) {
      const next = sweepAt.next()
      if (next.done === true) {
        sweepAt = null
        break
      }
      if (isGarbage(next.value, now, epoch, setOf)) doomed.push(next.value)
    }
    return doomed
  }

  async function collect(epoch: number): Promise<void> {
    const now = at.now()
    // Looked at and forgotten without waiting in between: nobody can sign for a piece that is about to go.
    const doomed = [...dropLeft(now), ...sweep(now, epoch)]
    if (doomed.length === 0) return
    await pieces.delete(doomed)
    log.debug('dropped pieces that nobody answers for', { pieces: doomed.length })
  }

  async function scrub(): Promise<void> {
    const budget = Math.max(SCRUB_BYTES_MIN, Math.ceil(pieces.usedBytes / SCRUB_SECONDS))
    const { next, damaged } = await pieces.scrub(scrubAfter, budget)
    scrubAfter = next
    if (damaged.length > 0) log.error('pieces are damaged on the disk', { pieces: damaged.length, first: damaged[0] })
  }

  async function turn(): Promise<void> {
    const epoch = at.epoch()
    meters.flush(epoch)
    orders.flush()
    if (epoch !== null && epoch !== epochSeen) {
      // The claims of an epoch are fixed by what was signed before it, also when nobody asked and the node was down.
      ledger.fixClaims(epoch)
      meters.began(epoch)
      ledger.forget(epoch - 1)
      // Heads were forgotten, and pieces with them that no other head names.
      leftDueAt = 0
      epochSeen = epoch
    }
    if (pieces.state !== 'open') return
    if (epoch !== null) await collect(epoch)
    await pieces.compact(COMPACT_BYTES)
  }

  async function repeat(name: string, ms: number, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
    while (!signal.aborted && pieces.state === 'open') {
      try {
        await work()
      } catch (error) {
        // A failing disk was reported by the store; whatever else went wrong is tried again.
        if (!isCairnError(error, 'DISK')) log.error(`${name} failed`, { why: String(error) })
      }
      await clock.sleep(ms, signal).catch(() => {})
    }
  }

  return {
    turn,
    async run(signal) {
      await Promise.all([
        repeat('upkeep', TURN_MS, signal, turn),
        repeat('root work', ROOTS_IDLE_MS, signal, async () => {
          while (!signal.aborted && (await pieces.step()));
        }),
        // Sixty turns' worth at a time, since each sorts the ids once.
        repeat('scrub', 60 * TURN_MS, signal, async () => {
          for (let i = 0; i < 60 && !signal.aborted; i += 1) {
            await scrub()
            // A small store is through at once; reading it again sixty times would find nothing new.
            if (scrubAfter === null) break
          }
        }),
      ])
    },
  }
}
