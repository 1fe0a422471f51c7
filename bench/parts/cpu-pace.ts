/** How fast one thread does something: by the clock, and by the processor time that it took, which other programs disturb less. */
import { median } from './figures.ts'

export interface Pace {
  /** Per second of the clock, the median of the rounds. */
  readonly perSecond: number
  /** Per second of processor time of this process, garbage collection and the engine's other threads included. */
  readonly perCpuSecond: number
}

const ROUNDS = 5

/** Runs `step`, which does `count` of it, for about `seconds` after a fifth of that as a warm-up. */
export async function cpuPace(count: number, seconds: number, step: () => void | Promise<void>): Promise<Pace> {
  const run = async (ms: number): Promise<{ readonly wall: number; readonly cpu: number }> => {
    const start = performance.now()
    const before = process.cpuUsage()
    let done = 0
    while (performance.now() - start < ms) {
      await step()
      done += count
    }
    const { user, system } = process.cpuUsage(before)
    return { wall: (done * 1000) / (performance.now() - start), cpu: (done * 1e6) / (user + system) }
  }
  await run((seconds * 1000) / ROUNDS)
  const rounds: { readonly wall: number; readonly cpu: number }[] = []
  for (let i = 0; i < ROUNDS; i += 1) rounds.push(await run((seconds * 1000) / ROUNDS))
  return { perSecond: median(rounds.map(({ wall }) => wall)), perCpuSecond: median(rounds.map(({ cpu }) => cpu)) }
}
