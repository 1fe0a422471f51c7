/**
 * What a verifier publishes of an epoch, for any resource: an index of claims and answers, and the proofs by hash. Its
 * SHA-256 is committed on chain; whoever has the bytes re-runs everything and needs to trust no field of it.
 */

import { z } from 'zod'
import type { Crypto } from '../protocol/crypto.ts'
import { CairnError, isCairnError } from '../protocol/errors.ts'
import { type Digest, digestOf } from '../protocol/ids.ts'
import { CHANNELS_MAX } from '../protocol/rewards.ts'
import { schema, wire } from '../protocol/schema.ts'

/** Subjects of one bundle; larger networks split their verifiers' assignments. */
const SUBJECTS_MAX = 100_000
/** Claims of one subject and answers to them. */
const CLAIMS_MAX = 4096
const ANSWERS_MAX = 4096 * 32
/** Observations of one subject. */
const OBSERVATIONS_MAX = 4096
const BUNDLE_BYTES = 512 * 1024 * 1024

const answer = z.strictObject({
  /** Index into the subject's claims. */
  claim: wire.uint(CLAIMS_MAX),
  slot: wire.uint(1024),
  is: z.enum(['proof', 'refusal', 'silence']),
  /** SHA-256 of the proof's bytes; null for the others. */
  blob: wire.digest.nullable(),
  code: wire.text(64),
  why: wire.text(500),
  /** The device's signature over the answer's transcript; empty for silence. */
  signature: wire.bytes(0, 65),
})

/** What the verifier saw by itself: an attestation, which is worth what its word is. */
const observation = z.strictObject({ claim: wire.uint(CLAIMS_MAX), bytes: wire.bytes(1, 1024) })

const subject = z.strictObject({
  subject: wire.deviceId,
  claims: wire.list(wire.bytes(1, 64 * 1024), CLAIMS_MAX),
  answers: wire.list(answer, ANSWERS_MAX),
  /** Absent where nothing was looked at. */
  observations: wire.list(observation, OBSERVATIONS_MAX).optional(),
})

export const bundleSchema = schema(
  'evidence bundle',
  BUNDLE_BYTES,
  z.strictObject({
    /** Version of the pure functions that judge it. */
    rules: wire.uint(2 ** 16),
    resource: wire.text(32),
    net: wire.uint(2 ** 32 - 1),
    epoch: wire.uint(2 ** 32 - 1),
    verifier: wire.account,
    /** The epoch's seed as the verifier read it; the auditor reads it from the chain. */
    seed: wire.digest,
    /** Opens the verifier's commitment. */
    nonce: wire.bytes(32, 32),
    /** SHA-256 of the blobs file. */
    blobs: wire.digest,
    subjects: wire.list(subject, SUBJECTS_MAX),
  }),
)
export type Bundle = ReturnType<typeof bundleSchema.decode>
export type BundleAnswer = z.output<typeof answer>

const blobsSchema = schema('evidence blobs', BUNDLE_BYTES, wire.list(wire.bytes(1, 64 * 1024), ANSWERS_MAX))

/** A bundle whose bytes match its commitment, with its proofs by hash. */
export interface Evidence {
  readonly digest: Digest
  readonly bundle: Bundle
  readonly blobs: ReadonlyMap<Digest, Uint8Array>
}

export interface PackedEvidence {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly blobsDigest: Digest
  readonly blobs: Uint8Array
}

/** Packs a bundle; `blobs` is sorted by hash so that the same evidence has one digest. */
export function packEvidence(crypto: Crypto, bundle: Omit<Bundle, 'blobs'>, blobs: ReadonlyMap<Digest, Uint8Array>): PackedEvidence {
  const sorted = [...blobs.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, bytes]) => bytes)
  const blobBytes = blobsSchema.encode(sorted)
  const blobsDigest = digestOf(crypto.sha256(blobBytes))
  const bytes = bundleSchema.encode({ ...bundle, blobs: blobsDigest })
  return { digest: digestOf(crypto.sha256(bytes)), bytes, blobsDigest, blobs: blobBytes }
}

/**
 * The index alone. Null when the bytes that were committed are no bundle: then their verifier said nothing. Throws CORRUPT
 * when they are not what was committed.
 */
export function openBundle(crypto: Crypto, digest: Digest, bytes: Uint8Array): Bundle | null {
  if (digestOf(crypto.sha256(bytes)) !== digest)
    throw new CairnError('CORRUPT', { what: `bundle ${digest}`, why: 'its bytes have another hash' })
  return parsed(() => bundleSchema.decode(bytes))
}

/** Opens what was published under `digest`; null and CORRUPT as for `openBundle`, for its proofs too. */
export function openEvidence(crypto: Crypto, digest: Digest, bytes: Uint8Array, blobs: Uint8Array): Evidence | null {
  const bundle = openBundle(crypto, digest, bytes)
  if (bundle === null) return null
  if (digestOf(crypto.sha256(blobs)) !== bundle.blobs) {
    throw new CairnError('CORRUPT', { what: `bundle ${digest}`, why: 'its proofs have another hash' })
  }
  const proofs = parsed(() => blobsSchema.decode(blobs))
  return proofs === null ? null : { digest, bundle, blobs: new Map(proofs.map((blob) => [digestOf(crypto.sha256(blob)), blob])) }
}

/** A verifier may commit the hash of anything; what it cannot do is to keep the others from settling. */
function parsed<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')) return null
    throw error
  }
}

/** How much a reason may say, and how many there are of one subject: enough for a person to read. */
export const REASON_LIMITS = { reasons: 256, code: 64, name: 64, value: 500, entries: 32, evidence: 16, cid: 100 } as const
/** Bundles that one settlement follows from. */
export const BUNDLES_MAX = 1024

const reason = z.strictObject({
  code: wire.text(REASON_LIMITS.code),
  data: z.record(z.string().max(REASON_LIMITS.name), z.string().max(REASON_LIMITS.value)),
  evidence: wire.list(wire.text(REASON_LIMITS.cid), REASON_LIMITS.evidence),
})

/** An owner's line of a settlement, as rewards.ts puts it under the root. */
export const ownerLineType = z.strictObject({
  account: wire.account,
  cumulative: wire.bigint(128),
  channels: wire.list(z.strictObject({ channel: wire.digest, unit: wire.digest, cumulative: wire.bigint(128) }), CHANNELS_MAX),
})

/** What an epoch settled to: everything behind a root. Its SHA-256 is the root's dataHash. */
export const settlementSchema = schema(
  'settlement',
  BUNDLE_BYTES,
  z.strictObject({
    rules: wire.uint(2 ** 16),
    resource: wire.text(32),
    net: wire.uint(2 ** 32 - 1),
    epoch: wire.uint(2 ** 32 - 1),
    asset: wire.address,
    /** Bundles that it follows from, by digest, sorted. */
    bundles: wire.list(wire.digest, BUNDLES_MAX),
    /** dataHash of the settlement before it; null for the first. */
    previous: wire.digest.nullable(),
    budget: wire.bigint(128),
    scores: wire.list(
      z.strictObject({
        subject: wire.deviceId,
        owner: wire.account,
        score: wire.uint(1_000_000),
        /** Units that count this epoch, as [unit, amount]. */
        units: wire.list(z.tuple([wire.text(64), wire.bigint(128)]), 16),
        reasons: wire.list(reason, REASON_LIMITS.reasons),
      }),
      SUBJECTS_MAX,
    ),
    owners: wire.list(ownerLineType, SUBJECTS_MAX),
    /** The resource's own history, as its carry schema encodes it; null before the first. */
    carry: wire.bytes(0, 64 * 1024 * 1024).nullable(),
    root: wire.digest,
    total: wire.bigint(128),
  }),
)
export type Settlement = ReturnType<typeof settlementSchema.decode>
