import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isCairnError } from '../protocol/errors.ts'
import type { Clock } from './index.ts'

/** Holds a clock to its interface. `run` does the work while time passes. */
export function clockContract(name: string, clock: Clock, run: <T>(work: () => Promise<T>) => Promise<T>): void {
  describe(`${name} as a clock`, () => {
    test('sleeps at least as long as asked, the shorter wait first', () =>
      run(async () => {
        const before = clock.monotonic()
        const order: number[] = []
        await Promise.all([30, 10, 20].map((ms) => clock.sleep(ms).then(() => order.push(ms))))
        assert.deepEqual(order, [10, 20, 30])
        // Node's timers fire up to a millisecond early against its own monotonic clock.
        assert.ok(clock.monotonic() - before >= 29)
      }))

    test('ends a wait at once when its signal fires, and does not begin one whose signal has', () =>
      run(async () => {
        const controller = new AbortController()
        const wait = assert.rejects(clock.sleep(1e12, controller.signal), (error) => {
          return isCairnError(error, 'ABORTED') && error.cause === controller.signal.reason
        })
        controller.abort(new Error('enough'))
        await wait
        await assert.rejects(clock.sleep(0, controller.signal), (error) => isCairnError(error, 'ABORTED'))
      }))

    test('fires a deadline with its name, unless it was disposed', () =>
      run(async () => {
        const kept = clock.deadline('the reply', 10)
        const dropped = clock.deadline('another', 10)
        dropped[Symbol.dispose]()
        await clock.sleep(25)
        assert.ok(isCairnError(kept.signal.reason, 'DEADLINE'))
        assert.deepEqual(kept.signal.reason.data, { what: 'the reply', ms: 10 })
        assert.equal(dropped.signal.aborted, false)
      }))

    test('passes on what its parent says, before and after', () =>
      run(async () => {
        const parent = new AbortController()
        using early = clock.deadline('work', 1e12, parent.signal)
        using disposed = clock.deadline('work', 1e12, parent.signal)
        disposed[Symbol.dispose]()
        parent.abort('stop')
        assert.equal(early.signal.reason, 'stop')
        using late = clock.deadline('work', 1e12, parent.signal)
        assert.equal(late.signal.reason, 'stop')
        assert.equal(disposed.signal.aborted, false)
      }))

    test('tells the time in whole milliseconds of this century', () => {
      assert.ok(Number.isInteger(clock.now()) && clock.now() > 1_700_000_000_000)
    })
  })
}
