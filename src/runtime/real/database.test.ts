import assert from 'node:assert/strict'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { AssertionError } from '../../std/assert.ts'
import type { Database } from '../index.ts'
import { openDatabase } from './database.ts'

const root = await mkdtemp(join(tmpdir(), 'cairn-database-'))
after(() => rm(root, { recursive: true }))
let count = 0
const fresh = (): string => {
  count += 1
  return join(root, `${count}.db`)
}

function withTable(path: string): Database {
  const database = openDatabase(path)
  database.exec('CREATE TABLE things (name TEXT PRIMARY KEY, number INTEGER, bytes BLOB, ratio REAL) STRICT, WITHOUT ROWID')
  return database
}

function contract(name: string, path: () => string): void {
  describe(`${name} as a database`, () => {
    test('gives back every kind of value exactly', () => {
      const database = withTable(path())
      const insert = database.prepare('INSERT INTO things VALUES (?, ?, ?, ?)')
      assert.deepEqual(insert.run('large', (1n << 63n) - 1n, Uint8Array.of(1, 2), 0.5), { changes: 1 })
      insert.run('small', -3, null, null)
      insert.run('edge', BigInt(Number.MAX_SAFE_INTEGER) + 1n, new Uint8Array(0), 1)
      const rows = database.prepare('SELECT * FROM things ORDER BY name').all()
      assert.deepEqual(rows, [
        { name: 'edge', number: 2n ** 53n, bytes: new Uint8Array(0), ratio: 1 },
        { name: 'large', number: 2n ** 63n - 1n, bytes: Uint8Array.of(1, 2), ratio: 0.5 },
        { name: 'small', number: -3, bytes: null, ratio: null },
      ])
      assert.equal(database.prepare('SELECT * FROM things WHERE name = ?').get('none'), null)
      database.close()
    })

    test('rolls a transaction back whole when it throws, and takes the next', () => {
      const database = withTable(path())
      const insert = database.prepare('INSERT INTO things (name) VALUES (?)')
      const names = (): unknown => database.prepare('SELECT name FROM things').all()
      assert.throws(() =>
        database.transaction(() => {
          insert.run('one')
          throw new Error('changed my mind')
        }),
      )
      assert.deepEqual(names(), [])
      assert.throws(() => database.transaction(() => [insert.run('twice'), insert.run('twice')]), /UNIQUE/)
      assert.deepEqual(names(), [])
      assert.equal(
        database.transaction(() => insert.run('kept').changes),
        1,
      )
      assert.deepEqual(names(), [{ name: 'kept' }])
      database.close()
    })

    test('refuses what would make a transaction meaningless', () => {
      const database = withTable(path())
      const nested = (): unknown => database.transaction(() => database.transaction(() => 1))
      assert.throws(nested, AssertionError)
      assert.throws(() => database.transaction(async () => 1), AssertionError)
      assert.equal(
        database.transaction(() => 2),
        2,
      )
      database.close()
    })

    test('prepares one text once and forgets old ones', () => {
      const database = withTable(path())
      const first = database.prepare('SELECT 0 AS n')
      assert.equal(database.prepare('SELECT 0 AS n'), first)
      for (let n = 1; n <= 300; n += 1) assert.deepEqual(database.prepare(`SELECT ${n} AS n`).get(), { n })
      assert.notEqual(database.prepare('SELECT 0 AS n'), first)
      assert.deepEqual(first.get(), { n: 0 }, 'a statement that somebody holds goes on working')
      database.close()
    })
  })
}

contract('a file', fresh)
contract('memory', () => ':memory:')

test('what was committed is there for whoever opens the file next, without an orderly end', () => {
  const path = fresh()
  withTable(path).prepare('INSERT INTO things (name) VALUES (?)').run('kept')
  const second = openDatabase(path)
  assert.deepEqual(second.prepare('SELECT name FROM things').all(), [{ name: 'kept' }])
  assert.deepEqual(second.prepare('PRAGMA journal_mode').get(), { journal_mode: 'wal' })
  assert.deepEqual(second.prepare('PRAGMA synchronous').get(), { synchronous: 2 })
})

test('a file that is no database is CORRUPT, a damaged one too, and a folder that is not there is DISK', async () => {
  const path = fresh()
  await writeFile(path, 'x'.repeat(8192))
  assert.throws(
    () => openDatabase(path),
    (error) => isCairnError(error, 'CORRUPT'),
  )
  assert.throws(
    () => openDatabase(join(root, 'none', 'x.db')),
    (error) => isCairnError(error, 'DISK'),
  )
  const damaged = fresh()
  const database = withTable(damaged)
  for (let i = 0; i < 500; i += 1) database.prepare('INSERT INTO things (name) VALUES (?)').run(`${i} ${'n'.repeat(200)}`)
  database.close()
  const file = await open(damaged, 'r+')
  await file.write(new Uint8Array(4096).fill(255), 0, 4096, 3 * 4096)
  await file.close()
  const again = openDatabase(damaged)
  assert.throws(
    () => again.prepare('SELECT sum(length(name)) FROM things').get(),
    (error) => isCairnError(error, 'CORRUPT'),
  )
})
