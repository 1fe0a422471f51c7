/** Pieces in and out: bytes go from the wire to the log and back through one pooled buffer. */
import { isCairnError } from '../../../protocol/errors.ts'
import { bytesOf, type Digest } from '../../../protocol/ids.ts'
import type { Duplex } from '../../../runtime/index.ts'
import { bigEndian, concat, utf8 } from '../../../std/bytes.ts'
import { ORDER_OP, type StorageReply, type StorageRequest, storageReply } from '../messages.ts'
import { CHUNK_BYTES, type PieceReader, type PieceWriter } from '../pieces/index.ts'
import { type ProviderContext, refuse } from './context.ts'
import type { MeterDesk } from './meter.ts'
import type { OrderDesk } from './orders.ts'

/** Chunks that are written to the log at once: a write of 64 KiB costs the thread about as much as one of 256 KiB. */
const BATCH_BYTES = 4 * CHUNK_BYTES
/** Buffers kept for the next exchange (8 MiB), so that a burst of puts does not allocate its own. */
const BUFFERS_KEPT = 32

export interface BufferPool {
  take(): Uint8Array
  give(buffer: Uint8Array): void
}

export function createBufferPool(): BufferPool {
  const free: Uint8Array[] = []
  return {
    take: () => free.pop() ?? new Uint8Array(BATCH_BYTES),
    give(buffer) {
      if (free.length < BUFFERS_KEPT) free.push(buffer)
    },
  }
}

/** What a device signs when it has fsynced a piece: sha256 of this. */
export const receiptBytes = (pieceId: Digest, size: number): Uint8Array =>
  concat([utf8('cairn stored'), bytesOf(pieceId), bigEndian(BigInt(size), 8)])

export interface TransferParts {
  readonly at: ProviderContext
  readonly orders: OrderDesk
  readonly meters: MeterDesk
  readonly buffers: BufferPool
}

type Put = StorageRequest & { readonly op: 'put' }
type Get = StorageRequest & { readonly op: 'get' }

/** Fills `target` with messages of one chunk each; false when the peer did not send what it announced. */
async function receiveChunks(io: Duplex, target: Uint8Array): Promise<boolean> {
  for (let at = 0; at < target.length; at += CHUNK_BYTES) {
    const chunk = target.subarray(at, at + CHUNK_BYTES)
    if ((await io.receiveInto(chunk)) !== chunk.length) return false
  }
  return true
}

/** Receives the body while what came before is being written; false when the peer did not send what it announced. */
async function receiveBody(io: Duplex, writer: PieceWriter, size: number, buffers: BufferPool): Promise<boolean> {
  // A small piece is written in one go, and needs no buffer of the common size.
  const pair = size <= CHUNK_BYTES ? [new Uint8Array(size)] : [buffers.take(), buffers.take()]
  let writing: Promise<void> = Promise.resolve()
  try {
    for (let at = 0, turn = 0; at < size; turn ^= 1) {
      const buffer = pair[turn] as Uint8Array
      const want = Math.min(BATCH_BYTES, size - at)
      if (!(await receiveChunks(io, buffer.subarray(0, want)))) return false
      await writing
      writing = writer.write(buffer.subarray(0, want))
      // Awaited in the next round, or below; until then a failure must not count as unhandled.
      writing.catch(() => {})
      at += want
    }
    await writing
    return true
  } finally {
    // The buffers are given back only when nothing writes from them any more.
    await writing.catch(() => {})
    if (size > CHUNK_BYTES) for (const buffer of pair) buffers.give(buffer)
  }
}

/** Takes a piece in. The reply `stored` means that it is fsynced. */
export async function servePut({ at, orders, meters, buffers }: TransferParts, io: Duplex, { order, size }: Put): Promise<StorageReply> {
  const refusal = orders.take(order, ['put'])
  if (refusal !== null) return refusal
  if (size === 0) return refuse('invalid', 'a piece has bytes')
  if (BigInt(size) > order.maxBytes) return refuse('too-large', `the order is for ${order.maxBytes} bytes`)
  const standing = meters.standing(order.account)
  if (!standing.mayPut) return refuse('unpaid', standing.why)
  const { account, pieceId } = order
  const begun = await at.pieces.begin({ pieceId, account, size, keepUntil: Number(order.expiry) })
  switch (begun.is) {
    case 'full':
      return refuse('full', `no room for ${size} bytes`)
    case 'busy':
      return refuse('busy', 'too many pieces are on their way in')
    case 'failing':
      return refuse('failing', 'the disk is failing')
    case 'conflict':
      return refuse('invalid', 'another piece has this id')
    case 'writer':
  }
  const { writer } = begun
  try {
    if (!(await receiveBody(io, writer, size, buffers)))
      return refuse('invalid', `data messages are ${CHUNK_BYTES} bytes, the last is the rest`)
    const committed = await writer.commit()
    switch (committed.is) {
      case 'conflict':
        return refuse('invalid', 'another piece has this id')
      case 'gone':
        return refuse('busy', 'the piece was being dropped; put it again')
      case 'stored':
    }
  } finally {
    writer.abort()
  }
  const hash = at.options.runtime.crypto.sha256(receiptBytes(pieceId, size))
  return { is: 'stored', receipt: at.options.device.sign(hash) }
}

/** Sends bytes of a piece. Once the reply is on its way, a damaged chunk cuts the exchange: nothing unchecked is sent. */
export async function serveGet({ at, orders, meters, buffers }: TransferParts, io: Duplex, get: Get): Promise<StorageReply | null> {
  const { order, offset, length } = get
  // An order to manage may read as well: recovery must work for accounts that owe.
  const refusal = orders.take(order, ['get', 'manage'])
  if (refusal !== null) return refusal
  const standing = meters.standing(order.account)
  if (!standing.mayGet && order.op === ORDER_OP.get) return refuse('unpaid', standing.why)
  if (BigInt(length) > order.maxBytes) return refuse('too-large', `the order is for ${order.maxBytes} bytes`)
  const held = at.pieces.stat(order.pieceId)
  if (held === null || held.account !== order.account) return refuse('no-piece', `piece ${order.pieceId} is not held`)
  if (length === 0 || offset + length > held.size) return refuse('invalid', `the piece has ${held.size} bytes`)
  if (at.pieces.state === 'failing') return refuse('failing', 'the disk is failing')
  const reader = at.pieces.open(order.pieceId)
  if (reader === null) return refuse('no-piece', `piece ${order.pieceId} is not held`)
  try {
    let began = false
    const sent = (bytes: number): void => {
      began = true
      meters.served(order.account, bytes)
    }
    try {
      await sendRange(reader, io, offset, length, buffers, sent)
      return null
    } catch (error) {
      if (began || !isCairnError(error, 'CORRUPT')) throw error
      return refuse('no-piece', 'the piece is damaged')
    }
  } finally {
    reader.close()
  }
}

async function sendRange(
  reader: PieceReader,
  io: Duplex,
  offset: number,
  length: number,
  buffers: BufferPool,
  sent: (bytes: number) => void,
): Promise<void> {
  const buffer = buffers.take()
  try {
    for (let done = 0; done < length; ) {
      const part = buffer.subarray(0, Math.min(CHUNK_BYTES, length - done))
      await reader.read(offset + done, part)
      // The first chunk is read before the reply, so that a damaged piece is refused and not cut off.
      if (done === 0) await io.send(storageReply.encode({ is: 'data', length }))
      await io.send(part)
      sent(part.length)
      done += part.length
    }
  } finally {
    buffers.give(buffer)
  }
}
