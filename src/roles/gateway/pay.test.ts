import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Account, account, address, networkId } from '../../protocol/ids.ts'
import { createCrypto, openDatabase } from '../../runtime/real/index.ts'
import { toHex, utf8 } from '../../std/bytes.ts'
import { openPayBook } from './pay.ts'

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
    resource: 'storage',
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
        const voucher = book.sign(payee, [{ unit: 'kept', cumulative: kept }], true)
        const owed = kept / 3n + (2n * served) / 7n
        if (voucher === null) assert.equal(owed, signed)
        else assert.ok(voucher.voucher.cumulative > signed && voucher.voucher.cumulative === owed)
        signed = owed
        assert.equal(book.last(payee)?.voucher.cumulative ?? 0n, signed)
        assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: kept / 2n }], true), null)
      }
    }),
    { numRuns: 40 },
  )
})

test('a voucher is adopted when this payer signed it for that payee, and never otherwise', () => {
  const real = bookOf().sign(payee, [{ unit: 'kept', cumulative: 3000n }], true)
  const forged = bookOf('thief').sign(payee, [{ unit: 'kept', cumulative: 9_000_000n }], true)
  assert.ok(real !== null && forged !== null)
  const book = bookOf()
  assert.equal(book.adopt(payee, forged), false)
  assert.equal(book.adopt(other, real), false)
  assert.equal(book.adopt(payee, { ...real, voucher: { ...real.voucher, cumulative: 10n ** 12n } }), false)
  assert.deepEqual(book.totals(), [])
  assert.equal(book.adopt(payee, real), true)
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 3000n }], true), null)
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 3003n }], true)?.voucher.cumulative, 1001n)
})

test('a book that was lost goes on from what was paid: served bytes that only it knew stay paid, and are not paid twice', () => {
  const lost = bookOf()
  lost.served([{ payee, unit: 'served', amount: 700n }])
  const paid = lost.sign(payee, [{ unit: 'kept', cumulative: 300n }], true)
  assert.equal(paid?.voucher.cumulative, 300n)
  const database = openDatabase(':memory:')
  const book = bookOf('session', database)
  assert.ok(paid !== null && book.adopt(payee, paid))
  // An older root does not show what of it was proven.
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 150n }], false), null)
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 300n }], true), null)
  assert.equal(bookOf('session', database).sign(payee, [{ unit: 'kept', cumulative: 330n }], true)?.voucher.cumulative, 310n)
  book.served([{ payee, unit: 'served', amount: 70n }])
  assert.equal(book.sign(payee, [{ unit: 'kept', cumulative: 330n }], true)?.voucher.cumulative, 330n)
  assert.deepEqual(book.servers(), [payee])
})
