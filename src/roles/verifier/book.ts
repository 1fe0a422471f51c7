/**
 * What a verifier must not forget: nonces it committed, bundles it collected, settlements it made, roots it signed. Evidence
 * lies in files by hash.
 */
import { type Account, account, bytesOf, type Digest, digest, type Epoch, epoch as epochOf } from '../../protocol/ids.ts'
import type { Database, Disk } from '../../runtime/index.ts'
import { assert } from '../../std/assert.ts'

export interface EpochRow {
  readonly epoch: Epoch
  readonly nonce: Uint8Array
  readonly bundle: Digest | null
  readonly settlement: Digest | null
  readonly state: EpochState
}
/**
 * In order of life; `superseded`: a later root was published first; `adopted`: others published what this one did not compute;
 * `void`: the chain gave no seed; `missed`: nobody’s evidence counts.
 */
export type EpochState = 'committed' | 'collected' | 'settled' | 'published' | 'superseded' | 'adopted' | 'void' | 'missed'

/** A signer signs one content for each slot, ever. */
export interface RootSlot {
  readonly epoch: Epoch
  readonly attempt: number
  readonly setId: number
}
export interface RootContent {
  readonly root: Digest
  readonly total: bigint
  readonly dataHash: Digest
}
export interface SignedContent extends RootContent {
  /** 65 bytes r‖s‖v. */
  readonly signature: Uint8Array
}

export interface SeenContent extends SignedContent {
  readonly signer: Account
}
/** Two contents that one signer signed for one slot: what RootQuorum's members answer for with their stake. */
export interface RootEquivocation {
  readonly slot: RootSlot
  readonly signer: Account
  readonly contents: readonly [SignedContent, SignedContent]
}

export interface Book {
  epochs(limit: number): readonly EpochRow[]
  get(epoch: Epoch): EpochRow | null
  /** The nonce of an epoch, drawn on the first call and durable before it returns. */
  nonce(epoch: Epoch, draw: () => Uint8Array): Uint8Array
  collected(epoch: Epoch, bundle: Digest): void
  settled(epoch: Epoch, settlement: Digest): void
  mark(epoch: Epoch, state: EpochState): void
  /** Makes the settlement behind a published root the epoch's, and drops those of later epochs: they added to another. */
  adopt(epoch: Epoch, settlement: Digest): void
  /** Drops the settlements of `from` and later epochs: they are made again. */
  unsettle(from: Epoch): void
  lastSettled(before: Epoch): { epoch: Epoch; settlement: Digest } | null
  /** What was signed for a slot: `content`, unless there was another before. Durable before it returns. */
  sign(slot: RootSlot, content: RootContent, sign: () => Uint8Array): SignedContent
  signed(slot: RootSlot): SignedContent | null
  /**
   * Keeps what `signer` signed for a slot, durably; the caller has checked the signature. `again`: it was known; `conflict`:
   * it is the second content of that signer and slot. A third adds nothing and counts as known.
   */
  see(slot: RootSlot, signer: Account, content: SignedContent): 'first' | 'again' | 'conflict'
  /** What anybody signed for a slot, as far as it was seen, the first seen first. */
  seen(slot: RootSlot): readonly SeenContent[]
  /** Signers that were seen to sign two contents for one slot, oldest epoch first. */
  equivocations(limit: number): readonly RootEquivocation[]
  /** Forgets what was signed for epochs before `epoch`, by anybody: nobody will sign them again, or be punished for them. */
  dropSigned(before: Epoch): void
  /** Bundles of epochs before `epoch` that are still here, oldest first. */
  bundlesBefore(epoch: Epoch, limit: number): readonly { readonly epoch: Epoch; readonly bundle: Digest }[]
  /** Deletes an epoch's evidence; its settlement stays, since later ones follow from it. */
  dropEvidence(at: Epoch, files: readonly Digest[]): Promise<void>
  saveFile(digest: Digest, bytes: Uint8Array): Promise<void>
  readFile(digest: Digest): Promise<Uint8Array | null>
  removeFile(digest: Digest): Promise<void>
}

const TABLE = `CREATE TABLE IF NOT EXISTS verifier_epochs (
  epoch INTEGER PRIMARY KEY, nonce BLOB NOT NULL, bundle TEXT, settlement TEXT, state TEXT NOT NULL
) STRICT`

const SIGNED_TABLE = `CREATE TABLE IF NOT EXISTS verifier_roots (
  epoch INTEGER NOT NULL, attempt INTEGER NOT NULL, set_id INTEGER NOT NULL,
  root TEXT NOT NULL, total TEXT NOT NULL, data_hash TEXT NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (epoch, attempt, set_id)
) STRICT`

const SEEN_TABLE = `CREATE TABLE IF NOT EXISTS verifier_seen_roots (
  epoch INTEGER NOT NULL, attempt INTEGER NOT NULL, set_id INTEGER NOT NULL, signer TEXT NOT NULL,
  root TEXT NOT NULL, total TEXT NOT NULL, data_hash TEXT NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (epoch, attempt, set_id, signer, root, total, data_hash)
) STRICT`

type Row = Readonly<Record<string, unknown>>

const contentOf = (row: Row): SignedContent => ({
  root: digest(String(row['root'])),
  total: BigInt(String(row['total'])),
  dataHash: digest(String(row['data_hash'])),
  signature: row['signature'] as Uint8Array,
})

const sameContent = (a: RootContent, b: RootContent): boolean => a.root === b.root && a.total === b.total && a.dataHash === b.dataHash

/** What others signed. */
function openSeen(database: Database): Pick<Book, 'see' | 'seen' | 'equivocations'> & { drop(before: Epoch): void } {
  database.exec(SEEN_TABLE)
  const sql = {
    of: database.prepare('SELECT * FROM verifier_seen_roots WHERE epoch = ? AND attempt = ? AND set_id = ? AND signer = ? ORDER BY rowid'),
    all: database.prepare('SELECT * FROM verifier_seen_roots WHERE epoch = ? AND attempt = ? AND set_id = ? ORDER BY rowid'),
    add: database.prepare('INSERT INTO verifier_seen_roots VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    twice: database.prepare(
      `SELECT epoch, attempt, set_id, signer FROM verifier_seen_roots
       GROUP BY epoch, attempt, set_id, signer HAVING count(*) > 1 ORDER BY epoch, attempt, set_id, signer LIMIT ?`,
    ),
    drop: database.prepare('DELETE FROM verifier_seen_roots WHERE epoch < ?'),
  }
  const of = ({ epoch, attempt, setId }: RootSlot, signer: Account): readonly SignedContent[] =>
    sql.of.all(epoch, attempt, setId, signer).map(contentOf)
  return {
    see(slot, signer, content) {
      const known = of(slot, signer)
      // Two prove it; whatever a liar signs besides would only fill the disk.
      if (known.length > 1 || known.some((one) => sameContent(one, content))) return 'again'
      const { epoch, attempt, setId } = slot
      sql.add.run(epoch, attempt, setId, signer, content.root, String(content.total), content.dataHash, content.signature)
      return known.length === 0 ? 'first' : 'conflict'
    },
    seen: ({ epoch, attempt, setId }) =>
      sql.all.all(epoch, attempt, setId).map((row) => ({ ...contentOf(row), signer: account(String(row['signer'])) })),
    equivocations: (limit) =>
      sql.twice.all(limit).map((row) => {
        const slot = { epoch: epochOf(Number(row['epoch'])), attempt: Number(row['attempt']), setId: Number(row['set_id']) }
        const signer = account(String(row['signer']))
        const [a, b] = of(slot, signer)
        assert(a !== undefined && b !== undefined, 'the rows that were counted are there')
        return { slot, signer, contents: [a, b] }
      }),
    drop: (before) => void sql.drop.run(before),
  }
}

export function openBook(database: Database, disk: Disk): Book {
  database.exec(TABLE)
  database.exec(SIGNED_TABLE)
  const sql = {
    all: database.prepare('SELECT * FROM verifier_epochs ORDER BY epoch DESC LIMIT ?'),
    get: database.prepare('SELECT * FROM verifier_epochs WHERE epoch = ?'),
    add: database.prepare("INSERT INTO verifier_epochs VALUES (?, ?, NULL, NULL, 'committed')"),
    collected: database.prepare("UPDATE verifier_epochs SET bundle = ?, state = 'collected' WHERE epoch = ?"),
    // An epoch in which this verifier was away has no row, and is settled from what the others saw.
    settled: database.prepare(
      `INSERT INTO verifier_epochs VALUES (?, x'', NULL, ?, ?)
       ON CONFLICT (epoch) DO UPDATE SET settlement = excluded.settlement, state = excluded.state`,
    ),
    unsettle: database.prepare(
      "UPDATE verifier_epochs SET settlement = NULL, state = 'collected' WHERE epoch >= ? AND settlement IS NOT NULL",
    ),
    signed: database.prepare('SELECT * FROM verifier_roots WHERE epoch = ? AND attempt = ? AND set_id = ?'),
    sign: database.prepare('INSERT INTO verifier_roots VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    dropSigned: database.prepare('DELETE FROM verifier_roots WHERE epoch < ?'),
    mark: database.prepare('UPDATE verifier_epochs SET state = ? WHERE epoch = ?'),
    old: database.prepare('SELECT epoch, bundle FROM verifier_epochs WHERE epoch < ? AND bundle IS NOT NULL ORDER BY epoch LIMIT ?'),
    forget: database.prepare('UPDATE verifier_epochs SET bundle = NULL WHERE epoch = ?'),
    last: database.prepare(
      'SELECT epoch, settlement FROM verifier_epochs WHERE epoch < ? AND settlement IS NOT NULL ORDER BY epoch DESC LIMIT 1',
    ),
  }
  const rowOf = (row: Readonly<Record<string, unknown>>): EpochRow => ({
    epoch: epochOf(Number(row['epoch'])),
    nonce: row['nonce'] as Uint8Array,
    bundle: row['bundle'] === null ? null : digest(String(row['bundle'])),
    settlement: row['settlement'] === null ? null : digest(String(row['settlement'])),
    state: String(row['state']) as EpochState,
  })
  const signed = ({ epoch, attempt, setId }: RootSlot): SignedContent | null => {
    const row = sql.signed.get(epoch, attempt, setId)
    return row === null ? null : contentOf(row)
  }
  const seen = openSeen(database)
  const path = (name: Digest): string => `evidence/${name.slice(2, 4)}/${name.slice(2)}`
  return {
    epochs: (limit) => sql.all.all(limit).map(rowOf),
    get(at) {
      const row = sql.get.get(at)
      return row === null ? null : rowOf(row)
    },
    nonce(at, draw) {
      const known = sql.get.get(at)
      if (known !== null) return rowOf(known).nonce
      const nonce = draw()
      sql.add.run(at, nonce)
      return nonce
    },
    collected: (at, bundle) => void sql.collected.run(bundle, at),
    settled: (at, settlement) => void sql.settled.run(at, settlement, 'settled'),
    adopt(at, settlement) {
      database.transaction(() => {
        sql.unsettle.run(at + 1)
        sql.settled.run(at, settlement, 'adopted')
      })
    },
    unsettle: (from) => void sql.unsettle.run(from),
    mark: (at, state) => void sql.mark.run(state, at),
    lastSettled(before) {
      const row = sql.last.get(before)
      return row === null ? null : { epoch: epochOf(Number(row['epoch'])), settlement: digest(String(row['settlement'])) }
    },
    signed,
    sign(slot, { root, total, dataHash }, sign) {
      const before = signed(slot)
      if (before !== null) return before
      sql.sign.run(slot.epoch, slot.attempt, slot.setId, root, String(total), dataHash, sign())
      // Read back: what is handed out is what lies on the disk.
      const now = signed(slot)
      assert(now !== null, 'what was inserted is there')
      return now
    },
    see: seen.see,
    seen: seen.seen,
    equivocations: seen.equivocations,
    dropSigned(before) {
      sql.dropSigned.run(before)
      seen.drop(before)
    },
    bundlesBefore: (epoch, limit) =>
      sql.old.all(epoch, limit).map((row) => ({ epoch: epochOf(Number(row['epoch'])), bundle: digest(String(row['bundle'])) })),
    async dropEvidence(at, files) {
      // The row goes last: a crash in between leaves work for the next time and no file that nothing names.
      for (const name of files) if ((await disk.read(path(name))) !== null) await disk.remove(path(name))
      sql.forget.run(at)
    },
    removeFile: (name) => disk.remove(path(name)),
    async saveFile(name, bytes) {
      if ((await disk.read(path(name)))?.length !== bytes.length) await disk.replace(path(name), bytes)
    },
    readFile: (name) => (bytesOf(name).length === 32 ? disk.read(path(name)) : Promise.resolve(null)),
  }
}
