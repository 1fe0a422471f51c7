/** What a verifier does. */

export { type ChainState, epochFacts, epochTimes } from '../../resources/epoch-facts.ts'
export { type Book, type EpochRow, type EpochState, openBook } from './book.ts'
export { loadEvidence, type PublishRequest, readSettlement, type VerifierParts } from './settle-epoch.ts'
export { runVerifier } from './verifier.ts'
