import { assert } from '../../../std/assert.ts'

interface Waiter<T> {
  give(item: T): void
}

/** A fixed set of things of which each is used by one at a time; those who find none wait in line. */
export class Pool<T> {
  readonly #all: ReadonlySet<T>
  readonly #free: T[]
  /** In the order of their coming; a set, so that one who gives up leaves the middle of the line. */
  readonly #line = new Set<Waiter<T>>()

  constructor(items: readonly T[]) {
    this.#all = new Set(items)
    this.#free = [...items]
  }

  /** Waits for a free one; rejects with the signal's reason when it fires first. */
  async acquire(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const free = this.#free.pop()
    if (free !== undefined) return free
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const waiter = { give: resolve }
    const leave = (): void => {
      this.#line.delete(waiter)
      reject(signal?.reason)
    }
    this.#line.add(waiter)
    signal?.addEventListener('abort', leave, { once: true })
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  release(item: T): void {
    assert(this.#all.has(item) && !this.#free.includes(item), 'only what was acquired, and once, is released')
    for (const first of this.#line) {
      this.#line.delete(first)
      first.give(item)
      return
    }
    this.#free.push(item)
  }

  has(item: T): boolean {
    return this.#all.has(item)
  }
}
