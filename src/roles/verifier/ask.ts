/**
 * Every subject is asked once an epoch. One that is away takes its whole deadline, and one that means ill can answer a byte at a
 * time: so many are asked at once, none for longer than its share, and whoever gave no answer comes after all who did.
 */
import type { DeviceId } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Asking, Collected } from '../../resources/resource.ts'
import { shuffled } from '../../std/shuffle.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** At 100 KiB of proofs each, 18 Mbit/s for those that take as long as they may. */
const ASK_AT_ONCE = 64
/** The most that a subject may show, some 10 MiB, over a line of 1 Mbit/s, half as long again; in short epochs half of what is left. */
const SUBJECT_MS = 120_000

const SILENCE: Collected = { claims: [], answers: [], blobs: new Map() }

export type Answers = ReadonlyMap<DeviceId, Collected>

export interface AskDesk {
  /**
   * Asks all `subjects` until shortly before `until`, first those that answered the last time. Null when one of these had no turn
   * and other verifiers may have asked it: leaving it out would speak against it. A verifier that is `alone` brings what it has.
   * Rejects when `signal` fires.
   */
  ask(asking: Asking, subjects: readonly DeviceId[], until: UnixMs, signal: AbortSignal): Promise<Answers | null>
}

export function createAskDesk({ rt, resource }: Pick<VerifierParts, 'rt' | 'resource'>, alone: boolean): AskDesk {
  /** Subjects that gave no answer the last time. Who has nothing to show is not told from who is away, and loses nothing by it. */
  const silent = new Set<DeviceId>()

  async function askOne(asking: Asking, subject: DeviceId, ms: number, signal: AbortSignal): Promise<Collected | null> {
    using share = rt.clock.deadline(`what ${subject} has to show`, ms, signal)
    const said = await resource.collect(rt, asking, subject, share.signal).catch((error: unknown) => {
      if (!share.signal.aborted) throw error
      return null
    })
    // Cut off by the end of the epoch it had no fair turn; by the end of its own time it did.
    if (said === null && signal.aborted) return null
    if (said === null || said.claims.length === 0 || said.answers.some((answer) => answer.is === 'silence')) silent.add(subject)
    else silent.delete(subject)
    return said ?? SILENCE
  }

  /** What those said that had a turn before `until`. */
  async function round(asking: Asking, subjects: readonly DeviceId[], until: UnixMs, signal: AbortSignal): Promise<Answers> {
    const said = new Map<DeviceId, Collected>()
    const left = until - rt.clock.now()
    if (left <= 0) return said
    using over = rt.clock.deadline(`asking subjects of epoch ${asking.epoch}`, left, signal)
    const failed = new AbortController()
    const ends = AbortSignal.any([over.signal, failed.signal])
    // One queue for all that ask: whoever is done takes the next. In another order each time, so that nobody is always the last.
    const queue = shuffled(subjects, (bound) => rt.random.below(bound)).values()
    const work = async (): Promise<void> => {
      for (const subject of queue) {
        if (ends.aborted) return
        const one = await askOne(asking, subject, Math.min(SUBJECT_MS, left / 2), ends)
        if (one !== null) said.set(subject, one)
      }
    }
    const stop = (error: unknown): never => {
      failed.abort(error)
      throw error
    }
    await Promise.all(Array.from({ length: Math.min(ASK_AT_ONCE, subjects.length) }, () => work().catch(stop)))
    signal.throwIfAborted()
    return said
  }

  return {
    async ask(asking, subjects, until, signal) {
      // When most were silent it was more likely this verifier, or its line.
      if (2 * subjects.filter((subject) => silent.has(subject)).length > subjects.length) silent.clear()
      const due = subjects.filter((subject) => !silent.has(subject))
      const late = subjects.filter((subject) => silent.has(subject))
      const said = await round(asking, due, until, signal)
      const missing = due.length - said.size
      if (missing > 0) rt.log.warn('the epoch ended before all subjects were asked', { epoch: asking.epoch, missing, alone })
      if (said.size === 0 ? due.length > 0 : missing > 0 && !alone) return null
      const now = rt.clock.now()
      // The other half of what is left is for reading what was shown.
      const more = await round(asking, late, (now + Math.max(0, until - now) / 2) as UnixMs, signal)
      const all = new Map<DeviceId, Collected>()
      for (const subject of subjects) {
        const one = said.get(subject) ?? more.get(subject)
        if (one !== undefined) all.set(subject, one)
      }
      return all
    },
  }
}
