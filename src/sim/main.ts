/** `cairn sim`: many seeds, one line each; a seed that fails is told with the command that runs it again. */
import { ALL_FAULTS } from './faults.ts'
import { MUTANTS, type Mutant } from './mutants.ts'
import { type Report, simulate } from './simulate.ts'
import { INVARIANTS } from './violations.ts'

export interface SimulationsOptions {
  readonly nodes: number
  readonly epochs: number
  /** Seeds first, first + 1, …, as many as asked for. */
  readonly seeds: number
  readonly first: number
  /** Share of the nodes that cheat, in ppm. */
  readonly cheaters: number
  readonly mutant: string | null
  /** Draws of the real world, for the mutant that lets them in. */
  readonly leak?: () => number
  readonly say: (line: string) => void
}

export interface Outcome {
  readonly ok: boolean
  readonly reports: readonly Report[]
  /** Why it is not ok: one line each. */
  readonly failures: readonly string[]
}

/** Lines of the trace that are shown of a failed run. */
const TAIL = 30
/** Standard deviations that chance may take from the number of cheaters caught: one run in thirty thousand loses more. */
const SIGMAS = 4

export const isMutant = (name: string): name is Mutant => Object.hasOwn(MUTANTS, name)

/** One command that runs this seed again, and nothing else. */
export const replayOf = (seed: bigint, { nodes, epochs, cheaters, mutant }: SimulationsOptions): string =>
  `./cairn sim --nodes ${nodes} --epochs ${epochs} --cheaters ${cheaters} --first ${seed} --seeds 1${mutant === null ? '' : ` --mutant ${mutant}`}`

/**
 * Whether a loser of a share of its bytes was caught as often as 1 − (1 − share)^slots says, over all runs; null when it
 * was, or when there were too few trials to tell.
 */
export function caughtTooRarely(reports: readonly Report[]): string | null {
  const trials = reports.reduce((sum, { tally }) => sum + tally.trials, 0)
  const caught = reports.reduce((sum, { tally }) => sum + tally.caught, 0)
  const [first] = reports
  if (first === undefined || trials === 0) return null
  const rate = 1 - (1 - first.tally.lostPpm / 1_000_000) ** first.tally.slots
  const least = trials * rate - SIGMAS * Math.sqrt(trials * rate * (1 - rate))
  return caught >= least ? null : `invariant 7: caught in ${caught} of ${trials} epochs, the formula says ${(trials * rate).toFixed(1)}`
}

/** Runs the seeds one after the other. Never throws for what a run finds. */
export async function runSimulations(options: SimulationsOptions): Promise<Outcome> {
  const { nodes, epochs, cheaters, mutant, say } = options
  const reports: Report[] = []
  const failures: string[] = []
  for (let i = 0; i < options.seeds; i += 1) {
    const seed = BigInt(options.first + i)
    const report = await simulate({
      seed,
      nodes,
      epochs,
      cheaters,
      rates: ALL_FAULTS,
      mutant: mutant !== null && isMutant(mutant) ? mutant : null,
      ...(options.leak === undefined ? {} : { leak: options.leak }),
      progress: (epoch) => {
        if ((epoch + 1) % 50 === 0) say(`seed ${seed}: ${epoch + 1} epochs`)
      },
    })
    reports.push(report)
    const calls = [...report.calls.values()].reduce((sum, n) => sum + n, 0)
    const state = report.violations.length === 0 ? 'ok' : 'FAILED'
    say(`seed ${seed}: ${state}, ${report.settled} epochs settled, ${calls} calls, trace ${report.trace.slice(0, 16)}`)
    if (report.violations.length > 0) {
      for (const line of report.lines.slice(-TAIL)) say(`  ${line}`)
      for (const { invariant, epoch, what } of report.violations) say(`  epoch ${epoch}: ${INVARIANTS[invariant]}: ${what}`)
      failures.push(`seed ${seed} breaks invariant ${report.violations[0]?.invariant}; again: ${replayOf(seed, options)}`)
    }
  }
  const rarely = caughtTooRarely(reports)
  if (rarely !== null) failures.push(rarely)
  for (const failure of failures) say(failure)
  return { ok: failures.length === 0, reports, failures }
}
