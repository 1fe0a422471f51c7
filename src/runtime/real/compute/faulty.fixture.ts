import type { Program } from '../../compute.ts'

/** A program that does what its test says, for better or worse. */
export type FaultyJob = { do: 'add'; a: number; b: number } | { do: 'throw' } | { do: 'die' } | { do: 'count' }

export const program: Program<{ broken: boolean }, FaultyJob, number> = {
  url: import.meta.url,
  start({ broken }) {
    if (broken) throw new Error('this program never starts')
    let count = 0
    return (job) => {
      if (job.do === 'throw') throw new Error('thrown on purpose')
      if (job.do === 'die') process.exit(3)
      if (job.do === 'add') return job.a + job.b
      count += 1
      return count
    }
  },
}
