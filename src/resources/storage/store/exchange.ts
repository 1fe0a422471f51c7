/** The gateway's side of `/cairn/storage/1`: signed orders, requests and checked replies. */

import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import { bytesOf, type DeviceId, type Digest, digestOf } from '../../../protocol/ids.ts'
import { domainSeparator, STORAGE_ORDER, storageDomain, typedDataHash } from '../../../protocol/typed-data.ts'
import type { Clock, Duplex } from '../../../runtime/index.ts'
import { bigEndian, concat, utf8 } from '../../../std/bytes.ts'
import { ORDER_OP, type Order, type StorageReply, type StorageRequest, storageReply, storageRequest } from '../messages.ts'
import { type StoreContext, TIMING } from './context.ts'

export interface Orders {
  sign(op: keyof typeof ORDER_OP, device: DeviceId, pieceId: Digest, maxBytes: number): Order
}

const NO_PIECE = digestOf(new Uint8Array(32))

/** Signs orders with the account's session key. Serials grow from the clock, so a restarted gateway never repeats one. */
export function createOrders(at: StoreContext): Orders {
  const separator = domainSeparator(at.crypto, storageDomain(at.chain.chainId))
  let serial = BigInt(at.clock.now()) * 1_000_000n
  return {
    sign(op, device, pieceId, maxBytes) {
      serial += 1n
      const body = {
        account: at.account,
        device,
        op: ORDER_OP[op],
        pieceId,
        maxBytes: BigInt(maxBytes),
        expiry: BigInt(at.clock.now() + TIMING.order),
        serial,
      }
      const hash = typedDataHash(at.crypto, separator, STORAGE_ORDER, body)
      return { ...body, signature: at.crypto.secp256k1.sign(at.sessionKey, hash) }
    },
  }
}

/** An order that names no piece (stat, head, manifest, vouchers). */
export const manageOrder = (orders: Orders, device: DeviceId): Order => orders.sign('manage', device, NO_PIECE, 0)

/** Thrown when a provider says no; the code is its own word for why. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: (StorageReply & { is: 'refused' })['code']
  constructor(reply: StorageReply & { is: 'refused' }) {
    super(`${reply.code}: ${reply.why}`)
    this.code = reply.code
  }
}

/** Whether trying the same provider again soon is pointless or unfair: it failed, rather than said no. */
export const isFailure = (error: unknown): boolean => isCairnError(error) && error.code !== 'ABORTED'

export const sendRequest = (io: Duplex, request: StorageRequest): Promise<void> => io.send(storageRequest.encode(request))

/** How late a deadline may be noticed: a timer and a signal for each message would cost more than the message. */
const LOOK_MS = 250

interface Wait {
  readonly due: number
  cut(): void
}

/** All waits on one clock, looked at together while there are any. */
const waits = new WeakMap<Clock, Set<Wait>>()

async function look(clock: Clock, pending: Set<Wait>): Promise<void> {
  while (pending.size > 0) {
    await clock.sleep(LOOK_MS)
    const now = clock.monotonic()
    for (const wait of pending) if (now >= wait.due) wait.cut()
  }
  waits.delete(clock)
}

function watched(clock: Clock, wait: Wait): Set<Wait> {
  const known = waits.get(clock)
  const pending = known ?? new Set()
  pending.add(wait)
  if (known === undefined) {
    waits.set(clock, pending)
    void look(clock, pending)
  }
  return pending
}

/** Waits for one message with a deadline; a slow provider is cut, not waited for. */
export async function within<T>(clock: Clock, io: Duplex, ms: number, what: string, work: Promise<T>): Promise<T> {
  let late: CairnError<'DEADLINE'> | null = null
  const wait: Wait = {
    due: clock.monotonic() + ms,
    cut() {
      late ??= new CairnError('DEADLINE', { what: `${what} of ${io.peer}`, ms })
      io.abort(late)
    },
  }
  const pending = watched(clock, wait)
  try {
    return await work
  } catch (error) {
    throw late ?? error
  } finally {
    pending.delete(wait)
  }
}

/** The next reply; throws `Refusal` when the provider refused and PROTOCOL when it is none of the kinds asked for. */
export async function receiveReply<Is extends StorageReply['is']>(
  clock: Clock,
  io: Duplex,
  is: Is | readonly Is[],
  ms: number = TIMING.message,
): Promise<StorageReply & { is: Is }> {
  const bytes = await within(clock, io, ms, 'a reply', io.receive(storageReply.maxBytes))
  if (bytes === null) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'closed instead of replying' })
  const reply = storageReply.decode(bytes)
  if (reply.is === 'refused') throw new Refusal(reply)
  const wanted: readonly string[] = typeof is === 'string' ? [is] : is
  if (!wanted.includes(reply.is))
    throw new CairnError('PROTOCOL', { peer: io.peer, why: `replied ${reply.is}, not ${wanted.join(' or ')}` })
  return reply as StorageReply & { is: Is }
}

/** What a provider's device signs when it has fsynced a piece. */
export const receiptBytes = (pieceId: Digest, size: number): Uint8Array =>
  concat([utf8('cairn stored'), bytesOf(pieceId), bigEndian(BigInt(size), 8)])
