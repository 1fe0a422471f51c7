import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { digest, epoch } from '../../protocol/ids.ts'
import { createFakeDisk } from '../../runtime/fake/index.ts'
import { openDatabase } from '../../runtime/real/index.ts'
import { createPrng } from '../../std/prng.ts'
import { openBook } from './book.ts'

const disk = createFakeDisk({ prng: createPrng(1n) })
const word = (byte: string) => digest(`0x${byte.repeat(32)}`)
const content = (byte: string) => ({ root: word(byte), total: 2n ** 100n, dataHash: word('dd') })
const slot = { epoch: epoch(5), attempt: 1, setId: 2900 }

test('one content is signed for a slot, also by the next process: another gets the first signature and no new one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-book-'))
  try {
    const path = join(folder, 'state.db')
    const first = openDatabase(path)
    const signature = new Uint8Array(65).fill(7)
    assert.deepEqual(openBook(first, disk).sign(slot, content('aa'), () => signature).root, word('aa'))
    first.close()
    const again = openDatabase(path)
    const book = openBook(again, disk)
    const signed = book.sign(slot, content('bb'), () => assert.fail('nothing else is signed'))
    assert.deepEqual(signed, { ...content('aa'), signature })
    assert.deepEqual(book.signed(slot), signed)
    for (const other of [
      { ...slot, attempt: 2 },
      { ...slot, setId: 2901 },
      { ...slot, epoch: epoch(6) },
    ]) {
      assert.equal(book.signed(other), null)
      assert.deepEqual(book.sign(other, content('bb'), () => signature).root, word('bb'), 'another slot is another matter')
    }
    book.dropSigned(epoch(6))
    assert.deepEqual([book.signed(slot), book.signed({ ...slot, epoch: epoch(6) })?.root], [null, word('bb')])
    again.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('adopting what others published drops what was settled on top of another', () => {
  const book = openBook(openDatabase(':memory:'), disk)
  for (const at of [1, 2, 3]) book.settled(epoch(at), word(`0${at}`))
  book.adopt(epoch(2), word('ee'))
  assert.deepEqual(book.lastSettled(epoch(9)), { epoch: epoch(2), settlement: word('ee') })
  assert.deepEqual([book.get(epoch(2))?.state, book.get(epoch(3))?.state], ['adopted', 'collected'])
  book.adopt(epoch(7), word('ff'))
  assert.equal(book.lastSettled(epoch(9))?.epoch, 7, 'also of an epoch in which it was away')
  book.unsettle(epoch(2))
  assert.deepEqual(book.lastSettled(epoch(9)), { epoch: epoch(1), settlement: word('01') })
})
