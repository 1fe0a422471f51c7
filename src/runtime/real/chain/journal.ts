import type { Account, Hex } from '../../../protocol/ids.ts'
import { digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import type { CallOutcome } from '../../chain.ts'
import type { Database, SqlRow } from '../../index.ts'

/** A signed transaction that is on its way, or so young that a reorg could still undo it. */
export interface JournalRow {
  readonly nonce: number
  readonly hash: Hex
  readonly raw: Hex
  readonly key: string | null
  readonly label: string
  /** Block in which it was last seen, or null while it is in none. */
  readonly block: bigint | null
  readonly outcome: CallOutcome | null
}

/** Signed transactions of one account on one chain, durable before the first of them is sent. */
export interface Journal {
  /** All that are not final, in nonce order. */
  open(): readonly JournalRow[]
  byKey(key: string): JournalRow | null
  add(row: JournalRow): void
  /** It was seen in a block, or (null) it was lost from one. */
  seen(nonce: number, block: bigint | null, outcome: CallOutcome | null): void
  /** It is 64 deep: no longer sent. Its key is remembered for `KEYS_KEPT_MS` when it had an effect. */
  final(nonce: number, nowMs: number): void
  /** It can never be mined, because another transaction took its nonce. */
  drop(nonce: number): void
}

/** Keys name an intent together with its epoch or amount; a month covers every retry of every role. */
const KEYS_KEPT_MS = 30 * 86_400_000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS chain_transaction (
  chain TEXT NOT NULL, account TEXT NOT NULL, nonce INTEGER NOT NULL,
  hash TEXT NOT NULL, raw TEXT, key TEXT, label TEXT NOT NULL, block INTEGER, outcome TEXT, final_at INTEGER,
  PRIMARY KEY (chain, account, nonce)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS chain_transaction_key ON chain_transaction (chain, account, key) WHERE key IS NOT NULL;`

/** JSON that keeps bigints. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? { $: v.toString() } : v))
export const fromJson = (text: string): unknown =>
  JSON.parse(text, (_, v: unknown) => (typeof v === 'object' && v !== null && '$' in v && typeof v.$ === 'string' ? BigInt(v.$) : v))

function outcomeOf(text: string): CallOutcome {
  const value = fromJson(text)
  assert(typeof value === 'object' && value !== null && 'is' in value, 'an outcome was stored by us')
  if (value.is === 'confirmed') {
    assert('hash' in value && typeof value.hash === 'string' && 'block' in value && typeof value.block === 'bigint', 'stored by us')
    return { is: 'confirmed', hash: digest(value.hash), block: value.block }
  }
  assert('error' in value && typeof value.error === 'string' && 'data' in value, 'stored by us')
  const data = typeof value.data === 'object' && value.data !== null ? { ...value.data } : {}
  return { is: 'reverted', error: value.error, data }
}

const hex = (value: unknown): Hex => {
  assert(typeof value === 'string', 'hexadecimal is stored as text')
  return value === '' ? '0x' : `0x${value.slice(2)}`
}

function rowOf(row: SqlRow): JournalRow {
  const { nonce, key, label, block, outcome } = row
  assert(typeof nonce === 'number' && typeof label === 'string', 'a journal row was stored by us')
  return {
    nonce,
    hash: hex(row.hash),
    raw: hex(row.raw ?? ''),
    key: typeof key === 'string' ? key : null,
    label,
    block: typeof block === 'number' ? BigInt(block) : null,
    outcome: typeof outcome === 'string' ? outcomeOf(outcome) : null,
  }
}

/** @param chain Hash of the chain's first block: a chain that was begun anew knows nothing of the old one's nonces. */
export function openJournal(database: Database, chain: string, account: Account): Journal {
  database.exec(SCHEMA)
  const of = 'chain = ? AND account = ?'
  const open = database.prepare(`SELECT * FROM chain_transaction WHERE ${of} AND final_at IS NULL ORDER BY nonce`)
  const byKey = database.prepare(`SELECT * FROM chain_transaction WHERE ${of} AND key = ?`)
  const add = database.prepare('INSERT INTO chain_transaction (chain, account, nonce, hash, raw, key, label) VALUES (?, ?, ?, ?, ?, ?, ?)')
  // A chain that fell back further than 64 blocks reuses nonces whose transactions it has forgotten for good.
  const reused = database.prepare(`DELETE FROM chain_transaction WHERE ${of} AND nonce = ? AND final_at IS NOT NULL`)
  const seen = database.prepare(`UPDATE chain_transaction SET block = ?, outcome = ? WHERE ${of} AND nonce = ?`)
  // A refused intent has changed nothing, so its key may be used again once no reorg can turn the refusal around.
  const forget = database.prepare(
    `DELETE FROM chain_transaction WHERE ${of} AND nonce = ? AND (key IS NULL OR outcome NOT LIKE '%"is":"confirmed"%')`,
  )
  const keep = database.prepare(`UPDATE chain_transaction SET raw = NULL, final_at = ? WHERE ${of} AND nonce = ?`)
  const expire = database.prepare(`DELETE FROM chain_transaction WHERE ${of} AND final_at < ?`)
  const drop = database.prepare(`DELETE FROM chain_transaction WHERE ${of} AND nonce = ?`)
  return {
    open: () => open.all(chain, account).map(rowOf),
    byKey: (key) => {
      const row = byKey.get(chain, account, key)
      return row === null ? null : rowOf(row)
    },
    add: (row) =>
      database.transaction(() => {
        reused.run(chain, account, row.nonce)
        add.run(chain, account, row.nonce, row.hash, row.raw, row.key, row.label)
      }),
    seen: (nonce, block, outcome) => void seen.run(block, outcome === null ? null : toJson(outcome), chain, account, nonce),
    final: (nonce, nowMs) =>
      database.transaction(() => {
        forget.run(chain, account, nonce)
        keep.run(nowMs, chain, account, nonce)
        expire.run(chain, account, nowMs - KEYS_KEPT_MS)
      }),
    drop: (nonce) => void drop.run(chain, account, nonce),
  }
}
