/**
 * Asks every provider for pieces whose ids follow from the account's key. A recovery concludes something from pieces that
 * nobody has, so an answer "no" is kept apart from no answer: whoever is silent, or refuses for now (its view of the chain
 * may be behind the new session key), is asked again for as long as there is patience.
 */
import { CairnError } from '../../../protocol/errors.ts'
import type { DeviceId, Digest } from '../../../protocol/ids.ts'
import { FRAME_BYTES } from '../layout.ts'
import { TIMING } from './context.ts'
import { manageOrder, receiveReply, sendRequest, within } from './exchange.ts'
import type { StoreParts } from './parts.ts'

/** Between two rounds of asking those that were silent: a restarted node or a confirmed block takes a second or two. */
const AGAIN_MS = 1_000
/** Devices asked at a time. */
const ASK_AT_ONCE = 64

/** Sizes of the pieces that were asked for, −1 for those that the provider does not have. */
export type Sizes = readonly number[]

export interface Question {
  /** At most 1024 ids, in the same order for every device. */
  readonly idsOn: (device: DeviceId) => readonly Digest[]
  /** A larger piece is not what was asked for, whoever says that it has it. */
  readonly maxBytes: number
  readonly answers: Map<DeviceId, Sizes>
}

export interface Survey {
  /** Devices whose answer is waited for. */
  readonly devices: readonly DeviceId[]
  ask(idsOn: Question['idsOn'], maxBytes: number, signal: AbortSignal): Promise<Question>
  /** Asks those that have not answered again. False: all have, or there is no patience left and nothing new was said. */
  insist(question: Question, signal: AbortSignal): Promise<boolean>
  /** The piece's bytes; null when they did not come, and then the device counts as silent for this question. */
  fetch(question: Question, device: DeviceId, index: number, signal: AbortSignal): Promise<Uint8Array | null>
  /** Who did not answer this question, and why. */
  silent(question: Question): ReadonlyMap<DeviceId, string>
}

/** `patienceMs`: for the whole recovery, since the same few are usually silent throughout. */
export function createSurvey(parts: StoreParts, patienceMs: number): Survey {
  const { at } = parts
  // Who is leaving, or has too little stake, still has what it was given. Those that have left are many in the end: they are
  // asked, and nobody waits for them, since others keep copies before anybody is let go.
  const rows = at.chain.devices(at.net).filter((row) => row.status !== 'revoked' && row.endpoint !== '')
  const everyone = rows.map((row) => row.id)
  const devices = rows.filter((row) => row.status === 'active').map((row) => row.id)
  const trouble = new Map<DeviceId, string>()
  let patience = patienceMs

  async function askOne(question: Question, device: DeviceId, signal: AbortSignal): Promise<void> {
    try {
      const sizes = await stat(parts, device, question.idsOn(device), signal)
      question.answers.set(
        device,
        sizes.map((size) => (size > question.maxBytes ? -1 : size)),
      )
    } catch (error) {
      signal.throwIfAborted()
      trouble.set(device, error instanceof Error ? error.message : String(error))
    }
  }
  const askAll = async (question: Question, asked: readonly DeviceId[], signal: AbortSignal): Promise<void> => {
    for (let from = 0; from < asked.length; from += ASK_AT_ONCE) {
      await Promise.all(asked.slice(from, from + ASK_AT_ONCE).map((device) => askOne(question, device, signal)))
    }
  }
  const silentIn = (question: Question): DeviceId[] => devices.filter((device) => !question.answers.has(device))

  return {
    devices,
    async ask(idsOn, maxBytes, signal) {
      const question: Question = { idsOn, maxBytes, answers: new Map() }
      await askAll(question, everyone, signal)
      return question
    },
    async insist(question, signal) {
      const asked = silentIn(question)
      while (patience > 0 && silentIn(question).length === asked.length && asked.length > 0) {
        const since = at.clock.monotonic()
        await at.clock.sleep(AGAIN_MS, signal)
        await askAll(question, asked, signal)
        patience -= at.clock.monotonic() - since
      }
      return silentIn(question).length < asked.length
    },
    async fetch(question, device, index, signal) {
      const id = question.idsOn(device)[index]
      const size = question.answers.get(device)?.[index] ?? -1
      if (id === undefined || size < 0) return null
      try {
        return await fetchPiece(parts, device, id, size, signal)
      } catch (error) {
        signal.throwIfAborted()
        trouble.set(device, error instanceof Error ? error.message : String(error))
        question.answers.delete(device)
        return null
      }
    },
    silent: (question) => new Map(silentIn(question).map((device) => [device, trouble.get(device) ?? 'no answer'])),
  }
}

async function stat(parts: StoreParts, device: DeviceId, pieces: readonly Digest[], signal: AbortSignal): Promise<Sizes> {
  const io = await parts.providers.open(device, signal)
  try {
    await sendRequest(io, { op: 'stat', order: manageOrder(parts.orders, device), pieces: [...pieces] })
    const reply = await receiveReply(parts.at.clock, io, 'stat')
    if (reply.pieces.length !== pieces.length) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'told of other pieces than asked' })
    await io.end()
    return reply.pieces.map(({ size }) => size)
  } catch (error) {
    io.abort(error)
    throw error
  }
}

async function fetchPiece(parts: StoreParts, device: DeviceId, id: Digest, size: number, signal: AbortSignal): Promise<Uint8Array> {
  const { at, providers, orders } = parts
  const io = await providers.open(device, signal)
  try {
    // An order to manage reads for accounts that owe, too.
    await sendRequest(io, { op: 'get', order: orders.sign('manage', device, id, size), offset: 0, length: size })
    await receiveReply(at.clock, io, 'data')
    const out = new Uint8Array(size)
    for (let offset = 0; offset < size; ) {
      const part = io.receiveInto(out.subarray(offset, Math.min(size, offset + FRAME_BYTES)))
      const got = await within(at.clock, io, TIMING.message, 'a data message', part)
      if (got === null || got === 0) throw new CairnError('PROTOCOL', { peer: io.peer, why: 'ended in the middle of a piece' })
      offset += got
    }
    await io.end()
    return out
  } catch (error) {
    io.abort(error)
    throw error
  }
}
