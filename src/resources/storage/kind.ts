/** The types by which storage differs from other resources. */

import type { StorageOrder } from './match.ts'
import type { StorageChallenge, StorageClaim, StorageObservation, StorageProof } from './messages.ts'
import type { StorageWork } from './meter.ts'
import type { StorageCarry } from './score.ts'
import type { StorageTerms } from './terms.ts'

export interface StorageKind {
  Terms: StorageTerms
  Order: StorageOrder
  Work: StorageWork
  Claim: StorageClaim
  Challenge: StorageChallenge
  Proof: StorageProof
  Observation: StorageObservation
  Carry: StorageCarry
}
