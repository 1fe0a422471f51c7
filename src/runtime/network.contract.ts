/**
 * What every `Network` promises, as tests: run against the real one over sockets and against the fake one in virtual
 * time. A behaviour that only one of the two has is a behaviour that the simulator does not test.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, isCairnError } from '../protocol/errors.ts'
import type { PeerId } from '../protocol/ids.ts'
import { MESSAGE_BYTES_MAX, READ_AHEAD_BYTES } from '../protocol/limits.ts'
import { utf8 } from '../std/bytes.ts'
import type { Clock, Duplex, Network } from './index.ts'

export interface NetworkWorld {
  readonly clock: Clock
  /** A node that nobody knows yet; the same `name` is the same peer. `at` makes it take the address of a node that is gone. */
  node(name: string, at?: Network): Promise<Network>
  /** Ends a node as a crash does: no goodbye on the level of exchanges. */
  crash(node: Network): Promise<void>
  /** Runs `work` while time passes, then closes everything. */
  run(work: () => Promise<void>): Promise<void>
}

const PROTOCOL = '/cairn/contract/1'

const failsWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(isCairnError(error, code), `expected ${code}, got ${String(error)}`)
  return true
}

/** Two nodes, the first of which knows the second, which serves `PROTOCOL` with `serve`. */
async function pair(world: NetworkWorld, serve: (io: Duplex, signal: AbortSignal) => Promise<void>): Promise<[Network, Network]> {
  const [a, b] = [await world.node('a'), await world.node('b')]
  a.know(b.self, b.addresses)
  b.handle(PROTOCOL, serve)
  return [a, b]
}

const echo = async (io: Duplex): Promise<void> => {
  for (let message = await io.receive(); message !== null; message = await io.receive()) await io.send(message)
}

const pattern = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255)

async function ask(network: Network, peer: PeerId, message: Uint8Array): Promise<Uint8Array | null> {
  const io = await network.dial(peer, PROTOCOL)
  await io.send(message)
  await io.end()
  const answer = await io.receive()
  assert.equal(await io.receive(), null)
  return answer
}

export function networkContract(name: string, createWorld: () => Promise<NetworkWorld>): void {
  const promise = (what: string, body: (world: NetworkWorld) => Promise<void>): void => {
    test(`${name}: ${what}`, { timeout: 20_000 }, async () => {
      const world = await createWorld()
      await world.run(() => body(world))
    })
  }
  messages(promise)
  endings(promise)
  failures(promise)
  losses(promise)
  peers(promise)
}

type Promised = (what: string, body: (world: NetworkWorld) => Promise<void>) => void

function messages(promise: Promised): void {
  promise('messages of every size arrive whole, in order, and empty ones too', async (world) => {
    const [a, b] = await pair(world, echo)
    const io = await a.dial(b.self, PROTOCOL)
    const sizes = [0, 1, 3, 4, 5, 16_383, 16_384, 16_385, 65_536, 100_000, 0, MESSAGE_BYTES_MAX]
    for (const [i, size] of sizes.entries()) {
      await io.send(pattern(size, i))
      assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), pattern(size, i), `${size} bytes`)
    }
    await io.end()
    assert.equal(await io.receive(), null)
  })

  promise('the parts of a send are one message, from ordinary and from shared memory', async (world) => {
    const [a, b] = await pair(world, echo)
    const io = await a.dial(b.self, PROTOCOL)
    const shared = new Uint8Array(new SharedArrayBuffer(70_000), 10, 60_000)
    shared.set(pattern(60_000, 7))
    await io.send(utf8('head'), new Uint8Array(0), shared, utf8('tail'))
    // The memory is the caller's again once send resolved.
    shared.fill(0)
    const target = new Uint8Array(new SharedArrayBuffer(80_000))
    assert.equal(await io.receiveInto(target), 60_008)
    assert.deepEqual(Uint8Array.from(target.subarray(0, 4)), utf8('head'))
    assert.deepEqual(Uint8Array.from(target.subarray(4, 60_004)), pattern(60_000, 7))
    assert.deepEqual(Uint8Array.from(target.subarray(60_004, 60_008)), utf8('tail'))
    await io.end()
  })

  promise('a protocol in which the accepting side speaks first works', async (world) => {
    const [a, b] = await pair(world, async (io) => io.send(utf8('welcome')))
    const io = await a.dial(b.self, PROTOCOL)
    assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), utf8('welcome'))
    assert.equal(await io.receive(), null)
    await io.end()
  })

  promise('a reader that stops reading holds the writer, and lets it go on when it reads', async (world) => {
    const gate = Promise.withResolvers<void>()
    let received = 0
    const [a, b] = await pair(world, async (io) => {
      await gate.promise
      for (let message = await io.receive(); message !== null; message = await io.receive()) received += message.length
    })
    const io = await a.dial(b.self, PROTOCOL)
    const message = pattern(65_536, 1)
    // Kernel buffers of a loopback connection take several megabytes; nothing takes 64.
    const total = 64 * 1024 * 1024
    let sent = 0
    const writing = (async () => {
      for (; sent < total; sent += message.length) await io.send(message)
      await io.end()
    })()
    writing.catch(() => {})
    await world.clock.sleep(400)
    const held = sent
    assert.ok(held >= READ_AHEAD_BYTES / 2 && held < total, `the writer was held after ${held} bytes`)
    await world.clock.sleep(100)
    assert.equal(sent, held, 'the writer stays held')
    gate.resolve()
    await writing
    assert.equal(await io.receive(), null)
    assert.equal(received, total)
  })
}

function endings(promise: Promised): void {
  promise('one side may end while the other goes on sending', async (world) => {
    const [a, b] = await pair(world, async (io) => {
      assert.equal((await io.receive())?.length, 1)
      assert.equal(await io.receive(), null)
      for (let i = 0; i < 10; i += 1) await io.send(pattern(1000, i))
    })
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(pattern(1, 0))
    await io.end()
    for (let i = 0; i < 10; i += 1) assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), pattern(1000, i))
    assert.equal(await io.receive(), null)
    assert.equal(await io.receive(), null, 'the end stays the end')
  })

  promise('many exchanges one after the other and at once do not mix', async (world) => {
    const [a, b] = await pair(world, echo)
    for (let round = 0; round < 3; round += 1) {
      // More than the bound on exchanges, so that some have to wait for their turn.
      const answers = await Promise.all(Array.from({ length: 70 }, (_, i) => ask(a, b.self, pattern(100 + i, i))))
      for (const [i, answer] of answers.entries()) assert.deepEqual(Uint8Array.from(answer ?? []), pattern(100 + i, i))
    }
  })

  promise('what a handler leaves unread does not disturb the next exchange', async (world) => {
    const [a, b] = await pair(world, async (io) => {
      const message = await io.receive()
      if (message !== null) await io.send(message)
    })
    for (let i = 0; i < 3; i += 1) {
      const io = await a.dial(b.self, PROTOCOL)
      for (let k = 0; k < 4; k += 1) await io.send(pattern(5000, i + k))
      assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), pattern(5000, i))
      await io.end()
      assert.equal(await io.receive(), null)
    }
  })

  promise('both sides know each other by key', async (world) => {
    let caller: PeerId | null = null
    const [a, b] = await pair(world, async (io) => {
      caller = io.peer
    })
    const io = await a.dial(b.self, PROTOCOL)
    assert.equal(io.peer, b.self)
    await io.end()
    assert.equal(await io.receive(), null)
    assert.equal(caller, a.self)
  })
}

function failures(promise: Promised): void {
  promise('a message over the bound is refused before it is sent, and the exchange goes on', async (world) => {
    const [a, b] = await pair(world, echo)
    const io = await a.dial(b.self, PROTOCOL)
    await assert.rejects(io.send(new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(1)), failsWith('LIMIT'))
    await io.send(pattern(3, 3))
    assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), pattern(3, 3))
    await io.end()
  })

  promise('a message over what the reader takes ends the exchange on both sides', async (world) => {
    const failed = Promise.withResolvers<unknown>()
    const [a, b] = await pair(world, async (io) => {
      await io.receive(10).catch((error: unknown) => {
        failed.resolve(error)
        throw error
      })
    })
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(pattern(11, 0))
    await assert.rejects(io.receive(), failsWith('UNREACHABLE'))
    failsWith('LIMIT')(await failed.promise)
    const again = await a.dial(b.self, PROTOCOL)
    await again.send(pattern(100, 0))
    await assert.rejects(again.receiveInto(new Uint8Array(10)), failsWith('UNREACHABLE'))
  })

  promise('a handler that throws ends the exchange, and others go on', async (world) => {
    const [a, b] = await pair(world, async (io) => {
      const message = await io.receive()
      if (message?.length === 1) throw new Error('this handler fails')
      await io.send(utf8('fine'))
    })
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(pattern(1, 0))
    await assert.rejects(io.receive(), failsWith('UNREACHABLE'))
    assert.deepEqual(Uint8Array.from((await ask(a, b.self, pattern(2, 0))) ?? []), utf8('fine'))
  })
}

function losses(promise: Promised): void {
  promise('an abort in the middle of a message reaches both sides', async (world) => {
    const seen = Promise.withResolvers<unknown>()
    const [a, b] = await pair(world, async (io, signal) => {
      signal.addEventListener('abort', () => seen.resolve(signal.reason))
      for (;;) if ((await io.receive()) === null) return
    })
    const io = await a.dial(b.self, PROTOCOL)
    const message = new Uint8Array(MESSAGE_BYTES_MAX)
    const sends = Promise.allSettled(Array.from({ length: 64 }, () => io.send(message)))
    const reading = assert.rejects(io.receive(), failsWith('ABORTED'))
    await world.clock.sleep(5)
    io.abort(new Error('enough'))
    await reading
    await assert.rejects(io.send(pattern(1, 0)), failsWith('ABORTED'))
    failsWith('UNREACHABLE')(await seen.promise)
    await sends
  })

  promise('the signal of a dial ends the exchange with its reason', async (world) => {
    const [a, b] = await pair(world, async (io, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await io.receive()
    })
    using limit = world.clock.deadline('a quiet exchange', 50)
    const io = await a.dial(b.self, PROTOCOL, limit.signal)
    await assert.rejects(io.receive(), failsWith('DEADLINE'))
    await assert.rejects(a.dial(b.self, PROTOCOL, limit.signal), failsWith('DEADLINE'))
  })

  promise('a peer that dies in an exchange is gone for both ends, and is reached again after a restart', async (world) => {
    const [a, b] = await pair(world, async (io) => {
      await io.receive()
      await io.send(utf8('first'))
      await io.receive()
    })
    // A second, free connection that must be found stale.
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(pattern(1, 0))
    assert.deepEqual(Uint8Array.from((await io.receive()) ?? []), utf8('first'))
    await world.crash(b)
    await assert.rejects(io.receive(), failsWith('UNREACHABLE'))
    await assert.rejects(io.send(pattern(1, 0)), failsWith('UNREACHABLE'))
    await assert.rejects(a.dial(b.self, PROTOCOL), failsWith('UNREACHABLE'))
    const restarted = await world.node('b', b)
    restarted.handle(PROTOCOL, echo)
    assert.deepEqual(await ask(a, b.self, pattern(9, 9)).then((m) => Uint8Array.from(m ?? [])), pattern(9, 9))
  })

  promise('a kept connection whose peer restarted meanwhile costs the caller nothing', async (world) => {
    const [a, b] = await pair(world, echo)
    await Promise.all([ask(a, b.self, pattern(5, 5)), ask(a, b.self, pattern(5, 6))])
    await world.crash(b)
    const restarted = await world.node('b', b)
    restarted.handle(PROTOCOL, echo)
    await world.clock.sleep(50)
    assert.equal((await ask(a, b.self, pattern(6, 6)))?.length, 6)
  })
}

function peers(promise: Promised): void {
  promise('a protocol that is not served is refused', async (world) => {
    const [a, b] = await pair(world, echo)
    const io = await a.dial(b.self, '/cairn/nothing/1')
    await io.send(pattern(1, 0)).catch(() => {})
    await assert.rejects(io.receive(), failsWith('UNREACHABLE'))
    assert.equal((await ask(a, b.self, pattern(4, 4)))?.length, 4)
  })

  promise('a peer whose address nobody told cannot be reached', async (world) => {
    const [a, c] = [await world.node('a'), await world.node('c')]
    await assert.rejects(a.dial(c.self, PROTOCOL), failsWith('UNREACHABLE'))
    a.know(c.self, ['nonsense', '/ip4/127.0.0.1/udp/1', '/ip4/999.0.0.1/tcp/80'])
    await assert.rejects(a.dial(c.self, PROTOCOL), failsWith('UNREACHABLE'))
  })

  promise('another peer that answers at the address is not taken for the one that was dialed', async (world) => {
    const [a, b] = await pair(world, echo)
    const c = await world.node('c')
    a.know(c.self, b.addresses)
    await assert.rejects(a.dial(c.self, PROTOCOL), failsWith('UNREACHABLE'))
    // A good address behind a wrong one is still found.
    a.know(c.self, [...b.addresses, ...c.addresses])
    c.handle(PROTOCOL, echo)
    assert.equal((await ask(a, c.self, pattern(2, 2)))?.length, 2)
  })

  promise('closing a network tells the handlers and ends what it dialed', async (world) => {
    const told = Promise.withResolvers<void>()
    const [a, b] = await pair(world, async (io, signal) => {
      signal.addEventListener('abort', () => told.resolve())
      await io.receive()
      await io.receive()
    })
    const io = await a.dial(b.self, PROTOCOL)
    await io.send(pattern(1, 1))
    await world.clock.sleep(50)
    await b.close()
    await told.promise
    await assert.rejects(io.receive(), failsWith('UNREACHABLE'))
    await a.close()
    await assert.rejects(a.dial(b.self, PROTOCOL), failsWith('ABORTED'))
  })
}
