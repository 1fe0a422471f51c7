import { availableParallelism } from 'node:os'
import { CairnError } from '../../../protocol/errors.ts'
import { assert, present } from '../../../std/assert.ts'
import type { Compute, Lanes, Program } from '../../compute.ts'
import { type Lane, startLane } from './lane.ts'
import { createNative } from './native.ts'

/** More threads than this starve the thread that moves sockets: four hash faster than one can send. */
const MAX_LANES = 4
/**
 * Jobs that a thread holds at once: one that runs and one that waits, so that it never idles for a message's way there
 * and back. More would only take away from the other lanes the choice of who is free first.
 */
const DEPTH = 2
/** Jobs that may wait. Callers hold memory for each (a slab, a buffer), which is what bounds them; reaching this is a leak. */
const MAX_WAITING = 65_536
/** A lane that has died this often without finishing a job is not restarted: its program, not chance, kills it. */
const MAX_DEATHS = 4

interface Queued {
  readonly job: unknown
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** First in, first out; the head moves instead of the items, and the gap is cut off when it is half of the array. */
class Fifo {
  #items: Queued[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: Queued): void {
    this.#items.push(item)
  }

  shift(): Queued | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#head += 1
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}

interface Slot {
  /** Null until there is work for it, while a dead thread is being replaced, and for good once it died too often. */
  lane: Lane | null
  starting: boolean
  deaths: number
  /** Jobs that named this lane. They go before the shared ones: other jobs can go elsewhere. */
  readonly pinned: Fifo
}

class Pool implements Lanes<unknown, unknown> {
  readonly #program: { url: string; init: unknown }
  readonly #slots: readonly Slot[]
  readonly #shared = new Fifo()
  #running = 0
  #closing: PromiseWithResolvers<void> | null = null

  constructor(url: string, init: unknown, count: number) {
    this.#program = { url, init }
    this.#slots = Array.from({ length: count }, () => ({ lane: null, starting: false, deaths: 0, pinned: new Fifo() }))
  }

  get count(): number {
    return this.#slots.length
  }

  /** Starts one thread, which shows that the program works. The others start when it has more work than it can take. */
  async start(): Promise<void> {
    const first = present(this.#slots[0], 'there is at least one lane')
    try {
      await this.#fill(first)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #fill(slot: Slot): Promise<void> {
    slot.starting = true
    try {
      const lane = await startLane(this.#program, () => this.#replace(slot))
      if (this.#closing !== null) return await lane.end()
      slot.lane = lane
    } finally {
      slot.starting = false
    }
    this.#feed(slot)
  }

  /** Starts the lane's thread unless it has one, is getting one or has lost too many. */
  #wake(slot: Slot): void {
    if (slot.lane !== null || slot.starting || slot.deaths > MAX_DEATHS) return
    this.#fill(slot).catch((error: unknown) => this.#giveUp(slot, String(error)))
  }

  /** The jobs of a dead lane have been rejected; those that wait for it need a new thread or the same answer. */
  #replace(slot: Slot): void {
    slot.lane = null
    slot.deaths += 1
    if (this.#closing !== null) return
    if (slot.deaths > MAX_DEATHS) this.#giveUp(slot, `the worker thread died ${slot.deaths} times in a row`)
    else this.#wake(slot)
  }

  #giveUp(slot: Slot, why: string): void {
    slot.deaths = MAX_DEATHS + 1
    const error = new CairnError('COMPUTE', { job: 'a compute job', why })
    for (let next = slot.pinned.shift(); next !== undefined; next = slot.pinned.shift()) next.reject(error)
    if (this.#slots.some((other) => other.deaths <= MAX_DEATHS)) return
    for (let next = this.#shared.shift(); next !== undefined; next = this.#shared.shift()) next.reject(error)
  }

  run(job: unknown, index?: number): Promise<unknown> {
    if (this.#closing !== null) return Promise.reject(new CairnError('ABORTED', { what: 'a compute job' }))
    const slot = index === undefined ? undefined : this.#slots[index]
    assert(index === undefined || slot !== undefined, 'a job names a lane that exists')
    const dead = slot === undefined ? this.#slots.every((one) => one.deaths > MAX_DEATHS) : slot.deaths > MAX_DEATHS
    if (dead) return Promise.reject(new CairnError('COMPUTE', { job: 'a compute job', why: 'its worker thread kept dying' }))
    const queue = slot?.pinned ?? this.#shared
    if (queue.size >= MAX_WAITING) return Promise.reject(new CairnError('LIMIT', { what: 'waiting compute jobs', limit: MAX_WAITING }))
    return new Promise((resolve, reject) => {
      queue.push({ job, resolve, reject })
      if (slot === undefined) return this.#feedFreest()
      this.#wake(slot)
      this.#feed(slot)
    })
  }

  #feedFreest(): void {
    let best: Slot | undefined
    for (const slot of this.#slots) {
      if (slot.lane !== null && (best?.lane == null || slot.lane.busy < best.lane.busy)) best = slot
    }
    if (best !== undefined) this.#feed(best)
    if (this.#shared.size === 0) return
    const asleep = this.#slots.find((slot) => slot.lane === null && !slot.starting && slot.deaths <= MAX_DEATHS)
    if (asleep !== undefined) this.#wake(asleep)
  }

  #feed(slot: Slot): void {
    while (slot.lane !== null && slot.lane.busy < DEPTH) {
      const next = slot.pinned.shift() ?? this.#shared.shift()
      if (next === undefined) return
      this.#running += 1
      const settled = (): void => {
        this.#running -= 1
        if (this.#closing !== null && this.#running === 0) this.#closing.resolve()
        else this.#feed(slot)
      }
      slot.lane.send(next.job, {
        resolve(result) {
          slot.deaths = 0
          settled()
          next.resolve(result)
        },
        reject(error) {
          settled()
          next.reject(error)
        },
      })
    }
  }

  async close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.promise
    this.#closing = Promise.withResolvers()
    const error = new CairnError('ABORTED', { what: 'a compute job' })
    for (const queue of [this.#shared, ...this.#slots.map((slot) => slot.pinned)]) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) next.reject(error)
    }
    if (this.#running === 0) this.#closing.resolve()
    await this.#closing.promise
    await Promise.all(this.#slots.map((slot) => slot.lane?.end()))
  }
}

/**
 * Worker threads: one per core up to four, each with its own instance of every loaded program. `lanes` overrides the
 * number. `load` starts one thread, work the others: an idle thread costs some 25 MB.
 */
export function createCompute(lanes: number = Math.min(availableParallelism(), MAX_LANES)): Compute {
  assert(Number.isInteger(lanes) && lanes > 0 && lanes <= 64, 'there are 1 to 64 lanes')
  const pools = new Set<Pool>()
  return {
    native: createNative(),
    async load<Init, Job, Result>(program: Program<Init, Job, Result>, init: Init): Promise<Lanes<Job, Result>> {
      const pool = new Pool(program.url, init, lanes)
      pools.add(pool)
      await pool.start()
      // The pool moves values without looking into them; what they are is between the caller and its program.
      return pool as unknown as Lanes<Job, Result>
    },
    async close() {
      await Promise.all([...pools].map((pool) => pool.close()))
    },
  }
}
