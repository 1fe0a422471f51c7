/** Everything a provider must remember besides the pieces, in its database: one method, one transaction, durable on return. */
import { z } from 'zod'
import { type Account, bytesOf, type Digest, digestOf } from '../../../protocol/ids.ts'
import { schema, wire } from '../../../protocol/schema.ts'
import type { Database, SqlRow } from '../../../runtime/index.ts'
import type { SignedRate } from '../../rates.ts'
import { claimSchema, type ManifestEntry, type StorageClaim, type Voucher } from '../messages.ts'

const TABLES = `
CREATE TABLE IF NOT EXISTS storage_heads (
  set_id BLOB NOT NULL, version INTEGER NOT NULL, account TEXT NOT NULL, claim BLOB NOT NULL,
  epoch INTEGER NOT NULL, signed_at INTEGER NOT NULL, PRIMARY KEY (set_id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_manifest (
  set_id BLOB NOT NULL, piece BLOB NOT NULL, added INTEGER NOT NULL, removed INTEGER,
  size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (set_id, piece, added)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS storage_manifest_left ON storage_manifest (set_id, removed) WHERE removed IS NOT NULL;
CREATE TABLE IF NOT EXISTS storage_claims (
  epoch INTEGER NOT NULL, set_id BLOB NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (epoch, set_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_claimed (epoch INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS storage_vouchers (
  payer TEXT NOT NULL, channel TEXT NOT NULL, cumulative TEXT NOT NULL, voucher BLOB NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (payer, channel)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_voucher_notes (
  payer TEXT NOT NULL, channel TEXT NOT NULL, note BLOB NOT NULL, PRIMARY KEY (payer, channel)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_rates (
  channel BLOB NOT NULL, unit BLOB NOT NULL, payer TEXT NOT NULL, numerator TEXT NOT NULL, denominator TEXT NOT NULL,
  signature BLOB NOT NULL, PRIMARY KEY (channel, unit)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_accounts (
  account TEXT PRIMARY KEY, served_bytes TEXT NOT NULL, proven_byte_seconds TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_served (
  account TEXT NOT NULL, epoch INTEGER NOT NULL, served_bytes TEXT NOT NULL, PRIMARY KEY (account, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_settled_dues (
  account TEXT NOT NULL, epoch INTEGER NOT NULL, owed TEXT NOT NULL, noted_in INTEGER NOT NULL, noted_at INTEGER NOT NULL,
  PRIMARY KEY (account, epoch)
) WITHOUT ROWID;
INSERT OR IGNORE INTO storage_accounts SELECT DISTINCT account, '0', '0' FROM storage_heads;
CREATE TABLE IF NOT EXISTS storage_serials (
  account TEXT NOT NULL, serial TEXT NOT NULL, expiry INTEGER NOT NULL, PRIMARY KEY (account, serial)
) WITHOUT ROWID;
`

export interface HeadRow {
  readonly claim: StorageClaim
  /** Epoch in which both had signed. */
  readonly epoch: number
  readonly signedAt: number
}

export interface Meter {
  readonly account: Account
  /** Cumulative. */
  readonly servedBytes: bigint
  /** Cumulative, as the newest settlement that was seen says. */
  readonly provenByteSeconds: bigint
}

export interface Due {
  /** Whose settlement it follows from. */
  readonly epoch: number
  /** Cumulative µcredits that must be covered. */
  readonly owed: bigint
  /** The running epoch when it was noted, and the time. Unix ms. */
  readonly notedIn: number
  readonly notedAt: number
}

export interface HeldVoucher {
  readonly voucher: Voucher
  readonly signature: Uint8Array
  /** Of the payer, for itself. */
  readonly note: Uint8Array
}

/** A rate with whose it is. */
export interface HeldRate extends SignedRate {
  readonly payer: Account
}

export interface LeftPiece {
  readonly setId: Digest
  readonly pieceId: Digest
  /** Version that it came with. */
  readonly added: number
  /** It came back in a later version. */
  readonly again: boolean
}

export interface Ledger {
  lastHead(setId: Digest): HeadRow | null
  head(setId: Digest, version: bigint): HeadRow | null
  /** Sets with a head, in id order after `after`. */
  sets(after: Digest | null, limit: number): readonly Digest[]
  /** The manifest as of a version, sorted by piece id. */
  manifest(setId: Digest, version: bigint): ManifestEntry[]
  /** Stores a co-signed head and what it changed. */
  commitHead(row: HeadRow, adds: readonly ManifestEntry[], removes: readonly Digest[]): void

  /** Fixes what is answered in `epoch`: of each set the last head signed before it. Harmless when it is fixed already. */
  fixClaims(epoch: number): void
  isClaimed(epoch: number): boolean
  claims(epoch: number, after: Digest | null, limit: number): readonly StorageClaim[]
  claim(epoch: number, setId: Digest): StorageClaim | null
  /** Forgets the claims of epochs before `epoch` and heads older than what is still claimed. */
  forget(epoch: number): void
  /** Pieces that left their set and are in no version that may still be asked for. */
  left(limit: number): readonly LeftPiece[]
  /** Forgets that they ever were in the set. */
  dropLeft(rows: readonly LeftPiece[]): void
  /** Whether a version that may still be asked for names the piece. */
  isNamed(setId: Digest, piece: Digest): boolean

  voucher(payer: Account, channel: bigint): HeldVoucher | null
  /** All of all payers, for redemption. */
  allVouchers(): readonly HeldVoucher[]
  keepVoucher(held: HeldVoucher): void
  keepRate(payer: Account, rate: SignedRate): void
  rate(channel: Digest, unit: Digest): HeldRate | null
  rates(): readonly HeldRate[]

  meters(): readonly Meter[]
  /** `ended`: an epoch that has ended, and the meters whose served bytes are to be remembered as of its end. */
  keepMeters(meters: readonly Meter[], ended: { readonly epoch: number; readonly of: readonly Meter[] } | null): void
  /** Bytes served up to the end of `epoch`. */
  servedAt(account: Account, epoch: number): bigint
  dues(account: Account): readonly Due[]
  addDue(account: Account, due: Due): void
  settleDues(account: Account, upTo: number): void

  serials(): readonly { account: Account; serial: bigint; expiry: number }[]
  keepSerials(rows: readonly { account: Account; serial: bigint; expiry: number }[]): void
  /** Forgets those that expired before `now`, Unix ms; looks at every one, so not often. */
  dropSerials(now: number): void
}

const voucherSchema = schema(
  'kept voucher',
  1024,
  z.strictObject({
    payer: wire.account,
    payee: wire.account,
    asset: wire.address,
    net: wire.uint(2 ** 32 - 1),
    channelId: wire.bigint(64),
    cumulative: wire.bigint(128),
  }),
)

const blob = (value: SqlRow[string] | undefined): Uint8Array => {
  if (value instanceof Uint8Array) return value
  throw new TypeError('a column that holds bytes')
}
const headOf = (row: SqlRow | null): HeadRow | null =>
  row === null ? null : { claim: claimSchema.decode(blob(row.claim)), epoch: Number(row.epoch), signedAt: Number(row.signed_at) }
const entryOf = (row: SqlRow): ManifestEntry => ({
  pieceId: digestOf(blob(row.piece)),
  size: Number(row.size),
  root: digestOf(blob(row.root)),
})
const meterOf = (row: SqlRow): Meter => ({
  account: String(row.account) as Account,
  servedBytes: BigInt(String(row.served_bytes)),
  provenByteSeconds: BigInt(String(row.proven_byte_seconds)),
})
const dueOf = (row: SqlRow): Due => ({
  epoch: Number(row.epoch),
  owed: BigInt(String(row.owed)),
  notedIn: Number(row.noted_in),
  notedAt: Number(row.noted_at),
})
const heldOf = (row: SqlRow): HeldVoucher => ({
  voucher: voucherSchema.decode(blob(row.voucher)),
  signature: blob(row.signature),
  note: row.note === null ? START : blob(row.note),
})
const START = new Uint8Array(0)
/** Epochs whose served bytes are remembered one by one; roots become active much sooner. */
const SERVED_EPOCHS = 1024

/** Opens the provider's tables, making them when they are missing. */
export function openLedger(database: Database): Ledger {
  database.exec(TABLES)
  return { ...headTables(database), ...claimTables(database), ...moneyTables(database), ...serialTable(database) }
}

type HeadPart = 'lastHead' | 'head' | 'sets' | 'manifest' | 'commitHead' | 'isNamed'
function headTables(database: Database): Pick<Ledger, HeadPart> {
  const sql = {
    last: database.prepare('SELECT * FROM storage_heads WHERE set_id = ? ORDER BY version DESC LIMIT 1'),
    head: database.prepare('SELECT * FROM storage_heads WHERE set_id = ? AND version = ?'),
    sets: database.prepare('SELECT DISTINCT set_id FROM storage_heads WHERE set_id > ? ORDER BY set_id LIMIT ?'),
    manifest: database.prepare(
      'SELECT piece, size, root FROM storage_manifest WHERE set_id = ? AND added <= ? AND (removed IS NULL OR removed > ?) ORDER BY piece',
    ),
    addHead: database.prepare('INSERT INTO storage_heads VALUES (?, ?, ?, ?, ?, ?)'),
    add: database.prepare('INSERT INTO storage_manifest VALUES (?, ?, ?, NULL, ?, ?)'),
    remove: database.prepare('UPDATE storage_manifest SET removed = ? WHERE set_id = ? AND piece = ? AND removed IS NULL'),
    know: database.prepare("INSERT OR IGNORE INTO storage_accounts VALUES (?, '0', '0')"),
    named: database.prepare('SELECT 1 FROM storage_manifest WHERE set_id = ? AND piece = ? LIMIT 1'),
  }
  return {
    lastHead: (setId) => headOf(sql.last.get(bytesOf(setId))),
    head: (setId, version) => headOf(sql.head.get(bytesOf(setId), version)),
    sets: (after, limit) => sql.sets.all(after === null ? START : bytesOf(after), limit).map((row) => digestOf(blob(row.set_id))),
    manifest: (setId, version) => sql.manifest.all(bytesOf(setId), version, version).map(entryOf),
    commitHead(row, adds, removes) {
      const { setId, version, customer } = row.claim.head
      const set = bytesOf(setId)
      database.transaction(() => {
        sql.know.run(customer)
        sql.addHead.run(set, version, customer, claimSchema.encode(row.claim), row.epoch, row.signedAt)
        for (const piece of removes) sql.remove.run(version, set, bytesOf(piece))
        for (const add of adds) sql.add.run(set, bytesOf(add.pieceId), version, add.size, bytesOf(add.root))
      })
    },
    isNamed: (setId, piece) => sql.named.get(bytesOf(setId), bytesOf(piece)) !== null,
  }
}

type ClaimPart = 'fixClaims' | 'isClaimed' | 'claims' | 'claim' | 'forget' | 'left' | 'dropLeft'
function claimTables(database: Database): Pick<Ledger, ClaimPart> {
  const sql = {
    mark: database.prepare('INSERT OR IGNORE INTO storage_claimed VALUES (?)'),
    fix: database.prepare('INSERT INTO storage_claims SELECT ?, set_id, max(version) FROM storage_heads WHERE epoch < ? GROUP BY set_id'),
    claimed: database.prepare('SELECT 1 FROM storage_claimed WHERE epoch = ?'),
    page: database.prepare(
      'SELECT h.claim FROM storage_claims c JOIN storage_heads h USING (set_id, version) WHERE c.epoch = ? AND c.set_id > ? ORDER BY c.set_id LIMIT ?',
    ),
    one: database.prepare(
      'SELECT h.claim FROM storage_claims c JOIN storage_heads h USING (set_id, version) WHERE c.epoch = ? AND c.set_id = ?',
    ),
    forgetClaims: database.prepare('DELETE FROM storage_claims WHERE epoch < ?'),
    forgetMarks: database.prepare('DELETE FROM storage_claimed WHERE epoch < ?'),
    forgetHeads: database.prepare(
      `DELETE FROM storage_heads WHERE version < coalesce(
         (SELECT min(version) FROM storage_claims c WHERE c.set_id = storage_heads.set_id),
         (SELECT max(version) FROM storage_heads h WHERE h.set_id = storage_heads.set_id))`,
    ),
    left: database.prepare(
      `SELECT m.set_id, m.piece, m.added, EXISTS (SELECT 1 FROM storage_manifest o
         WHERE o.set_id = m.set_id AND o.piece = m.piece AND o.added > m.added) AS again
       FROM storage_manifest m WHERE m.removed IS NOT NULL
       AND m.removed <= (SELECT min(version) FROM storage_heads h WHERE h.set_id = m.set_id) LIMIT ?`,
    ),
    dropLeft: database.prepare('DELETE FROM storage_manifest WHERE set_id = ? AND piece = ? AND added = ?'),
  }
  return {
    fixClaims(epoch) {
      database.transaction(() => {
        if (sql.mark.run(epoch).changes > 0) sql.fix.run(epoch, epoch)
      })
    },
    isClaimed: (epoch) => sql.claimed.get(epoch) !== null,
    claims: (epoch, after, limit) =>
      sql.page.all(epoch, after === null ? START : bytesOf(after), limit).map((row) => claimSchema.decode(blob(row.claim))),
    claim(epoch, setId) {
      const row = sql.one.get(epoch, bytesOf(setId))
      return row === null ? null : claimSchema.decode(blob(row.claim))
    },
    forget(epoch) {
      database.transaction(() => {
        sql.forgetClaims.run(epoch)
        sql.forgetMarks.run(epoch)
        sql.forgetHeads.run()
      })
    },
    left: (limit) =>
      sql.left.all(limit).map((row) => ({
        setId: digestOf(blob(row.set_id)),
        pieceId: digestOf(blob(row.piece)),
        added: Number(row.added),
        again: Number(row.again) === 1,
      })),
    dropLeft: (rows) =>
      database.transaction(() => {
        for (const row of rows) sql.dropLeft.run(bytesOf(row.setId), bytesOf(row.pieceId), row.added)
      }),
  }
}

const VOUCHERS = 'SELECT * FROM storage_vouchers LEFT JOIN storage_voucher_notes USING (payer, channel)'

type MoneyPart =
  | 'voucher'
  | 'allVouchers'
  | 'keepVoucher'
  | 'keepRate'
  | 'rate'
  | 'rates'
  | 'meters'
  | 'keepMeters'
  | 'servedAt'
  | 'dues'
  | 'addDue'
  | 'settleDues'
const rateOf = (row: SqlRow): HeldRate => ({
  payer: String(row['payer']) as Account,
  channel: digestOf(blob(row['channel'])),
  unit: digestOf(blob(row['unit'])),
  numerator: BigInt(String(row['numerator'])),
  denominator: BigInt(String(row['denominator'])),
  signature: blob(row['signature']),
})

function moneyTables(database: Database): Pick<Ledger, MoneyPart> {
  const sql = {
    one: database.prepare(`${VOUCHERS} WHERE payer = ? AND channel = ?`),
    keep: database.prepare('INSERT OR REPLACE INTO storage_vouchers VALUES (?, ?, ?, ?, ?)'),
    keepNote: database.prepare('INSERT OR REPLACE INTO storage_voucher_notes VALUES (?, ?, ?)'),
    all: database.prepare(`${VOUCHERS} ORDER BY payer, channel`),
    keepRate: database.prepare('INSERT OR REPLACE INTO storage_rates VALUES (?, ?, ?, ?, ?, ?)'),
    rate: database.prepare('SELECT * FROM storage_rates WHERE channel = ? AND unit = ?'),
    rates: database.prepare('SELECT * FROM storage_rates ORDER BY channel, unit'),
    meters: database.prepare('SELECT * FROM storage_accounts ORDER BY account'),
    keepMeter: database.prepare('INSERT OR REPLACE INTO storage_accounts VALUES (?, ?, ?)'),
    keepServed: database.prepare('INSERT OR REPLACE INTO storage_served VALUES (?, ?, ?)'),
    // The newest before the horizon still says how much had been served by then.
    forgetServed: database.prepare(
      'DELETE FROM storage_served WHERE account = ? AND epoch < (SELECT max(epoch) FROM storage_served WHERE account = ? AND epoch <= ?)',
    ),
    servedAt: database.prepare('SELECT served_bytes FROM storage_served WHERE account = ? AND epoch <= ? ORDER BY epoch DESC LIMIT 1'),
    dues: database.prepare('SELECT * FROM storage_settled_dues WHERE account = ? ORDER BY epoch'),
    addDue: database.prepare('INSERT OR IGNORE INTO storage_settled_dues VALUES (?, ?, ?, ?, ?)'),
    settle: database.prepare('DELETE FROM storage_settled_dues WHERE account = ? AND epoch <= ?'),
  }
  return {
    voucher(payer, channel) {
      const row = sql.one.get(payer, String(channel))
      return row === null ? null : heldOf(row)
    },
    keepVoucher({ voucher, signature, note }) {
      const { payer, channelId, cumulative } = voucher
      database.transaction(() => {
        sql.keep.run(payer, String(channelId), String(cumulative), voucherSchema.encode(voucher), signature)
        sql.keepNote.run(payer, String(channelId), note)
      })
    },
    allVouchers: () => sql.all.all().map(heldOf),
    keepRate(payer, { channel, unit, numerator, denominator, signature }) {
      sql.keepRate.run(bytesOf(channel), bytesOf(unit), payer, String(numerator), String(denominator), signature)
    },
    rate(channel, unit) {
      const row = sql.rate.get(bytesOf(channel), bytesOf(unit))
      return row === null ? null : rateOf(row)
    },
    rates: () => sql.rates.all().map(rateOf),
    meters: () => sql.meters.all().map(meterOf),
    keepMeters(meters, ended) {
      database.transaction(() => {
        for (const { account, servedBytes, provenByteSeconds } of meters)
          sql.keepMeter.run(account, String(servedBytes), String(provenByteSeconds))
        for (const { account, servedBytes } of ended?.of ?? []) {
          sql.keepServed.run(account, ended?.epoch ?? 0, String(servedBytes))
          sql.forgetServed.run(account, account, (ended?.epoch ?? 0) - SERVED_EPOCHS)
        }
      })
    },
    servedAt: (account, epoch) => BigInt(String(sql.servedAt.get(account, epoch)?.served_bytes ?? 0)),
    dues: (account) => sql.dues.all(account).map(dueOf),
    addDue: (account, { epoch, owed, notedIn, notedAt }) => void sql.addDue.run(account, epoch, String(owed), notedIn, notedAt),
    settleDues: (account, upTo) => void sql.settle.run(account, upTo),
  }
}

function serialTable(database: Database): Pick<Ledger, 'serials' | 'keepSerials' | 'dropSerials'> {
  const sql = {
    all: database.prepare('SELECT * FROM storage_serials'),
    keep: database.prepare('INSERT OR IGNORE INTO storage_serials VALUES (?, ?, ?)'),
    drop: database.prepare('DELETE FROM storage_serials WHERE expiry < ?'),
  }
  return {
    serials: () =>
      sql.all
        .all()
        .map((row) => ({ account: String(row.account) as Account, serial: BigInt(String(row.serial)), expiry: Number(row.expiry) })),
    keepSerials: (rows) =>
      database.transaction(() => {
        for (const row of rows) sql.keep.run(row.account, String(row.serial), row.expiry)
      }),
    dropSerials: (now) => void sql.drop.run(now),
  }
}
