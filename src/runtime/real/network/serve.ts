import { isCairnError } from '../../../protocol/errors.ts'
import type { ProtocolId } from '../../../protocol/ids.ts'
import {
  DRAIN_BYTES_MAX,
  DRAIN_MS,
  EXCHANGE_IDLE_MS,
  IDLE_INBOUND_MS,
  MESSAGE_BYTES_MAX,
  PROTOCOL_ID_BYTES_MAX,
} from '../../../protocol/limits.ts'
import { fromUtf8 } from '../../../std/bytes.ts'
import type { Clock, Duplex, Log } from '../../index.ts'
import { Exchange } from './exchange.ts'
import { PROBE, REFUSED } from './frames.ts'
import type { Link } from './link.ts'

export type Handler = (io: Duplex, signal: AbortSignal) => Promise<void>

/** What serving a connection needs from its network. */
export interface Served {
  readonly clock: Clock
  readonly log: Log
  readonly handlers: ReadonlyMap<string, Handler>
}

/** Serves the exchanges of one accepted connection, one after the other, until it is gone. Never rejects. */
export async function serveLink(link: Link, served: Served): Promise<void> {
  const gone = new AbortController()
  link.onGone = (why) => gone.abort(why)
  link.onProbed = answerProbes(link)
  try {
    while (link.failure === null && (await serveOne(link, served, gone.signal)));
  } catch (error) {
    // The other side left or broke the rules; the connection is not used again either way.
    if (link.failure === null) link.fail(error)
  }
}

/** Answers signs of life one at a time: whoever asks again before the answer is out only means to fill our memory. */
function answerProbes(link: Link): () => void {
  let answering = false
  return () => {
    if (answering) {
      link.fail(link.gone('it asked for signs of life without waiting for them'))
      return
    }
    answering = true
    const answered = (): void => {
      answering = false
    }
    // When the answer cannot be sent, the connection has failed, and whoever uses it is told.
    link.mark(null, PROBE).then(answered, answered)
  }
}

/** Serves one exchange; false when the connection is to end without another. */
async function serveOne(link: Link, served: Served, gone: AbortSignal): Promise<boolean> {
  const { protocol, exchange } = await nextExchange(link)
  const handler = served.handlers.get(protocol)
  if (handler === undefined) {
    served.log.debug('refused an unknown protocol', { peer: link.peer, protocol })
    await link.mark(null, REFUSED)
    link.finish()
    return false
  }
  try {
    await handler(exchange, gone)
    await exchange.end()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    // A peer that leaves is everyday; a handler that fails for another reason is worth a person's look.
    if (isCairnError(error, 'UNREACHABLE')) served.log.debug('an exchange was lost', { peer: link.peer, protocol, why })
    else served.log.warn('a handler failed', { peer: link.peer, protocol, why })
    exchange.abort(error)
    throw error
  }
  await drain(exchange, served.clock)
  return true
}

/** Waits for the message that opens the next exchange. */
async function nextExchange(link: Link): Promise<{ protocol: ProtocolId; exchange: Exchange }> {
  link.idleAfter(IDLE_INBOUND_MS)
  const exchange = new Exchange(link, null, () => {})
  link.next()
  const opening = await link.read(null, PROTOCOL_ID_BYTES_MAX)
  if (opening === null) throw link.gone('it ended an exchange that it had not opened')
  link.idleAfter(EXCHANGE_IDLE_MS)
  return { protocol: fromUtf8(opening) as ProtocolId, exchange }
}

/** Drops what the handler left unread, within bounds, so that the connection is at the start of the next exchange. */
async function drain(exchange: Exchange, clock: Clock): Promise<void> {
  if (exchange.peerEnded) return
  const limit = clock.deadline('the end of an exchange', DRAIN_MS)
  const stop = (): void => exchange.abort(limit.signal.reason)
  limit.signal.addEventListener('abort', stop, { once: true })
  try {
    let dropped = 0
    for (let bytes = await exchange.receive(); bytes !== null; bytes = await exchange.receive(MESSAGE_BYTES_MAX)) {
      dropped += bytes.length
      if (dropped > DRAIN_BYTES_MAX) throw new Error('too much was left unread')
    }
  } finally {
    limit[Symbol.dispose]()
  }
}
