/** Serves exchanges of both storage protocols: one request, its data if any, one reply. */
import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import type { Digest } from '../../../protocol/ids.ts'
import type { Duplex } from '../../../runtime/index.ts'
import {
  type ManifestEntry,
  proofReply,
  proofRequest,
  type StorageReply,
  type StorageRequest,
  storageReply,
  storageRequest,
} from '../messages.ts'
import { LIMIT, type ProviderContext, refuse } from './context.ts'
import type { ProofDesk } from './proofs.ts'
import type { SetDesk } from './sets.ts'
import { serveGet, servePut, type TransferParts } from './transfer.ts'
import type { VoucherDesk } from './vouchers.ts'

export interface ExchangeParts extends TransferParts {
  readonly at: ProviderContext
  readonly sets: SetDesk
  readonly vouchers: VoucherDesk
  readonly proofs: ProofDesk
}

type Head = StorageRequest & { readonly op: 'head' }
type Manage = StorageRequest & { readonly op: 'stat' | 'manifest' | 'pending' | 'last-voucher' }

async function receiveRequest(io: Duplex): Promise<StorageRequest> {
  const bytes = await io.receive(storageRequest.maxBytes)
  if (bytes === null) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'ended without a request' })
  return storageRequest.decode(bytes)
}

async function serveManage({ at, orders, sets, vouchers }: ExchangeParts, request: Manage): Promise<StorageReply> {
  const { order } = request
  const refusal = orders.take(order, ['manage'])
  if (refusal !== null) return refusal
  switch (request.op) {
    case 'stat': {
      const sizeOf = (pieceId: Digest): number => {
        const held = at.pieces.stat(pieceId)
        return held === null || held.account !== order.account ? -1 : held.size
      }
      return { is: 'stat', pieces: request.pieces.map((pieceId) => ({ size: sizeOf(pieceId) })) }
    }
    case 'manifest':
      return sets.manifest(order.account, request.after)
    case 'pending':
      return sets.pending(order.account, request.after)
    case 'last-voucher':
      return vouchers.last(order.account)
  }
}

/** Gathers the pages of a proposed change, then decides on it. */
async function serveHead({ orders, sets }: ExchangeParts, io: Duplex, first: Head): Promise<StorageReply> {
  const refusal = orders.take(first.order, ['manage'])
  if (refusal !== null) return refusal
  const adds: ManifestEntry[] = []
  const removes: Digest[] = []
  for (let page = first; ; ) {
    adds.push(...page.adds)
    removes.push(...page.removes)
    if (adds.length + removes.length > LIMIT.changes) return refuse('too-large', `a change has up to ${LIMIT.changes} pieces`)
    if (!page.more) {
      const { head, signature, rate } = page
      return sets.propose({ account: first.order.account, adds, removes, head, signature, rate })
    }
    await io.send(storageReply.encode({ is: 'continue' }))
    const next = await receiveRequest(io)
    if (next.op !== 'head') return refuse('invalid', 'the next page of the change was expected')
    const again = orders.again(next.order, first.order)
    if (again !== null) return again
    page = next
  }
}

function reply(parts: ExchangeParts, io: Duplex, request: StorageRequest): Promise<StorageReply | null> {
  switch (request.op) {
    case 'put':
      return servePut(parts, io, request)
    case 'get':
      return serveGet(parts, io, request)
    case 'head':
      return serveHead(parts, io, request)
    case 'voucher':
      return Promise.resolve(parts.vouchers.take(request))
    case 'stat':
    case 'manifest':
    case 'pending':
    case 'last-voucher':
      return serveManage(parts, request)
  }
}

/** One exchange of `/cairn/storage/1`. */
export async function serveStorage(parts: ExchangeParts, io: Duplex): Promise<void> {
  let answer: StorageReply | null
  try {
    answer = await reply(parts, io, await receiveRequest(io))
  } catch (error) {
    if (isCairnError(error, 'MALFORMED') || isCairnError(error, 'LIMIT')) answer = refuse('invalid', error.message)
    else if (isCairnError(error, 'FULL')) answer = refuse('full', 'the disk is full')
    else if (isCairnError(error, 'DISK')) answer = refuse('failing', 'the disk is failing')
    else throw error
  }
  if (answer !== null) await io.send(storageReply.encode(answer))
}

/** One exchange of `/cairn/proof/1`. */
export async function serveProof(parts: ExchangeParts, io: Duplex): Promise<void> {
  const bytes = await io.receive(proofRequest.maxBytes)
  if (bytes === null) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'ended without a request' })
  const request = proofRequest.decode(bytes)
  const answer = request.op === 'claims' ? parts.proofs.claims(request) : await parts.proofs.prove(request)
  await io.send(proofReply.encode(answer))
}
