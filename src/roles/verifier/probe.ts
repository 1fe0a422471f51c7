/**
 * A verifier uses subjects as a customer does, through what is left of the epoch, and adds what it saw to its evidence. The
 * bundle without it is saved before, so that a crash costs the observations of one epoch and nothing else.
 */
import type { DeviceId } from '../../protocol/ids.ts'
import type { UnixMs } from '../../protocol/units.ts'
import type { Asking, Collected, Seen } from '../../resources/resource.ts'
import { shuffled } from '../../std/shuffle.ts'
import type { VerifierParts } from './settle-epoch.ts'

/** Subjects looked at in an epoch; of a larger network each comes to its turn by chance. */
const SUBJECTS_MAX = 256
/** Fewer subjects cannot tell a verifier that its own line is the trouble. */
const COMPARED_LEAST = 3

/** What was seen of each subject that somebody let this verifier look at. */
export async function probeSubjects(
  { rt, resource }: Pick<VerifierParts, 'rt' | 'resource'>,
  asking: Asking,
  answers: ReadonlyMap<DeviceId, Collected>,
  until: UnixMs,
  signal: AbortSignal,
): Promise<ReadonlyMap<DeviceId, readonly Seen[]>> {
  const subjects = shuffled([...answers.keys()], (bound) => rt.random.below(bound)).slice(0, SUBJECTS_MAX)
  const seen = new Map<DeviceId, readonly Seen[]>()
  await Promise.all(
    subjects.map(async (subject) => {
      const said = answers.get(subject)
      if (said === undefined) return
      // What goes wrong on this side, such as a socket that cannot be had, is nothing that was seen of the subject.
      const found = await resource.observe(rt, asking, subject, said, until, signal).catch((error: unknown) => {
        signal.throwIfAborted()
        rt.log.warn('a subject was not looked at', { subject, why: String(error) })
        return []
      })
      if (found.length > 0) seen.set(subject, found)
    }),
  )
  return credible(seen, (away) =>
    rt.log.warn('most subjects seem silent or slow from here; what was seen of that is not counted', { away }),
  )
}

/**
 * When at least half of the subjects seem to be silent or slow, or too few were looked at to say, it is more likely this
 * verifier or its line: nobody is to lose pay by that. What came back whole, a refusal or wrong bytes, no line has made.
 */
export function credible(
  seen: ReadonlyMap<DeviceId, readonly Seen[]>,
  onDoubt: (away: number) => void,
): ReadonlyMap<DeviceId, readonly Seen[]> {
  const away = [...seen.values()].filter((found) => 2 * found.filter((one) => one.doubtful).length > found.length).length
  if (away === 0 || (seen.size >= COMPARED_LEAST && 2 * away < seen.size)) return seen
  onDoubt(away)
  return new Map([...seen].map(([subject, found]) => [subject, found.filter((one) => !one.doubtful)]))
}
