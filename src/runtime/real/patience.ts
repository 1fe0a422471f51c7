/** How long a server waits for a client that sends or takes a body. */
export interface PatienceLimits {
  /** Longest single wait, in ms. */
  readonly stallMs: number
  /** Slowest average over all waits, in bytes per second. Time in which the server itself holds the client back is free. */
  readonly bytesPerSecond: number
}

/** One connection's account of waiting. Costs two additions a wait; `Watch` looks at all of them once a second. */
export class Patience {
  readonly #watch: Watch
  readonly #giveUp: () => void
  #since = 0
  #expected = 0
  #waitedMs = 0
  #bytes = 0

  constructor(watch: Watch, giveUp: () => void) {
    this.#watch = watch
    this.#giveUp = giveUp
  }

  /** Begins a wait for the client to move; `bytes` is how many it is to take, 0 when it is to send. */
  wait(bytes: number): void {
    this.#since = performance.now()
    this.#expected = bytes
    this.#watch.add(this)
  }

  /** Ends the wait after `bytes` moved. */
  done(bytes: number): void {
    this.#watch.delete(this)
    this.#waitedMs += performance.now() - this.#since
    this.#bytes += bytes
  }

  /** Gives up when the client is slower than the limits allow. */
  check(now: number, limits: PatienceLimits): void {
    const here = now - this.#since
    const perByte = 1000 / limits.bytesPerSecond
    const stalled = here > limits.stallMs + this.#expected * perByte
    const dripping = this.#waitedMs + here > limits.stallMs + (this.#bytes + this.#expected) * perByte
    if (!stalled && !dripping) return
    this.#watch.delete(this)
    this.#giveUp()
  }
}

/** All waits of a server and the one timer that looks at them. */
export class Watch {
  readonly #limits: PatienceLimits
  readonly #waiting = new Set<Patience>()
  readonly #timer: NodeJS.Timeout

  constructor(limits: PatienceLimits) {
    this.#limits = limits
    // Often enough that a limit is met within a tenth of its length.
    this.#timer = setInterval(() => this.#look(), Math.min(1000, limits.stallMs / 10))
    this.#timer.unref()
  }

  add(one: Patience): void {
    this.#waiting.add(one)
  }

  delete(one: Patience): void {
    this.#waiting.delete(one)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    for (const one of this.#waiting) one.check(now, this.#limits)
  }
}
