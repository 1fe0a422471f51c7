/**
 * Pay at rest: after an epoch settled, the gateway re-runs it from the published evidence and signs each provider a
 * cumulative voucher for what its channel proved, and for the bytes it served. The amount that was signed is on disk
 * before the signature leaves, so a restarted gateway never signs less, and nothing twice.
 */
import { z } from 'zod'
import type { Crypto } from '../../protocol/crypto.ts'
import { isCairnError } from '../../protocol/errors.ts'
import { type Account, type Address, address, bytesOf, type NetworkId } from '../../protocol/ids.ts'
import { channelKey, type OwnerLine, unitId } from '../../protocol/rewards.ts'
import { schema, wire } from '../../protocol/schema.ts'
import { domainSeparator, escrowDomain, typedDataHash, VOUCHER } from '../../protocol/typed-data.ts'
import { type Credits, credits, priceOf, type Rate } from '../../protocol/units.ts'
import { NOTE_BYTES_MAX, type SignedVoucher, type VoucherBody } from '../../resources/payees.ts'
import { CHANNEL_ID } from '../../resources/rates.ts'
import type { Database } from '../../runtime/index.ts'
import { concat, equalBytes, toHex, utf8 } from '../../std/bytes.ts'

export interface PayBook {
  /** Adds to what each payee served of a unit, to be paid with its next voucher; all of it or nothing. */
  served(counts: readonly { readonly payee: Account; readonly unit: string; readonly amount: bigint }[]): void
  /** Whoever served something, also when no settlement has a line of it. */
  servers(): readonly Account[]
  /** The voucher that covers everything known now; null when it would not be more than the last. */
  sign(payee: Account, proven: readonly { unit: string; cumulative: bigint }[]): SignedVoucher | null
  last(payee: Account): SignedVoucher | null
  /**
   * Takes over a voucher that `payee` shows and this book does not know: never sign below it. Its note says which served
   * bytes it pays, which only the lost book knew. False, and nothing changes, when it is not one that this payer signed for
   * this payee: a payee could otherwise end its own pay or another's.
   */
  adopt(payee: Account, voucher: SignedVoucher): boolean
  totals(): readonly { payee: Account; cumulative: bigint }[]
}

/** What a voucher pays beside what is proven. A resource has a handful of units. */
const servedSchema = schema('served units', 400, wire.list(z.strictObject({ unit: wire.text(64), amount: wire.bigint(128) }), 4))
const noteSchema = schema('voucher note', NOTE_BYTES_MAX, z.strictObject({ served: wire.bytes(0, 400), signature: wire.bytes(65, 65) }))

const TABLES = `
CREATE TABLE IF NOT EXISTS pay_signed (payee TEXT PRIMARY KEY, cumulative TEXT NOT NULL, signature BLOB NOT NULL, note BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pay_served (payee TEXT NOT NULL, unit TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (payee, unit)) STRICT, WITHOUT ROWID;
`

export function openPayBook(options: {
  readonly crypto: Crypto
  readonly database: Database
  readonly chainId: number
  readonly escrow: Address
  readonly asset: Address
  readonly net: NetworkId
  readonly payer: Account
  readonly sessionKey: Uint8Array
  readonly rates: Readonly<Record<string, Rate>>
  /** Whether `key` ever was a session key of the payer. */
  delegated(key: Address): boolean
}): PayBook {
  const { crypto, database, payer, asset, net } = options
  database.exec(TABLES)
  const separator = domainSeparator(crypto, escrowDomain(options.chainId, options.escrow))
  const sql = {
    get: database.prepare('SELECT cumulative, signature, note FROM pay_signed WHERE payee = ?'),
    all: database.prepare('SELECT payee, cumulative FROM pay_signed ORDER BY payee'),
    put: database.prepare('INSERT OR REPLACE INTO pay_signed VALUES (?, ?, ?, ?)'),
    servers: database.prepare('SELECT DISTINCT payee FROM pay_served ORDER BY payee'),
    served: database.prepare('SELECT unit, amount FROM pay_served WHERE payee = ?'),
    addServed: database.prepare('INSERT OR REPLACE INTO pay_served VALUES (?, ?, ?)'),
  }
  const body = (payee: Account, cumulative: bigint): VoucherBody => ({ payer, payee, asset, net, channelId: CHANNEL_ID, cumulative })
  const rateOf = (unit: string): Rate => options.rates[unit] ?? { numerator: 0n, denominator: 1n }
  const last = (payee: Account): SignedVoucher | null => {
    const row = sql.get.get(payee)
    if (row === null) return null
    const { cumulative, signature, note } = row
    return { voucher: body(payee, BigInt(String(cumulative))), signature: signature as Uint8Array, note: note as Uint8Array }
  }
  const servedOf = (payee: Account): Map<string, bigint> =>
    new Map(sql.served.all(payee).map((row) => [String(row['unit']), BigInt(String(row['amount']))]))

  const add = (counts: Parameters<PayBook['served']>[0]): void => {
    for (const { payee, unit, amount } of counts) sql.addServed.run(payee, unit, ((servedOf(payee).get(unit) ?? 0n) + amount).toString())
  }
  const isOurs = (hash: Uint8Array, signature: Uint8Array): boolean => {
    const by = crypto.secp256k1.recover(hash, signature)
    return by !== null && (equalBytes(by, bytesOf(payer)) || options.delegated(address(toHex(by))))
  }
  /** Bound to the voucher, so that no payee shows the note of one beside another. */
  const noteHash = (voucher: Uint8Array, served: Uint8Array): Uint8Array =>
    crypto.sha256(concat([utf8('cairn voucher note'), voucher, served]))
  const writeNote = (voucher: Uint8Array, counted: ReadonlyMap<string, bigint>): Uint8Array => {
    const served = servedSchema.encode([...counted].map(([unit, amount]) => ({ unit, amount })))
    return noteSchema.encode({ served, signature: crypto.secp256k1.sign(options.sessionKey, noteHash(voucher, served)) })
  }
  /** Empty when it is not ours: then only what is served from now on is known. */
  function readNote(voucher: Uint8Array, note: Uint8Array): ReturnType<typeof servedSchema.decode> {
    try {
      const { served, signature } = noteSchema.decode(note)
      return isOurs(noteHash(voucher, served), signature) ? servedSchema.decode(served) : []
    } catch (error) {
      if (isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')) return []
      throw error
    }
  }

  return {
    servers: () => sql.servers.all().map((row) => String(row['payee']) as Account),
    served: (counts) => database.transaction(() => add(counts)),
    sign(payee, proven) {
      let owed = 0n
      for (const { unit, cumulative } of proven) owed += priceOf(cumulative, rateOf(unit))
      for (const [unit, amount] of servedOf(payee)) owed += priceOf(amount, rateOf(unit))
      const before = last(payee)
      if (owed <= (before?.voucher.cumulative ?? 0n)) return null
      const voucher = body(payee, credits(owed) as Credits)
      const hash = typedDataHash(crypto, separator, VOUCHER, { ...voucher })
      const signature = crypto.secp256k1.sign(options.sessionKey, hash)
      const note = writeNote(hash, servedOf(payee))
      sql.put.run(payee, voucher.cumulative.toString(), signature, note)
      return { voucher, signature, note }
    },
    last,
    adopt(payee, { voucher, signature, note }) {
      const mine = body(payee, voucher.cumulative)
      const hash = typedDataHash(crypto, separator, VOUCHER, { ...mine })
      if (!isOurs(hash, signature)) return false
      if (voucher.cumulative <= (last(payee)?.voucher.cumulative ?? 0n)) return true
      database.transaction(() => {
        sql.put.run(payee, voucher.cumulative.toString(), signature, note)
        add(readNote(hash, note).map(({ unit, amount }) => ({ payee, unit, amount })))
      })
      return true
    },
    totals: () => sql.all.all().map((row) => ({ payee: String(row['payee']) as Account, cumulative: BigInt(String(row['cumulative'])) })),
  }
}

/** The cumulative units that a settlement proves for the channel between `payer` and each of its payees. */
export function provenFor(
  crypto: Crypto,
  owners: readonly OwnerLine[],
  channel: { payer: Account; asset: Address; net: NetworkId },
  resource: string,
  units: readonly string[],
): readonly { payee: Account; proven: readonly { unit: string; cumulative: bigint }[] }[] {
  const names = new Map(units.map((unit) => [unitId(crypto, `${resource}.${unit}`), unit]))
  return owners.flatMap((owner) => {
    const key = channelKey(crypto, channel.payer, owner.account, channel.asset, channel.net, CHANNEL_ID)
    const proven = owner.channels.flatMap((line) => {
      const unit = names.get(line.unit)
      return line.channel === key && unit !== undefined ? [{ unit, cumulative: line.cumulative }] : []
    })
    return proven.length === 0 ? [] : [{ payee: owner.account, proven }]
  })
}
