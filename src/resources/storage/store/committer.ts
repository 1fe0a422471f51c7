/** Group commit: everything that waits while a transaction runs shares the next one. */
import type { Clock } from '../../../runtime/index.ts'
import type { LogShipper } from './log.ts'
import type { CommitOutcome, Metadata, ObjectCommit } from './metadata.ts'

/** Commits in one transaction: enough to amortize an fsync, little enough that readers are not held up. */
const BATCH_MAX = 256
/** A transaction waits this long for others to join. Each request comes in a turn of its own, so without a wait each would
 *  pay for an fsync, in which this thread can do nothing else. Well below one fsync and one round trip to the providers. */
const GATHER_MS = 1
/** Transactions take at most one part in so many of this thread's time: while many write, each waits for more to join. */
const TIME_SHARE = 5
/** What a slow disk may make a write wait for others. */
const GATHER_MS_MAX = 20

export interface Committer {
  /** Resolves when the commit is durable here and, with `replicated`, when `ack` providers keep it too. */
  commit(item: ObjectCommit, replicated: boolean): Promise<CommitOutcome>
}

interface Waiting {
  readonly item: ObjectCommit
  readonly resolve: (outcome: { outcome: CommitOutcome; seq: number }) => void
  readonly reject: (error: unknown) => void
}

export function createCommitter(clock: Clock, metadata: Metadata, log: LogShipper): Committer {
  let queue: Waiting[] = []
  let scheduled = false
  let gatherMs = GATHER_MS
  const flush = (): void => {
    scheduled = false
    const began = clock.monotonic()
    store()
    gatherMs = Math.min(Math.max(GATHER_MS, (TIME_SHARE - 1) * (clock.monotonic() - began)), GATHER_MS_MAX)
  }
  const store = (): void => {
    const batch = queue.slice(0, BATCH_MAX)
    queue = queue.slice(BATCH_MAX)
    if (queue.length > 0) schedule()
    try {
      const outcomes = metadata.commit(batch.map((waiting) => waiting.item))
      const seq = metadata.lastSeq()
      for (const [i, waiting] of batch.entries()) waiting.resolve({ outcome: outcomes[i] as CommitOutcome, seq })
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error)
      else for (const waiting of batch) alone(waiting)
    }
  }
  /** What one commit does wrong is not the others' fault. */
  const alone = (waiting: Waiting): void => {
    try {
      waiting.resolve({ outcome: metadata.commit([waiting.item])[0] as CommitOutcome, seq: metadata.lastSeq() })
    } catch (error) {
      waiting.reject(error)
    }
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    void clock.sleep(gatherMs).then(flush)
  }
  return {
    async commit(item, replicated) {
      const { outcome, seq } = await new Promise<{ outcome: CommitOutcome; seq: number }>((resolve, reject) => {
        queue.push({ item, resolve, reject })
        schedule()
      })
      if (replicated && outcome === 'stored') await log.durable(seq)
      return outcome
    },
  }
}
