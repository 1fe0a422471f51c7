import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { account, address, bytesOf, type Digest, digest, digestOf, type NetworkId, type PeerId } from '../protocol/ids.ts'
import { verifyMerkle } from '../protocol/merkle.ts'
import { type OwnerLine, rewardLeaf, rewardRoot } from '../protocol/rewards.ts'
import { createFakeClock, createFakeNetwork, portableCrypto as crypto } from '../runtime/fake/index.ts'
import { toHex, utf8 } from '../std/bytes.ts'
import { createPrng } from '../std/prng.ts'
import { type Settlement, settlementSchema } from './evidence.ts'
import { createOwnerParts, fetchOwnerPart, ownerPart } from './owner-part.ts'
import { fetchFile, serveFiles } from './peers.ts'

const NET = 7 as NetworkId
const ASSET = address(`0x${'aa'.repeat(20)}`)
const accountOf = (index: number) => account(`0x${toHex(crypto.sha256(utf8(`owner ${index}`)).slice(0, 20))}`)
const hashOf = (text: string): Digest => digestOf(crypto.sha256(utf8(text)))

function settlementOf(count: number, epoch = 3): Settlement {
  const owners = Array.from({ length: count }, (_, i) => ({
    account: accountOf(i),
    cumulative: BigInt(i) * 10n ** 18n,
    channels: Array.from({ length: i % 3 }, (_, j) => ({
      channel: hashOf(`channel ${i} ${j}`),
      unit: hashOf('unit'),
      cumulative: BigInt(j),
    })),
  }))
  return {
    rules: 1,
    resource: 'storage',
    net: NET,
    epoch,
    asset: ASSET,
    bundles: [],
    previous: null,
    budget: 0n,
    scores: [],
    owners,
    carry: null,
    root: count === 0 ? digest(`0x${'00'.repeat(32)}`) : rewardRoot(crypto, NET, ASSET, owners),
    total: owners.reduce((sum, owner) => sum + owner.cumulative, 0n),
  }
}

/** Verifiers that serve one settlement each as they like, and somebody who asks them one after the other. */
function stage(settlement: Settlement) {
  const clock = createFakeClock()
  const prng = createPrng(1n)
  const hub = createFakeNetwork({ clock, random: { bytes: prng.bytes, below: prng.below } })
  const network = hub.join('12D3KooWAsks' as PeerId, { listens: false })
  const bytes = settlementSchema.encode(settlement)
  const dataHash = digestOf(crypto.sha256(bytes))
  const peers: PeerId[] = []
  const read: string[] = []
  let received = 0
  const verifier = (own: Settlement, offered: readonly Digest[] = [dataHash]): void => {
    const peer = `12D3KooWVerifier${peers.length}` as PeerId
    const joined = hub.join(peer)
    const find = async (name: Digest): Promise<Uint8Array | null> => {
      read.push(peer)
      return name === dataHash ? settlementSchema.encode(own) : null
    }
    const part = createOwnerParts(crypto, find, () => offered)
    serveFiles(joined, find, async (name, who) => {
      const out = await part(name, who)
      received += out?.length ?? 0
      return out
    })
    network.know(peer, joined.addresses)
    peers.push(peer)
  }
  const rt = { network, clock, crypto }
  const root = { root: settlement.root, asset: ASSET, dataHash }
  return {
    verifier,
    read,
    received: () => received,
    part: (of: number) => clock.run(() => fetchOwnerPart(rt, peers, NET, root, accountOf(of))),
    whole: () => clock.run(() => fetchFile(rt, peers, dataHash)),
  }
}

describe('an owner’s part of a settlement', () => {
  test('is its line, with a proof that the root on chain takes', async () => {
    const settlement = settlementOf(100)
    const one = stage(settlement)
    one.verifier(settlement)
    for (const owner of [0, 41, 99]) {
      const part = await one.part(owner)
      assert.deepEqual(part, ownerPart(crypto, settlement, accountOf(owner)))
      assert.ok(part !== null)
      assert.equal(part.line.account, accountOf(owner))
      const leaf = rewardLeaf(crypto, NET, ASSET, part.line)
      assert.ok(verifyMerkle(crypto, bytesOf(settlement.root), leaf, part.proof.map(bytesOf)))
    }
    assert.equal(one.read.length, 1, 'a settlement is read and its tree built once for all')
  })

  test('does not grow with the network', async () => {
    const sizes: number[] = []
    for (const owners of [16, 1024]) {
      const settlement = settlementOf(owners)
      const one = stage(settlement)
      one.verifier(settlement)
      await one.part(2)
      sizes.push(one.received())
    }
    const [small = 0, large = 0] = sizes
    assert.ok(small > 0 && large - small <= 6 * 34 + 2, `${small} bytes of 16 owners, ${large} of 1024: six more hashes`)
  })

  test('of another root, another account or none is asked of the next', async () => {
    const settlement = settlementOf(20)
    const [first, ...others] = settlement.owners
    const more = [{ ...(first as OwnerLine), cumulative: 10n ** 30n }, ...others] as Settlement['owners']
    const one = stage(settlement)
    one.verifier({ ...settlement, owners: more })
    assert.equal(await one.part(0), null)
    one.verifier({ ...settlement, owners: [] })
    one.verifier(settlement, [])
    assert.equal(await one.part(0), null)
    one.verifier(settlement)
    assert.equal((await one.part(0))?.line.cumulative, 0n)
    assert.equal(await one.part(20), null, 'who has no line gets none')
  })

  test('is given of the newest settlements that are claimed from alone, and what is missing now is looked for again', async () => {
    const names = [1, 2, 3, 4].map((epoch) => hashOf(`settlement ${epoch}`))
    const files = new Map<Digest, Uint8Array>()
    const part = createOwnerParts(
      crypto,
      async (name) => files.get(name) ?? null,
      () => names,
    )
    const given = async () => (await Promise.all(names.map((name) => part(name, accountOf(1))))).map((bytes) => bytes !== null)
    assert.deepEqual(await given(), [false, false, false, false])
    for (const name of names) files.set(name, settlementSchema.encode(settlementOf(4)))
    assert.deepEqual(await given(), [false, true, true, true])
  })
})
