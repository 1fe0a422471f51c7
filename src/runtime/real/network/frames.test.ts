import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../../../protocol/ids.ts'
import { MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts'
import { concat } from '../../../std/bytes.ts'
import { END, FrameReader, PROBE } from './frames.ts'

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}
const frame = (message: Uint8Array): Uint8Array => concat([word(message.length), message])

function createReader() {
  const seen: string[] = []
  const reader = new FrameReader('peer' as PeerId, {
    ended: () => seen.push('ended'),
    probed: () => seen.push('probed'),
    refused: () => seen.push('refused'),
    broken: (error) => {
      seen.push(error.code)
      reader.fail(error, true)
    },
  })
  reader.next()
  return { reader, seen }
}

test('messages come out as they went in, however the stream is cut and whichever way they are read', async () => {
  const cases = fc.record({
    messages: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
    cuts: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
    into: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    given: fc.array(fc.constantFrom('pushed', 'lent', 'written'), { minLength: 1, maxLength: 7 }),
    readFirst: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ messages, cuts, into, given, readFirst }) => {
      const { reader, seen } = createReader()
      const stream = concat([...messages.map(frame), word(END)])
      const feed = async (): Promise<void> => {
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const bytes = stream.slice(at, at + (cuts[i % cuts.length] ?? 1))
          const how = given[i % given.length]
          const room = how === 'written' ? reader.room(1) : null
          if (room !== null) {
            const length = Math.min(room.length, bytes.length)
            room.set(bytes.subarray(0, length))
            reader.wrote(length)
            at += length
          } else {
            if (how === 'pushed') reader.push(bytes)
            else {
              reader.lend(bytes)
              bytes.fill(0xee)
            }
            at += bytes.length
          }
          await null
        }
      }
      const read = async (): Promise<void> => {
        for (const [i, message] of messages.entries()) {
          const got = await reader.read(into[i] === true ? new Uint8Array(400) : null, 400)
          assert.deepEqual(Uint8Array.from(got ?? []), message)
        }
        assert.equal(await reader.read(null, 10), null)
      }
      await (readFirst ? Promise.all([read(), feed()]) : feed().then(read))
      assert.deepEqual(seen, ['ended'])
      assert.equal(reader.buffered, 0)
    }),
  )
})

test('the end is noticed although nobody reads, and what follows waits for the next exchange', async () => {
  const { reader, seen } = createReader()
  reader.push(concat([word(END), frame(Uint8Array.of(1, 2))]))
  assert.deepEqual(seen, ['ended'])
  assert.equal(reader.buffered, 6)
  assert.equal(await reader.read(null, 10), null)
  reader.next()
  assert.deepEqual(Uint8Array.from((await reader.read(null, 10)) ?? []), Uint8Array.of(1, 2))
})

test('a message that lies in one chunk is not copied', async () => {
  const { reader } = createReader()
  const chunk = frame(Uint8Array.of(9, 8, 7))
  reader.push(chunk)
  const message = await reader.read(null, 10)
  assert.equal(message?.buffer, chunk.buffer)
})

test('a length over every message is a breach before a byte of it is kept', () => {
  const { reader, seen } = createReader()
  reader.push(word(MESSAGE_BYTES_MAX + 1))
  assert.deepEqual(seen, ['PROTOCOL'])
})

test('what arrived whole before the connection was lost can be read, what did not fails', async () => {
  const { reader, seen } = createReader()
  reader.push(concat([word(PROBE), frame(Uint8Array.of(1)), word(5), Uint8Array.of(1, 2)]))
  reader.fail(new Error('lost'), false)
  assert.deepEqual(Uint8Array.from((await reader.read(null, 10)) ?? []), Uint8Array.of(1))
  await assert.rejects(reader.read(null, 10), /lost/)
  assert.deepEqual(seen, ['probed'])
})
