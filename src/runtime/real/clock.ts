import { setTimeout } from 'node:timers'
import type { UnixMs } from '../../protocol/units.ts'
import { assert } from '../../std/assert.ts'
import type { Clock } from '../index.ts'
import { createWaits } from '../waits.ts'

/** Node's timers hold at most a 32-bit signed number of milliseconds; longer waits are cut into pieces. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Calls `fire` after `ms`, however long that is; the result cancels it. */
function after(ms: number, fire: () => void): () => void {
  assert(ms >= 0 && Number.isFinite(ms), `a wait is a finite number of milliseconds, not ${ms}`)
  let rest = ms
  const next = (): NodeJS.Timeout => {
    const piece = Math.min(rest, TIMER_MS_MAX)
    rest -= piece
    return setTimeout(() => {
      if (rest > 0) timer = next()
      else fire()
    }, piece)
  }
  let timer = next()
  return () => clearTimeout(timer)
}

/** The machine's clock. */
export function createClock(): Clock {
  return { now: () => Date.now() as UnixMs, monotonic: () => performance.now(), ...createWaits(after) }
}
