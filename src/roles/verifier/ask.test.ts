import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeviceId, deviceId, type Epoch } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Asking, Collected } from '../../resources/resource.ts'
import { createFakeClock, createFakeRuntime, createInlineCompute, portableCrypto } from '../../runtime/fake/index.ts'
import { createNative } from '../../runtime/real/compute/native.ts'
import { createPrng } from '../../std/prng.ts'
import { askSubjects } from './ask.ts'

const asking = { epoch: 7 as Epoch } as Asking
const SILENCE: Collected = { claims: [], answers: [], blobs: new Map() }
const ANSWER: Collected = { ...SILENCE, claims: [Uint8Array.of(1)] }
const SILENT_MS = 5_000
const subject = (n: number): DeviceId => deviceId(`0x${String(n).padStart(64, '0')}`)

/** `count` subjects; every `nth` is away and takes all of its deadline, the others answer within a tenth of a second. */
function stage(count: number, nth: number) {
  const clock = createFakeClock()
  const rt = {
    ...createFakeRuntime({ prng: createPrng(1n), compute: createInlineCompute(createNative()), crypto: portableCrypto, clock }),
    clock,
  }
  const subjects = Array.from({ length: count }, (_, n) => subject(n))
  const away = new Set(subjects.filter((_, n) => n % nth === 0))
  const silent = new Set<DeviceId>()
  const order: DeviceId[] = []
  const collect = async (_rt: unknown, _asking: unknown, of: DeviceId, signal: AbortSignal): Promise<Collected> => {
    order.push(of)
    await clock.sleep(away.has(of) ? SILENT_MS : 100, signal)
    return away.has(of) ? SILENCE : ANSWER
  }
  const parts = { rt, resource: { collect } } as unknown as Parameters<typeof askSubjects>[0]
  const within = (ms: number, signal = new AbortController().signal) =>
    clock.run(() => askSubjects(parts, asking, subjects, silent, (clock.now() + ms) as UnixMs, signal))
  return { clock, subjects, away, silent, order, within }
}

describe('asking all subjects', () => {
  test('takes no longer than those that are away, many at a time', async () => {
    const { clock, subjects, away, silent, within } = stage(200, 3)
    const began = clock.monotonic()
    const said = await within(20_000)
    assert.deepEqual([...(said?.keys() ?? [])], subjects, 'in their order')
    assert.ok(clock.monotonic() - began <= 2 * SILENT_MS + 1_000, `67 that are away took ${clock.monotonic() - began} ms`)
    assert.deepEqual([...silent].sort(), [...away].sort())
  })

  test('asks those that gave no answer the last time after all others, and nobody always last', async () => {
    const { away, subjects, order, within } = stage(200, 3)
    await within(20_000)
    const first = order.splice(0)
    await within(20_000)
    const there = subjects.length - away.size
    assert.ok(order.slice(0, there).every((one) => !away.has(one)))
    assert.notDeepEqual(
      order.slice(0, there),
      first.filter((one) => !away.has(one)),
    )
  })

  test('ends with the epoch, and those that had no turn keep nobody from being paid', async () => {
    const { subjects, away, silent, within } = stage(3_000, 2)
    for (const one of away) silent.add(one)
    const said = await within(10_000)
    assert.ok(said !== null && said.size < subjects.length)
    assert.ok(subjects.every((one) => away.has(one) || said.get(one) === ANSWER))
  })

  test('says nothing at all when it had time for a few alone', async () => {
    assert.equal(await stage(1_000, 1_000).within(150), null)
    assert.equal(await stage(10, 20).within(-1), null)
    assert.equal((await stage(64, 64).within(150))?.size, 63)
  })

  test('an error is not taken for silence, and it stops with the verifier', async () => {
    const { clock, subjects, silent } = stage(10, 20)
    const rt = createFakeRuntime({ prng: createPrng(1n), compute: createInlineCompute(createNative()), crypto: portableCrypto, clock })
    const failing = {
      rt: { ...rt, clock },
      resource: {
        async collect() {
          throw new Error('no socket is left')
        },
      },
    } as unknown as Parameters<typeof askSubjects>[0]
    const until = (clock.now() + 1_000) as UnixMs
    const run = (signal: AbortSignal) => clock.run(() => askSubjects(failing, asking, subjects, silent, until, signal))
    await assert.rejects(run(new AbortController().signal), /no socket is left/)
    await assert.rejects(run(AbortSignal.abort(new Error('the verifier stops'))), /the verifier stops/)
  })
})
