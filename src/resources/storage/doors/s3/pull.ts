import { BodyError } from '../../object-store.ts'

/** The pieces of a request body, one at a time, with what is left of the current one. Copies nothing by itself. */
export interface Pull {
  /** Bytes at hand, at least one, without taking them; null at the end of the body. */
  peek(): Promise<Uint8Array | null>
  /** Takes the first `count` of the bytes that `peek` gave. */
  take(count: number): void
}

/** A client that goes away in the middle is `IncompleteBody`, whatever the socket called it. */
export function pull(body: AsyncIterable<Uint8Array>): Pull {
  let iterator: AsyncIterator<Uint8Array> | null = null
  let current: Uint8Array | null = null
  let ended = false
  return {
    async peek() {
      while (current === null || current.length === 0) {
        if (ended) return null
        iterator ??= body[Symbol.asyncIterator]()
        try {
          const next = await iterator.next()
          if (next.done === true) {
            ended = true
            return null
          }
          current = next.value
        } catch (cause) {
          if (cause instanceof BodyError) throw cause
          const error = new BodyError('IncompleteBody', 'The connection ended before the body did.')
          error.cause = cause
          throw error
        }
      }
      return current
    },
    take(count) {
      if (current !== null) current = current.subarray(count)
    },
  }
}
