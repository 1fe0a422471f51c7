import type { UnixMs } from '../../protocol/units.ts'
import { assert } from '../../std/assert.ts'
import { createHeap } from '../../std/heap.ts'
import type { Clock } from '../index.ts'
import { createWaits } from '../waits.ts'

/** Time that passes only when somebody runs it: years of protocol in seconds of CPU, the same each time. */
export interface FakeClock extends Clock {
  /** Calls `fire` once, `ms` from now; the result cancels it. Events of one moment fire in the order they were made. */
  after(ms: number, fire: () => void): () => void
  /** Events that are still to come. */
  readonly pending: number
  /** Fires everything due in the next `ms` and stops exactly there. */
  advance(ms: number): Promise<void>
  /** Fires events until none is left. Throws after `eventsMax`: something schedules itself for ever. */
  runUntilIdle(eventsMax?: number): Promise<void>
  /** Fires events until `work` settles and gives its result. Throws when nothing is left that could settle it. */
  run<T>(work: () => Promise<T>, eventsMax?: number): Promise<T>
  /** The same time as a machine sees it whose wall clock is wrong by `offsetMs`. */
  skewed(offsetMs: number): Clock
}

interface Event {
  readonly at: number
  readonly sequence: number
  readonly fire: () => void
  cancelled: boolean
}

/** 2026-01-01T00:00:00Z: where simulated time begins unless told otherwise. */
const START = 1_767_225_600_000 as UnixMs
/** More events than any test means to run; a simulation names its own bound. */
const EVENTS_MAX = 10_000_000
/** Cancelled events are swept out once there are this many more of them than live ones. */
const SWEEP_AT = 1024

/**
 * Lets every promise that can settle do so. A turn of the event loop is the one thing that comes after all microtasks,
 * however many they beget; nothing here waits for real time.
 */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const earlier = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.sequence < b.sequence)

function createQueue() {
  const heap = createHeap<Event>(earlier)
  let elapsed = 0
  let sequence = 0
  let cancelled = 0

  function next(): Event | undefined {
    for (let event = heap.peek(); event !== undefined; event = heap.peek()) {
      if (!event.cancelled) return event
      heap.pop()
      cancelled -= 1
    }
    return undefined
  }

  return {
    get elapsed() {
      return elapsed
    },
    get pending() {
      return heap.size - cancelled
    },
    next,
    after(ms: number, fire: () => void): () => void {
      assert(ms >= 0 && Number.isFinite(ms), `a wait is a finite number of milliseconds, not ${ms}`)
      const event = { at: elapsed + ms, sequence, fire, cancelled: false }
      sequence += 1
      heap.push(event)
      return () => {
        if (event.cancelled) return
        event.cancelled = true
        cancelled += 1
        if (cancelled > heap.size - cancelled + SWEEP_AT) {
          heap.retain((kept) => !kept.cancelled)
          cancelled = 0
        }
      }
    },
    /** Moves time to the next event and fires it; false when there is none up to `limit`. */
    async step(limit: number): Promise<boolean> {
      await settle()
      const event = next()
      if (event === undefined || event.at > limit) return false
      heap.pop()
      // From here on cancelling it must not be counted: it is no longer in the heap.
      event.cancelled = true
      elapsed = event.at
      event.fire()
      return true
    },
    passTo(time: number): void {
      elapsed = Math.max(elapsed, time)
    },
  }
}

/** A clock at `start` in which nothing has happened yet. */
export function createFakeClock(start: UnixMs = START): FakeClock {
  const queue = createQueue()

  async function runUntilIdle(eventsMax = EVENTS_MAX): Promise<void> {
    for (let fired = 0; await queue.step(Number.POSITIVE_INFINITY); fired += 1) {
      assert(fired < eventsMax, `time comes to rest within ${eventsMax} events`)
    }
  }

  async function run<T>(work: () => Promise<T>, eventsMax = EVENTS_MAX): Promise<T> {
    let settled = false
    const result = work().finally(() => {
      settled = true
    })
    // Whoever awaits `result` below gets its failure; until then it must not count as unhandled.
    result.catch(() => {})
    for (let fired = 0; ; fired += 1) {
      await settle()
      if (settled) return result
      assert(fired < eventsMax, `the work settles within ${eventsMax} events`)
      const moved = await queue.step(Number.POSITIVE_INFINITY)
      assert(moved || settled, 'the work waits for something that will never happen: no event is left')
    }
  }

  const monotonic = (): number => queue.elapsed
  const clockAt = (offsetMs: number): Clock => ({
    now: () => Math.floor(start + offsetMs + queue.elapsed) as UnixMs,
    monotonic,
    ...createWaits(queue.after),
  })

  return {
    ...clockAt(0),
    after: queue.after,
    get pending() {
      return queue.pending
    },
    async advance(ms) {
      const end = queue.elapsed + ms
      while (await queue.step(end));
      queue.passTo(end)
    },
    runUntilIdle,
    run,
    skewed: clockAt,
  }
}
