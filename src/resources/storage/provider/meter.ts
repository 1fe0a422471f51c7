/**
 * What each account owes and has promised (DESIGN §6, "Pay at rest"). Kept bytes count as settlements prove them: it is
 * what a payer can verify and what its provider could take by proof (Escrow.redeemProved), so nobody owes for a time in
 * which this node was down, cut off from the verifiers, or not asked. Served bytes count as they leave.
 * A due is what must be covered for an epoch whose root is active. Exposure is bounded: one due that stays uncovered stops
 * uploads, three stop reads except recovery, after 30 days pieces may go.
 */
import type { Account, Digest } from '../../../protocol/ids.ts'
import { type ChannelLine, channelKey, unitId } from '../../../protocol/rewards.ts'
import { priceOf } from '../../../protocol/units.ts'
import { CHANNEL_ID } from '../../rates.ts'
import { BYTE_SECOND } from '../terms.ts'
import type { ProviderContext } from './context.ts'
import { createLapseDesk } from './lapses.ts'
import type { Due, Meter } from './ledger.ts'

const MISSED_NO_PUT = 1
const MISSED_NO_GET = 3
/** A gateway whose key was changed signs anew in the middle of the next epoch: only what lasts longer counts as missed. */
const LAPSED_FREE = 1
const MISSED_DELETE_MS = 30 * 24 * 3600 * 1000
/** Noted dues per account: beyond this an account that owes is closed anyway. */
const DUES_MAX = 16
/**
 * Both sides count what was served. A read that was cut off counts more here than there, and a payer that is killed forgets
 * what it counted last, which it can never make up for. So half must be covered of what is beyond a GiB, less than a cent.
 */
const SERVED_PERCENT = 50n
const SERVED_FREE_BYTES = 2n ** 30n

export interface Standing {
  readonly mayPut: boolean
  readonly mayGet: boolean
  /** Its pieces may go once no head of it is valid any more: until then they may be demanded on chain. */
  readonly mayDelete: boolean
  /** What it owes is so old that no further head is signed for it, until it pays. */
  readonly maySign: boolean
  /** Its set was unpaid for so long that nothing in it is answered for any more; another set of it is welcome. */
  readonly forsaken: boolean
  /** Dues that are not covered, and epochs whose set nobody can be paid for. */
  readonly missed: number
  /** For the refusal. */
  readonly why: string
}

export interface MeterDesk {
  standing(account: Account): Standing
  served(account: Account, bytes: number): void
  /** The account has a data set here; its row was stored with the set's head. */
  know(account: Account): void
  /** `epoch` has begun and its claims are fixed. Harmless when told again. */
  began(epoch: number): void
  /** The root of `epoch` is active; `lines` are what its settlement proves for this operator. Harmless when told again. */
  settled(epoch: number, lines: readonly ChannelLine[]): void
  /** The chain pays no more for the payer's vouchers up to `cumulative` than it did, whatever funds it has. */
  unredeemable(payer: Account, cumulative: bigint): void
  /** µcredits that vouchers promise and the payer's funds cover. */
  paid(account: Account): bigint
  /** µcredits, cumulative: what was proven by the newest settlement, and all that was served. */
  owed(account: Account): bigint
  accounts(): readonly Account[]
  /** Notes what was served when an epoch ends, makes all of it durable. */
  flush(epoch: number | null): void
}

type Running = { -readonly [Key in keyof Meter]: Meter[Key] } & { readonly channel: Digest; changed: boolean; servedAtEnd: bigint }

export function createMeterDesk(at: ProviderContext): MeterDesk {
  const { ledger, options } = at
  const { chain, rates, net, asset, operator } = options
  const { clock, crypto } = options.runtime
  const unit = unitId(crypto, `storage.${BYTE_SECOND}`)
  const running = new Map<Account, Running>()
  const standings = new Map<Account, Standing>()
  const lapses = createLapseDesk(at)
  /** Vouchers that brought nothing. After a restart it takes the chain a while to show it again. */
  const empty = new Map<Account, bigint>()
  let lastEpoch: number | null = null
  let lastSettled = -1
  for (const meter of ledger.meters()) begin(meter)

  function begin(meter: Meter): Running {
    const channel = channelKey(crypto, meter.account, operator.account, asset, net, CHANNEL_ID)
    const made = { ...meter, channel, changed: false, servedAtEnd: ledger.servedAt(meter.account, Number.MAX_SAFE_INTEGER) }
    running.set(meter.account, made)
    return made
  }

  const of = (account: Account): Running => running.get(account) ?? begin({ account, servedBytes: 0n, provenByteSeconds: 0n })

  function owed(account: Account): bigint {
    const meter = running.get(account)
    return meter === undefined ? 0n : priceOf(meter.provenByteSeconds, rates.kept) + priceOf(meter.servedBytes, rates.served)
  }

  function paid(account: Account): bigint {
    const channel = chain.channel(account, operator.account, asset, net, CHANNEL_ID)
    const redeemed = channel?.redeemed ?? 0n
    const promised = ledger.voucher(account, CHANNEL_ID)?.voucher.cumulative ?? 0n
    // What was redeemed is paid whatever is promised: by proof, or with a voucher that another node of the operator holds.
    if (promised <= redeemed || promised <= (empty.get(account) ?? 0n)) return redeemed
    const covered = redeemed + (channel?.earmark ?? 0n) + chain.escrow(account, asset).available
    return promised < covered ? promised : covered
  }

  function judge(account: Account): Standing {
    const covered = paid(account)
    const dues = ledger.dues(account)
    const last = dues.filter((due) => covered >= due.owed).at(-1)
    if (last !== undefined) ledger.settleDues(account, last.epoch)
    const current = at.epoch() ?? 0
    // A gateway signs when the root is published, which is before it is active; it still has a whole epoch after that.
    const missed = dues.filter((due) => due.epoch > (last?.epoch ?? -1) && due.notedIn + 1 < current)
    const oldest = missed[0]
    const lapse = lapses.of(account)
    const count = missed.length + Math.max(0, lapse.epochs - LAPSED_FREE)
    const isOld = oldest !== undefined && clock.now() - oldest.notedAt > MISSED_DELETE_MS
    return {
      missed: count,
      mayPut: count < MISSED_NO_PUT,
      mayGet: count < MISSED_NO_GET,
      mayDelete: lapse.tooLong || isOld,
      maySign: !isOld,
      forsaken: lapse.tooLong,
      why:
        oldest === undefined
          ? lapse.why
          : `${missed.length} vouchers are missing: ${oldest.owed} µcredits are due for epoch ${oldest.epoch}, ${covered} are covered`,
    }
  }

  function note(meter: Running, epoch: number): void {
    const bytes = ledger.servedAt(meter.account, epoch)
    const counted = bytes > SERVED_FREE_BYTES ? bytes - SERVED_FREE_BYTES : 0n
    const served = (priceOf(counted, rates.served) * SERVED_PERCENT) / 100n
    const due: Due = { epoch, owed: priceOf(meter.provenByteSeconds, rates.kept) + served, notedIn: at.epoch() ?? 0, notedAt: clock.now() }
    const dues = ledger.dues(meter.account)
    if (due.owed <= (dues.at(-1)?.owed ?? 0n) || due.owed <= paid(meter.account) || dues.length >= DUES_MAX) return
    ledger.addDue(meter.account, due)
  }

  return {
    standing(account) {
      // Judged once per flush: a put must not cost a scan of dues and vouchers.
      const known = standings.get(account) ?? judge(account)
      standings.set(account, known)
      return known
    },
    served(account, bytes) {
      const meter = of(account)
      meter.servedBytes += BigInt(bytes)
      meter.changed = true
    },
    know(account) {
      of(account)
    },
    began(epoch) {
      lapses.look(epoch, [...running.keys()])
      standings.clear()
    },
    settled(epoch, lines) {
      if (epoch <= lastSettled) return
      lastSettled = epoch
      const proven = new Map(lines.filter((line) => line.unit === unit).map((line) => [line.channel, line.cumulative]))
      for (const meter of running.values()) {
        const now = proven.get(meter.channel) ?? 0n
        if (now > meter.provenByteSeconds) {
          meter.provenByteSeconds = now
          meter.changed = true
        }
        note(meter, epoch)
      }
      standings.clear()
    },
    unredeemable(payer, cumulative) {
      if (running.has(payer)) empty.set(payer, cumulative)
    },
    paid,
    owed,
    accounts: () => [...running.keys()],
    flush(epoch) {
      standings.clear()
      // The part of an epoch before a restart counts with the next end that is seen, to the provider's own cost.
      const ended = epoch !== null && lastEpoch !== null && epoch > lastEpoch ? epoch - 1 : null
      const all = [...running.values()]
      const changed = all.filter((meter) => meter.changed)
      const served = ended === null ? [] : all.filter((meter) => meter.servedBytes > meter.servedAtEnd)
      if (changed.length + served.length > 0) ledger.keepMeters(changed, ended === null ? null : { epoch: ended, of: served })
      for (const meter of changed) meter.changed = false
      for (const meter of served) meter.servedAtEnd = meter.servedBytes
      if (epoch !== null) lastEpoch = Math.max(epoch, lastEpoch ?? epoch)
    },
  }
}
