import assert from 'node:assert/strict'
import { test } from 'node:test'
import { account, address, deviceId, digestOf, networkId } from '../../protocol/ids.ts'
import { createFakeClock } from '../../runtime/fake/index.ts'
import type { SignedVoucher } from '../payees.ts'
import { storageReply } from './messages.ts'
import { storagePayees } from './payees.ts'
import type { StoreParts } from './store/parts.ts'

const operator = account('0x'.padEnd(42, '1'))
const [dead, alive, newer] = ['a', 'b', 'c'].map((digit) => deviceId('0x'.padEnd(66, digit)))
const voucherOf = (cumulative: bigint): SignedVoucher => ({
  voucher: { payer: operator, payee: operator, asset: address(operator), net: 1, channelId: 0n, cumulative },
  signature: new Uint8Array(65),
  note: Uint8Array.of(7),
})

/** The payees of an operator whose devices hold these vouchers; one that holds none does not answer. */
function payeesWith(held: ReadonlyMap<string, bigint>, devices: readonly (typeof dead)[]) {
  const order = {
    account: operator,
    op: 2,
    pieceId: digestOf(new Uint8Array(32)),
    maxBytes: 0n,
    expiry: 1n,
    serial: 1n,
    signature: new Uint8Array(65),
  }
  const parts = {
    at: {
      net: networkId(1),
      clock: createFakeClock(),
      chain: { devices: () => devices.map((id) => ({ id, owner: operator, status: 'active' })) },
    },
    orders: { sign: (_op: string, device: string) => ({ ...order, device }) },
    providers: {
      async open(device: string) {
        const cumulative = held.get(device)
        if (cumulative === undefined) throw new Error('connection refused')
        const reply = storageReply.encode({ is: 'voucher', ...voucherOf(cumulative) })
        return { send: async () => undefined, receive: async () => reply, end: async () => undefined, abort: () => undefined }
      },
    },
  }
  return storagePayees(parts as unknown as StoreParts)
}

test('a device that is away keeps nobody from learning what its operator’s others hold', async () => {
  const held = new Map([
    [String(alive), 5n],
    [String(newer), 9n],
  ])
  const payees = payeesWith(held, [dead, alive, newer])
  assert.deepEqual(await payees.held(operator), voucherOf(9n))
})

test('when no device answers it is not known that there is no voucher; without devices there is none', async () => {
  await assert.rejects(payeesWith(new Map(), [dead, alive]).held(operator), { code: 'UNREACHABLE' })
  assert.equal(await payeesWith(new Map(), []).held(operator), null)
})
