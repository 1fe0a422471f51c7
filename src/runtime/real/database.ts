import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { CairnError, isCairnError } from '../../protocol/errors.ts'
import { assert } from '../../std/assert.ts'
import type { Database, SqlRow, SqlValue, Statement } from '../index.ts'

/** How long a writer waits for another process that holds the database (a backup, a second tool) before it fails. */
const BUSY_MS = 5000
/** Statements kept prepared. The ports of one role have fewer than a hundred; more would be a query built at run time. */
const STATEMENTS_KEPT = 256
/** Primary result codes of SQLite (sqlite.org/rescode.html) that are the world's doing. */
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

function freeBytesBeside(path: string): number {
  const stats = statfsSync(dirname(path))
  return stats.bavail * stats.bsize
}

/** A `CairnError` for what the disk or another process did; everything else is a bug and passes through unchanged. */
function worldError(path: string, error: unknown): unknown {
  if (isCairnError(error) || !(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error
  const why = error.message
  switch (error.errcode & 0xff) {
    case IOERR:
    case READONLY:
    case CANTOPEN:
      return new CairnError('DISK', { path, why }, { cause: error })
    case FULL:
      return new CairnError('FULL', { path, freeBytes: freeBytesBeside(path), needBytes: 1 }, { cause: error })
    case CORRUPT:
    case NOTADB:
      return new CairnError('CORRUPT', { what: path, why }, { cause: error })
    case BUSY:
    case LOCKED: {
      const fix = 'stop the other process that uses this folder'
      return new CairnError('DATA_FOLDER', { path, why: `another process holds the database (${why})`, fix }, { cause: error })
    }
    default:
      return error
  }
}

/** An integer comes back as a number where that is exact, and as a bigint where it is not. */
function fromSql(value: unknown): SqlValue {
  if (typeof value === 'bigint') {
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }
  assert(
    value === null || typeof value === 'number' || typeof value === 'string' || value instanceof Uint8Array,
    'SQLite has five kinds of value',
  )
  return value
}

function rowOf(row: Record<string, unknown>): SqlRow {
  const out: Record<string, SqlValue> = {}
  for (const name in row) out[name] = fromSql(row[name])
  return out
}

function createStatement(path: string, inner: StatementSync): Statement {
  inner.setReadBigInts(true)
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw worldError(path, error)
    }
  }
  return {
    run: (...values) => guarded(() => ({ changes: Number(inner.run(...values).changes) })),
    get: (...values) =>
      guarded(() => {
        const row = inner.get(...values)
        return row === undefined ? null : rowOf(row)
      }),
    all: (...values) => guarded(() => inner.all(...values).map(rowOf)),
  }
}

function openFile(path: string): DatabaseSync {
  try {
    const inner = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true })
    // Write-ahead log: readers never wait for the writer. FULL: the log is fsynced at every commit, so that what was
    // answered survives power loss. An in-memory database has neither and ignores both.
    inner.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF')
    return inner
  } catch (error) {
    throw worldError(path, error)
  }
}

/**
 * Opens the SQLite database at `path`, or an empty one in memory with `:memory:`. Throws `DISK`, `FULL`, `CORRUPT`, or
 * `DATA_FOLDER` when another process holds it for longer than five seconds.
 */
export function openDatabase(path: string): Database {
  const inner = openFile(path)
  const prepared = new Map<string, Statement>()
  let inTransaction = false

  function exec(sql: string): void {
    try {
      inner.exec(sql)
    } catch (error) {
      throw worldError(path, error)
    }
  }

  return {
    exec,
    prepare(sql) {
      const known = prepared.get(sql)
      if (known !== undefined) return known
      const made = createStatement(path, inner.prepare(sql))
      if (prepared.size >= STATEMENTS_KEPT) for (const oldest of prepared.keys()) if (prepared.delete(oldest)) break
      prepared.set(sql, made)
      return made
    },
    transaction<T>(work: () => T): T {
      assert(!inTransaction, 'transactions never nest')
      inTransaction = true
      try {
        // IMMEDIATE takes the write lock now: a transaction that begins as a reader could not upgrade past a busy writer.
        exec('BEGIN IMMEDIATE')
        const result = work()
        assert(!(result instanceof Promise), 'a transaction is synchronous: nothing else may run inside it')
        exec('COMMIT')
        return result
      } catch (error) {
        // SQLite rolls back by itself after some failures; a second ROLLBACK would hide the first error.
        if (inner.isTransaction) inner.exec('ROLLBACK')
        throw error
      } finally {
        inTransaction = false
      }
    },
    close() {
      prepared.clear()
      inner.close()
    },
  }
}
