import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compact, type EarnParts, earnLoop } from './earn.ts'

test('a compact signature keeps r, s and the parity of y', () => {
  const signature = new Uint8Array(65).fill(0x11)
  for (const v of [27, 28]) {
    signature[64] = v
    const { r, vs } = compact(signature)
    assert.equal(r, `0x${'11'.repeat(32)}`)
    assert.equal(vs, `0x${v === 28 ? '91' : '11'}${'11'.repeat(31)}`)
  }
})

test('promises with nothing behind them crowd nobody out of a batch, and a refused transaction hides no settlement', async () => {
  const stop = new AbortController()
  const batches: string[][] = []
  const voucherOf = (payer: string, cumulative: bigint) => ({
    voucher: { payer, asset: 'credits', channelId: 0n, cumulative },
    signature: new Uint8Array(65),
  })
  let looked = 0
  const parts = {
    rt: {
      log: { debug() {}, info() {}, warn() {} },
      clock: { sleep: async () => stop.abort() },
      chain: {
        addresses: { credits: 'credits' },
        channel: () => null,
        escrow: (payer: string) => ({ available: payer === 'honest' ? 10_000n : 0n, thawing: 0n, earned: 0n }),
        roots() {
          looked += 1
          return []
        },
      },
    },
    worth: { credits: 1n, cairn: 1n },
    promises: () => ({
      vouchers: [...Array.from({ length: 33 }, (_, i) => voucherOf(`empty ${i}`, 10n ** 30n)), voucherOf('honest', 1000n)],
      rates: [],
    }),
    signer: {
      async send(call: { args: readonly [unknown, unknown, unknown, readonly { payer: string }[]] }) {
        batches.push(call.args[3].map((item) => item.payer))
        throw new Error('no coins for gas')
      },
    },
  }
  await earnLoop(parts as unknown as EarnParts, stop.signal)
  assert.deepEqual(batches, [['honest']])
  assert.equal(looked, 1)
})
