import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SCOPE } from '../../../runtime/chain.ts'
import { HEAD_SECONDS_MIN } from '../data-set.ts'
import type { ManifestEntry } from '../messages.ts'
import {
  addressOf,
  allowed,
  codeOf,
  createTestWorld,
  EPOCH_SECONDS,
  epochOf,
  keyOf,
  nextEpoch,
  pieceId,
  propose,
  putPiece,
  setOf,
  type World,
} from './world.test-support.ts'

const PAYER = keyOf(1).account
const DAY = 86_400

/** A gateway that signs with a session key of the account, and one piece in its set. */
async function withSession() {
  const world = await createTestWorld()
  const session = keyOf(3)
  const names = [SCOPE.storage, SCOPE.voucher].map((scope) => `${PAYER}/${addressOf(session.secret)}/${scope}`)
  for (const name of names) world.chain.sessions.add(name)
  const provider = await world.open()
  const gateway = world.gateway(session, PAYER)
  const entry = await putPiece(gateway, 1, world.prng.bytes(1000))
  const expiresAt = Math.floor(world.runtime.clock.now() / 1000) + HEAD_SECONDS_MIN + 60 * EPOCH_SECONDS
  assert.equal((await propose(gateway, gateway.head(1n, setOf([entry]), { expiresAt }), [entry])).is, 'signed')
  const revoke = (): void => {
    for (const name of names) world.chain.sessions.delete(name)
  }
  return { world, provider, gateway, entry, revoke }
}

async function epochs(world: World, provider: { upkeep(): Promise<void> }, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await nextEpoch(world)
    await provider.upkeep()
  }
}

test('who revokes the key that signed a set is refused uploads, then reads, until the set is signed by one that is valid', async () => {
  const { world, provider, entry, revoke } = await withSession()
  const own = world.gateway(keyOf(1))
  await epochs(world, provider, 1)
  assert.equal(await allowed(own, entry, 0), 'put and get')
  revoke()
  const seen: string[] = []
  for (let n = 1; n <= 5; n += 1) {
    await epochs(world, provider, 1)
    seen.push(await allowed(own, entry, n))
  }
  assert.deepEqual(seen, ['put and get', 'get', 'get', '', ''])
  const { reasons, accounts } = await provider.status()
  assert(reasons.some((reason) => reason.includes('revoked or expired')))
  assert.deepEqual([accounts[0]?.missedVouchers, accounts[0]?.mayGet], [4, false])
  assert((await own.get(entry.pieceId, 0, 10, own.order('manage', { pieceId: entry.pieceId }))) instanceof Uint8Array)
  assert.equal((await propose(own, own.head(2n, setOf([entry])), [])).is, 'signed')
  assert.equal(await allowed(own, entry, 6), '', 'the running epoch is still lost')
  await epochs(world, provider, 1)
  assert.equal(await allowed(own, entry, 7), 'put and get')
})

test('a set that is signed anew in the epoch after its key was revoked is never refused', async () => {
  const { world, provider, entry, revoke } = await withSession()
  const own = world.gateway(keyOf(1))
  await epochs(world, provider, 1)
  revoke()
  await epochs(world, provider, 1)
  assert.equal((await propose(own, own.head(2n, setOf([entry])), [])).is, 'signed')
  for (let n = 1; n <= 4; n += 1) {
    await epochs(world, provider, 1)
    assert.equal(await allowed(own, entry, n), 'put and get')
  }
})

test('an empty set lapses for nobody', async () => {
  const { world, provider, gateway, entry, revoke } = await withSession()
  await epochs(world, provider, 1)
  assert.equal((await propose(gateway, gateway.head(2n, setOf([])), [], [entry.pieceId])).is, 'signed')
  revoke()
  await epochs(world, provider, 6)
  assert.equal(codeOf(await world.gateway(keyOf(1)).put(pieceId(2), new Uint8Array(10))), 'stored')
})

/** Opens the provider of an account whose epochs before now were lapses of `unpaid` epochs, `ago` epochs ago. */
async function afterLapse(unpaid: number, ago: number) {
  const { world, provider, entry, revoke } = await withSession()
  await epochs(world, provider, 1)
  const first = epochOf(world) - ago
  world.database.prepare('INSERT INTO storage_lapses VALUES (?, ?, ?, ?)').run(PAYER, first, first + unpaid - 1, unpaid)
  const stat = async () => {
    const reply = await world.gateway(keyOf(1)).stat([entry.pieceId])
    return reply.is === 'stat' ? reply.pieces[0]?.size : reply
  }
  return { world, provider, revoke, stat, entry }
}

const EPOCHS_OF_A_MONTH = (30 * DAY) / EPOCH_SECONDS

test('after more than a month in a year in which nobody could be paid, a set is not signed again, and goes when its head has expired', async () => {
  const { world, provider, revoke, stat, entry } = await afterLapse(EPOCHS_OF_A_MONTH - 1, 2 * EPOCHS_OF_A_MONTH)
  const own = world.gateway(keyOf(1))
  const renew = (entries: readonly ManifestEntry[], removes: readonly ManifestEntry[] = []) =>
    propose(
      own,
      own.head(2n, setOf(entries)),
      [],
      removes.map((one) => one.pieceId),
    )
  revoke()
  await epochs(world, provider, 2)
  assert.equal(await stat(), 1000, 'its customer may still demand it on chain')
  assert.deepEqual(await renew([entry]), { is: 'differs', missing: [entry.pieceId], version: 1n })
  // Three weeks of its upkeep, second by second, would take minutes.
  await provider.close()
  await world.runtime.clock.advance((HEAD_SECONDS_MIN + 100 * EPOCH_SECONDS) * 1000)
  const again = await world.open()
  await again.upkeep()
  assert.equal(await stat(), -1)
  assert.deepEqual(await renew([entry]), { is: 'differs', missing: [entry.pieceId], version: 1n }, 'what is gone is not signed for')
  assert.equal((await renew([], [entry])).is, 'signed')
  await epochs(world, again, 1)
  assert.equal((await own.put(pieceId(9), new Uint8Array(10))).is, 'stored', 'it may begin again')
})

test('exactly a month in a year costs nothing that is paid for again', async () => {
  const { world, provider, revoke, stat, entry } = await afterLapse(EPOCHS_OF_A_MONTH - 1, 2 * EPOCHS_OF_A_MONTH)
  revoke()
  await epochs(world, provider, 1)
  const own = world.gateway(keyOf(1))
  assert.equal((await propose(own, own.head(2n, setOf([entry])), [])).is, 'signed')
  await epochs(world, provider, 2)
  assert.equal(await stat(), 1000)
  assert.equal((await provider.status()).accounts[0]?.missedVouchers, 0)
})

test('lapses are forgotten after a year, and remembered over a restart', async () => {
  const { world, provider, revoke, stat } = await afterLapse(EPOCHS_OF_A_MONTH, 14 * EPOCHS_OF_A_MONTH)
  revoke()
  await epochs(world, provider, 2)
  await provider.close()
  const again = await world.open()
  await again.upkeep()
  assert.equal(await stat(), 1000)
  assert.equal((await again.status()).accounts[0]?.missedVouchers, 1)
})

test('a head that has expired is a lapse too', async () => {
  const world = await createTestWorld()
  const provider = await world.open()
  const own = world.gateway(keyOf(1))
  const entry = await putPiece(own, 1, world.prng.bytes(1000))
  const expiresAt = Math.floor(world.runtime.clock.now() / 1000) + HEAD_SECONDS_MIN + EPOCH_SECONDS
  assert.equal((await propose(own, own.head(1n, setOf([entry]), { expiresAt }), [entry])).is, 'signed')
  await epochs(world, provider, 1)
  // Three weeks of its upkeep, second by second, would take minutes.
  await provider.close()
  await world.runtime.clock.advance(HEAD_SECONDS_MIN * 1000)
  const again = await world.open()
  await epochs(world, again, 2)
  assert.equal(await allowed(own, entry, 1), 'get')
  assert((await again.status()).reasons.some((reason) => reason.includes('its head expired')))
})

test('a lapse that was written under a clock far ahead hides none of those before it', async () => {
  const { world, provider, entry, revoke } = await withSession()
  await epochs(world, provider, 1)
  world.database.prepare('INSERT INTO storage_lapses VALUES (?, ?, ?, ?)').run(PAYER, epochOf(world) + 1000, epochOf(world) + 1000, 1)
  revoke()
  await epochs(world, provider, 4)
  assert.equal(await allowed(world.gateway(keyOf(1)), entry, 1), '')
})
