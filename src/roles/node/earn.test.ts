import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Account, account, address, type Digest, digestOf, type Epoch, networkId, type PeerId } from '../../protocol/ids.ts'
import { channelKey, rewardRoot, unitId } from '../../protocol/rewards.ts'
import { type Settlement, settlementSchema } from '../../resources/evidence.ts'
import { createOwnerParts } from '../../resources/owner-part.ts'
import { serveFiles } from '../../resources/peers.ts'
import type { ChainCall, RootRow } from '../../runtime/chain.ts'
import {
  createFakeClock,
  createFakeNetwork,
  createFakeRuntime,
  createInlineCompute,
  portableCrypto as crypto,
} from '../../runtime/fake/index.ts'
import { createNative } from '../../runtime/real/compute/native.ts'
import { createPrng } from '../../std/prng.ts'
import { type EarnParts, earnLoop } from './earn.ts'
import { compact } from './redeem.ts'

const NET = networkId(7)
const PATIENCE = 3
const EPOCH_MS = 60_000
const UNIT = unitId(crypto, 'storage.byte-second')
const [OPERATOR, PAYER, OTHER] = [1, 2, 3].map((n) => account(`0x${String(n).padStart(40, '0')}`)) as [Account, Account, Account]
const [ASSET, CREDITS] = [address(`0x${'aa'.repeat(20)}`), address(`0x${'bb'.repeat(20)}`)]
const VERIFIER = '12D3KooWVerifier' as PeerId
const channelOf = (payer: Account): Digest => channelKey(crypto, payer, OPERATOR, CREDITS, NET, 0n)

interface Channel {
  earmark: bigint
  redeemed: bigint
  closesAt: number
}

/** An operator to which each epoch proves 10⁹ units more of every payer's channel, at 1 µcredit each. */
function stage(payers: readonly Account[], options: { readonly offers?: boolean; readonly hasLine?: boolean } = {}) {
  const { offers = true, hasLine = true } = options
  const clock = createFakeClock()
  const prng = createPrng(1n)
  const runtime = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), clock, crypto })
  const hub = createFakeNetwork({ clock, random: { bytes: prng.bytes, below: prng.below } })
  const network = hub.join('12D3KooWNode' as PeerId, { listens: false })
  const verifier = hub.join(VERIFIER)
  network.know(VERIFIER, verifier.addresses)
  const files = new Map<Digest, Uint8Array>()
  const roots: RootRow[] = []
  let wholes = 0
  const find = async (name: Digest): Promise<Uint8Array | null> => files.get(name) ?? null
  const whole = (name: Digest): Promise<Uint8Array | null> => {
    wholes += 1
    return find(name)
  }
  serveFiles(
    verifier,
    whole,
    createOwnerParts(crypto, find, () => (offers ? roots.map((root) => root.dataHash) : [])),
  )
  const channels = new Map<Account, Channel>(payers.map((payer) => [payer, { earmark: 10n ** 12n, redeemed: 0n, closesAt: 0 }]))
  const vouchers: { readonly payer: Account; readonly cumulative: bigint }[] = []
  const calls: { readonly call: string; readonly epoch: number; readonly payer: unknown }[] = []
  const settled: { readonly epoch: number; readonly lines: number }[] = []
  const unredeemable: { readonly payer: Account; readonly calls: number }[] = []
  let away = false
  let answer: (call: ChainCall) => { readonly is: 'confirmed' } | { readonly is: 'reverted'; readonly error: string } = () => ({
    is: 'confirmed',
  })

  function publish(): void {
    const epoch = roots.length + 1
    const lines = payers.map((payer) => ({ channel: channelOf(payer), unit: UNIT, cumulative: BigInt(epoch) * 10n ** 9n }))
    const owners = [{ account: hasLine ? OPERATOR : OTHER, cumulative: 0n, channels: lines }]
    const root = rewardRoot(crypto, NET, ASSET, owners)
    const rest = { rules: 1, resource: 'storage', bundles: [], previous: null, budget: 0n, scores: [], carry: null, total: 0n }
    const settlement: Settlement = { ...rest, net: NET, epoch, asset: ASSET, owners, root }
    const bytes = settlementSchema.encode(settlement)
    const dataHash = digestOf(crypto.sha256(bytes))
    files.set(dataHash, bytes)
    roots.push({ net: NET, asset: ASSET, epoch: epoch as Epoch, index: epoch, root, total: 0n, dataHash, activeAt: 0, state: 'active' })
  }

  const chain = {
    addresses: { credits: CREDITS },
    roots: () => roots,
    claimed: () => 0n,
    degraded: () => away,
    channel: (payer: Account) => channels.get(payer) ?? null,
    escrow: () => ({ available: 0n, thawing: 0n, earned: 0n }),
  }
  const parts = {
    rt: { ...runtime, clock, network, chain },
    net: NET,
    operator: OPERATOR,
    verifiers: [VERIFIER],
    worth: { credits: 1n, cairn: 1n },
    patienceEpochs: PATIENCE,
    promises: () => ({
      vouchers: vouchers.map(({ payer, cumulative }) => ({
        voucher: { payer, payee: OPERATOR, asset: CREDITS, net: NET, channelId: 0n, cumulative },
        signature: new Uint8Array(65),
        note: new Uint8Array(0),
      })),
      rates: payers.map((payer) => ({
        payer,
        channel: channelOf(payer),
        unit: UNIT,
        numerator: 1n,
        denominator: 1n,
        signature: new Uint8Array(65),
      })),
    }),
    unredeemable: (payer: Account) => unredeemable.push({ payer, calls: calls.length }),
    settled: (epoch: number, lines: readonly unknown[]) => settled.push({ epoch, lines: lines.length }),
    signer: {
      async send(call: ChainCall) {
        const [first] = call.args as readonly { readonly payer?: unknown }[]
        calls.push({ call: call.function, epoch: roots.length, payer: first?.payer })
        return answer(call)
      },
    },
  } as unknown as EarnParts

  return {
    channels,
    vouchers,
    calls,
    settled,
    unredeemable,
    wholes: () => wholes,
    goAway: () => {
      away = true
    },
    answers: (how: typeof answer) => {
      answer = how
    },
    async run(epochs: number): Promise<void> {
      const stop = new AbortController()
      await clock.run(async () => {
        const earning = earnLoop(parts, stop.signal)
        for (let n = 0; n < epochs; n += 1) {
          publish()
          await clock.sleep(EPOCH_MS)
        }
        stop.abort()
        await earning
      })
    },
  }
}

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
  const one = stage([PAYER])
  const empty = Array.from({ length: 33 }, (_, i) => account(`0x${String(100 + i).padStart(40, '0')}`))
  one.vouchers.push(...empty.map((payer) => ({ payer, cumulative: 10n ** 30n })), { payer: PAYER, cumulative: 1000n })
  const batches: unknown[] = []
  one.answers((call) => {
    batches.push(call.args[3])
    throw new Error('no coins for gas')
  })
  await one.run(1)
  assert.deepEqual(
    (batches[0] as { payer: Account }[]).map((item) => item.payer),
    [PAYER],
  )
  assert.equal(one.settled[0]?.epoch, 1)
})

describe('a payer whose vouchers bring less than was proved', () => {
  const proofs = (one: ReturnType<typeof stage>) => one.calls.filter(({ call }) => call === 'redeemProved')

  test('is done without after some epochs, once for each root', async () => {
    const one = stage([PAYER])
    await one.run(PATIENCE + 3)
    assert.deepEqual(
      proofs(one).map(({ epoch }) => epoch),
      [PATIENCE + 1, PATIENCE + 2, PATIENCE + 3],
    )
  })

  test('is not done without while they bring it, nor when there is no earmark to draw', async () => {
    const one = stage([PAYER, OTHER])
    one.answers((call) => {
      const row = one.channels.get(PAYER)
      if (call.function === 'redeem' && row !== undefined) row.redeemed = one.vouchers[0]?.cumulative ?? 0n
      return { is: 'confirmed' }
    })
    one.vouchers.push({ payer: PAYER, cumulative: 10n ** 10n })
    ;(one.channels.get(OTHER) as Channel).earmark = 0n
    await one.run(PATIENCE + 3)
    assert.deepEqual(proofs(one), [])
    assert.deepEqual(one.unredeemable, [])
  })

  test('promises as much as it likes: what a voucher does not bring is told, and taken by proof', async () => {
    const one = stage([PAYER])
    one.vouchers.push({ payer: PAYER, cumulative: 1n << 127n })
    await one.run(PATIENCE + 1)
    assert.equal(one.calls.filter(({ call }) => call === 'redeem').length, 3, 'in four minutes')
    assert.ok(one.unredeemable.length > 0 && one.unredeemable.every(({ payer }) => payer === PAYER))
    assert.ok(
      one.unredeemable.every(({ calls }) => calls > 1),
      'once another’s payment may have come first',
    )
    assert.equal(proofs(one).length, 1)
  })

  test('and has funds again is paid by the next try, however its vouchers were refused before', async () => {
    const one = stage([PAYER])
    const row = one.channels.get(PAYER) as Channel
    one.vouchers.push({ payer: PAYER, cumulative: 10n ** 10n })
    row.earmark = 100n
    await one.run(1)
    row.earmark = 10n ** 12n
    one.answers((call) => {
      if (call.function === 'redeem') row.redeemed = 10n ** 10n
      return { is: 'confirmed' }
    })
    await one.run(1)
    assert.equal(row.redeemed, 10n ** 10n)
    assert.deepEqual([one.unredeemable, proofs(one)], [[], []])
  })

  test('cannot crowd out others or be tried for ever by promising a little more each time', async () => {
    const misers = Array.from({ length: 40 }, (_, i) => account(`0x${String(100 + i).padStart(40, '0')}`))
    const one = stage([PAYER, ...misers])
    let more = 0n
    const paid = new Set<Account>()
    one.answers((call) => {
      more += 1n
      one.vouchers.splice(0, one.vouchers.length, ...misers.map((payer) => ({ payer, cumulative: 10n ** 11n + more })), {
        payer: PAYER,
        cumulative: 1_000n,
      })
      if (call.function === 'redeem') for (const item of call.args[3] as { payer: Account }[]) paid.add(item.payer)
      return { is: 'confirmed' }
    })
    one.vouchers.push(...misers.map((payer) => ({ payer, cumulative: 10n ** 11n })))
    await one.run(30)
    assert.ok(paid.has(PAYER))
    const sent = one.calls.filter(({ call }) => call === 'redeem').length
    assert.ok(sent < 16, `${sent} batches in half an hour`)
  })

  test('sends nothing while the chain is away', async () => {
    const one = stage([PAYER])
    one.goAway()
    one.vouchers.push({ payer: PAYER, cumulative: 10n })
    await one.run(PATIENCE + 2)
    assert.deepEqual(one.calls, [])
    assert.ok(one.settled.length > 0)
  })

  test('is not waited for when it closes the channel', async () => {
    const one = stage([PAYER])
    ;(one.channels.get(PAYER) as Channel).closesAt = 4_000_000_000
    await one.run(1)
    assert.equal(proofs(one).length, 1)
  })

  test('keeps nobody else from being paid when its proof is refused, and is tried again', async () => {
    const one = stage([PAYER, OTHER])
    let refusals = 0
    one.answers((call) => {
      const id = call.args[0] as { payer: Account }
      if (call.function !== 'redeemProved' || id.payer !== PAYER || refusals === 2) return { is: 'confirmed' }
      refusals += 1
      if (refusals === 1) throw new Error('no coins for gas')
      return { is: 'reverted', error: 'Insufficient' }
    })
    await one.run(PATIENCE + 4)
    assert.deepEqual(
      proofs(one)
        .filter(({ payer }) => payer === OTHER)
        .map(({ epoch }) => epoch),
      [4, 5, 6, 7],
    )
    assert.deepEqual(
      proofs(one)
        .filter(({ payer }) => payer === PAYER)
        .map(({ epoch }) => epoch),
      [4, 5, 7],
    )
  })
})

describe('the operator’s part of a settlement', () => {
  test('is all that is fetched', async () => {
    const one = stage([PAYER])
    await one.run(2)
    assert.equal(one.wholes(), 0)
    assert.ok(one.settled.every(({ lines }) => lines === 1))
  })

  test('is looked for in the whole when verifiers do not give it, after some tries', async () => {
    const one = stage([PAYER], { offers: false })
    await one.run(2)
    assert.equal(one.wholes(), 2, 'once for each root')
    assert.deepEqual(new Set(one.settled.map(({ lines }) => lines)), new Set([1]))
  })

  test('that is not there is told as nothing', async () => {
    const one = stage([PAYER], { hasLine: false })
    await one.run(1)
    assert.ok(one.settled.length > 0 && one.settled.every(({ lines }) => lines === 0))
    assert.deepEqual(one.calls, [])
  })
})
