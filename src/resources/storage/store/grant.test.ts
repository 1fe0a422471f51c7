import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ORDER_OP, readTicket, readWish } from '../messages.ts'
import { grantReads } from './grant.ts'
import { bodyOf, createWorld, putOf } from './world.test-support.ts'

const FRAME = 65_536

/** A gateway with one object on eight providers, and what a verifier could wish to read of it. */
async function stage() {
  const world = await createWorld()
  const gateway = await world.gateway()
  await world.clock.run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  await world.clock.run(() => gateway.store.objects.put(putOf(gateway, 'k', bodyOf(world.bytes(1_000_000)))))
  const [piece, other] = gateway.store.metadata.segments.scan('', 1)[0]?.pieces ?? []
  assert.ok(piece && other)
  const wish = readWish.encode({ device: piece.device, pieceId: piece.pieceId, maxBytes: FRAME })
  const served = () => gateway.store.at.served.take().get(piece.device) ?? 0
  served()
  return { world, gateway, piece, other, wish, served }
}

/** How many of `count` wishes are granted. */
const granted = (grant: (wish: Uint8Array) => Uint8Array | null, wish: Uint8Array, count: number): number =>
  Array.from({ length: count }, () => grant(wish)).filter((ticket) => ticket !== null).length

test('a read is lent as the customer’s own order for its own piece, and counted as served', async () => {
  const { world, gateway, piece, wish, served } = await stage()
  const grant = grantReads(gateway.store, 1_000_000_000_000)
  await world.clock.advance(60_000)
  const ticket = grant(wish)
  assert.ok(ticket)
  const order = readTicket.decode(ticket)
  assert.deepEqual([order.op, order.device, order.pieceId, order.maxBytes], [ORDER_OP.get, piece.device, piece.pieceId, BigInt(FRAME)])
  assert.equal(order.account, gateway.tenant.account)
  assert.equal(served(), FRAME)
  gateway.stop.abort()
})

test('nothing is lent for pieces of others, for those of another device, nor for what is no wish', async () => {
  const { world, gateway, piece, other, served } = await stage()
  const grant = grantReads(gateway.store, 1_000_000_000_000)
  await world.clock.advance(60_000)
  assert.equal(grant(readWish.encode({ device: other.device, pieceId: piece.pieceId, maxBytes: FRAME })), null)
  assert.equal(grant(Uint8Array.of(1, 2, 3)), null)
  assert.equal(served(), 0)
  gateway.stop.abort()
})

test('reads cost a share of what keeping costs: nothing until a round is covered, then no more than was saved', async () => {
  const { world, gateway, piece, wish } = await stage()
  const row = gateway.database.prepare('SELECT sum(size) AS bytes FROM pieces WHERE device = ?').get(piece.device)
  const kept = Number(row?.['bytes'])
  // $4 for 10^12 B × 2 592 000 s kept, $7 for 10^12 B served: a share that covers one round of 8 frames after 100 s.
  const share = Math.ceil((8 * FRAME * 7 * 2_592_000 * 1e6) / (4 * kept * 100))
  // Only the gateway's clock goes on, or eight providers would live through every second of it.
  let ahead = 0
  const clock = { ...world.clock, now: () => (world.clock.now() + ahead) as ReturnType<typeof world.clock.now> }
  const grant = grantReads({ ...gateway.store, at: { ...gateway.store.at, clock } }, share)
  ahead += 60_000
  assert.equal(granted(grant, wish, 20), 0)
  ahead += 60_000
  assert.equal(granted(grant, wish, 20), 9)
  ahead += 60_000
  assert.equal(granted(grant, wish, 20), 0)
  // However long nobody asked, eight rounds are the most.
  ahead += 60_000_000
  assert.equal(granted(grant, wish, 200), 64)
  gateway.stop.abort()
})
