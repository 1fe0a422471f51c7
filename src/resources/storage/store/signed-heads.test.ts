import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '../../../protocol/ids.ts'
import { present } from '../../../std/assert.ts'
import { toHex } from '../../../std/bytes.ts'
import { headHasher, verifyProof } from '../data-set.ts'
import type { SetHead, StorageClaim } from '../messages.ts'
import { openSignedHeads } from './signed-heads.ts'
import { syncAll } from './sync.ts'
import { bodyOf, createWorld, crypto, putOf } from './world.test-support.ts'

async function ready() {
  const world = await createWorld()
  const gateway = await world.gateway()
  const run = <T>(work: () => Promise<T>): Promise<T> => world.clock.run(work)
  await run(() => gateway.store.objects.createBucket(gateway.tenant, 'b'))
  const put = async (key: string, size: number): Promise<void> => {
    await run(() => gateway.store.objects.put(putOf(gateway, key, bodyOf(world.bytes(size)))))
    await run(() => syncAll(gateway.store))
  }
  const nodeOf = (head: SetHead) =>
    present(
      world.nodes.find((one) => one.owner === head.provider),
      'its provider',
    )
  const firstOf = (heads: ReadonlyMap<unknown, StorageClaim>): StorageClaim => present([...heads.values()][0], 'a head')
  return { world, gateway, put, nodeOf, firstOf, heads: () => openSignedHeads(gateway.database) }
}

const challengeOf = (head: SetHead, position: bigint) => ({ ...head, slot: 0, position })

test('a gateway keeps each head with both signatures, and knows which are of an object’s providers', async () => {
  const { world, gateway, put, heads } = await ready()
  await put('large', 300_000)
  const { heads: all, devicesOf } = heads()
  assert.ok(all.size >= 6)
  assert.deepEqual(
    [...(devicesOf('b', 'large') ?? [])].sort(),
    [...all.keys()].filter((id) => devicesOf('b', 'large')?.includes(id)).sort(),
  )
  assert.equal(devicesOf('b', 'none'), null)
  const hash = headHasher(crypto, world.chain.chainId)
  for (const { head, customerSignature, providerSignature } of all.values()) {
    const by = (signature: Uint8Array) => address(toHex(present(crypto.secp256k1.recover(hash(head), signature), 'a signature')))
    assert.equal(by(providerSignature), head.provider)
    assert.equal(by(customerSignature), head.customer)
  }
  gateway.stop.abort()
})

test('a provider shows any byte of a head that it signed, also after a newer one, and says which is the newest', async () => {
  const { gateway, put, heads, nodeOf, firstOf } = await ready()
  await put('one', 300_000)
  const { head } = firstOf(heads().heads)
  const { provider } = nodeOf(head)
  assert.equal(provider.signed(head).is, 'signed')
  await put('two', 300_000)
  const newer = present(
    [...heads().heads.values()].find((claim) => claim.head.setId === head.setId),
    'the same set',
  ).head
  assert.equal(newer.version, head.version + 1n)
  for (const demanded of [head, newer]) {
    const set = provider.signed(demanded)
    assert.ok(set.is !== 'foreign')
    assert.equal(set.newest?.head.version, newer.version)
    for (const position of [0n, demanded.totalBytes / 2n, demanded.totalBytes - 1n]) {
      const challenge = challengeOf(demanded, position)
      const shown = await provider.show(challenge)
      assert.ok(shown.ok && verifyProof(crypto, demanded, challenge, shown.proof).ok, `byte ${position} of version ${demanded.version}`)
    }
  }
  gateway.stop.abort()
})

test('a head of another device, or one that nobody signed, is not taken for a provider’s own', async () => {
  const { gateway, put, heads, nodeOf } = await ready()
  await put('one', 300_000)
  const [mine, other] = [...heads().heads.values()].map((claim) => claim.head)
  assert.ok(mine !== undefined && other !== undefined)
  const { provider } = nodeOf(mine)
  assert.equal(provider.signed(other).is, 'foreign')
  assert.equal(provider.signed({ ...mine, net: 9 }).is, 'foreign')
  for (const forged of [
    { ...mine, root: other.root },
    { ...mine, version: mine.version + 1n },
    { ...mine, expiresAt: mine.expiresAt + 1 },
  ]) {
    assert.equal(provider.signed(forged).is, 'unknown')
  }
  gateway.stop.abort()
})
