/**
 * Mutants of the contracts that no test can notice, each with the reason. `scripts/mutate-contracts.ts` leaves them out,
 * and fails when one of them is no longer in the source.
 */
export const EQUIVALENT: readonly { readonly file: string; readonly text: string; readonly change: string; readonly why: string }[] = []
