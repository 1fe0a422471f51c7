import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeviceId, deviceId } from '../../protocol/ids.ts'
import type { Asking, Seen } from '../../resources/resource.ts'
import { createFakeRuntime, createInlineCompute, portableCrypto } from '../../runtime/fake/index.ts'
import { createNative } from '../../runtime/real/compute/native.ts'
import { createPrng } from '../../std/prng.ts'
import { credible, probeSubjects } from './probe.ts'

describe('a verifier whose own line is bad', () => {
  const subject = (n: number): DeviceId => deviceId(`0x${String(n).padStart(64, '0')}`)
  const looks = (count: number, doubtful: boolean): readonly Seen[] =>
    Array.from({ length: count }, () => ({ claim: 0, bytes: Uint8Array.of(1), doubtful }))
  const told = (all: readonly (readonly Seen[])[]) => {
    let doubts = 0
    const kept = credible(new Map(all.map((found, n) => [subject(n), found])), () => (doubts += 1))
    return { doubts, kept: [...kept.values()].map((found) => found.length) }
  }

  test('keeps what it has against one of many', () => {
    assert.deepEqual(told([looks(8, true), looks(8, false), looks(8, false)]), { doubts: 0, kept: [8, 8, 8] })
  })

  test('tells nothing of silence when most seem silent, or when there is nobody to compare with', () => {
    assert.deepEqual(told([looks(8, true), looks(8, true), looks(8, false)]), { doubts: 1, kept: [0, 0, 8] })
    assert.deepEqual(told([looks(8, true)]), { doubts: 1, kept: [0] })
    assert.deepEqual(told([looks(8, true), looks(8, false)]), { doubts: 1, kept: [0, 8] })
  })

  test('tells of refusals and wrong bytes, which no line makes', () => {
    assert.deepEqual(told([[...looks(3, true), ...looks(5, false)]]), { doubts: 0, kept: [8] })
  })
})

describe('looking at subjects', () => {
  const subject = (n: number): DeviceId => deviceId(`0x${String(n).padStart(64, '0')}`)
  const prng = createPrng(1n)
  const rt = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), crypto: portableCrypto })
  const asking = {} as Asking
  const answers = new Map([1, 2, 3].map((n) => [subject(n), { claims: [], answers: [], blobs: new Map() }]))
  type Parts = Parameters<typeof probeSubjects>[0]
  const parts = (observe: (of: DeviceId) => Promise<readonly Seen[]>): Parts =>
    ({ rt, resource: { observe: (_rt: unknown, _asking: unknown, of: DeviceId) => observe(of) } }) as unknown as Parts
  const good: readonly Seen[] = [{ claim: 0, bytes: Uint8Array.of(1), doubtful: false }]

  test('goes on when one of them cannot be looked at', async () => {
    const observe = async (of: DeviceId) => {
      if (of === subject(2)) throw new Error('no socket is left')
      return good
    }
    const seen = await probeSubjects(parts(observe), asking, answers, rt.clock.now(), new AbortController().signal)
    assert.deepEqual([...seen.keys()].sort(), [subject(1), subject(3)])
  })

  test('ends with the verifier', async () => {
    const stop = new AbortController()
    const observe = async (): Promise<readonly Seen[]> => {
      stop.abort(new Error('the verifier stops'))
      throw new Error('cut')
    }
    await assert.rejects(probeSubjects(parts(observe), asking, answers, rt.clock.now(), stop.signal), /the verifier stops/)
  })
})
