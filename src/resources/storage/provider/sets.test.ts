import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Account, digestOf, epoch as toEpoch } from '../../../protocol/ids.ts'
import { equalBytes } from '../../../std/bytes.ts'
import { answerHash } from '../../settle.ts'
import { challengeOf, nonceCommitment } from '../challenge.ts'
import { verifyProof } from '../data-set.ts'
import {
  challengeSchema,
  claimSchema,
  type ManifestEntry,
  proofSchema,
  type SetHead,
  type StorageRequest,
  storageReply,
  storageRequest,
} from '../messages.ts'
import {
  askProof,
  byId,
  codeOf,
  createTestWorld,
  crypto,
  DEVICE,
  EPOCH_SECONDS,
  epochOf,
  keyOf,
  NET,
  nextEpoch,
  pieceId,
  propose,
  putPiece,
  setOf,
  type World,
} from './world.test-support.ts'

async function withSet(sizes: readonly number[]) {
  const world = await createTestWorld()
  const provider = await world.open()
  const gateway = world.gateway(keyOf(1))
  const entries: ManifestEntry[] = []
  for (const [n, size] of sizes.entries()) entries.push(await putPiece(gateway, n, world.prng.bytes(size)))
  const head = gateway.head(1n, setOf(entries))
  const reply = await propose(gateway, head, entries)
  return { world, provider, gateway, entries, head, reply }
}

test('a head over held pieces is co-signed, durably, and read back page by page', async () => {
  const { world, gateway, entries, head, reply } = await withSet([5000, 200_000, 70_000])
  assert(reply.is === 'signed')
  const signer = crypto.secp256k1.recover(gateway.hashHead(head), reply.signature)
  assert(signer !== null && equalBytes(signer, crypto.secp256k1.address(world.operator.secret)))
  world.disk.crash()
  await world.open()
  const manifest = (await gateway.ask({ op: 'manifest', order: gateway.order('manage'), after: null })).reply
  assert(manifest.is === 'manifest')
  assert.deepEqual(manifest.head, head)
  assert.deepEqual(manifest.entries, [...entries].sort(byId))
  const rest = (await gateway.ask({ op: 'manifest', order: gateway.order('manage'), after: manifest.entries[0]?.pieceId ?? null })).reply
  assert(rest.is === 'manifest' && rest.entries.length === 2 && !rest.more)
})

test('a head comes in pages', async () => {
  const world = await createTestWorld()
  await world.open()
  const gateway = world.gateway(keyOf(1))
  const one = await putPiece(gateway, 1, world.prng.bytes(1000))
  const two = await putPiece(gateway, 2, world.prng.bytes(2000))
  const head = gateway.head(1n, setOf([one, two]))
  const page = (adds: ManifestEntry[], more: boolean) =>
    ({
      op: 'head' as const,
      order: gateway.order('manage'),
      adds,
      removes: [],
      more,
      head,
      signature: gateway.signHead(head),
      rate: gateway.rate(),
    }) satisfies StorageRequest
  const { reply, io } = await gateway.ask(page([one], true))
  assert.equal(reply.is, 'continue')
  await io.send(storageRequest.encode(page([two], false)))
  assert.equal(storageReply.decode((await io.receive()) ?? new Uint8Array()).is, 'signed')
})

test('two different heads of one version are never signed, and a lost reply can be asked for again', async () => {
  const { gateway, entries, head, reply, world } = await withSet([5000, 6000])
  assert.deepEqual(await propose(gateway, head, entries), reply)
  const extra = await putPiece(gateway, 9, world.prng.bytes(100))
  const other = gateway.head(1n, setOf([...entries, extra]))
  assert.deepEqual(await propose(gateway, other, [extra]), { is: 'differs', missing: [], version: 1n })
  assert.deepEqual(await propose(gateway, { ...other, version: 3n }, [extra]), { is: 'differs', missing: [], version: 1n })
  // A customer that never saw the first signature sends everything again on top of it.
  assert.equal((await propose(gateway, { ...other, version: 2n }, [...entries, extra])).is, 'signed')
})

test('a head is refused for pieces that are absent, foreign, of another size or of another root', async () => {
  const { world, gateway, entries } = await withSet([5000])
  const mine = await putPiece(gateway, 10, world.prng.bytes(3000))
  const foreign = await putPiece(world.gateway(keyOf(2)), 11, world.prng.bytes(3000))
  const absent = { pieceId: pieceId(99), size: 10, root: pieceId(1) }
  for (const wrong of [absent, foreign, { ...mine, size: 2999 }, { ...mine, root: pieceId(5) }]) {
    const reply = await propose(gateway, gateway.head(2n, setOf([...entries, wrong])), [wrong])
    assert.deepEqual(reply, { is: 'differs', missing: [wrong.pieceId], version: 1n })
  }
  const set = setOf([...entries, mine])
  for (const change of [{ root: pieceId(3) }, { count: 3n }, { totalBytes: 1n }]) {
    assert.equal(codeOf(await propose(gateway, gateway.head(2n, set, change), [mine])), 'stale')
  }
  for (const change of [
    { net: 8 },
    { setId: pieceId(1) },
    { provider: keyOf(5).account },
    { customer: keyOf(5).account },
    { expiresAt: 1 },
    { expiresAt: Math.floor(world.runtime.clock.now() / 1000) + 20 * 86_400 },
    { expiresAt: 2 ** 39 },
  ]) {
    assert.equal(codeOf(await propose(gateway, gateway.head(2n, set, change), [mine])), 'invalid')
  }
  const head = gateway.head(2n, set)
  assert.equal(codeOf(await propose(gateway, head, [mine], [], { signature: world.gateway(keyOf(2)).signHead(head) })), 'unauthorized')
  assert.equal((await propose(gateway, head, [mine])).is, 'signed')
})

test('pending pieces are those that no manifest names', async () => {
  const { world, gateway } = await withSet([5000])
  const pending = await putPiece(gateway, 20, world.prng.bytes(70_000))
  const { reply } = await gateway.ask({ op: 'pending', order: gateway.order('manage'), after: null })
  assert.deepEqual(reply, { is: 'manifest', entries: [pending], more: false, head: null })
})

// --- Proofs ---------------------------------------------------------------------------------------------------------

const verifier = keyOf(50).account
const nonce = crypto.sha256(Uint8Array.of(5))

function seedOf(world: World, epoch: number): Uint8Array {
  const seed = world.chain.epochSeed(NET, toEpoch(epoch))
  assert(seed.is === 'seed')
  return Uint8Array.from(Buffer.from(seed.seed.slice(2), 'hex'))
}

async function claimsOf(world: World, epoch: number) {
  const reply = await askProof(world.network, { op: 'claims', net: NET, epoch, after: null })
  assert(reply.is === 'claims', JSON.stringify(reply))
  return reply.claims.map((bytes) => claimSchema.decode(bytes))
}

function challengesFor(world: World, epoch: number, head: SetHead) {
  const draw = { epochSeed: seedOf(world, epoch), nonce, device: DEVICE }
  return Array.from({ length: 8 }, (_, slot) => challengeOf(crypto, head, { ...draw, slot }))
}

async function proveAll(
  world: World,
  epoch: number,
  head: SetHead,
  change: Partial<ReturnType<typeof challengesFor>[number]> = {},
  by: Account = verifier,
) {
  const challenges = challengesFor(world, epoch, head).map((challenge) => challengeSchema.encode({ ...challenge, ...change }))
  return askProof(world.network, { op: 'prove', net: NET, epoch, verifier: by, epochSeed: seedOf(world, epoch), nonce, challenges })
}

test('what was signed before an epoch is claimed, and every challenge of it is met with a signed proof', async () => {
  const { world, head } = await withSet([5000, 200_000, 70_000])
  const epoch = epochOf(world) + 1
  world.chain.nonces.set(`${epoch}/${verifier}`, nonceCommitment(crypto, nonce))
  const [claim] = await claimsOf(world, epoch)
  assert.deepEqual(claim?.head, head)
  await nextEpoch(world)
  const reply = await proveAll(world, epoch, head)
  assert(reply.is === 'answers')
  const challenges = challengesFor(world, epoch, head)
  for (const [slot, answer] of reply.answers.entries()) {
    assert(answer.is === 'proof')
    const challenge = challenges[slot]
    assert(challenge)
    assert.deepEqual(verifyProof(crypto, head, challenge, proofSchema.decode(answer.proof)), { ok: true })
    const context = { net: NET, epoch: toEpoch(epoch), verifier, subject: DEVICE, claim: claimSchema.encode(claim as never), slot }
    const signer = crypto.secp256k1.recover(answerHash(crypto, context, { blob: digestOf(crypto.sha256(answer.proof)) }), answer.signature)
    assert(signer !== null && equalBytes(signer, crypto.secp256k1.address(world.deviceKey.secret)))
  }
})

test('claims do not change once they were asked for, nor over a restart', async () => {
  const { world, gateway, entries, head } = await withSet([5000])
  const epoch = epochOf(world) + 1
  assert.equal((await claimsOf(world, epoch)).length, 1)
  const extra = await putPiece(gateway, 30, world.prng.bytes(100))
  assert.equal((await propose(gateway, gateway.head(2n, setOf([...entries, extra])), [extra])).is, 'signed')
  assert.equal((await claimsOf(world, epoch))[0]?.head.version, head.version)
  world.disk.crash()
  await world.open()
  assert.equal((await claimsOf(world, epoch))[0]?.head.version, head.version)
  await nextEpoch(world)
  assert.equal((await claimsOf(world, epoch + 1))[0]?.head.version, 2n)
})

test('what is signed within an epoch is not claimed for it, also when nobody asked before', async () => {
  const { world } = await withSet([5000])
  assert.deepEqual(await claimsOf(world, epochOf(world)), [])
})

test('a verifier can choose neither seed, nonce nor position', async () => {
  const { world, head } = await withSet([5000, 70_000])
  const epoch = epochOf(world) + 1
  await nextEpoch(world)
  const refused = async (reply: Awaited<ReturnType<typeof proveAll>>, code: string): Promise<void> =>
    assert.equal(reply.is === 'refused' ? reply.code : reply.is, code)
  await refused(await proveAll(world, epoch, head), 'wrong-nonce')
  world.chain.nonces.set(`${epoch}/${verifier}`, nonceCommitment(crypto, nonce))
  await refused(await proveAll(world, epoch, head, {}, keyOf(51).account), 'wrong-nonce')
  const challenges = challengesFor(world, epoch, head).map((challenge) => challengeSchema.encode(challenge))
  const other = { op: 'prove', net: NET, epoch, verifier, epochSeed: new Uint8Array(32), nonce, challenges } as const
  await refused(await askProof(world.network, other), 'wrong-seed')
  const moved = await proveAll(world, epoch, head, { position: 1n })
  assert(moved.is === 'answers')
  for (const answer of moved.answers) assert.equal(answer.is === 'refusal' ? answer.code : '', 'wrong-challenge')
  const unclaimed = await proveAll(world, epoch, head, { setId: pieceId(4) })
  assert(unclaimed.is === 'answers' && unclaimed.answers.every((answer) => answer.is === 'refusal' && answer.code === 'not-claimed'))
})

test('a provider whose piece has rotted refuses with its signature and does not lie', async () => {
  const { world, head } = await withSet([300_000])
  const epoch = epochOf(world) + 1
  world.chain.nonces.set(`${epoch}/${verifier}`, nonceCommitment(crypto, nonce))
  await nextEpoch(world)
  const [name] = await world.disk.list('pieces')
  world.disk.rot(`pieces/${name}`, 1000, 290_000)
  const reply = await proveAll(world, epoch, head)
  assert(reply.is === 'answers')
  for (const answer of reply.answers) assert.equal(answer.is === 'refusal' ? answer.code : answer.is, 'lost')
})

// --- Garbage --------------------------------------------------------------------------------------------------------

test('a piece goes only after it left the set of every epoch that may be asked for and its order has expired', async () => {
  const { world, provider, gateway, entries, head } = await withSet([5000, 6000])
  const [kept, dropped] = entries as [ManifestEntry, ManifestEntry]
  const epoch = epochOf(world)
  await nextEpoch(world)
  await provider.upkeep()
  assert.equal((await propose(gateway, gateway.head(2n, setOf([kept])), [], [dropped.pieceId])).is, 'signed')
  const held = async (): Promise<number[]> => {
    const stat = await gateway.stat([kept.pieceId, dropped.pieceId])
    return stat.is === 'stat' ? stat.pieces.map((piece) => piece.size) : []
  }
  // It left in epoch + 1, whose claim is the old head; epoch + 2 may still be asked about epoch + 1's evidence.
  for (const now of [epoch + 1, epoch + 2]) {
    await provider.upkeep()
    assert.deepEqual(await held(), [5000, 6000], `in epoch ${now}`)
    world.chain.nonces.set(`${epoch + 1}/${verifier}`, nonceCommitment(crypto, nonce))
    const reply = await proveAll(world, epoch + 1, head)
    assert(reply.is === 'answers' && reply.answers.every((answer) => answer.is === 'proof'))
    await nextEpoch(world)
  }
  await nextEpoch(world)
  await provider.upkeep()
  assert.deepEqual(await held(), [5000, -1])
})

test('a piece that was never named goes when a later set without it has begun, and not before its order expires', async () => {
  const { world, provider, gateway, entries } = await withSet([5000])
  await gateway.put(pieceId(40), new Uint8Array(100), { expiry: BigInt(world.runtime.clock.now() + 3.5 * EPOCH_SECONDS * 1000) })
  const stat = async (): Promise<number> => {
    const reply = await gateway.stat([pieceId(40)])
    return reply.is === 'stat' ? (reply.pieces[0]?.size ?? 0) : 0
  }
  let all = entries
  for (let version = 2n; version <= 8n; version += 1n) {
    await nextEpoch(world)
    await provider.upkeep()
    const expired = version > 5n
    if (!expired) assert.equal(await stat(), 100, `version ${version}`)
    const extra = await putPiece(gateway, 50 + Number(version), world.prng.bytes(10))
    all = [...all, extra]
    assert.equal((await propose(gateway, gateway.head(version, setOf(all)), [extra])).is, 'signed')
  }
  assert.equal(await stat(), -1)
})
