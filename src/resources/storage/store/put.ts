/** A body on its way in: small ones are sealed into the metadata, others become a part of segments. */
import { toHex } from '../../../std/bytes.ts'
import type { DigestKind, Slab } from '../kernel/kernel.ts'
import { INLINE_BYTES, SEGMENT_PLAIN_BYTES } from '../layout.ts'
import { BodyError, type BodySource } from '../object-store.ts'
import { type Keyring, sealInline, wrapKey } from './keys.ts'
import type { Checksums, ObjectRecord, PartRecord, SegmentRecord } from './records.ts'
import { type WriterParts, writeSegment } from './writer.ts'

export interface StoredBody {
  readonly size: number
  readonly md5: string
  readonly checksums: Checksums
  readonly inline: ObjectRecord['inline']
  readonly part: PartRecord | null
}
export type BodyOutcome =
  | { readonly is: 'body'; readonly body: StoredBody }
  | { readonly is: 'bad-body'; readonly code: string; readonly why: string }

/** Stores the bytes; nothing names them yet, so a refusal after this leaves nothing that a customer can see. */
export async function storeBody(parts: WriterParts, keyring: Keyring, body: Incoming, signal: AbortSignal): Promise<BodyOutcome> {
  const { length } = body.source
  if (length === null) return { is: 'bad-body', code: 'MissingContentLength', why: 'the length of the body must be declared' }
  try {
    return length <= INLINE_BYTES && body.inlineAllowed
      ? await storeInline(parts, keyring, body, length)
      : await storePart(parts, keyring, body, length, signal)
  } catch (error) {
    if (error instanceof BodyError) return { is: 'bad-body', code: error.code, why: error.message }
    throw error
  }
}

/** Where the segments of an unfinished object are registered; see SegmentTable.stage. */
export interface Staging {
  stage(segment: SegmentRecord): void
  drop(segments: readonly SegmentRecord[]): void
}

/** A body and what the store is to do with it. */
export interface Incoming {
  readonly bucket: string
  readonly source: BodySource
  /** The additional checksum that is kept with the object. */
  readonly checksum: DigestKind | null
  readonly inlineAllowed: boolean
  readonly staging: Staging
}

function kindsOf(body: BodySource): readonly DigestKind[] {
  return body.digests.includes('md5') ? body.digests : ['md5', ...body.digests]
}

/** What the body is worth, and the checksum that is kept with the object. */
function judge(
  body: Incoming,
  computed: ReadonlyMap<DigestKind, Uint8Array>,
): { ok: true; md5: string; checksums: Checksums } | { ok: false; code: string; why: string } {
  const verdict = body.source.check(computed)
  if (!verdict.ok) return verdict
  const kept = body.checksum === null ? undefined : computed.get(body.checksum)
  const checksums: Checksums = body.checksum === null || kept === undefined ? {} : { [body.checksum]: btoa(String.fromCharCode(...kept)) }
  return { ok: true, md5: toHex(computed.get('md5') ?? new Uint8Array()), checksums }
}

async function fill(body: BodySource, target: Uint8Array): Promise<void> {
  for (let at = 0; at < target.length; ) {
    const got = await body.read(target.subarray(at))
    if (got === 0) throw new BodyError('IncompleteBody', 'the body ended before its declared length')
    at += got
  }
}

/** The end must come exactly where it was declared; trailers are read here. */
async function expectEnd(body: BodySource): Promise<void> {
  if ((await body.read(new Uint8Array(1))) !== 0) throw new BodyError('InvalidRequest', 'the body is longer than declared')
}

async function storeInline(parts: WriterParts, keyring: Keyring, body: Incoming, size: number): Promise<BodyOutcome> {
  const { at } = parts
  const plain = new Uint8Array(size)
  await fill(body.source, plain)
  await expectEnd(body.source)
  const digester = at.kernel.digester(kindsOf(body.source))
  await digester.updateBytes(plain)
  const judged = judge(body, await digester.finish())
  if (!judged.ok) return { is: 'bad-body', code: judged.code, why: judged.why }
  const partId = at.random.bytes(16)
  const key = at.random.bytes(32)
  const sealed = sealInline(at.crypto, key, partId, plain)
  const wrappedKey = wrapKey(at.crypto, at.random, keyring.bucket(body.bucket), partId, key)
  return { is: 'body', body: { size, md5: judged.md5, checksums: judged.checksums, inline: { partId, wrappedKey, sealed }, part: null } }
}

async function storePart(parts: WriterParts, keyring: Keyring, body: Incoming, size: number, signal: AbortSignal): Promise<BodyOutcome> {
  const { at } = parts
  const partId = at.random.bytes(16)
  const key = at.random.bytes(32)
  const digester = at.kernel.digester(kindsOf(body.source))
  const segments: SegmentRecord[] = []
  try {
    for (let start = 0; start < size; start += SEGMENT_PLAIN_BYTES) {
      const source = {
        plainBytes: Math.min(SEGMENT_PLAIN_BYTES, size - start),
        fill: (target: Uint8Array) => fill(body.source, target),
        digest: (slab: Slab, bytes: number) => digester.update(slab, 0, bytes),
      }
      const segment = await writeSegment(parts, source, { key, partId, segment: segments.length, firstFrame: 0 }, signal)
      segments.push(segment)
      // The rest may take longer than this segment's orders last, and a piece in no data set is dropped after that.
      if (start + SEGMENT_PLAIN_BYTES < size) body.staging.stage(segment)
    }
    await expectEnd(body.source)
  } catch (error) {
    digester.abort()
    body.staging.drop(segments)
    throw error
  }
  const judged = judge(body, await digester.finish())
  if (!judged.ok) {
    body.staging.drop(segments)
    return { is: 'bad-body', code: judged.code, why: judged.why }
  }
  const wrappedKey = wrapKey(at.crypto, at.random, keyring.bucket(body.bucket), partId, key)
  return {
    is: 'body',
    body: { size, md5: judged.md5, checksums: judged.checksums, inline: null, part: { partId, wrappedKey, size, segments } },
  }
}
