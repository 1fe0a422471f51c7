/** What must hold in every run, numbered as in the list of invariants of the simulation's README. */
export const INVARIANTS = {
  1: 'an acknowledged object is readable and byte-equal while k of its pieces live',
  2: 'no byte is served that was not authenticated',
  3: 'claims never exceed funding, and no unit of money appears or vanishes',
  4: 'cumulative rewards never decrease across roots',
  5: 'each voucher and each receipt pays at most once',
  6: 'an honest node is never unpaid for what its verifier, chain or clock did beyond that epoch, and never slashed',
  7: 'a cheater is caught at the rate of the formula',
  8: 'an epoch recomputed from what was published gives the same root',
  9: 'after faults stop the network returns to full health',
  10: 'equal seeds give equal runs',
} as const

export type Invariant = keyof typeof INVARIANTS

export interface Violation {
  readonly invariant: Invariant
  /** Counted from the start of the run. */
  readonly epoch: number
  readonly what: string
}

export interface Violations {
  readonly list: readonly Violation[]
  add(invariant: Invariant, what: string): void
}

/** A run that is broken is broken; what comes after the first of them only repeats it. */
const KEPT = 50

export function createViolations(epoch: () => number): Violations {
  const list: Violation[] = []
  return {
    list,
    add(invariant, what) {
      if (list.length < KEPT) list.push({ invariant, epoch: epoch(), what })
    },
  }
}
