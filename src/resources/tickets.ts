/**
 * How a customer lets a verifier use providers in its place. A verifier wants tickets for what only it knows, and customers
 * stand behind gateways that nobody can dial: so a gateway asks its verifiers every other moment what they wish to have, and
 * signs what it finds right. Who it is, it proves with its session key, or a provider could read what will be looked at.
 */
import { z } from 'zod'
import type { Crypto } from '../protocol/crypto.ts'
import { CairnError } from '../protocol/errors.ts'
import { type Account, address, bytesOf, type PeerId, type ProtocolId } from '../protocol/ids.ts'
import { schema, wire } from '../protocol/schema.ts'
import { type ChainView, SCOPE } from '../runtime/chain.ts'
import type { Clock, Log, Network } from '../runtime/index.ts'
import { bigEndian, concat, toHex, utf8 } from '../std/bytes.ts'

export const TICKETS_PROTOCOL: ProtocolId = '/cairn/tickets/1'

/** Wishes of one exchange; those of an epoch may take several. */
const WISHES_MAX = 256
/** Wishes that wait at a verifier, of all customers: some 64 providers with 4 sets of 8 reads each. */
const WAITING_MAX = 4096
/** A gateway looks every POLL_MS; one that has not answered after a few of them gives nothing. */
const WAIT_MS = 10_000
const POLL_MS = 2_000
const EXCHANGE_MS = 5_000
/** Clocks may differ by this, and a request is worth nothing to others afterwards. */
const SKEW_MS = 60_000

const request = schema(
  'ticket request',
  512 * 1024,
  z.strictObject({
    payer: wire.account,
    /** Unix milliseconds. */
    at: wire.uint(),
    signature: wire.bytes(65, 65),
    tickets: wire.list(z.strictObject({ id: wire.uint(), ticket: wire.bytes(1, 1024).nullable() }), WISHES_MAX),
  }),
)
const reply = schema(
  'ticket reply',
  512 * 1024,
  z.strictObject({ wishes: wire.list(z.strictObject({ id: wire.uint(), wish: wire.bytes(1, 1024) }), WISHES_MAX) }),
)

/** What a session key signs: that its account asks this verifier now. */
const requestHash = (crypto: Pick<Crypto, 'sha256'>, payer: Account, verifier: PeerId, at: number): Uint8Array =>
  crypto.sha256(concat([utf8('cairn tickets\0'), bytesOf(payer), bigEndian(BigInt(at), 8), utf8(verifier)]))

interface Waiting {
  readonly payer: Account
  readonly wish: Uint8Array
  resolve(ticket: Uint8Array | null): void
}

export type AskTickets = (payer: Account, wishes: readonly Uint8Array[], signal: AbortSignal) => Promise<readonly (Uint8Array | null)[]>

interface DeskParts {
  readonly network: Network
  readonly clock: Clock
  readonly crypto: Crypto
  readonly chain: ChainView
}

/** A verifier's side: hands wishes to the gateways of their customers, and takes what comes back. */
export function openTicketDesk({ network, clock, crypto, chain }: DeskParts): AskTickets {
  const waiting = new Map<number, Waiting>()
  let last = 0
  network.handle(TICKETS_PROTOCOL, async (io) => {
    const bytes = await io.receive(request.maxBytes)
    if (bytes === null) return
    const { payer, at, signature, tickets } = request.decode(bytes)
    const by = crypto.secp256k1.recover(requestHash(crypto, payer, network.self, at), signature)
    const now = clock.now()
    const isFresh = Math.abs(now - at) <= SKEW_MS
    if (by === null || !isFresh || !chain.sessionActive(payer, address(toHex(by)), SCOPE.storage, now)) {
      throw new CairnError('PROTOCOL', { peer: io.peer, why: 'asked for the wishes of an account whose session key did not sign' })
    }
    for (const { id, ticket } of tickets) if (waiting.get(id)?.payer === payer) waiting.get(id)?.resolve(ticket)
    const wishes = [...waiting].filter(([, one]) => one.payer === payer).slice(0, WISHES_MAX)
    await io.send(reply.encode({ wishes: wishes.map(([id, { wish }]) => ({ id, wish })) }))
    await io.end()
  })

  return (payer, wishes, signal) => {
    const deadline = clock.deadline('tickets', WAIT_MS, signal)
    const asked = wishes.map((wish) => {
      if (waiting.size >= WAITING_MAX) return Promise.resolve(null)
      last += 1
      const id = last
      const { promise, resolve } = Promise.withResolvers<Uint8Array | null>()
      waiting.set(id, { payer, wish, resolve })
      const late = (): void => resolve(null)
      deadline.signal.addEventListener('abort', late, { once: true })
      return promise.finally(() => {
        waiting.delete(id)
        deadline.signal.removeEventListener('abort', late)
      })
    })
    return Promise.all(asked).finally(() => deadline[Symbol.dispose]())
  }
}

export interface GiveParts {
  readonly rt: { readonly network: Network; readonly clock: Clock; readonly crypto: Crypto; readonly log: Log }
  readonly payer: Account
  readonly sessionKey: Uint8Array
  readonly verifiers: readonly PeerId[]
  /** The ticket for a wish, or null when the customer will not be used for it. */
  grant(wish: Uint8Array): Uint8Array | null
}

/** A gateway's side. Runs until aborted. */
export async function giveTickets(parts: GiveParts, signal: AbortSignal): Promise<void> {
  const { rt, verifiers } = parts
  while (!signal.aborted) {
    await Promise.all(
      verifiers.map((verifier) =>
        giveTo(parts, verifier, signal).catch((error: unknown) =>
          rt.log.debug('a verifier was not asked', { verifier, why: String(error) }),
        ),
      ),
    )
    await rt.clock.sleep(POLL_MS, signal).catch(() => undefined)
  }
}

/** Two exchanges when there are wishes, so that tickets do not wait for the next look. */
async function giveTo(parts: GiveParts, verifier: PeerId, signal: AbortSignal): Promise<void> {
  const wishes = await exchange(parts, verifier, [], signal)
  if (wishes.length === 0) return
  const tickets = wishes.map(({ id, wish }) => ({ id, ticket: parts.grant(wish) }))
  await exchange(parts, verifier, tickets, signal)
}

async function exchange(
  { rt, payer, sessionKey }: GiveParts,
  verifier: PeerId,
  tickets: readonly { readonly id: number; readonly ticket: Uint8Array | null }[],
  signal: AbortSignal,
): Promise<readonly { readonly id: number; readonly wish: Uint8Array }[]> {
  using deadline = rt.clock.deadline(`asking verifier ${verifier}`, EXCHANGE_MS, signal)
  const io = await rt.network.dial(verifier, TICKETS_PROTOCOL, deadline.signal)
  const stop = (): void => io.abort(deadline.signal.reason)
  deadline.signal.addEventListener('abort', stop, { once: true })
  try {
    const at = rt.clock.now()
    const signature = rt.crypto.secp256k1.sign(sessionKey, requestHash(rt.crypto, payer, verifier, at))
    await io.send(request.encode({ payer, at, signature, tickets: tickets.map((one) => ({ ...one })) }))
    await io.end()
    const bytes = await io.receive(reply.maxBytes)
    return bytes === null ? [] : reply.decode(bytes).wishes
  } catch (error) {
    io.abort(error)
    throw error
  } finally {
    deadline.signal.removeEventListener('abort', stop)
  }
}
