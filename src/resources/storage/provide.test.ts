import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SCOPE } from '../../runtime/chain.ts'
import { equalBytes } from '../../std/bytes.ts'
import { receiptBytes } from './provider/transfer.ts'
import { addressOf, createTestWorld, crypto, keyOf, pieceId } from './provider/world.test-support.ts'

const refusal = (reply: { is: string } | Uint8Array): string =>
  !(reply instanceof Uint8Array) && reply.is === 'refused' ? (reply as never as { code: string }).code : 'accepted'

test('a piece that was acknowledged is there after a crash, and its receipt is the device’s', async () => {
  const world = await createTestWorld()
  await world.open()
  const gateway = world.gateway(keyOf(1))
  const bytes = world.prng.bytes(300_000)
  const reply = await gateway.put(pieceId(1), bytes)
  assert(reply.is === 'stored')
  const signer = crypto.secp256k1.recover(crypto.sha256(receiptBytes(pieceId(1), bytes.length)), reply.receipt)
  assert(signer !== null && equalBytes(signer, crypto.secp256k1.address(world.deviceKey.secret)))
  world.disk.crash()
  await world.open()
  assert.deepEqual(await gateway.get(pieceId(1), 0, bytes.length), bytes)
  assert.deepEqual(await gateway.get(pieceId(1), 65_536, 65_536), bytes.subarray(65_536, 131_072))
  assert.deepEqual(await gateway.get(pieceId(1), 70_001, 100_000), bytes.subarray(70_001, 170_001))
  const stat = await gateway.stat([pieceId(1), pieceId(2)])
  assert(stat.is === 'stat')
  assert.deepEqual(stat.pieces, [{ size: 300_000 }, { size: -1 }])
})

test('orders are refused when they are forged, foreign, expired, replayed, too small or for something else', async () => {
  const world = await createTestWorld()
  await world.open()
  const gateway = world.gateway(keyOf(1))
  const bytes = new Uint8Array(1000)
  const now = BigInt(world.runtime.clock.now())
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { signature: new Uint8Array(65) })), 'unauthorized')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { account: keyOf(2).account })), 'unauthorized')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { device: pieceId(9) as never })), 'unauthorized')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { op: 2 })), 'unauthorized')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { expiry: now - 60_000n })), 'expired')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { expiry: now + 48n * 3_600_000n })), 'invalid')
  assert.equal(refusal(await gateway.put(pieceId(1), bytes, { maxBytes: 999n })), 'too-large')
  assert.equal(refusal(await gateway.put(pieceId(1), new Uint8Array(0))), 'invalid')
  const order = gateway.order('put', { pieceId: pieceId(1) })
  assert.equal((await gateway.ask({ op: 'put', order, size: 1000 }, [bytes])).reply.is, 'stored')
  assert.equal(refusal((await gateway.ask({ op: 'put', order, size: 1000 }, [bytes])).reply), 'replayed')
  assert.equal(refusal(await gateway.get(pieceId(2), 0, 1)), 'no-piece')
  assert.equal(refusal(await gateway.get(pieceId(1), 900, 101)), 'invalid')
  assert.equal(refusal(await world.gateway(keyOf(2)).get(pieceId(1), 0, 1000)), 'no-piece')
})

test('a used serial stays used over a restart', async () => {
  const world = await createTestWorld()
  const first = await world.open()
  const gateway = world.gateway(keyOf(1))
  const order = gateway.order('put', { pieceId: pieceId(1) })
  await gateway.ask({ op: 'put', order, size: 10 }, [new Uint8Array(10)])
  await first.close()
  await world.open()
  assert.equal(refusal((await gateway.ask({ op: 'put', order, size: 10 }, [new Uint8Array(10)])).reply), 'replayed')
})

test('serials are remembered for as long as their orders could be shown again, and no longer', async () => {
  const world = await createTestWorld()
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const kept = () => world.database.prepare('SELECT count(*) AS rows FROM storage_serials').get()?.['rows']
  const order = gateway.order('put', { pieceId: pieceId(1), expiry: BigInt(world.runtime.clock.now() + 3_600_000) })
  await gateway.ask({ op: 'put', order, size: 10 }, [new Uint8Array(10)])
  await provider.upkeep()
  await world.runtime.clock.advance(3_500_000)
  await provider.upkeep()
  assert.equal(kept(), 1)
  await world.runtime.clock.advance(300_000)
  await provider.upkeep()
  assert.equal(kept(), 0)
})

test('a session key acts for its account only with the storage scope', async () => {
  const world = await createTestWorld()
  await world.open()
  const owner = keyOf(1)
  const session = keyOf(2)
  const gateway = world.gateway(session)
  const put = (): Promise<{ is: string }> => gateway.put(pieceId(1), new Uint8Array(10), { account: owner.account })
  assert.equal(refusal(await put()), 'unauthorized')
  world.chain.sessions.add(`${owner.account}/${addressOf(session.secret)}/${SCOPE.voucher}`)
  assert.equal(refusal(await put()), 'unauthorized')
  world.chain.sessions.add(`${owner.account}/${addressOf(session.secret)}/${SCOPE.storage}`)
  assert.equal((await put()).is, 'stored')
})

test('a body cut short or in other messages leaves nothing behind', async () => {
  const world = await createTestWorld()
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const order = gateway.order('put', { pieceId: pieceId(1) })
  const { reply } = await gateway.ask({ op: 'put', order, size: 100_000 }, [new Uint8Array(60_000)])
  assert.equal(refusal(reply), 'invalid')
  assert.equal((await provider.status()).pieces, 0)
  assert.equal((await gateway.put(pieceId(1), new Uint8Array(100_000))).is, 'stored')
})

test('a provider without room says so and one with a failing disk stops', async () => {
  const world = await createTestWorld(1, { quotaBytes: 100_000 })
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  assert.equal(refusal(await gateway.put(pieceId(1), new Uint8Array(200_000))), 'full')
  assert.equal((await gateway.put(pieceId(2), new Uint8Array(50_000))).is, 'stored')
  world.disk.fail({ kind: 'io', on: ['sync'] })
  assert.equal(refusal(await gateway.put(pieceId(3), new Uint8Array(1000))), 'failing')
  assert.equal(refusal(await gateway.get(pieceId(2), 0, 10)), 'failing')
  assert.equal(world.fatal.length, 1)
  assert.equal((await provider.status()).state, 'failing')
})

test('a draining provider finishes what it began and takes nothing new', async () => {
  const world = await createTestWorld()
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const putting = gateway.put(pieceId(1), new Uint8Array(200_000))
  await new Promise((resolve) => setImmediate(resolve))
  const draining = provider.drain(new AbortController().signal)
  assert.equal((await putting).is, 'stored')
  await draining
  assert.equal(refusal(await gateway.put(pieceId(2), new Uint8Array(10))), 'busy')
  await provider.close()
  await world.open()
  assert.deepEqual(await gateway.get(pieceId(1), 0, 10), new Uint8Array(10))
})
