/** Group commit: everything that waits while a transaction runs shares the next one. */
import type { LogShipper } from './log.ts'
import type { CommitOutcome, Metadata, ObjectCommit } from './metadata.ts'

/** Commits in one transaction: enough to amortize an fsync, little enough that readers are not held up. */
const BATCH_MAX = 256

export interface Committer {
  /** Resolves when the commit is durable here and, with `replicated`, when `ack` providers keep it too. */
  commit(item: ObjectCommit, replicated: boolean): Promise<CommitOutcome>
}

interface Waiting {
  readonly item: ObjectCommit
  readonly resolve: (outcome: { outcome: CommitOutcome; seq: number }) => void
  readonly reject: (error: unknown) => void
}

export function createCommitter(metadata: Metadata, log: LogShipper): Committer {
  let queue: Waiting[] = []
  let scheduled = false
  const flush = (): void => {
    scheduled = false
    const batch = queue.slice(0, BATCH_MAX)
    queue = queue.slice(BATCH_MAX)
    if (queue.length > 0) schedule()
    try {
      const outcomes = metadata.commit(batch.map((waiting) => waiting.item))
      const seq = metadata.lastSeq()
      for (const [i, waiting] of batch.entries()) waiting.resolve({ outcome: outcomes[i] as CommitOutcome, seq })
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => queueMicrotask(flush))
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
