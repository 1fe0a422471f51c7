import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeviceId, deviceId, type Epoch } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Asking, Collected } from '../../resources/resource.ts'
import { createFakeClock, createFakeRuntime, createInlineCompute, portableCrypto } from '../../runtime/fake/index.ts'
import { createNative } from '../../runtime/real/compute/native.ts'
import { createPrng } from '../../std/prng.ts'
import { createAskDesk } from './ask.ts'

const asking = { epoch: 7 as Epoch } as Asking
const SILENCE: Collected = { claims: [], answers: [], blobs: new Map() }
const ANSWER: Collected = { ...SILENCE, claims: [Uint8Array.of(1)] }
const SILENT_MS = 5_000
const HOUR = 3_600_000
const subject = (n: number): DeviceId => deviceId(`0x${String(n).padStart(64, '0')}`)
const goOn = new AbortController().signal

type Kind = 'there' | 'away' | 'stalls'

/** Subjects that answer within a tenth of a second, are away and take all of their deadline, or answer for ever and never. */
function stage(count: number, kindOf: (n: number) => Kind, alone = true) {
  const clock = createFakeClock()
  const rt = {
    ...createFakeRuntime({ prng: createPrng(1n), compute: createInlineCompute(createNative()), crypto: portableCrypto, clock }),
    clock,
  }
  const subjects = Array.from({ length: count }, (_, n) => subject(n))
  const kinds = new Map(subjects.map((one, n) => [one, kindOf(n)]))
  const of = (kind: Kind): readonly DeviceId[] => subjects.filter((one) => kinds.get(one) === kind)
  const order: DeviceId[] = []
  const collect = async (_rt: unknown, _asking: unknown, one: DeviceId, signal: AbortSignal): Promise<Collected> => {
    order.push(one)
    const kind = kinds.get(one)
    await clock.sleep(kind === 'there' ? 100 : kind === 'away' ? SILENT_MS : 24 * HOUR, signal)
    return kind === 'there' ? ANSWER : SILENCE
  }
  const parts = { rt, resource: { collect } } as unknown as Parameters<typeof createAskDesk>[0]
  const desk = createAskDesk(parts, alone)
  return {
    clock,
    subjects,
    of,
    order,
    within: (ms: number) => clock.run(() => desk.ask(asking, subjects, (clock.now() + ms) as UnixMs, goOn)),
  }
}

describe('asking all subjects', () => {
  test('takes no longer than those that are away, many at a time', async () => {
    const { clock, subjects, within } = stage(200, (n) => (n % 3 === 0 ? 'away' : 'there'))
    const began = clock.monotonic()
    assert.deepEqual([...((await within(20_000)) ?? new Map()).keys()], subjects, 'in their order')
    assert.ok(clock.monotonic() - began <= 2 * SILENT_MS + 1_000, `67 that are away took ${clock.monotonic() - began} ms`)
  })

  test('asks those that gave no answer the last time after all others, and nobody always last', async () => {
    const { of, order, within } = stage(200, (n) => (n % 3 === 0 ? 'away' : 'there'))
    const there = of('there')
    await within(20_000)
    const first = order.splice(0).filter((one) => there.includes(one))
    await within(20_000)
    const second = order.slice(0, there.length)
    assert.deepEqual([...second].sort(), [...there])
    assert.notDeepEqual(second, first)
  })

  test('is not held up by any number of those that answer for ever: they get their share of time, once', async () => {
    const { clock, of, within } = stage(330, (n) => (n < 130 ? 'stalls' : 'there'))
    const said = await within(HOUR / 4)
    assert.ok(of('there').every((one) => said?.get(one) === ANSWER))
    assert.ok(of('stalls').every((one) => said?.get(one)?.claims.length === 0))
    const began = clock.monotonic()
    assert.ok((await within(HOUR / 4)) !== null)
    assert.ok(clock.monotonic() - began <= HOUR / 8 + 1_000, 'half of the time is left for reading')
  })

  test('ends with the epoch, and those that had no turn keep nobody from being paid', async () => {
    const { of, subjects, within } = stage(1_000, (n) => (n % 2 === 0 ? 'away' : 'there'))
    await within(HOUR)
    const said = await within(10_000)
    assert.ok(said !== null && said.size < subjects.length)
    assert.ok(of('there').every((one) => said.get(one) === ANSWER))
  })

  test('leaves nobody out whom other verifiers may have asked, and brings nothing instead', async () => {
    for (const alone of [true, false]) {
      // Three rounds of a tenth of a second, of which the last is cut off.
      assert.deepEqual((await stage(192, () => 'there', alone).within(250))?.size, alone ? 128 : undefined)
      assert.equal((await stage(128, () => 'there', alone).within(250))?.size, 128)
      assert.equal(await stage(10, () => 'there', alone).within(-1), null)
    }
  })

  test('who was cut off by the end of the epoch is not taken for silent', async () => {
    const { within } = stage(192, () => 'there', false)
    assert.equal(await within(250), null)
    // Time for three rounds, but not for two and, with half of what is left, for those that were silent.
    assert.equal((await within(380))?.size, 192)
  })

  test('when most were silent the verifier doubts itself', async () => {
    const { of, order, within } = stage(100, (n) => (n < 60 ? 'away' : 'there'))
    await within(HOUR)
    order.splice(0)
    await within(HOUR)
    assert.ok(!order.slice(0, 40).every((one) => of('there').includes(one)))
  })

  test('an error is not taken for silence: it stops all that ask, as the verifier’s end does', async () => {
    const clock = createFakeClock()
    const rt = createFakeRuntime({ prng: createPrng(1n), compute: createInlineCompute(createNative()), crypto: portableCrypto, clock })
    let asked = 0
    const collect = async (_rt: unknown, _asking: unknown, of: DeviceId, signal: AbortSignal): Promise<Collected> => {
      asked += 1
      if (of === subject(3)) throw new Error('no socket is left')
      await clock.sleep(1_000, signal)
      return ANSWER
    }
    const desk = createAskDesk({ rt: { ...rt, clock }, resource: { collect } } as unknown as Parameters<typeof createAskDesk>[0], true)
    const subjects = Array.from({ length: 200 }, (_, n) => subject(n))
    const run = (signal: AbortSignal) => clock.run(() => desk.ask(asking, subjects, (clock.now() + 60_000) as UnixMs, signal))
    await assert.rejects(run(goOn), /no socket is left/)
    const before = asked
    await clock.run(() => clock.sleep(30_000))
    assert.equal(asked, before, 'nobody goes on')
    await assert.rejects(run(AbortSignal.abort(new Error('the verifier stops'))), /the verifier stops/)
  })
})
