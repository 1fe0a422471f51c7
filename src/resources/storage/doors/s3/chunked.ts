/**
 * The aws-chunked framing with and without signatures. Data goes from the socket's memory straight into the caller's;
 * a chunk's signature is known only after its last byte, so a bad one is thrown then and the store commits nothing.
 * Source: S3 API reference, "Signature calculations … transferring a payload in multiple chunks", "… trailing headers".
 */
import type { Crypto, RunningHash } from '../../../../protocol/crypto.ts'
import { concat, toHex, utf8 } from '../../../../std/bytes.ts'
import { BodyError } from '../../object-store.ts'
import { CHUNK_LINE_BYTES, HELD_CHUNK_BYTES, SIGNED_CHUNK_BYTES_MIN, TRAILERS } from './limits.ts'
import type { Pull } from './pull.ts'
import { ALGORITHM, EMPTY_SHA256, equalSignatures, type Scope, scopeText, sign } from './sigv4.ts'

/** What the signatures of chunks are made with; `seed` is the signature of the request itself. */
export interface ChunkSigner {
  readonly signingKey: Uint8Array
  readonly scope: Scope
  readonly timestamp: string
  readonly seed: string
}

export interface Chunked {
  /** Fills part of `target`; 0 after the last chunk and its trailers have been checked. Throws BodyError. */
  read(target: Uint8Array): Promise<number>
  /** Trailing headers; complete once `read` has given 0. Names lower case. */
  readonly trailers: ReadonlyMap<string, string>
}

const CR = 13
const LF = 10
const invalid = (why: string): BodyError => new BodyError('InvalidRequest', `The aws-chunked body is malformed: ${why}`)
const forged = (): BodyError => new BodyError('SignatureDoesNotMatch', 'The signature of a chunk or trailer does not match.')

/** One line without its CRLF, as Latin-1 text. */
async function readLine(from: Pull): Promise<string> {
  let line = ''
  for (;;) {
    const bytes = await from.peek()
    if (bytes === null) throw new BodyError('IncompleteBody', 'The aws-chunked body ends inside a line.')
    const end = bytes.indexOf(LF)
    const here = end < 0 ? bytes.length : end
    if (line.length + here > CHUNK_LINE_BYTES) throw invalid('a line is too long')
    for (let i = 0; i < here; i += 1) line += String.fromCharCode(bytes[i] ?? 0)
    from.take(end < 0 ? here : here + 1)
    if (end < 0) continue
    if (line.charCodeAt(line.length - 1) !== CR) throw invalid('a line does not end in CRLF')
    return line.slice(0, -1)
  }
}

/** Without a native running hash the chunk's bytes are held until its end, up to a limit. */
function heldHash(crypto: Crypto): RunningHash {
  const parts: Uint8Array[] = []
  let length = 0
  return {
    update(bytes) {
      length += bytes.length
      if (length > HELD_CHUNK_BYTES) throw new BodyError('EntityTooLarge', `A signed chunk is over ${HELD_CHUNK_BYTES} bytes.`)
      parts.push(bytes.slice())
    },
    digest: () => crypto.sha256(concat(parts)),
  }
}

/** The chain of signatures over chunks and trailers. */
class Chain {
  readonly #crypto: Crypto
  readonly #signer: ChunkSigner
  #previous: string
  #hash: RunningHash | null = null

  constructor(crypto: Crypto, signer: ChunkSigner) {
    this.#crypto = crypto
    this.#signer = signer
    this.#previous = signer.seed
  }

  update(bytes: Uint8Array): void {
    this.#hash ??= this.#crypto.sha256Running?.() ?? heldHash(this.#crypto)
    this.#hash.update(bytes)
  }

  /** Ends a chunk that claims `signature`. */
  endChunk(signature: string): void {
    const content = this.#hash === null ? EMPTY_SHA256 : toHex(this.#hash.digest())
    this.#hash = null
    this.#check('PAYLOAD', `${EMPTY_SHA256}\n${content}`, signature)
  }

  endTrailers(canonical: string, signature: string): void {
    this.#check('TRAILER', toHex(this.#crypto.sha256(utf8(canonical))), signature)
  }

  #check(what: 'PAYLOAD' | 'TRAILER', content: string, signature: string): void {
    const { signingKey, scope, timestamp } = this.#signer
    const text = `${ALGORITHM}-${what}\n${timestamp}\n${scopeText(scope)}\n${this.#previous}\n${content}`
    const expected = sign(this.#crypto, signingKey, text)
    if (!equalSignatures(expected, signature)) throw forged()
    this.#previous = expected
  }
}

const SIGNATURE = ';chunk-signature='
const HEX_SIZE = /^[0-9a-fA-F]{1,13}$/

function parseChunkHeader(line: string, signed: boolean): { size: number; signature: string } {
  const at = line.indexOf(SIGNATURE)
  if (at >= 0 !== signed) throw signed ? forged() : invalid('an unsigned body carries a chunk signature')
  const digits = at < 0 ? line : line.slice(0, at)
  if (!HEX_SIZE.test(digits)) throw invalid('a chunk has no size')
  return { size: Number.parseInt(digits, 16), signature: at < 0 ? '' : line.slice(at + SIGNATURE.length) }
}

/**
 * Trailing headers up to the empty line. With `chain`, the last one must be x-amz-trailer-signature over the others,
 * spelled `name:value\n` in the order in which they came.
 */
async function readTrailers(from: Pull, chain: Chain | null): Promise<Map<string, string>> {
  const trailers = new Map<string, string>()
  let canonical = ''
  let signature: string | null = null
  for (let lines = 0; lines <= TRAILERS; lines += 1) {
    const line = await readLine(from)
    if (line === '') {
      if (chain !== null) chain.endTrailers(canonical, signature ?? '')
      return trailers
    }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (colon <= 0 || trailers.has(name) || signature !== null) throw invalid('a trailing header')
    if (chain !== null && name === 'x-amz-trailer-signature') {
      signature = value
      continue
    }
    trailers.set(name, value)
    canonical += `${name}:${value}\n`
  }
  throw invalid('too many trailing headers')
}

/** Decodes `from`, whose decoded length must be `length`. `signer` null: STREAMING-UNSIGNED-PAYLOAD-TRAILER. */
export function chunked(from: Pull, length: number, trailer: boolean, crypto: Crypto, signer: ChunkSigner | null): Chunked {
  const chain = signer === null ? null : new Chain(crypto, signer)
  const trailers = new Map<string, string>()
  let left = 0
  let signature = ''
  let seen = 0
  let previousSize = Number.POSITIVE_INFINITY
  let state: 'header' | 'data' | 'end' = 'header'

  async function startChunk(): Promise<void> {
    const header = parseChunkHeader(await readLine(from), chain !== null)
    if (header.size === 0) return finish(header.signature)
    if (chain !== null && previousSize < SIGNED_CHUNK_BYTES_MIN) throw invalid('only the last chunk may be under 8 KiB')
    if (seen + header.size > length) throw new BodyError('IncompleteBody', 'The chunks are longer than x-amz-decoded-content-length.')
    previousSize = header.size
    left = header.size
    signature = header.signature
    state = 'data'
  }

  async function finish(last: string): Promise<void> {
    chain?.endChunk(last)
    if (trailer) for (const [name, value] of await readTrailers(from, chain)) trailers.set(name, value)
    else if ((await from.peek()) !== null && (await readLine(from)) !== '') throw invalid('bytes after the last chunk')
    if ((await from.peek()) !== null) throw invalid('bytes after the end')
    if (seen !== length) throw new BodyError('IncompleteBody', 'The chunks are shorter than x-amz-decoded-content-length.')
    state = 'end'
  }

  async function endData(): Promise<void> {
    if ((await readLine(from)) !== '') throw invalid('a chunk is longer than its size')
    chain?.endChunk(signature)
    state = 'header'
  }

  return {
    trailers,
    async read(target) {
      if (state === 'header') await startChunk()
      if (state === 'end') return 0
      const bytes = await from.peek()
      if (bytes === null) throw new BodyError('IncompleteBody', 'The aws-chunked body ends inside a chunk.')
      const count = Math.min(bytes.length, left, target.length)
      const data = bytes.subarray(0, count)
      target.set(data)
      chain?.update(data)
      from.take(count)
      left -= count
      seen += count
      if (left === 0) await endData()
      return count
    },
  }
}
