/**
 * Every subject is asked once an epoch. One that is away takes all of its deadline, so many are asked at a time, those that
 * did not answer the last time come last, and when the epoch ends before all had their turn, the others are not kept waiting.
 */
import type { DeviceId } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Asking, Collected } from '../../resources/resource.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** At 100 KiB of proofs each, 18 Mbit/s for those that take as long as they may. */
const ASK_AT_ONCE = 64

/**
 * What subjects said, in their order; those that had no turn before `until` are left out. Null when these are most of those
 * that answer: nothing at all speaks against nobody, and other verifiers may have more. `silent` are those that gave no answer
 * the last time, and is brought up to date. Rejects when `signal` fires.
 */
export async function askSubjects(
  { rt, resource }: Pick<VerifierParts, 'rt' | 'resource'>,
  asking: Asking,
  subjects: readonly DeviceId[],
  silent: Set<DeviceId>,
  until: UnixMs,
  signal: AbortSignal,
): Promise<ReadonlyMap<DeviceId, Collected> | null> {
  const said = new Map<DeviceId, Collected>()
  const left = Math.max(0, until - rt.clock.now())
  using over = rt.clock.deadline(`asking subjects of epoch ${asking.epoch}`, left, signal)
  const askOne = async (subject: DeviceId): Promise<void> => {
    try {
      const got = await resource.collect(rt, asking, subject, over.signal)
      said.set(subject, got)
      if (isSilent(got)) silent.add(subject)
      else silent.delete(subject)
    } catch (error) {
      signal.throwIfAborted()
      if (!over.signal.aborted) throw error
    }
  }
  const shuffled = shuffle(subjects, (bound) => rt.random.below(bound))
  // One queue for all that ask: whoever is done takes the next.
  const queue = [...shuffled.filter((one) => !silent.has(one)), ...shuffled.filter((one) => silent.has(one))].values()
  const work = async (): Promise<void> => {
    for (const subject of queue) {
      if (over.signal.aborted || left === 0) return
      await askOne(subject)
    }
  }
  await Promise.all(Array.from({ length: Math.min(ASK_AT_ONCE, subjects.length) }, work))
  signal.throwIfAborted()
  if (said.size < subjects.length)
    rt.log.warn('the epoch ends before all subjects were asked', { epoch: asking.epoch, asked: said.size, of: subjects.length })
  const due = subjects.filter((subject) => !silent.has(subject))
  if (2 * due.filter((subject) => said.has(subject)).length < due.length) return null
  return new Map(subjects.flatMap((subject) => [said.get(subject)].flatMap((got) => (got === undefined ? [] : [[subject, got] as const]))))
}

/** Who has nothing to show is not told from who is away: neither loses anything by being asked last. */
const isSilent = ({ claims, answers }: Collected): boolean => claims.length === 0 || answers.some((answer) => answer.is === 'silence')

/** Nobody is to be the last in every epoch. */
function shuffle<T>(items: readonly T[], below: (bound: number) => number): readonly T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = below(i + 1)
    const other = out[j] as T
    out[j] = out[i] as T
    out[i] = other
  }
  return out
}
