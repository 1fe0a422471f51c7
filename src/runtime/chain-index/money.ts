/** Escrow's books, rebuilt from its events. */
import { type Account, type Address, type Digest, type NetworkId, networkId } from '../../protocol/ids.ts'
import { assert } from '../../std/assert.ts'
import type { ChannelRow } from '../chain.ts'
import { accountIn, addressIn, bigintIn, type ChainEvent, digestIn, type EventArgs, numberIn } from './event.ts'

export interface EscrowBooks {
  available: bigint
  thawing: bigint
  earned: bigint
}

export interface MoneyIndex {
  apply(event: ChainEvent): void
  escrow(owner: Account, asset: Address): Readonly<EscrowBooks>
  channel(key: Digest): ChannelRow | null
  channelsOf(payer: Account): readonly ChannelRow[]
}

/** A payment that was booked on the payer's side; the `Settled` after it says in which asset. */
interface Drawn {
  readonly key: Digest
  readonly payer: Account
  readonly paid: bigint
  /** Vouchers go on from the earmark to the payer's pool; proofs do not. */
  readonly pool: boolean
}

function least(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}

const EMPTY: Readonly<EscrowBooks> = { available: 0n, thawing: 0n, earned: 0n }

/**
 * @param credits Address of Credits, the one asset whose earnings are redeemed in place.
 * @param recipientOf Who gets a network's fee in other assets now: `Settled` names the amount only. Fees in credits wait
 * in a book of the day until `FeesCollected` says whose they are.
 */
export function createMoneyIndex(credits: Address, recipientOf: (net: NetworkId) => Account | null): MoneyIndex {
  const books = new Map<string, EscrowBooks>()
  const channels = new Map<Digest, ChannelRow>()
  const byPayer = new Map<Account, Set<Digest>>()
  const redeemed = new Map<Digest, bigint>()
  const lockAssets = new Map<Digest, Address>()
  let drawn: Drawn[] = []

  function booksOf(owner: Account, asset: Address): EscrowBooks {
    const at = `${owner} ${asset}`
    const known = books.get(at)
    if (known !== undefined) return known
    const made = { ...EMPTY }
    books.set(at, made)
    return made
  }

  function change(key: Digest, change: Partial<ChannelRow>): void {
    const row = channels.get(key)
    if (row !== undefined) channels.set(key, { ...row, ...change })
  }

  function fund(args: EventArgs): void {
    const key = digestIn(args, 'key')
    const payer = accountIn(args, 'payer')
    const asset = addressIn(args, 'asset')
    channels.set(key, {
      payer,
      payee: accountIn(args, 'payee'),
      asset,
      net: networkId(numberIn(args, 'net')),
      channelId: bigintIn(args, 'channelId'),
      earmark: bigintIn(args, 'earmark'),
      redeemed: redeemed.get(key) ?? 0n,
      closesAt: 0,
    })
    byPayer.set(payer, (byPayer.get(payer) ?? new Set()).add(key))
    booksOf(payer, asset).available -= bigintIn(args, 'added')
  }

  /** Escrow draws the earmark first, then the available money, then what is thawing; the same order gives the same books. */
  function draw({ key, payer, paid, pool }: Drawn, asset: Address): void {
    const earmark = channels.get(key)?.earmark ?? 0n
    const fromEarmark = paid < earmark ? paid : earmark
    change(key, { earmark: earmark - fromEarmark })
    const rest = paid - fromEarmark
    assert(pool || rest === 0n, 'a proof draws the earmark alone')
    const payers = booksOf(payer, asset)
    const fromAvailable = least(rest, payers.available)
    payers.available -= fromAvailable
    payers.thawing -= rest - fromAvailable
  }

  function paid(event: ChainEvent): void {
    const { args, name } = event
    const key = digestIn(args, 'key')
    const amount = bigintIn(args, 'paid')
    const total = name === 'VoucherRedeemed' ? bigintIn(args, 'redeemed') : (redeemed.get(key) ?? 0n) + amount
    redeemed.set(key, total)
    change(key, { redeemed: total })
    drawn.push({ key, payer: accountIn(args, 'payer'), paid: amount, pool: name === 'VoucherRedeemed' })
  }

  function settle(args: EventArgs): void {
    const asset = addressIn(args, 'asset')
    for (const payment of drawn) draw(payment, asset)
    drawn = []
    const networkFee = bigintIn(args, 'networkFee')
    booksOf(accountIn(args, 'payee'), asset).earned += bigintIn(args, 'total') - networkFee - bigintIn(args, 'protocolFee')
    if (asset === credits || networkFee === 0n) return
    const recipient = recipientOf(networkId(numberIn(args, 'net')))
    if (recipient !== null) booksOf(recipient, asset).earned += networkFee
  }

  function close(args: EventArgs): void {
    const key = digestIn(args, 'key')
    const row = channels.get(key)
    if (row === undefined) return
    booksOf(row.payer, row.asset).available += bigintIn(args, 'returned')
    channels.set(key, { ...row, earmark: 0n, closesAt: 0 })
  }

  function move(event: ChainEvent): void {
    const { args, name } = event
    const owner = booksOf(accountIn(args, name === 'Deposited' ? 'to' : 'owner'), addressIn(args, 'asset'))
    const amount = bigintIn(args, 'amount')
    if (name === 'Deposited') owner.available += amount
    if (name === 'EarnedWithdrawn') owner.earned -= amount
    if (name === 'Withdrawn') owner.thawing -= amount
    if (name === 'Thawing') {
      owner.available -= amount
      owner.thawing += amount
    }
    if (name === 'ThawCancelled') {
      owner.thawing -= amount
      owner.available += amount
    }
    if (name === 'EarnedMadeAvailable') {
      owner.earned -= amount
      owner.available += amount
    }
  }

  function lock({ args, name }: ChainEvent): void {
    const key = digestIn(args, 'lockKey')
    const payer = accountIn(args, 'payer')
    const asset = name === 'Locked' ? addressIn(args, 'asset') : lockAssets.get(key)
    if (asset === undefined) return
    lockAssets.set(key, asset)
    booksOf(payer, asset).available += name === 'Locked' ? -bigintIn(args, 'amount') : bigintIn(args, 'amount')
  }

  function escrow(event: ChainEvent): void {
    switch (event.name) {
      case 'ChannelFunded':
        fund(event.args)
        return
      case 'ChannelClosing':
        change(digestIn(event.args, 'key'), { closesAt: numberIn(event.args, 'closesAt') })
        return
      case 'ChannelClosed':
        close(event.args)
        return
      case 'VoucherRedeemed':
      case 'UsageRedeemed':
        paid(event)
        return
      case 'Settled':
        settle(event.args)
        return
      case 'Locked':
      case 'Unlocked':
        lock(event)
        return
      case 'EarnedRedeemed':
        booksOf(accountIn(event.args, 'owner'), credits).earned -= bigintIn(event.args, 'credits')
        return
      case 'FeesCollected':
        booksOf(accountIn(event.args, 'recipient'), credits).earned += bigintIn(event.args, 'amount')
        return
      case 'Deposited':
      case 'Thawing':
      case 'ThawCancelled':
      case 'Withdrawn':
      case 'EarnedWithdrawn':
      case 'EarnedMadeAvailable':
        move(event)
        return
    }
  }

  return {
    apply(event) {
      if (event.contract === 'escrow') escrow(event)
    },
    escrow: (owner, asset) => books.get(`${owner} ${asset}`) ?? EMPTY,
    channel: (key) => channels.get(key) ?? null,
    channelsOf(payer) {
      const rows: ChannelRow[] = []
      for (const key of byPayer.get(payer) ?? []) {
        const row = channels.get(key)
        if (row !== undefined) rows.push(row)
      }
      return rows
    },
  }
}
