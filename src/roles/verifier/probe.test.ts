import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeviceId, deviceId } from '../../protocol/ids.ts'
import type { Seen } from '../../resources/resource.ts'
import { credible } from './probe.ts'

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
