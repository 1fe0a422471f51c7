/**
 * When to look for the next block. Blocks come at an even pace, so whoever looks just before one is due, and then often,
 * asks a third as often as one who asks evenly, and sees the block sooner.
 */
export interface BlockPace {
  /** A block was read; in order. `timestamp` is its own, in seconds. */
  seen(timestamp: number): void
  /** Milliseconds until the block after it should be looked for. */
  untilDue(): number
  /** Milliseconds until it should be looked for again, after it was not there. */
  untilRetry(): number
}

/** Blocks whose distances are looked at: enough that whole seconds average out, few enough to follow a change. */
const DISTANCES = 16
/** The first look comes before the block is due: looks that never miss would fall ever further behind the blocks. */
const EARLY = 0.85
/** Daemons that share an endpoint should not all ask it in the same millisecond; a part of the pace. */
const SPREAD = 0.1
/** Between looks for a block that is due, as a part of the pace, and how many such looks there are before it counts as late. */
const RETRY = 0.1
const RETRIES = 3
/** No wait is longer than as many of the given intervals, however slow the chain: its pace is only a guess. */
const WAITS_MAX = 5

/**
 * @param pollMs How often to look when nothing is known about the chain's pace or it has stopped.
 * @param random In [0, 1).
 */
export function createBlockPace(pollMs: number, random: () => number): BlockPace {
  const distances: number[] = []
  let last: number | null = null
  let misses = 0

  /** Milliseconds from block to block, or null while that is not known or too short to be told from timestamps. */
  function pace(): number | null {
    if (distances.length < DISTANCES / 2) return null
    // The middle half: pauses of the chain and clocks that were moved say nothing about blocks to come.
    const quarter = Math.floor(distances.length / 4)
    const middle = distances.toSorted((a, b) => a - b).slice(quarter, -quarter)
    const ms = (middle.reduce((sum, distance) => sum + distance, 0) / middle.length) * 1_000
    return ms < pollMs ? null : ms
  }

  return {
    seen(timestamp) {
      misses = 0
      if (last !== null && timestamp >= last) distances.push(timestamp - last)
      if (distances.length > DISTANCES) distances.shift()
      last = timestamp
    },
    untilDue() {
      const known = pace()
      return known === null ? pollMs : Math.min(known * (EARLY + SPREAD * random()), pollMs * WAITS_MAX)
    },
    untilRetry() {
      const known = pace()
      misses += 1
      return known === null || misses > RETRIES ? pollMs : Math.min(known * RETRY, pollMs)
    },
  }
}
