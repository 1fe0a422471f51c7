import type { Sink } from '../../../../runtime/index.ts'

/** A sink whose bytes are read on the other side. At most one write is held: it resolves when its bytes were taken. */
export interface Pipe {
  readonly sink: Sink
  /** Fills part of `target`; 0 after `end`; throws what `fail` was given. */
  read(target: Uint8Array): Promise<number>
  end(): void
  fail(error: unknown): void
  /** The reader goes away: held and further writes reject. */
  close(): void
}

type State = 'open' | 'ended' | 'failed' | 'closed'

export function pipe(): Pipe {
  let held: Uint8Array = new Uint8Array(0)
  let taken: { resolve(): void; reject(error: unknown): void } | null = null
  let wake: (() => void) | null = null
  let state: State = 'open'
  let failure: unknown
  const current = (): State => state

  const change = (to: State): void => {
    if (state === 'open' || to === 'closed') state = to
    wake?.()
  }
  const gone = (): Error => new Error('the reader of a pipe went away')

  return {
    sink: {
      write(bytes) {
        if (current() !== 'open') return Promise.reject(gone())
        if (bytes.length === 0) return Promise.resolve()
        held = bytes
        wake?.()
        return new Promise((resolve, reject) => {
          taken = { resolve, reject }
        })
      },
    },
    async read(target) {
      while (held.length === 0) {
        if (current() === 'failed') throw failure
        if (current() !== 'open') return 0
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = null
      }
      const count = Math.min(held.length, target.length)
      target.set(held.subarray(0, count))
      held = held.subarray(count)
      if (held.length === 0) taken?.resolve()
      return count
    },
    end: () => change('ended'),
    fail(error) {
      failure = error
      change('failed')
    },
    close() {
      change('closed')
      if (held.length > 0) taken?.reject(gone())
      held = new Uint8Array(0)
    },
  }
}
