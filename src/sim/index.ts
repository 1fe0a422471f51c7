/** The whole network in virtual time, from one seed. */
export { ALL_FAULTS, type FaultRates, NO_FAULTS } from './faults.ts'
export { caughtTooRarely, isMutant, type Outcome, replayOf, runSimulations, type SimulationsOptions } from './main.ts'
export { MUTANTS, type Mutant } from './mutants.ts'
export type { Role } from './rewards.ts'
export { type Report, type SimulationOptions, simulate } from './simulate.ts'
export { INVARIANTS, type Invariant, type Violation } from './violations.ts'
