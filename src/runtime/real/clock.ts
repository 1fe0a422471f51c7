import { setTimeout } from 'node:timers'
import { CairnError } from '../../protocol/errors.ts'
import type { UnixMs } from '../../protocol/units.ts'
import { assert } from '../../std/assert.ts'
import type { Clock, Deadline } from '../index.ts'

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

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel()
      reject(new CairnError('ABORTED', { what: `a wait of ${ms} ms` }, { cause: signal?.reason }))
    }
    const cancel = after(ms, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function deadline(what: string, ms: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController()
  const follow = (): void => {
    cancel()
    controller.abort(parent?.reason)
  }
  const cancel = after(ms, () => {
    parent?.removeEventListener('abort', follow)
    controller.abort(new CairnError('DEADLINE', { what, ms }))
  })
  if (parent?.aborted === true) follow()
  else parent?.addEventListener('abort', follow, { once: true })
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      cancel()
      parent?.removeEventListener('abort', follow)
    },
  }
}

/** The machine's clock. */
export function createClock(): Clock {
  return { now: () => Date.now() as UnixMs, monotonic: () => performance.now(), sleep, deadline }
}
