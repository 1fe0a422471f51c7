import { digest } from '../../../protocol/ids.ts'
import { assert } from '../../../std/assert.ts'
import { type Addresses, CONTRACT_NAMES } from '../../chain.ts'
import { type ChainEvent, HEADERS_KEPT, type SeedHeader } from '../../chain-index/index.ts'
import type { Database, SqlRow } from '../../index.ts'
import { fromJson, toJson } from './journal.ts'

/** A confirmed block: its header and the events of our contracts in it. */
export interface IndexedBlock {
  readonly header: SeedHeader
  readonly events: readonly ChainEvent[]
}

/** Confirmed events of one deployment, kept so that a start continues where the last run stopped. */
export interface IndexStore {
  load(): readonly IndexedBlock[]
  /**
   * Takes the next blocks. `begins` are the numbers of headers that must be kept for their epochs. Blocks in which nothing
   * happened are written later, many in one transaction: a start that misses them reads them again. After an error none
   * of what was not yet written is remembered.
   */
  append(blocks: readonly IndexedBlock[], begins: ReadonlySet<bigint>): void
  /** Writes what `append` kept back. */
  flush(): void
  /** A reorg reached below what was confirmed. */
  clear(): void
}

/** Blocks kept back at most: a transaction with its fsync for each block was half of what an idle daemon did. */
const EMPTY_BLOCKS_MAX = 64

const SCHEMA = `
CREATE TABLE IF NOT EXISTS chain_header (
  scope TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, timestamp INTEGER NOT NULL,
  parent_timestamp INTEGER NOT NULL, kept INTEGER NOT NULL, PRIMARY KEY (scope, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain_event (
  scope TEXT NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, contract TEXT NOT NULL, name TEXT NOT NULL,
  args TEXT NOT NULL, PRIMARY KEY (scope, number, place)
) STRICT, WITHOUT ROWID;`

function contractOf(value: unknown): keyof Addresses {
  const found = CONTRACT_NAMES.find((name) => name === value)
  assert(found !== undefined, 'the contract of an event was stored by us')
  return found
}

function headerOf({ number, hash, timestamp, parent_timestamp }: SqlRow): SeedHeader {
  assert(typeof number === 'number' && typeof hash === 'string', 'a header was stored by us')
  assert(typeof timestamp === 'number' && typeof parent_timestamp === 'number', 'a header was stored by us')
  return { number: BigInt(number), hash: digest(hash), timestamp, parentTimestamp: parent_timestamp }
}

function eventOf({ name, args, contract }: SqlRow, header: SeedHeader): ChainEvent {
  assert(typeof name === 'string' && typeof args === 'string', 'an event was stored by us')
  const values = fromJson(args)
  assert(typeof values === 'object' && values !== null, 'an event was stored by us')
  return { contract: contractOf(contract), name, args: { ...values }, block: header.number, timestamp: header.timestamp }
}

/** @param scope Names the chain and the deployment: rows of another one are left alone. */
export function openIndexStore(database: Database, scope: string): IndexStore {
  database.exec(SCHEMA)
  const headers = database.prepare('SELECT * FROM chain_header WHERE scope = ? ORDER BY number')
  const events = database.prepare('SELECT * FROM chain_event WHERE scope = ? ORDER BY number, place')
  const addHeader = database.prepare('INSERT INTO chain_header VALUES (?, ?, ?, ?, ?, ?)')
  const addEvent = database.prepare('INSERT INTO chain_event VALUES (?, ?, ?, ?, ?, ?)')
  // A header is kept for its epoch's seed or because events hang on it.
  const forget = database.prepare('DELETE FROM chain_header WHERE scope = ? AND number < ? AND kept = 0')
  const clearHeaders = database.prepare('DELETE FROM chain_header WHERE scope = ?')
  const clearEvents = database.prepare('DELETE FROM chain_event WHERE scope = ?')
  let pending: { block: IndexedBlock; begins: boolean }[] = []

  function flush(): void {
    const blocks = pending
    pending = []
    const last = blocks.at(-1)
    if (last === undefined) return
    database.transaction(() => {
      for (const { block, begins } of blocks) {
        const { header, events: list } = block
        addHeader.run(scope, header.number, header.hash, header.timestamp, header.parentTimestamp, begins || list.length > 0 ? 1 : 0)
        list.forEach((event, place) => {
          addEvent.run(scope, header.number, place, event.contract, event.name, toJson(event.args))
        })
      }
      forget.run(scope, last.block.header.number - BigInt(HEADERS_KEPT))
    })
  }

  return {
    load() {
      flush()
      const byBlock = new Map<bigint, SqlRow[]>()
      for (const row of events.all(scope)) {
        const number = BigInt(Number(row.number))
        const list = byBlock.get(number)
        if (list === undefined) byBlock.set(number, [row])
        else list.push(row)
      }
      return headers.all(scope).map((row) => {
        const header = headerOf(row)
        return { header, events: (byBlock.get(header.number) ?? []).map((event) => eventOf(event, header)) }
      })
    },
    append(blocks, begins) {
      let matters = false
      for (const block of blocks) {
        const begin = begins.has(block.header.number)
        pending.push({ block, begins: begin })
        matters ||= begin || block.events.length > 0
      }
      if (matters || pending.length >= EMPTY_BLOCKS_MAX) flush()
    },
    flush,
    clear() {
      pending = []
      database.transaction(() => {
        clearHeaders.run(scope)
        clearEvents.run(scope)
      })
    },
  }
}
