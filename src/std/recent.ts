/**
 * A bounded memory of what was used lately, by name. Two generations instead of an order of all entries: what is used
 * moves to the young one, and when that is full the old one is forgotten at once, so that a hit costs one look-up.
 */
export class Recent<V> {
  readonly #half: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()
  #weight = 0
  readonly #weigh: (value: V) => number

  /** Holds values that together weigh at most `limit`, and a single one at most half of it. */
  constructor(limit: number, weigh: (value: V) => number) {
    this.#half = limit / 2
    this.#weigh = weigh
  }

  get(name: string): V | undefined {
    const young = this.#young.get(name)
    if (young !== undefined) return young
    const old = this.#old.get(name)
    if (old === undefined) return undefined
    this.#old.delete(name)
    this.set(name, old)
    return old
  }

  set(name: string, value: V): void {
    this.delete(name)
    const weight = this.#weigh(value)
    if (weight > this.#half) return
    if (this.#weight + weight > this.#half) {
      this.#old = this.#young
      this.#young = new Map()
      this.#weight = 0
    }
    this.#young.set(name, value)
    this.#weight += weight
  }

  delete(name: string): void {
    const young = this.#young.get(name)
    if (young !== undefined) {
      this.#young.delete(name)
      this.#weight -= this.#weigh(young)
    }
    this.#old.delete(name)
  }
}
