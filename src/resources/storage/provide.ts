/** The provider's side of storage: keeps customers' pieces, signs for what it holds, and shows it when asked. */
import type { Account, Epoch } from '../../protocol/ids.ts'
import type { ChannelLine } from '../../protocol/rewards.ts'
import type { Duplex } from '../../runtime/index.ts'
import { headHasher, setIdOf } from './data-set.ts'
import { PROOF_PROTOCOL, type SetHead, STORAGE_PROTOCOL, type StorageChallenge, type StorageClaim, storageReply } from './messages.ts'
import { treeHash } from './piece-tree.ts'
import { openPieceStore, type PieceStore } from './pieces/index.ts'
import { LIMIT, type ProviderContext, refuse, type StorageProviderOptions } from './provider/context.ts'
import { type ExchangeParts, serveProof, serveStorage } from './provider/exchange.ts'
import { type HeldRate, type HeldVoucher, openLedger } from './provider/ledger.ts'
import { createMeterDesk } from './provider/meter.ts'
import { createOrderDesk } from './provider/orders.ts'
import { createProofDesk, type ProofDesk, type SignedSet } from './provider/proofs.ts'
import { createRateDesk } from './provider/rates.ts'
import { createSetDesk } from './provider/sets.ts'
import { createBufferPool } from './provider/transfer.ts'
import { createUpkeep, type Upkeep } from './provider/upkeep.ts'
import { createVoucherDesk } from './provider/vouchers.ts'

export type { StorageProviderOptions, StorageRates } from './provider/context.ts'

/** For `cairn node status` and `cairn node earnings`. Amounts in µcredits, cumulative. */
export interface StorageStatus {
  readonly state: 'serving' | 'draining' | 'failing' | 'closed'
  readonly usedBytes: number
  readonly diskBytes: number
  readonly freeBytes: number
  readonly pieces: number
  readonly sets: number
  readonly owed: bigint
  readonly earned: bigint
  readonly accounts: readonly {
    readonly account: Account
    readonly keptBytes: bigint
    readonly owed: bigint
    readonly paid: bigint
    readonly missedVouchers: number
    readonly mayPut: boolean
    readonly mayGet: boolean
  }[]
  /** Why it earns or serves less than it could. */
  readonly reasons: readonly string[]
}

export interface StorageProvider {
  status(): Promise<StorageStatus>
  /** What payers signed, for redemption on chain: the highest voucher of each channel, and the rates of proved units. */
  promises(): { readonly vouchers: readonly HeldVoucher[]; readonly rates: readonly HeldRate[] }
  /** The root of `epoch` is active; `lines` are what its settlement proves for this operator, by channel and unit. */
  settled(epoch: number, lines: readonly ChannelLine[]): void
  /** The payer's voucher up to `cumulative` brings no more than it has brought: what it promises beyond counts for nothing. */
  unredeemable(payer: Account, cumulative: bigint): void
  /** One turn of what the provider does unasked (metering, claims, garbage, compaction); its own loop does so each second. */
  upkeep(): Promise<void>
  /** Takes no new exchanges and waits until the running ones are done, or `signal` fires. */
  drain(signal: AbortSignal): Promise<void>
  /** One exchange of `/cairn/storage/1`, however it was reached. */
  serve(io: Duplex): Promise<void>
  /** What it answers for in `epoch`, fixed by the first call. */
  claims(epoch: Epoch): readonly StorageClaim[]
  show(challenge: StorageChallenge): ReturnType<ProofDesk['show']>
  /** What it signed of the set that a head is of. */
  signed(head: SetHead): SignedSet
  /** Ends everything and makes it durable. */
  close(): Promise<void>
}

const MS = 1000

/** Lists at most this many accounts in a status. */
const STATUS_ACCOUNTS = 1000

interface Desks extends ExchangeParts {
  readonly upkeep: Upkeep
}

function openDesks(options: StorageProviderOptions, pieces: PieceStore, hash: ProviderContext['hash']): Desks {
  const { chain, net, runtime } = options
  const ledger = openLedger(options.database)
  const at: ProviderContext = {
    options,
    pieces,
    ledger,
    hash,
    headHash: headHasher(runtime.crypto, chain.chainId),
    setIdOf: (account) => setIdOf(runtime.crypto, net, options.device.id, account),
    now: () => runtime.clock.now(),
    epoch() {
      const network = chain.network(net)
      return network === null ? null : Math.floor(runtime.clock.now() / MS / network.epochSeconds)
    },
  }
  const orders = createOrderDesk(options, ledger)
  const meters = createMeterDesk(at)
  const sets = createSetDesk(at, orders, meters, createRateDesk(at, orders))
  const vouchers = createVoucherDesk(at, orders, () => meters.flush(at.epoch()))
  const proofs = createProofDesk(at, sets)
  const upkeep = createUpkeep({ at, orders, meters })
  return { at, orders, meters, sets, vouchers, proofs, upkeep, buffers: createBufferPool() }
}

/** Opens the provider's store and serves both storage protocols on the network. Throws `DISK` or `DATA_FOLDER`. */
export async function openStorageProvider(options: StorageProviderOptions): Promise<StorageProvider> {
  const { runtime, network } = options
  const { clock, crypto, log, compute } = runtime
  const stop = new AbortController()
  const hash = treeHash(crypto, compute.native.sha256Pairs)
  const pieces = await openPieceStore(
    {
      disk: options.disk,
      clock,
      log,
      crc32: compute.native.crc32,
      salt: runtime.random.bytes(8),
      quotaBytes: options.quotaBytes,
      reserveBytes: options.reserveBytes,
      onFailing(error) {
        stop.abort(error)
        options.onFatal(error)
      },
    },
    hash,
    options.leavesOf,
  )
  const desks = openDesks(options, pieces, hash)
  const running = new Set<Promise<void>>()
  let state: StorageStatus['state'] = 'serving'

  const served =
    (serve: (parts: ExchangeParts, io: Duplex) => Promise<void>) =>
    async (io: Duplex): Promise<void> => {
      if (state !== 'serving' || pieces.state !== 'open' || running.size >= LIMIT.exchanges) {
        const code = pieces.state === 'open' ? 'busy' : 'failing'
        return io.send(storageReply.encode(refuse(code, `the provider is ${pieces.state === 'failing' ? 'failing' : state}`)))
      }
      const work = serve(desks, io)
      const done = work.catch(() => {}).finally(() => running.delete(done))
      running.add(done)
      return work
    }
  await desks.upkeep.turn()
  network.handle(STORAGE_PROTOCOL, served(serveStorage))
  network.handle(PROOF_PROTOCOL, served(serveProof))
  const upkeep = desks.upkeep.run(stop.signal)

  async function drain(signal: AbortSignal): Promise<void> {
    if (state === 'serving') state = 'draining'
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted) await Promise.race([Promise.all(running), aborted])
  }

  return {
    serve: served(serveStorage),
    claims: (epoch) => desks.proofs.all(epoch),
    show: (challenge) => desks.proofs.show(challenge),
    signed: (head) => desks.proofs.signed(head),
    promises: () => ({ vouchers: desks.at.ledger.allVouchers(), rates: desks.at.ledger.rates() }),
    settled: desks.meters.settled,
    unredeemable: desks.meters.unredeemable,
    upkeep: desks.upkeep.turn,
    drain,
    status: () => statusOf(desks, pieces.state === 'failing' ? 'failing' : state),
    async close() {
      if (state === 'closed') return
      state = 'closed'
      stop.abort()
      await upkeep
      desks.meters.flush(desks.at.epoch())
      desks.orders.flush()
      await pieces.close()
    },
  }
}

function reasonsOf({ at, meters }: Desks, state: StorageStatus['state'], freeBytes: number): string[] {
  const reasons: string[] = []
  if (state !== 'serving') reasons.push(`the provider is ${state}`)
  if (at.options.chain.degraded()) reasons.push('the chain is away: session keys and vouchers are judged by what was last seen')
  if (at.epoch() === null) reasons.push(`network ${at.options.net} is not known yet: no data set can be signed`)
  if (freeBytes === 0) reasons.push('there is no room for new pieces')
  for (const account of meters.accounts().slice(0, STATUS_ACCOUNTS)) {
    const { missed, why } = meters.standing(account)
    if (missed > 0) reasons.push(`${account}: ${why}`)
  }
  return reasons
}

async function statusOf(desks: Desks, state: StorageStatus['state']): Promise<StorageStatus> {
  const { at, meters } = desks
  const { pieces, ledger } = at
  const freeBytes = pieces.state === 'open' ? await pieces.freeBytes() : 0
  const all = meters.accounts()
  let owed = 0n
  let earned = 0n
  let sets = 0
  const accounts = all.map((account) => {
    const head = ledger.lastHead(at.setIdOf(account))?.claim.head ?? null
    const mine = { owed: meters.owed(account), paid: meters.paid(account) }
    const { missed, mayPut, mayGet } = meters.standing(account)
    if (head !== null) sets += 1
    owed += mine.owed
    earned += mine.paid
    return { account, keptBytes: head?.totalBytes ?? 0n, ...mine, missedVouchers: missed, mayPut, mayGet }
  })
  const { usedBytes, diskBytes, count } = pieces
  return {
    state,
    usedBytes,
    diskBytes,
    freeBytes,
    pieces: count,
    sets,
    owed,
    earned,
    accounts: accounts.slice(0, STATUS_ACCOUNTS),
    reasons: reasonsOf(desks, state, freeBytes),
  }
}
