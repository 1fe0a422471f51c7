/**
 * Messages between roles that are the same for every resource: evidence and settlements by digest, and the last that a
 * verifier has. Bytes follow a reply as messages of up to CHUNK_BYTES.
 */
import { z } from 'zod'
import type { Crypto } from '../protocol/crypto.ts'
import { CairnError } from '../protocol/errors.ts'
import { type Account, type Digest, digestOf, type PeerId, type ProtocolId } from '../protocol/ids.ts'
import { schema, wire } from '../protocol/schema.ts'
import type { Clock, Duplex, Network } from '../runtime/index.ts'

export const EVIDENCE_PROTOCOL: ProtocolId = '/cairn/evidence/1'
const CHUNK_BYTES = 256 * 1024
/** The largest file that is fetched: a bundle's limit. */
const FILE_BYTES_MAX = 512 * 1024 * 1024
/** A fetch of a local or nearby verifier; large bundles get more by their size. */
const FETCH_MS = 30_000
/** Whether there is such a file is said at once; a peer that says nothing must not hold up who asks the next. */
const REPLY_MS = 5_000

/** With an account: of the settlement that the digest names only what concerns the account (owner-part.ts). */
const fileRequest = schema('file request', 256, z.strictObject({ digest: wire.digest, account: wire.account.optional() }))
const fileReply = schema('file reply', 256, z.strictObject({ bytes: wire.uint(FILE_BYTES_MAX).nullable() }))

type FileRequest = ReturnType<typeof fileRequest.decode>
type Asking = { readonly network: Network; readonly clock: Clock }

/** Serves files by their SHA-256, and what concerns one account of those that are settlements. */
export function serveFiles(
  network: Network,
  find: (digest: Digest) => Promise<Uint8Array | null>,
  findPart: (digest: Digest, account: Account) => Promise<Uint8Array | null>,
): void {
  network.handle(EVIDENCE_PROTOCOL, async (io) => {
    const asked = await io.receive(fileRequest.maxBytes)
    if (asked === null) return
    const { digest, account } = fileRequest.decode(asked)
    const bytes = await (account === undefined ? find(digest) : findPart(digest, account))
    await io.send(fileReply.encode({ bytes: bytes?.length ?? null }))
    for (let at = 0; bytes !== null && at < bytes.length; at += CHUNK_BYTES) await io.send(bytes.subarray(at, at + CHUNK_BYTES))
    await io.end()
  })
}

/** Fetches a file from the first of `peers` that has it, and checks its hash; null when none has. */
export async function fetchFile(
  parts: { readonly network: Network; readonly clock: Clock; readonly crypto: Crypto },
  peers: readonly PeerId[],
  digest: Digest,
): Promise<Uint8Array | null> {
  for (const peer of peers) {
    const bytes = await fetchFrom(parts, peer, { digest }).catch(() => null)
    if (bytes !== null && digestOf(parts.crypto.sha256(bytes)) === digest) return bytes
  }
  return null
}

/** Fetches what concerns `account` of the settlement under `digest`, up to `maxBytes`; null unless `open` makes something of a peer's. */
export async function fetchPart<T>(
  parts: Asking,
  peers: readonly PeerId[],
  of: { readonly digest: Digest; readonly account: Account; readonly maxBytes: number },
  open: (bytes: Uint8Array) => T | null,
): Promise<T | null> {
  const { digest, account, maxBytes } = of
  for (const peer of peers) {
    const opened = await fetchFrom(parts, peer, { digest, account }, maxBytes)
      .then((bytes) => (bytes === null ? null : open(bytes)))
      .catch(() => null)
    if (opened !== null) return opened
  }
  return null
}

/**
 * What `peers` say is under a digest, for whoever wants to know how it was altered: genuine bytes when somebody has them,
 * else the first that were offered; null when there are none.
 */
export async function fetchAnyFile(
  parts: { readonly network: Network; readonly clock: Clock; readonly crypto: Crypto },
  peers: readonly PeerId[],
  digest: Digest,
): Promise<Uint8Array | null> {
  let first: Uint8Array | null = null
  for (const peer of peers) {
    const bytes = await fetchFrom(parts, peer, { digest }).catch(() => null)
    if (bytes !== null && digestOf(parts.crypto.sha256(bytes)) === digest) return bytes
    first ??= bytes
  }
  return first
}

async function replyOf(clock: Clock, io: Duplex, request: FileRequest): Promise<Uint8Array | null> {
  using deadline = clock.deadline(`an answer about ${request.digest}`, REPLY_MS)
  deadline.signal.addEventListener('abort', () => io.abort(deadline.signal.reason), { once: true })
  await io.send(fileRequest.encode(request))
  return io.receive(fileReply.maxBytes)
}

async function fetchFrom(parts: Asking, peer: PeerId, request: FileRequest, maxBytes = FILE_BYTES_MAX): Promise<Uint8Array | null> {
  using deadline = parts.clock.deadline(`fetching ${request.digest}`, FETCH_MS)
  const io: Duplex = await parts.network.dial(peer, EVIDENCE_PROTOCOL, deadline.signal)
  deadline.signal.addEventListener('abort', () => io.abort(deadline.signal.reason), { once: true })
  const reply = await replyOf(parts.clock, io, request)
  const size = reply === null ? null : fileReply.decode(reply).bytes
  if (size === null) return null
  if (size > maxBytes) throw new CairnError('LIMIT', { what: `a file of ${size} bytes`, limit: maxBytes })
  const out = new Uint8Array(size)
  for (let at = 0; at < size; ) {
    const got = await io.receiveInto(out.subarray(at, Math.min(size, at + CHUNK_BYTES)))
    if (got === null || got === 0) throw new CairnError('PROTOCOL', { peer, why: 'ended in the middle of a file' })
    at += got
  }
  await io.end()
  return out
}
