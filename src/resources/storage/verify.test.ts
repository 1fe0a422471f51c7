import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Account, digest } from '../../protocol/ids.ts'
import type { Attested } from '../resource.ts'
import type { StorageChallenge, StorageObservation } from './messages.ts'
import { PROBES_LEAST, retrievalFault } from './verify.ts'

const SET = digest(`0x${'11'.repeat(32)}`)
const challenge: StorageChallenge = { setId: SET, root: SET, count: 1n, totalBytes: 1n, version: 1n, slot: 0, position: 0n }
const by = `0x${'22'.repeat(20)}` as Account

const seen = (...ones: readonly Partial<StorageObservation>[]): readonly Attested<StorageObservation>[] =>
  ones.map((one, slot) => ({ by, body: { setId: SET, slot, is: 'served', bytes: 65_536, ms: 40, code: '', ...one } }))
const times = <T>(count: number, one: T): readonly T[] => Array.from({ length: count }, () => one)
const codeOf = (...ones: readonly Partial<StorageObservation>[]) => retrievalFault(challenge, seen(...ones))?.code ?? null

describe('a set that is kept', () => {
  test('is paid without a look, after good reads, and after as many bad ones as good ones', () => {
    assert.equal(codeOf(), null)
    assert.equal(codeOf(...times(8, {})), null)
    assert.equal(codeOf(...times(4, {}), ...times(4, { is: 'silent' as const })), null)
  })

  test('is not paid when most reads are refused, wrong, silent or slow, and the reason counts each', () => {
    for (const bad of [{ is: 'refused', code: 'no-piece' }, { is: 'corrupt' }, { is: 'silent' }, { ms: 3_001 }] as const) {
      assert.equal(codeOf(...times(3, {}), ...times(5, bad)), 'unretrievable', JSON.stringify(bad))
    }
    const reason = retrievalFault(
      challenge,
      seen({}, { is: 'refused', code: 'no-piece' }, { is: 'corrupt' }, { ms: 9_000 }, { is: 'silent' }),
    )
    assert.deepEqual(reason?.data, { set: SET, reads: 5n, good: 1n, corrupt: 1n, refused: 1n, silent: 1n, slow: 1n, word: 'no-piece' })
  })

  test('is not judged by few reads, by one read told many times, nor by reads of another set', () => {
    const bad = { is: 'refused', code: 'no-piece' } as const
    assert.equal(codeOf(...times(PROBES_LEAST - 1, bad)), null)
    assert.equal(codeOf(...times(8, { ...bad, slot: 3 })), null)
    assert.equal(codeOf(...times(8, { ...bad, setId: digest(`0x${'33'.repeat(32)}`) })), null)
  })

  test('need not be served to a customer that owes', () => {
    assert.equal(codeOf(...times(8, { is: 'refused' as const, code: 'unpaid' })), null)
  })

  test('is served fast enough at half a megabit per second, whatever the read is large', () => {
    assert.equal(codeOf(...times(8, { ms: 3_000 })), null)
    assert.equal(codeOf(...times(8, { bytes: 4_096, ms: 2_062 })), null)
    assert.equal(codeOf(...times(8, { bytes: 4_096, ms: 2_063 })), 'unretrievable')
  })
})
