/**
 * What each account owes and has promised (DESIGN §6, "Pay at rest"). Kept bytes count from the co-signed set, served bytes
 * as they leave. At the end of each epoch what is owed is noted; a voucher for it has until its root is out and one epoch more.
 * Exposure is bounded: one missed voucher stops uploads, three stop reads except recovery, after 30 days pieces may go.
 */
import type { Account } from '../../../protocol/ids.ts'
import { priceOf } from '../../../protocol/units.ts'
import type { StorageProviderOptions } from './context.ts'
import type { Ledger, Meter } from './ledger.ts'

const MISSED_NO_PUT = 1
const MISSED_NO_GET = 3
const MISSED_DELETE_MS = 30 * 24 * 3600 * 1000
/** Noted epochs per account: beyond this an account that owes is closed anyway. */
const DUES_MAX = 16
/**
 * A voucher covers what the payer could verify, which is less than what we counted when a proof failed. Half of it counts
 * as paid; whoever pays less is not served for longer, and the rest can be taken by proof (Escrow.redeemProved).
 */
const ACCEPTED_PERCENT = 50n

export interface Standing {
  readonly mayPut: boolean
  readonly mayGet: boolean
  readonly mayDelete: boolean
  readonly missed: number
  /** For the refusal. */
  readonly why: string
}

export interface MeterDesk {
  standing(account: Account): Standing
  served(account: Account, bytes: number): void
  /** A verifier asked for proofs in this epoch. Nobody can pay for one in which none did, so nothing is owed for it either. */
  asked(epoch: number): void
  /** The account's meter counted up to now, as it must be stored when its set changes to `keptBytes`. */
  upTo(account: Account, keptBytes: bigint): Meter
  /** Called after `upTo`'s meter was stored. */
  adopt(meter: Meter, keptBytes: bigint): void
  /** µcredits that vouchers promise and the payer's funds cover. */
  paid(account: Account): bigint
  owed(account: Account): bigint
  accounts(): readonly Account[]
  /** Counts up to now, notes the dues of epochs that ended, makes all of it durable. */
  flush(epoch: number | null): void
}

interface Running {
  keptByteMs: bigint
  servedBytes: bigint
  since: number
  epoch: number
  keptBytes: bigint
  /** Of `keptByteMs`: since the epoch began, or since this process did. */
  keptThisEpoch: bigint
}

/** Epochs that are remembered as asked for; only the one that ends is looked up. */
const ASKED_KEPT = 4

export function createMeterDesk(options: StorageProviderOptions, ledger: Ledger, keptBytesOf: (account: Account) => bigint): MeterDesk {
  const { chain, rates, net, asset, operator } = options
  const { clock } = options.runtime
  const running = new Map<Account, Running>()
  const standings = new Map<Account, Standing>()
  // While this node was down it could prove nothing, so nobody could pay for it: a night off must not look like a payer's arrears.
  for (const { account, ...meter } of ledger.meters()) {
    running.set(account, { ...meter, since: Math.max(meter.since, clock.now()), keptBytes: keptBytesOf(account), keptThisEpoch: 0n })
  }
  const askedEpochs: number[] = []

  function of(account: Account): Running {
    const known = running.get(account)
    if (known !== undefined) return known
    const made = { keptByteMs: 0n, servedBytes: 0n, since: clock.now(), epoch: 0, keptBytes: 0n, keptThisEpoch: 0n }
    running.set(account, made)
    return made
  }

  /** Wall time may step back: then nothing is counted until it has caught up. */
  function count(meter: Running): void {
    const now = clock.now()
    if (now <= meter.since) return
    const kept = meter.keptBytes * BigInt(now - meter.since)
    meter.keptByteMs += kept
    meter.keptThisEpoch += kept
    meter.since = now
  }

  function owed(account: Account): bigint {
    const meter = running.get(account)
    return meter === undefined ? 0n : priceOf(meter.keptByteMs / 1000n, rates.kept) + priceOf(meter.servedBytes, rates.served)
  }

  function paid(account: Account): bigint {
    let sum = 0n
    let available = chain.escrow(account, asset).available
    for (const { voucher } of ledger.vouchers(account)) {
      const channel = chain.channel(account, operator.account, asset, net, voucher.channelId)
      const secured = (channel?.redeemed ?? 0n) + (channel?.earmark ?? 0n)
      const open = voucher.cumulative > secured ? voucher.cumulative - secured : 0n
      // Beyond the earmark a voucher draws on what the payer has at hand, once for all its channels.
      const drawn = open < available ? open : available
      available -= drawn
      sum += voucher.cumulative - open + drawn
    }
    return sum
  }

  function judge(account: Account): Standing {
    const covered = paid(account)
    const dues = ledger.dues(account)
    const met = dues.filter((due) => covered * 100n >= due.owed * ACCEPTED_PERCENT)
    const last = met.at(-1)
    if (last !== undefined) ledger.settleDues(account, last.epoch)
    const current = running.get(account)?.epoch ?? 0
    // A voucher follows the published root of its epoch, which may wait for a few, and has one more epoch to arrive.
    const grace = 1 + (chain.network(net)?.rootEpochs ?? 1)
    const missed = dues.filter((due) => due.epoch > (last?.epoch ?? -1) && due.epoch + grace < current)
    const oldest = missed[0]
    return {
      missed: missed.length,
      mayPut: missed.length < MISSED_NO_PUT,
      mayGet: missed.length < MISSED_NO_GET,
      mayDelete: oldest !== undefined && clock.now() - oldest.closedAt > MISSED_DELETE_MS,
      why:
        oldest === undefined ? 'paid' : `${missed.length} vouchers are missing: ${oldest.owed} µcredits were owed, ${covered} are covered`,
    }
  }

  function close(account: Account, meter: Running, epoch: number): void {
    if (meter.epoch === epoch) return
    // A verifier that is away, or a network that began again, must not make debtors of customers who would pay.
    if (meter.epoch > 0 && !askedEpochs.includes(meter.epoch)) meter.keptByteMs -= meter.keptThisEpoch
    meter.keptThisEpoch = 0n
    const total = owed(account)
    const dues = ledger.dues(account)
    const noted = dues.at(-1)?.owed ?? 0n
    if (meter.epoch > 0 && total > noted && total * ACCEPTED_PERCENT > paid(account) * 100n && dues.length < DUES_MAX) {
      ledger.addDue(account, { epoch: epoch - 1, owed: total, closedAt: clock.now() })
    }
    meter.epoch = epoch
  }

  return {
    standing(account) {
      // Judged once per flush: a put must not cost a scan of dues and vouchers.
      const known = standings.get(account) ?? judge(account)
      standings.set(account, known)
      return known
    },
    served(account, bytes) {
      of(account).servedBytes += BigInt(bytes)
    },
    asked(epoch) {
      if (!askedEpochs.includes(epoch)) askedEpochs.push(epoch)
      if (askedEpochs.length > ASKED_KEPT) askedEpochs.shift()
    },
    upTo(account) {
      const meter = of(account)
      count(meter)
      const { keptByteMs, servedBytes, since, epoch } = meter
      return { account, keptByteMs, servedBytes, since, epoch }
    },
    adopt(meter, keptBytes) {
      of(meter.account).keptBytes = keptBytes
    },
    paid,
    owed,
    accounts: () => [...running.keys()],
    flush(epoch) {
      standings.clear()
      for (const [account, meter] of running) {
        count(meter)
        if (epoch !== null) close(account, meter, epoch)
      }
      ledger.keepMeters(
        [...running].map(([account, { keptByteMs, servedBytes, since, epoch: at }]) => ({
          account,
          keptByteMs,
          servedBytes,
          since,
          epoch: at,
        })),
      )
    },
  }
}
