/** What a verifier does. */

export { type ChainState, epochTimes } from '../../resources/epoch-facts.ts'
export { type Book, type EpochRow, type EpochState, openBook } from './book.ts'
export type { VerifierParts } from './settle-epoch.ts'
export { runVerifier } from './verifier.ts'
