/** A binary heap: takes items in any order and gives the least one first. */
export interface Heap<T> {
  readonly size: number
  push(item: T): void
  /** The least item without taking it, or undefined. */
  peek(): T | undefined
  /** Takes the least item, or undefined. */
  pop(): T | undefined
  /** Drops every item that `keep` refuses. */
  retain(keep: (item: T) => boolean): void
}

/** `before` must be a strict order in which no two items are equal, or the order of equals is left open. */
export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  let items: T[] = []

  function swap(i: number, j: number): void {
    const held = items[i] as T
    items[i] = items[j] as T
    items[j] = held
  }

  function rise(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!before(items[i] as T, items[parent] as T)) return
      swap(i, parent)
      i = parent
    }
  }

  function sink(): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      if (left >= items.length) return
      const right = left + 1
      const least = right < items.length && before(items[right] as T, items[left] as T) ? right : left
      if (!before(items[least] as T, items[i] as T)) return
      swap(i, least)
      i = least
    }
  }

  function push(item: T): void {
    items.push(item)
    rise(items.length - 1)
  }

  return {
    get size() {
      return items.length
    },
    push,
    peek: () => items[0],
    pop() {
      const least = items[0]
      const last = items.pop()
      if (items.length > 0 && last !== undefined) {
        items[0] = last
        sink()
      }
      return least
    },
    retain(keep) {
      const kept = items.filter(keep)
      items = []
      for (const item of kept) push(item)
    },
  }
}
