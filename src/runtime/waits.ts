import { CairnError } from '../protocol/errors.ts'
import type { Clock, Deadline } from './index.ts'

/** Calls `fire` once, `ms` from now; the result cancels it. */
export type After = (ms: number, fire: () => void) => () => void

function sleep(after: After, ms: number, signal: AbortSignal | undefined): Promise<void> {
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

function deadline(after: After, what: string, ms: number, parent: AbortSignal | undefined): Deadline {
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
      // A parent may live as long as the process; a listener left on it would keep everything it closes over.
      parent?.removeEventListener('abort', follow)
    },
  }
}

/** The waiting half of a clock from its one timer, so that the real and the simulated clock wait by the same rules. */
export function createWaits(after: After): Pick<Clock, 'sleep' | 'deadline'> {
  return {
    sleep: (ms, signal) => sleep(after, ms, signal),
    deadline: (what, ms, parent) => deadline(after, what, ms, parent),
  }
}
