import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCairnError } from '../../protocol/errors.ts'
import { EXCHANGE_IDLE_MS, HANDSHAKE_MS } from '../../protocol/limits.ts'
import { peerIdOf } from '../../protocol/peer-id.ts'
import { createPrng } from '../../std/prng.ts'
import { networkContract } from '../network.contract.ts'
import { createFakeClock, type FakeClock } from './clock.ts'
import { createFakeNetwork, type FakeNetworkHub } from './network.ts'
import { createFakeRandom } from './random.ts'

const peer = (name: string) => peerIdOf(new Uint8Array(32).fill(name.charCodeAt(0)))
const createHub = (clock: FakeClock, seed = 1n): FakeNetworkHub => createFakeNetwork({ clock, random: createFakeRandom(createPrng(seed)) })

networkContract('fake', async () => {
  const clock = createFakeClock()
  const hub = createHub(clock)
  return {
    clock,
    node: async (name) => hub.join(peer(name)),
    crash: async (node) => hub.crash(node.self),
    run: (work) => clock.run(work),
  }
})

const PROTOCOL = '/cairn/fake/1'

test('dials across a cut time out, and pass again when it is healed', async () => {
  const clock = createFakeClock()
  const hub = createHub(clock)
  const [a, b] = [hub.join(peer('a')), hub.join(peer('b'))]
  a.know(b.self, b.addresses)
  b.handle(PROTOCOL, async (io) => io.send(new Uint8Array(1)))
  await clock.run(async () => {
    hub.cut(a.self, b.self)
    const start = clock.monotonic()
    await assert.rejects(a.dial(b.self, PROTOCOL), (error) => isCairnError(error, 'UNREACHABLE'))
    assert.equal(clock.monotonic() - start, HANDSHAKE_MS)
    hub.heal(a.self, b.self)
    const io = await a.dial(b.self, PROTOCOL)
    assert.equal((await io.receive())?.length, 1)
  })
})

test('a machine by another name is cut, healed and crashed with it', async () => {
  const clock = createFakeClock()
  const hub = createHub(clock)
  const [a, b] = [hub.join(peer('a')), hub.join(peer('b'))]
  const again = () => {
    const visitor = hub.join(peer('v'), { listens: false, machine: a.self })
    visitor.know(b.self, b.addresses)
    return visitor
  }
  const visitor = again()
  b.handle(PROTOCOL, async (io) => {
    assert.equal(io.peer, visitor.self, 'nobody sees whose it is')
    await clock.sleep(1_000)
    await io.send(new Uint8Array(1))
  })
  await clock.run(async () => {
    const early = await visitor.dial(b.self, PROTOCOL)
    hub.cut(a.self, b.self)
    await assert.rejects(visitor.dial(b.self, PROTOCOL), (error) => isCairnError(error, 'UNREACHABLE'))
    hub.heal(a.self, b.self)
    assert.equal((await early.receive())?.length, 1, 'what was under way goes on')
    const late = await visitor.dial(b.self, PROTOCOL)
    hub.crash(a.self)
    await assert.rejects(late.receive())
    await assert.rejects(visitor.dial(b.self, PROTOCOL))
    assert.equal((await (await again().dial(b.self, PROTOCOL)).receive())?.length, 1)
  })
})

test('messages under way wait for a cut to heal, and an exchange cut for too long is lost', async () => {
  const clock = createFakeClock()
  const hub = createHub(clock)
  const [a, b] = [hub.join(peer('a')), hub.join(peer('b'))]
  a.know(b.self, b.addresses)
  b.handle(PROTOCOL, async (io) => {
    for (let m = await io.receive(); m !== null; m = await io.receive()) await io.send(m)
  })
  await clock.run(async () => {
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(Uint8Array.of(1))
    assert.equal((await io.receive())?.[0], 1)
    hub.cut(a.self, b.self)
    await io.send(Uint8Array.of(2))
    const answer = io.receive()
    await clock.sleep(30_000)
    hub.heal(a.self, b.self)
    assert.equal((await answer)?.[0], 2)
    assert.ok(clock.monotonic() >= 30_000)
    hub.cut(a.self, b.self)
    await assert.rejects(io.receive(), (error) => isCairnError(error, 'UNREACHABLE'))
    assert.ok(clock.monotonic() >= 30_000 + EXCHANGE_IDLE_MS)
  })
})

test('a dropped connection is lost for both ends', async () => {
  const clock = createFakeClock()
  const hub = createHub(clock)
  const [a, b] = [hub.join(peer('a')), hub.join(peer('b'))]
  a.know(b.self, b.addresses)
  const lost = Promise.withResolvers<unknown>()
  b.handle(PROTOCOL, async (io) => {
    await io.receive()
    await io.receive().catch(lost.resolve)
  })
  await clock.run(async () => {
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(Uint8Array.of(1))
    await clock.sleep(100)
    hub.drop(a.self, b.self)
    await assert.rejects(io.receive(), (error) => isCairnError(error, 'UNREACHABLE'))
    assert.ok(isCairnError(await lost.promise, 'UNREACHABLE'))
  })
})

test('the same seed gives the same history, another seed another', async () => {
  const history = async (seed: bigint): Promise<string> => {
    const clock = createFakeClock()
    const hub = createHub(clock, seed)
    const lines: string[] = []
    const nodes = ['a', 'b', 'c', 'd'].map((name) => hub.join(peer(name)))
    for (const node of nodes) {
      node.handle(PROTOCOL, async (io) => {
        const message = await io.receive()
        lines.push(`${clock.monotonic()} ${io.peer} → ${node.self} ${message?.[0]}`)
      })
    }
    await clock.run(async () => {
      await Promise.all(
        nodes.flatMap((from) =>
          nodes.map(async (to, i) => {
            from.know(to.self, to.addresses)
            const io = await from.dial(to.self, PROTOCOL)
            await io.send(Uint8Array.of(i))
            await io.end()
            await io.receive()
          }),
        ),
      )
    })
    return lines.join('\n')
  }
  assert.equal(await history(7n), await history(7n))
  assert.notEqual(await history(7n), await history(8n))
})
