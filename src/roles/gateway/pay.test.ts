import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Account, account, address, type Digest, digestOf, networkId } from '../../protocol/ids.ts'
import type { RootRow } from '../../runtime/chain.ts'
import { createCrypto, openDatabase } from '../../runtime/real/index.ts'
import { toHex, utf8 } from '../../std/bytes.ts'
import { openPayBook } from './pay.ts'
import { payNewest } from './pay-loop.ts'

const crypto = createCrypto()
const secretOf = (name: string): Uint8Array => crypto.sha256(utf8(name))
const accountOf = (name: string): Account => account(toHex(crypto.secp256k1.address(secretOf(name))))
const zero = address('0x'.padEnd(42, '0'))
const [payee, other] = [accountOf('payee'), accountOf('other')]

const bookOf = (session = 'session', database = openDatabase(':memory:')) =>
  openPayBook({
    crypto,
    database,
    chainId: 1,
    escrow: zero,
    asset: zero,
    net: networkId(1),
    payer: accountOf('payer'),
    sessionKey: secretOf(session),
    rates: { kept: { numerator: 1n, denominator: 3n }, served: { numerator: 2n, denominator: 7n } },
    delegated: (key) => key === address(toHex(crypto.secp256k1.address(secretOf('session')))),
  })

test('whatever is proven and served, vouchers only grow and are the price of all of it, floored once per unit', () => {
  const step = fc.record({ proven: fc.bigInt(0n, 10_000n), served: fc.bigInt(0n, 10_000n) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const database = openDatabase(':memory:')
      let [kept, served, signed] = [0n, 0n, 0n]
      for (const one of steps) {
        // A restart between any two.
        const book = bookOf('session', database)
        kept += one.proven
        served += one.served
        book.served([{ payee, unit: 'served', amount: one.served }])
        const voucher = book.sign(payee, [{ unit: 'kept', cumulative: kept }])
        const owed = kept / 3n + (2n * served) / 7n
        if (voucher === null) assert.equal(owed, signed)
        else assert.ok(voucher.voucher.cumulative > signed && voucher.voucher.cumulative === owed)
        signed = owed
        assert.equal(book.last(payee)?.voucher.cumulative ?? 0n, signed)
        assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: kept / 2n }]), null)
      }
    }),
    { numRuns: 40 },
  )
})

test('a voucher is adopted when this payer signed it for that payee, and never otherwise', () => {
  const real = bookOf().sign(payee, [{ unit: 'kept', cumulative: 3000n }])
  const forged = bookOf('thief').sign(payee, [{ unit: 'kept', cumulative: 9_000_000n }])
  assert.ok(real !== null && forged !== null)
  const book = bookOf()
  assert.equal(book.adopt(payee, forged), false)
  assert.equal(book.adopt(other, real), false)
  assert.equal(book.adopt(payee, { ...real, voucher: { ...real.voucher, cumulative: 10n ** 12n } }), false)
  assert.deepEqual(book.totals(), [])
  assert.equal(book.adopt(payee, real), true)
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 3000n }]), null)
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 3003n }])?.voucher.cumulative, 1001n)
})

test('a book that was lost goes on from what was paid, however much was proven since: served bytes are in the note', () => {
  const lost = bookOf()
  lost.served([{ payee, unit: 'served', amount: 700n }])
  const paid = lost.sign(payee, [{ unit: 'kept', cumulative: 300n }])
  assert.equal(paid?.voucher.cumulative, 300n)
  assert.ok(paid !== null)
  const book = bookOf()
  book.served([{ payee, unit: 'served', amount: 35n }])
  assert.ok(book.adopt(payee, paid) && book.adopt(payee, paid))
  book.served([{ payee, unit: 'served', amount: 35n }])
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 1500n }])?.voucher.cumulative, 500n + 220n)
  assert.deepEqual(book.servers(), [payee])
})

test('a note that was altered, is of another voucher or is missing adds nothing, and the voucher counts', () => {
  const one = bookOf()
  one.served([{ payee, unit: 'served', amount: 70n }])
  const first = one.sign(payee, [])
  one.served([{ payee, unit: 'served', amount: 700n }])
  const second = one.sign(payee, [])
  assert.ok(first !== null && second !== null)
  for (const note of [second.note, first.note.with(12, 0), new Uint8Array(0), new Uint8Array(512)]) {
    const book = bookOf()
    assert.ok(book.adopt(payee, { ...first, note }))
    assert.deepEqual([book.last(payee)?.voucher.cumulative, book.servers()], [20n, []])
  }
})

test('the newest root that can be verified is paid for, once, whatever was published after it', async () => {
  const roots = [1, 2, 3, 4, 5, 6].map((epoch) => ({ epoch, dataHash: digestOf(crypto.sha256(Uint8Array.of(epoch))) }) as RootRow)
  const good = new Set([2, 3])
  const paid = new Set<Digest>()
  const asked: number[] = []
  let owing = true
  const turn = async (until: number): Promise<number[]> => {
    asked.length = 0
    await payNewest(roots.slice(0, until), paid, async ({ epoch }) => {
      asked.push(epoch)
      return good.has(epoch) ? (owing ? 'owing' : 'paid') : 'unverified'
    })
    return [...asked]
  }
  assert.deepEqual(await turn(1), [1])
  assert.deepEqual(await turn(3), [3], 'what is older is in it')
  owing = false
  assert.deepEqual(
    [await turn(5), await turn(5)],
    [
      [5, 4, 3],
      [5, 4],
    ],
    'until everybody has a voucher, and not again',
  )
  good.add(6)
  assert.deepEqual([await turn(6), await turn(6)], [[6], []])
})

test('roots that nobody can verify are not looked for without end', async () => {
  const roots = Array.from({ length: 50 }, (_, epoch) => ({ epoch, dataHash: digestOf(crypto.sha256(Uint8Array.of(epoch))) }) as RootRow)
  let asked = 0
  await payNewest(roots, new Set(), async () => {
    asked += 1
    return 'unverified'
  })
  assert.equal(asked, 4)
})
