/**
 * `Compute` without threads: a job runs on the caller's thread, in the microtask after the call, so that a simulation is
 * one sequence of events. The programs are the same ones that worker threads run.
 */
import { CairnError } from '../../protocol/errors.ts'
import type { Compute, Lanes, Native, Program } from '../compute.ts'

/** `native` is the machine's: its functions are pure, and a simulation is as fast as they are. */
export function createInlineCompute(native: Native): Compute {
  let closed = false

  async function load<Init, Job, Result>(program: Program<Init, Job, Result>, init: Init): Promise<Lanes<Job, Result>> {
    // A clone, as a thread gets one: a program that leans on sharing more than its memory fails here too.
    const handle = program.start(structuredClone(init), { ...native, elapsed: () => 0 })
    let open = true
    return {
      count: 1,
      async run(job) {
        await null
        if (!open || closed) throw new CairnError('ABORTED', { what: 'a compute job' })
        try {
          return structuredClone(handle(structuredClone(job)))
        } catch (cause) {
          throw new CairnError('COMPUTE', { job: 'a compute job', why: String(cause) }, { cause })
        }
      },
      async close() {
        open = false
      },
    }
  }

  return {
    native,
    load,
    async close() {
      closed = true
    },
  }
}
