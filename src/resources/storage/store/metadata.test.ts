import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { account, type DeviceId, deviceId, digestOf } from '../../../protocol/ids.ts'
import type { UnixMs } from '../../../protocol/units.ts'
import { openDatabase } from '../../../runtime/real/index.ts'
import { compareBytes, fromUtf8, utf8 } from '../../../std/bytes.ts'
import { list, openMetadata } from './metadata.ts'
import { changeSchema, type ObjectRecord, type SegmentRecord } from './records.ts'
import { openUploads } from './uploads.ts'

const ACCOUNT = account('0x'.padEnd(42, '1'))
const DEVICES = [1, 2, 3].map((n): DeviceId => deviceId(`0x${String(n).repeat(64)}`))
let drawn = 0
const draw = (): ReturnType<typeof digestOf> => {
  drawn += 1
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, drawn)
  return digestOf(bytes)
}
const segmentOf = (): SegmentRecord => ({
  id: draw(),
  plainBytes: 10,
  pieceBytes: 64,
  k: 1,
  n: 2,
  pieces: [0, 1].map((shard) => ({ shard, device: DEVICES[shard] as DeviceId, pieceId: draw(), root: draw() })),
})
const recordOf = (segments: readonly SegmentRecord[]): ObjectRecord => ({
  size: 10,
  etag: 'e',
  modified: 0,
  headers: {},
  checksums: {},
  checksumType: null,
  partSizes: [],
  inline: null,
  parts: [{ partId: new Uint8Array(16), wrappedKey: new Uint8Array(60), size: 10, segments: [...segments] }],
})

function open() {
  const database = openDatabase(':memory:')
  const metadata = openMetadata(database)
  return { database, metadata, uploads: openUploads(database, metadata.segments) }
}
function openWithBucket() {
  const opened = open()
  opened.metadata.createBucket({ name: 'b', account: ACCOUNT, created: 0 as UnixMs })
  return opened
}
const put = (key: string, record = recordOf([segmentOf()])) => ({ bucket: 'b', key, record, conditions: {}, shared: false })

/** What the objects and segments are, without what only this gateway's dealings with providers made. */
const contents = ({ database }: ReturnType<typeof open>) => ({
  objects: database.prepare('SELECT bucket, hex(key) AS key, hex(record) AS record FROM objects ORDER BY bucket, key').all(),
  segments: database.prepare('SELECT id, refs FROM segments ORDER BY id').all(),
  pieces: database.prepare('SELECT id, segment, shard, device, size, root FROM pieces ORDER BY id').all(),
})

test('opening the tables beside a gateway leaves what its writes have staged', () => {
  const { database, metadata } = open()
  const segment = segmentOf()
  database.transaction(() => metadata.segments.stage(segment))
  assert.notEqual(openMetadata(database).segments.get(segment.id), null)
})

test('a listing is what walking over all keys gives, page after page', () => {
  const key = fc.stringMatching(/^[ab/]{1,5}$/)
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { maxLength: 25 }),
      fc.stringMatching(/^[ab/]{0,2}$/),
      fc.constantFrom('', '/', 'a'),
      fc.integer({ min: 1, max: 4 }),
      (keys, prefix, delimiter, limit) => {
        const { metadata } = openWithBucket()
        metadata.commit(keys.map((one) => put(one, recordOf([]))))
        const want: string[] = []
        for (const one of keys.toSorted((a, b) => compareBytes(utf8(a), utf8(b)))) {
          if (!one.startsWith(prefix)) continue
          const end = delimiter === '' ? -1 : one.indexOf(delimiter, prefix.length)
          const entry = end < 0 ? `k${one}` : `p${one.slice(0, end + delimiter.length)}`
          if (want.at(-1) !== entry) want.push(entry)
        }
        const got: string[] = []
        for (let after: Uint8Array = new Uint8Array(); ; ) {
          const page = list(metadata, 'b', utf8(prefix), utf8(delimiter), after, limit)
          const count = page.rows.length + page.prefixes.length
          assert.ok(count <= limit)
          got.push(...page.rows.map((row) => `k${fromUtf8(row.key)}`), ...page.prefixes.map((one) => `p${fromUtf8(one)}`))
          if (!page.truncated) break
          assert.ok(compareBytes(page.last, after) > 0, 'a page gets on')
          after = page.last
        }
        assert.deepEqual(got.toSorted(), want.toSorted())
      },
    ),
    { numRuns: 60 },
  )
})

test('a copy whose source was deleted meanwhile is refused, and the others of its transaction are not', () => {
  const { metadata } = openWithBucket()
  const record = recordOf([segmentOf()])
  metadata.commit([put('a', record)])
  const source = metadata.object('b', 'a')
  assert.ok(source)
  metadata.remove('b', ['a'])
  assert.deepEqual(metadata.commit([{ ...put('c', source), shared: true }, put('d')]), ['gone', 'stored'])
})

test('conditions are looked at inside the transaction, one commit after the other', () => {
  const { metadata } = openWithBucket()
  const fresh = { ...put('a'), conditions: { ifNoneMatch: ['*'] } }
  assert.deepEqual(metadata.commit([fresh, { ...put('a'), conditions: { ifNoneMatch: ['*'] } }]), ['stored', 'precondition-failed'])
  assert.deepEqual(metadata.commit([{ ...put('a'), conditions: { ifMatch: ['x'] } }]), ['precondition-failed'])
  assert.deepEqual(metadata.commit([{ ...put('a'), conditions: { ifMatch: ['e'] } }]), ['stored'])
  assert.equal(metadata.segments.count(), 1)
})

test('what is held in memory is what the tables say, after any history and after what was rolled back', () => {
  const key = fc.constantFrom('x', 'y', 'z')
  const op = fc.record({ is: fc.constantFrom('put', 'copy', 'delete', 'fail', 'apply', 'undo'), key, other: key })
  fc.assert(
    fc.property(fc.array(op, { maxLength: 30 }), (ops) => {
      const { metadata, database } = openWithBucket()
      let puts = 0
      const fresh = (): ObjectRecord => {
        puts += 1
        return { ...recordOf([segmentOf()]), etag: `${puts}` }
      }
      for (const { is, key, other } of ops) {
        const source = metadata.object('b', other)
        if (is === 'put') metadata.commit([put(key, fresh())])
        if (is === 'copy' && source !== null) metadata.commit([{ ...put(key, source), shared: true }])
        if (is === 'delete') metadata.remove('b', [key, other])
        if (is === 'fail') {
          const twice = fresh()
          // The second brings a segment that is there already, so that the first one is rolled back with it.
          assert.throws(() => metadata.commit([put(key, twice), put(other, twice)]))
        }
        const change = { op: 'object' as const, bucket: 'b', key, record: fresh() }
        if (is === 'apply') database.transaction(() => metadata.apply(change))
        if (is === 'undo') {
          const undone = (): void => {
            metadata.apply(change)
            metadata.apply({ op: 'delete', bucket: 'b', key: other })
            throw new Error('undone')
          }
          assert.throws(() => database.transaction(undone), /undone/)
        }
        const read = openMetadata(database)
        for (const each of ['x', 'y', 'z']) {
          assert.deepEqual(metadata.object('b', each), read.object('b', each))
          assert.equal(metadata.object('b', each), metadata.object('b', each), 'and is read once')
        }
      }
    }),
    { numRuns: 60 },
  )
})

test('a bucket that was dropped is gone at once, and belongs to whoever makes it again', () => {
  const { metadata, database } = openWithBucket()
  assert.equal(metadata.bucket('b')?.account, ACCOUNT)
  assert.throws(() =>
    database.transaction(() => {
      metadata.apply({ op: 'drop-bucket', name: 'b' })
      throw new Error('undone')
    }),
  )
  assert.equal(metadata.bucket('b')?.account, ACCOUNT)
  assert.equal(metadata.dropBucket('b'), 'deleted')
  assert.equal(metadata.bucket('b'), null)
  assert.deepEqual(metadata.commit([put('a')]), ['no-bucket'])
  const other = account('0x'.padEnd(42, '2'))
  metadata.createBucket({ name: 'b', account: other, created: 1 as UnixMs })
  assert.equal(metadata.bucket('b')?.account, other)
})

test('after any history the manifests name what is reachable, and the log makes the same objects again', () => {
  const op = fc.record({
    is: fc.constantFrom('put', 'copy', 'delete', 'part', 'complete', 'abort', 'sign', 'move', 'stage', 'reopen'),
    key: fc.constantFrom('x', 'y', 'z'),
    other: fc.constantFrom('x', 'y', 'z'),
  })
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
      let here = openWithBucket()
      const signed = new Set<string>()
      const uploads = new Set<string>()
      for (const { is, key, other } of ops) {
        const { metadata, database } = here
        const source = metadata.object('b', other)
        if (is === 'put') metadata.commit([put(key)])
        if (is === 'copy' && source !== null) metadata.commit([{ ...put(key, source), shared: true }])
        if (is === 'delete') metadata.remove('b', [key])
        if (is === 'part') {
          const upload = { uploadId: key, bucket: 'b', key, started: 0 as UnixMs, headers: {}, checksum: null, checksumType: null }
          if (!uploads.has(key)) here.uploads.create(upload)
          uploads.add(key)
          const part = recordOf([segmentOf()]).parts[0]
          assert.ok(part)
          here.uploads.putPart(key, {
            number: other.charCodeAt(0),
            size: 10,
            etag: 'e',
            modified: 0 as UnixMs,
            checksums: {},
            record: part,
          })
        }
        if (is === 'complete' && uploads.delete(key)) {
          const parts = here.uploads.parts(key, 0, 2).map((part) => part.record)
          assert.deepEqual(metadata.commit([{ ...put(key, { ...recordOf([]), parts }), shared: false, upload: key }]), ['stored'])
        }
        if (is === 'abort' && uploads.delete(key)) here.uploads.abort(key)
        if (is === 'stage') database.transaction(() => metadata.segments.stage(segmentOf()))
        if (is === 'reopen') {
          const again = openMetadata(database)
          here = { database, metadata: again, uploads: openUploads(database, again.segments) }
        }
        if (is === 'move') {
          const id = source?.parts[0]?.segments[0]?.id
          if (id !== undefined) metadata.move(id, [{ shard: 0, device: DEVICES[2] as DeviceId, pieceId: draw(), root: draw() }])
        }
        if (is === 'sign')
          for (const device of metadata.segments.devices()) {
            const { adds, removes } = metadata.segments.unsigned(device)
            for (const piece of removes) assert.ok(signed.delete(piece), 'only what was signed is removed')
            for (const { pieceId } of adds) signed.add(pieceId)
            database.transaction(() => {
              const ids = adds.map((entry) => entry.pieceId)
              metadata.segments.markSigned(device, ids, removes)
            })
          }
      }
      const { metadata, database } = here
      database.transaction(() => metadata.segments.dropStaged(null))
      const reachable = new Set<string>()
      const records = metadata.range('b', new Uint8Array(), false, 100).flatMap((row) => row.record.parts)
      const waiting = [...uploads].flatMap((id) => here.uploads.parts(id, 0, 100).map((part) => part.record))
      for (const part of [...records, ...waiting])
        for (const { id } of part.segments) for (const piece of metadata.segments.get(id)?.pieces ?? []) reachable.add(piece.pieceId)
      const manifests = metadata.segments.devices().flatMap((device) => metadata.segments.manifest(device).map((entry) => entry.pieceId))
      assert.deepEqual(new Set(manifests), reachable)
      assert.equal(manifests.length, reachable.size)

      for (const id of uploads) here.uploads.abort(id)
      const replayed = open()
      replayed.database.transaction(() => {
        for (const row of database.prepare('SELECT entry FROM log ORDER BY seq').all()) {
          replayed.metadata.apply(changeSchema.decode(row['entry'] as Uint8Array))
        }
      })
      assert.deepEqual(contents(replayed), contents(here))
    }),
    { numRuns: 60 },
  )
})
