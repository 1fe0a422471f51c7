import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChannelLine, channelKey, unitId } from '../../../protocol/rewards.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import type { StorageReply } from '../messages.ts'
import {
  addressOf,
  allowed,
  codeOf,
  createTestWorld,
  crypto,
  epochOf,
  keyOf,
  NET,
  nextEpoch,
  propose,
  putPiece,
  setOf,
  type World,
} from './world.test-support.ts'

/** What a settlement says that this customer's channel proved so far. */
function lines(world: World, byteSeconds: bigint, payer = keyOf(1).account): ChannelLine[] {
  const channel = channelKey(crypto, payer, world.operator.account, world.asset, NET, 0n)
  return [{ channel, unit: unitId(crypto, 'storage.byte-second'), cumulative: byteSeconds }]
}

async function withPiece(rates: { keptPerByteSecond?: bigint; perByteServed?: bigint } = { keptPerByteSecond: 1n }) {
  const world = await createTestWorld(1, rates)
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const entry = await putPiece(gateway, 1, world.prng.bytes(1000))
  assert.equal((await propose(gateway, gateway.head(1n, setOf([entry])), [entry])).is, 'signed')
  await provider.upkeep()
  return { world, provider, gateway, entry }
}

test('the highest voucher counts, signed by the payer or its voucher key, and stays over a restart', async () => {
  const world = await createTestWorld()
  await world.open()
  const payer = keyOf(1)
  const gateway = world.gateway(payer)
  assert.equal(codeOf((await gateway.ask({ op: 'voucher', ...gateway.voucher(100n) })).reply), 'unpaid', 'nothing is behind it')
  world.chain.available = 1n
  const send = async (cumulative: bigint, change = {}, by = gateway): Promise<StorageReply> =>
    (await gateway.ask({ op: 'voucher', ...by.voucher(cumulative, change) })).reply
  assert.deepEqual(await send(100n), { is: 'taken', cumulative: 100n })
  assert.deepEqual(await send(50n), { is: 'taken', cumulative: 100n })
  assert.equal(codeOf(await send(200n, { payee: payer.account })), 'invalid')
  assert.equal(codeOf(await send(200n, { net: 8 })), 'invalid')
  assert.equal(codeOf(await send(200n, { channelId: 1n })), 'invalid')
  const session = keyOf(3)
  assert.equal(codeOf(await send(200n, { payer: payer.account }, world.gateway(session))), 'unauthorized')
  world.chain.sessions.add(`${payer.account}/${addressOf(session.secret)}/${SCOPE.voucher}`)
  assert.deepEqual(await send(200n, { payer: payer.account }, world.gateway(session)), { is: 'taken', cumulative: 200n })
  world.disk.crash()
  const provider = await world.open()
  const last = (await gateway.ask({ op: 'last-voucher', order: gateway.order('manage') })).reply
  assert(last.is === 'voucher' && last.voucher?.cumulative === 200n)
  assert.deepEqual(last.note, Uint8Array.of(1, 2, 3))
  assert.equal(provider.promises().vouchers.length, 1)
})

test('who leaves settled epochs unpaid is refused uploads, then reads, but may recover; a covered voucher opens both again', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  const seen: string[] = []
  for (let n = 1; n <= 6; n += 1) {
    provider.settled(epochOf(world) - 1, lines(world, BigInt(n) * 60_000n))
    await nextEpoch(world)
    await provider.upkeep()
    seen.push(await allowed(gateway, entry, n))
  }
  // A voucher has the whole epoch after the one in which the root became active; two more missed ones stop reads.
  assert.deepEqual(seen, ['put and get', 'get', 'get', '', '', ''])
  assert((await gateway.get(entry.pieceId, 0, 10, gateway.order('manage', { pieceId: entry.pieceId }))) instanceof Uint8Array)
  const { owed, reasons } = await provider.status()
  assert.equal(owed, 360_000n)
  assert(reasons.some((reason) => reason.includes('vouchers are missing')))
  // A promise covers as much as there is money behind it.
  world.chain.available = 1n
  await gateway.ask({ op: 'voucher', ...gateway.voucher(owed) })
  assert.equal(await allowed(gateway, entry, 7), '')
  world.chain.available = owed
  await provider.upkeep()
  assert.equal(await allowed(gateway, entry, 8), 'put and get')
})

test('who owes for a month gets no further head until it pays, and its pieces stay while they may be demanded', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  const now = world.runtime.clock.now()
  const insert = world.database.prepare('INSERT INTO storage_settled_dues VALUES (?, ?, ?, ?, ?)')
  insert.run(keyOf(1).account, epochOf(world) - 9, '100', epochOf(world) - 8, now - 31 * 86_400_000)
  await nextEpoch(world)
  await provider.upkeep()
  const again = () => propose(gateway, gateway.head(2n, setOf([entry])), [])
  assert.equal(codeOf(await again()), 'unpaid')
  assert((await gateway.get(entry.pieceId, 0, 10, gateway.order('manage', { pieceId: entry.pieceId }))) instanceof Uint8Array)
  world.chain.available = 100n
  await gateway.ask({ op: 'voucher', ...gateway.voucher(100n) })
  await provider.upkeep()
  assert.equal((await again()).is, 'signed')
})

test('what an operator took by proof is paid, without any voucher', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  for (let n = 1; n <= 6; n += 1) {
    provider.settled(epochOf(world) - 1, lines(world, BigInt(n) * 60_000n))
    world.chain.redeemed = BigInt(n) * 60_000n
    await nextEpoch(world)
    await provider.upkeep()
  }
  assert.equal(await allowed(gateway, entry, 1), 'put and get')
})

/** Heads with one rate after the other, and what is kept of these. */
async function withRates(names: { account?: boolean } = {}) {
  const world = await createTestWorld(1, { keptPerByteSecond: 2n })
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const entry = await putPiece(gateway, 1, world.prng.bytes(1000))
  let version = 0n
  const send = async (change: { numerator?: bigint; denominator?: bigint }, by = gateway): Promise<string> => {
    const rate = by.rate(change)
    const head = gateway.head(version + 1n, setOf(names.account === false ? [] : [entry]))
    const adds = version === 0n && names.account !== false ? [entry] : []
    const code = codeOf(await propose(gateway, head, adds, [], { rate }))
    if (code === 'signed') version += 1n
    return code
  }
  const held = () =>
    provider.promises().rates.map(({ payer, channel, unit, numerator, denominator }) => ({ payer, channel, unit, numerator, denominator }))
  return { world, provider, send, held }
}

test('no head without a rate that its payer signed, that is no less than what is asked here, and a price at all', async () => {
  const { world, send, held } = await withRates()
  assert.equal(await send({ numerator: 1n }), 'unpaid')
  assert.equal(await send({ denominator: 0n }), 'invalid')
  assert.equal(await send({ numerator: 2n ** 128n - 1n }), 'invalid', 'a value that no contract could count')
  assert.equal(await send({}, world.gateway(keyOf(3))), 'unauthorized')
  assert.deepEqual(held(), [], 'what is refused leaves nothing behind')
  assert.equal(await send({ numerator: 4n }), 'signed')
  const [line] = lines(world, 0n)
  const kept = { payer: keyOf(1).account, channel: line?.channel, unit: line?.unit, numerator: 4n, denominator: 1n }
  assert.deepEqual(held(), [kept])
  assert.equal(await send({ numerator: 3n }), 'signed')
  assert.deepEqual(held(), [kept], 'who signed more cannot take it back')
  assert.equal(await send({ numerator: 9n, denominator: 2n }), 'signed')
  assert.deepEqual(held(), [{ ...kept, numerator: 9n, denominator: 2n }])
})

test('of equal rates the one whose key lasts longer is kept, and none of a key that has ended', async () => {
  const { world, provider, send } = await withRates()
  const now = Math.floor(world.runtime.clock.now() / 1000)
  const signed = () => provider.promises().rates[0]?.signature
  const by = (n: number, until: number) => {
    const key = addressOf(keyOf(n).secret)
    world.chain.sessions.add(`${keyOf(1).account}/${key}/${SCOPE.voucher}`)
    world.chain.ends.set(key, until)
    return world.gateway(keyOf(n), keyOf(1).account)
  }
  const [short, long] = [by(3, now + 1_000), by(4, now + 100_000)]
  for (const [gateway, kept] of [
    [short, short],
    [long, long],
    [short, long],
  ] as const) {
    assert.equal(await send({}, gateway), 'signed')
    assert.deepEqual(signed(), kept.rate().signature)
  }
  world.chain.ends.set(addressOf(keyOf(4).secret), now - 1)
  assert.equal(await send({}, short), 'signed')
  assert.deepEqual(signed(), short.rate().signature)
})

test('an empty set signs for no rate: nothing of it is ever proved', async () => {
  const { send, held } = await withRates({ account: false })
  assert.equal(await send({}), 'signed')
  assert.deepEqual(held(), [])
})

test('a voucher that the chain pays nothing for covers nothing, until there is a better one', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  world.chain.available = 1_000_000n
  world.chain.redeemed = 0n
  await gateway.ask({ op: 'voucher', ...gateway.voucher(500_000n) })
  provider.unredeemable(keyOf(1).account, 500_000n)
  for (let n = 1; n <= 6; n += 1) {
    provider.settled(epochOf(world) - 1, lines(world, BigInt(n) * 60_000n))
    await nextEpoch(world)
    await provider.upkeep()
  }
  assert.equal(await allowed(gateway, entry, 1), '')
  await gateway.ask({ op: 'voucher', ...gateway.voucher(500_001n) })
  await provider.upkeep()
  assert.equal(await allowed(gateway, entry, 2), 'put and get')
})

test('what no settlement proves is nobody’s debt, however long it was kept', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  provider.settled(epochOf(world), [])
  for (let n = 0; n < 20; n += 1) {
    await nextEpoch(world)
    await provider.upkeep()
    provider.settled(epochOf(world), lines(world, 5_000n, keyOf(2).account))
  }
  assert.equal((await provider.status()).owed, 0n)
  assert.equal(await allowed(gateway, entry, 1), 'put and get')
})

test('dues stay over a crash, and one that was told again is one', async () => {
  const { world, provider, gateway, entry } = await withPiece()
  const epoch = epochOf(world)
  provider.settled(epoch, lines(world, 60_000n))
  provider.settled(epoch, lines(world, 60_000n))
  await provider.upkeep()
  world.disk.crash()
  const again = await world.open()
  await nextEpoch(world)
  await nextEpoch(world)
  await again.upkeep()
  const missed = async (): Promise<unknown> => {
    const { owed, accounts } = await again.status()
    return [owed, accounts[0]?.missedVouchers]
  }
  assert.deepEqual(await missed(), [60_000n, 1])
  again.settled(epoch, lines(world, 60_000n))
  await nextEpoch(world)
  await nextEpoch(world)
  await again.upkeep()
  assert.deepEqual(await missed(), [60_000n, 1])
  assert.equal(await allowed(gateway, entry, 1), 'get')
  await again.close()
})

test('half of what was served beyond a GiB by the end of a settled epoch must be covered, and nothing that was served later', async () => {
  const { world, provider, gateway, entry } = await withPiece({ perByteServed: 2n })
  await provider.upkeep()
  await nextEpoch(world)
  await provider.upkeep()
  const settledEpoch = epochOf(world)
  // As if a GiB had been served before.
  world.database.prepare("UPDATE storage_accounts SET served_bytes = '1073741824'").run()
  await provider.close()
  const again = await world.open()
  await again.upkeep()
  assert((await gateway.get(entry.pieceId, 0, 1000)) instanceof Uint8Array)
  // A restart in the middle of the epoch forgets nothing of it.
  await again.drain(new AbortController().signal)
  await again.close()
  const third = await world.open()
  await nextEpoch(world)
  await third.upkeep()
  assert((await gateway.get(entry.pieceId, 0, 800)) instanceof Uint8Array)
  third.settled(settledEpoch, [])
  world.chain.available = 10_000n
  const missed = async (cumulative: bigint): Promise<number | undefined> => {
    await gateway.ask({ op: 'voucher', ...gateway.voucher(cumulative) })
    await third.upkeep()
    return (await third.status()).accounts[0]?.missedVouchers
  }
  await nextEpoch(world)
  await nextEpoch(world)
  assert.deepEqual([await missed(999n), await missed(1000n)], [1, 0])
})
