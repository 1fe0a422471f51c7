/** Storage: bytes kept per second and bytes served, proved by showing bytes that nobody could foresee. */

import type { Crypto } from '../../protocol/crypto.ts'
import type { NodeRuntime, Provider, Reason, Resource } from '../resource.ts'
import { challengesOf, SLOTS_PER_SET } from './challenge.ts'
import { collect } from './collect.ts'
import { storageFaults } from './faults.ts'
import { createLeafHashing } from './kernel/index.ts'
import type { StorageKind } from './kind.ts'
import { matchOffers, orderSchema } from './match.ts'
import { challengeSchema, claimSchema, observationSchema, proofSchema, type StorageProof } from './messages.ts'
import { meter, price, workSchema } from './meter.ts'
import { observe } from './observe.ts'
import { openStorageProvider } from './provide.ts'
import { carrySchema, score } from './score.ts'
import { BYTE_SECOND, BYTE_SERVED, type StorageTerms, termsSchema } from './terms.ts'
import { admit, verify } from './verify.ts'

export { SLOTS_PER_SET } from './challenge.ts'
export { epochsToCatch, isOdd } from './faults.ts'
export { createKernel, createLeafHashing, type Kernel } from './kernel/index.ts'
export type { StorageKind } from './kind.ts'
export { LOCAL_REDUNDANCY, type Redundancy } from './layout.ts'
export * from './messages.ts'
export { openStorageProvider, type StorageProvider, type StorageProviderOptions, type StorageStatus } from './provide.ts'
export { DEFAULT_RATES, type StorageTerms } from './terms.ts'

/** Free space that pieces never take: the log, the database and the system need some to shut down in order. */
const RESERVE_BYTES = 256 * 1024 * 1024

async function provide(rt: NodeRuntime, terms: StorageTerms): Promise<Provider<StorageKind>> {
  const { network, disk, database, chain, identity } = rt
  const provider = await openStorageProvider({
    runtime: rt,
    network,
    disk,
    database,
    chain,
    ...identity,
    asset: chain.addresses.credits,
    rates: { kept: terms.kept, served: terms.served },
    quotaBytes: Number(terms.capacity),
    reserveBytes: RESERVE_BYTES,
    leavesOf: createLeafHashing(rt.compute.native),
    onFatal: rt.onFatal,
  })
  return {
    capacity: () => terms,
    // Vouchers, and what happens without them, are the provider's own: it knows each customer's account and not the lease.
    serve: (_lease, io) => provider.serve(io),
    claim: (epoch) => Promise.resolve(provider.claims(epoch)),
    async prove(challenge): Promise<StorageProof | Reason> {
      const shown = await provider.show(challenge)
      return shown.ok ? shown.proof : { code: 'lost', data: { piece: shown.lost }, evidence: [] }
    },
    drain: (signal) => provider.drain(signal),
    close: () => provider.close(),
  }
}

export const storage: Resource<StorageKind> = {
  id: 'storage',
  rules: 1,
  units: [
    { id: BYTE_SECOND, per: 'second', about: 'a byte of a co-signed data set, kept for a second of an epoch whose challenges were met' },
    { id: BYTE_SERVED, per: 'once', about: 'a byte sent to the customer, counted by both' },
  ],
  subject: 'node',
  clock: { every: 'epoch', count: SLOTS_PER_SET },
  schemas: {
    Terms: termsSchema,
    Order: orderSchema,
    Work: workSchema,
    Claim: claimSchema,
    Challenge: challengeSchema,
    Proof: proofSchema,
    Observation: observationSchema,
    Carry: carrySchema,
  },
  provide,
  // The gateway opens the S3 door itself, since it stands on the gateway's own object store.
  doors: [],
  collect,
  observe,
  match: matchOffers,
  meter,
  price,
  challenge: (crypto: Crypto, claim, seed) => challengesOf(crypto, claim.head, seed),
  admit,
  verify,
  group: ({ id }) => id,
  score,
  faults: storageFaults(provide),
}
