/** A request's body as the store reads it: framing removed, length held to, every checksum that the client gave compared. */
import type { Crypto } from '../../../../protocol/crypto.ts'
import { equalBytes, fromHex } from '../../../../std/bytes.ts'
import type { DigestKind } from '../../kernel/kernel.ts'
import { BodyError, type BodySource, type BodyVerdict } from '../../object-store.ts'
import type { Authenticated } from './authenticate.ts'
import { type ChecksumKind, checksumHeader, checksumHeaderKind, checksumKind, isBase64Of, isChecksum, toBase64 } from './checksums.ts'
import { type Chunked, chunked } from './chunked.ts'
import { PUT_BYTES } from './limits.ts'
import { type Pull, pull } from './pull.ts'
import { isRefusal, type Refusal, refuse } from './refusal.ts'

export interface OpenBody {
  readonly is: 'body'
  readonly source: BodySource & { readonly length: number }
  /** The additional checksum to keep with the object, or null. */
  readonly checksum: ChecksumKind | null
}

/** A decimal length, or null. */
export function parseLength(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null
  return Number(text)
}

function plain(from: Pull, length: number): Chunked {
  let seen = 0
  return {
    trailers: new Map(),
    async read(target) {
      const bytes = await from.peek()
      if (bytes === null) {
        if (seen !== length) throw new BodyError('IncompleteBody', `The body has ${seen} bytes; ${length} were announced.`)
        return 0
      }
      const count = Math.min(bytes.length, target.length)
      if (seen + count > length) throw new BodyError('IncompleteBody', `The body is longer than the ${length} bytes announced.`)
      target.set(count === bytes.length ? bytes : bytes.subarray(0, count))
      from.take(count)
      seen += count
      return count
    },
  }
}

/** What the body must turn out to be, from headers; trailers are looked up when it has been read. */
interface Expected {
  readonly sha256: Uint8Array | null
  readonly contentMd5: string | null
  readonly checksum: { readonly kind: ChecksumKind; readonly value: string | null } | null
}

function expectedOf(headers: ReadonlyMap<string, string>, auth: Authenticated): Expected | Refusal {
  const contentMd5 = headers.get('content-md5') ?? null
  if (contentMd5 !== null && !isBase64Of(contentMd5, 16)) return refuse('InvalidDigest', 'The Content-MD5 you specified was invalid.')
  const header = checksumHeader(headers)
  if (isRefusal(header)) return header
  const sha256 = auth.payload.is === 'literal' ? fromHex(auth.payload.sha256) : null
  const announced = headers.get('x-amz-trailer')
  if (announced === undefined) {
    const algorithm = headers.get('x-amz-sdk-checksum-algorithm')
    if (algorithm !== undefined && algorithm !== '' && header === null && checksumKind(algorithm) !== null) {
      return refuse(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      )
    }
    return { sha256, contentMd5, checksum: header }
  }
  const trailing = auth.payload.is === 'unsigned-trailer' || (auth.payload.is === 'signed-chunks' && auth.payload.trailer)
  const kind = checksumHeaderKind(announced.trim().toLowerCase())
  if (kind === null) return refuse('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported')
  if (!trailing) return refuse('InvalidRequest', 'x-amz-trailer needs a STREAMING-…-TRAILER payload')
  if (header !== null)
    return refuse('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  return { sha256, contentMd5, checksum: { kind, value: null } }
}

function verdict(expected: Expected, trailers: ReadonlyMap<string, string>, computed: ReadonlyMap<DigestKind, Uint8Array>): BodyVerdict {
  if (expected.sha256 !== null) {
    const actual = computed.get('sha256')
    if (actual === undefined || !equalBytes(actual, expected.sha256)) {
      return {
        ok: false,
        code: 'XAmzContentSHA256Mismatch',
        why: "The provided 'x-amz-content-sha256' header does not match what was computed.",
      }
    }
  }
  if (expected.contentMd5 !== null) {
    const actual = computed.get('md5')
    if (actual === undefined || toBase64(actual) !== expected.contentMd5) {
      return { ok: false, code: 'BadDigest', why: 'The Content-MD5 you specified did not match what we received.' }
    }
  }
  if (expected.checksum === null) {
    return trailers.size === 0 ? { ok: true } : { ok: false, code: 'InvalidRequest', why: 'A trailing header was not announced.' }
  }
  const { kind, value } = expected.checksum
  const name = `x-amz-checksum-${kind}`
  const claimed = value ?? trailers.get(name)
  if (value === null && trailers.size !== 1)
    return { ok: false, code: 'InvalidRequest', why: `Expecting exactly the trailing header ${name}.` }
  if (claimed === undefined || !isChecksum(kind, claimed))
    return { ok: false, code: 'InvalidRequest', why: `Value for ${name} trailing header is invalid.` }
  const actual = computed.get(kind)
  if (actual !== undefined && toBase64(actual) === claimed) return { ok: true }
  return { ok: false, code: 'BadDigest', why: `The ${kind.toUpperCase()} you specified did not match the calculated checksum.` }
}

/** Opens the body of a request that has one. Nothing is read before the store asks, so `100-continue` waits for it. */
export function openBody(
  headers: ReadonlyMap<string, string>,
  bytes: AsyncIterable<Uint8Array>,
  auth: Authenticated,
  crypto: Crypto,
): OpenBody | Refusal {
  const framed = auth.payload.is === 'signed-chunks' || auth.payload.is === 'unsigned-trailer'
  const length = parseLength(headers.get(framed ? 'x-amz-decoded-content-length' : 'content-length'))
  if (length === null) return refuse('MissingContentLength')
  if (length > PUT_BYTES) return refuse('EntityTooLarge', undefined, { MaxSizeAllowed: String(PUT_BYTES) })
  const expected = expectedOf(headers, auth)
  if ('is' in expected) return expected
  const from = pull(bytes)
  let reader: Chunked
  if (auth.payload.is === 'signed-chunks') {
    const signer = { signingKey: auth.signingKey, scope: auth.scope, timestamp: auth.timestamp, seed: auth.signature }
    reader = chunked(from, length, auth.payload.trailer, crypto, signer)
  } else {
    reader = auth.payload.is === 'unsigned-trailer' ? chunked(from, length, true, crypto, null) : plain(from, length)
  }
  const digests = new Set<DigestKind>()
  if (expected.sha256 !== null) digests.add('sha256')
  if (expected.contentMd5 !== null) digests.add('md5')
  if (expected.checksum !== null) digests.add(expected.checksum.kind)
  const source = {
    length,
    digests: [...digests],
    read: (target: Uint8Array) => reader.read(target),
    check: (computed: ReadonlyMap<DigestKind, Uint8Array>) => verdict(expected, reader.trailers, computed),
  }
  return { is: 'body', source, checksum: expected.checksum?.kind ?? null }
}
