/**
 * Every message between a gateway or verifier and a storage provider. One exchange of `/cairn/storage/1` is one request,
 * its data if any, and one reply; raw data messages follow the request (`put`) or the reply (`get`), FRAME_BYTES each but
 * the last. Untrusted bytes enter only through these schemas.
 */
import { z } from 'zod'
import type { ProtocolId } from '../../protocol/ids.ts'
import { schema, wire } from '../../protocol/schema.ts'
import { NOTE_BYTES_MAX } from '../payees.ts'
import { FRAME_BYTES } from './layout.ts'

/** Pieces in and out, data sets, vouchers: between gateways and providers. */
export const STORAGE_PROTOCOL: ProtocolId = '/cairn/storage/1'
/** Claims, challenges and answers: between verifiers and providers. */
export const PROOF_PROTOCOL: ProtocolId = '/cairn/proof/1'

export const ORDER_OP = { put: 1, get: 2, manage: 3 } as const
/** Rows of one page of a manifest: a page stays under 512 KiB. */
export const MANIFEST_PAGE = 4096

/** STORAGE_ORDER of typed-data.ts with its session key's signature (65 bytes r‖s‖v). */
const order = z.strictObject({
  account: wire.account,
  device: wire.deviceId,
  op: wire.uint(255),
  pieceId: wire.digest,
  maxBytes: wire.bigint(64),
  /** Unix milliseconds. */
  expiry: wire.bigint(64),
  serial: wire.bigint(64),
  signature: wire.bytes(65, 65),
})

/** One piece of a data set. `root` is the piece's tree root, `size` its bytes. */
const entry = z.strictObject({ pieceId: wire.digest, size: wire.uint(2 ** 40), root: wire.digest })

/** SET_HEAD of typed-data.ts. */
const head = z.strictObject({
  net: wire.uint(2 ** 32 - 1),
  setId: wire.digest,
  provider: wire.account,
  customer: wire.account,
  root: wire.digest,
  count: wire.bigint(64),
  totalBytes: wire.bigint(64),
  version: wire.bigint(64),
  expiresAt: wire.uint(2 ** 40 - 1),
})

/** RATE of typed-data.ts for the byte-seconds of the channel between the two: what is proved of the set is paid by it, if need be without the payer. */
const rate = z.strictObject({ numerator: wire.bigint(128), denominator: wire.bigint(128), signature: wire.bytes(65, 65) })

/** VOUCHER of typed-data.ts. */
const voucher = z.strictObject({
  payer: wire.account,
  payee: wire.account,
  asset: wire.address,
  net: wire.uint(2 ** 32 - 1),
  channelId: wire.bigint(64),
  cumulative: wire.bigint(128),
})

export const storageRequest = schema(
  'storage request',
  1024 * 1024,
  z.discriminatedUnion('op', [
    /** Stores a piece of exactly `size` bytes, which follow as data messages. Replied to after it is fsynced. */
    z.strictObject({ op: z.literal('put'), order, size: wire.uint(2 ** 40) }),
    /** Bytes [offset, offset + length) of a piece. */
    z.strictObject({ op: z.literal('get'), order, offset: wire.uint(2 ** 40), length: wire.uint(2 ** 40) }),
    /** Sizes and roots of pieces the provider holds, −1 when it does not: cheap health check, ≤ 1024 ids. */
    z.strictObject({ op: z.literal('stat'), order, pieces: wire.list(wire.digest, 1024) }),
    /** Proposes the next version of the data set as a change of the last co-signed one. Sent in pages; the last one carries the head. */
    z.strictObject({
      op: z.literal('head'),
      order,
      adds: wire.list(entry, MANIFEST_PAGE),
      removes: wire.list(wire.digest, MANIFEST_PAGE),
      more: z.boolean(),
      head,
      signature: wire.bytes(65, 65),
      rate,
    }),
    /** A page of the last co-signed manifest, after `after` in id order (recovery, audit). */
    z.strictObject({ op: z.literal('manifest'), order, after: wire.digest.nullable() }),
    /** Ids of pieces held for the account that are in no manifest yet. */
    z.strictObject({ op: z.literal('pending'), order, after: wire.digest.nullable() }),
    z.strictObject({ op: z.literal('voucher'), voucher, signature: wire.bytes(65, 65), note: wire.bytes(0, NOTE_BYTES_MAX) }),
    /** The highest voucher the provider holds from this payer: a gateway that lost state asks before signing. */
    z.strictObject({ op: z.literal('last-voucher'), order }),
  ]),
)
export type StorageRequest = ReturnType<typeof storageRequest.decode>

export const storageReply = schema(
  'storage reply',
  1024 * 1024,
  z.discriminatedUnion('is', [
    /** `receipt`: device signature over sha256('cairn stored' ‖ pieceId ‖ u64 size): an acknowledged piece is fsynced. */
    z.strictObject({ is: z.literal('stored'), receipt: wire.bytes(64, 65) }),
    z.strictObject({ is: z.literal('data'), length: wire.uint(2 ** 40) }),
    z.strictObject({
      is: z.literal('stat'),
      pieces: wire.list(
        z.strictObject({
          size: z
            .number()
            .int()
            .min(-1)
            .max(2 ** 40),
        }),
        1024,
      ),
    }),
    z.strictObject({ is: z.literal('continue') }),
    z.strictObject({ is: z.literal('signed'), signature: wire.bytes(65, 65) }),
    /** The proposed head cannot be signed: these pieces are not held, or have another root or size. */
    z.strictObject({ is: z.literal('differs'), missing: wire.list(wire.digest, 1024), version: wire.bigint(64) }),
    z.strictObject({ is: z.literal('manifest'), entries: wire.list(entry, MANIFEST_PAGE), more: z.boolean(), head: head.nullable() }),
    z.strictObject({ is: z.literal('taken'), cumulative: wire.bigint(128) }),
    z.strictObject({
      is: z.literal('voucher'),
      voucher: voucher.nullable(),
      signature: wire.bytes(0, 65),
      note: wire.bytes(0, NOTE_BYTES_MAX),
    }),
    z.strictObject({
      is: z.literal('refused'),
      code: z.enum([
        'unauthorized',
        'expired',
        'replayed',
        'full',
        'failing',
        'unpaid',
        'no-piece',
        'too-large',
        'busy',
        'stale',
        'invalid',
      ]),
      why: wire.text(500),
    }),
  ]),
)
export type StorageReply = ReturnType<typeof storageReply.decode>

export type Order = z.output<typeof order>
export type ManifestEntry = z.output<typeof entry>
export type SetHead = z.output<typeof head>
export type Voucher = z.output<typeof voucher>

/** What a provider commits to before an epoch's seed exists: each set it will answer for. */
export const claimSchema = schema(
  'storage claim',
  4096,
  z.strictObject({ head, customerSignature: wire.bytes(65, 65), providerSignature: wire.bytes(65, 65) }),
)
export type StorageClaim = ReturnType<typeof claimSchema.decode>

/** Which byte of which set must be shown. `position` is drawn uniformly from [0, totalBytes). */
export const challengeSchema = schema(
  'storage challenge',
  1024,
  z.strictObject({
    setId: wire.digest,
    root: wire.digest,
    count: wire.bigint(64),
    totalBytes: wire.bigint(64),
    version: wire.bigint(64),
    slot: wire.uint(1024),
    position: wire.bigint(64),
  }),
)
export type StorageChallenge = ReturnType<typeof challengeSchema.decode>

/** Possession proof: the interval leaf holding `position` with its path in the set tree, then the piece's leaf with its path. */
export const proofSchema = schema(
  'storage proof',
  16 * 1024,
  z.strictObject({
    /** Index of the interval in the manifest sorted by pieceId. */
    index: wire.bigint(64),
    start: wire.bigint(64),
    size: wire.bigint(64),
    pieceId: wire.digest,
    pieceRoot: wire.digest,
    /** Siblings from the leaf up, 32 bytes each. */
    setPath: wire.bytes(0, 40 * 32),
    leaf: wire.bytes(1, 4096),
    piecePath: wire.bytes(0, 40 * 32),
  }),
)
export type StorageProof = ReturnType<typeof proofSchema.decode>

/** A read that a verifier wants to make in a customer's place, and the order with which the customer lets it. */
export const readWish = schema(
  'read wish',
  256,
  z.strictObject({ device: wire.deviceId, pieceId: wire.digest, maxBytes: wire.uint(FRAME_BYTES) }),
)
export const readTicket = schema('read ticket', 1024, order)

/** One read of a verifier, as it went. It never says whether that was good enough: `verify` does. */
export const observationSchema = schema(
  'storage observation',
  512,
  z.strictObject({
    setId: wire.digest,
    slot: wire.uint(1024),
    /** `served`: all bytes came, and those that are known were right; `corrupt`: they were not; `silent`: they did not come. */
    is: z.enum(['served', 'corrupt', 'refused', 'silent']),
    /** Bytes that were asked for, and milliseconds from the dial to the last byte, or to giving up. */
    bytes: wire.uint(FRAME_BYTES),
    ms: wire.uint(2 ** 31),
    /** The provider's word for why it refused; else empty. */
    code: wire.text(64),
  }),
)
export type StorageObservation = ReturnType<typeof observationSchema.decode>

export const proofRequest = schema(
  'proof request',
  64 * 1024,
  z.discriminatedUnion('op', [
    /** The provider's claims for an epoch, asked before it begins; paged by set id. */
    z.strictObject({ op: z.literal('claims'), net: wire.uint(2 ** 32 - 1), epoch: wire.uint(2 ** 32 - 1), after: wire.digest.nullable() }),
    /** Challenges of one epoch: the nonce opens the verifier's commitment, so that the provider can check the draw. */
    z.strictObject({
      op: z.literal('prove'),
      net: wire.uint(2 ** 32 - 1),
      epoch: wire.uint(2 ** 32 - 1),
      verifier: wire.account,
      epochSeed: wire.bytes(32, 32),
      nonce: wire.bytes(32, 32),
      challenges: wire.list(wire.bytes(1, 1024), 32),
    }),
  ]),
)
export type ProofRequest = ReturnType<typeof proofRequest.decode>

export const proofReply = schema(
  'proof reply',
  1024 * 1024,
  z.discriminatedUnion('is', [
    z.strictObject({ is: z.literal('claims'), claims: wire.list(wire.bytes(1, 4096), 128), more: z.boolean() }),
    /** One answer per challenge, in order: an encoded proof, or a refusal. `signature`: device key over sha256 of the ANSWER transcript (verify.ts). */
    z.strictObject({
      is: z.literal('answers'),
      answers: wire.list(
        z.discriminatedUnion('is', [
          z.strictObject({ is: z.literal('proof'), proof: wire.bytes(1, 16 * 1024), signature: wire.bytes(64, 65) }),
          z.strictObject({ is: z.literal('refusal'), code: wire.text(64), why: wire.text(500), signature: wire.bytes(64, 65) }),
        ]),
        32,
      ),
    }),
    z.strictObject({ is: z.literal('refused'), code: wire.text(64), why: wire.text(500) }),
  ]),
)
export type ProofReply = ReturnType<typeof proofReply.decode>
