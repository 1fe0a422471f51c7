/**
 * How verifiers get each other's signatures: a request names a slot, the reply is what was signed for it, if anything was,
 * and what was seen of others. A signature proves itself and is no secret, so anybody may ask anybody; and who shows one
 * thing to one and another to the next is found out as soon as those two ask each other.
 */
import { z } from 'zod'
import { epoch as epochOf, type NetworkId, type PeerId, type ProtocolId } from '../../protocol/ids.ts'
import { schema, wire } from '../../protocol/schema.ts'
import type { Clock, Network } from '../../runtime/index.ts'
import type { RootSlot, SignedContent } from './book.ts'

const ROOTS_PROTOCOL: ProtocolId = '/cairn/roots/1'
/** RootQuorum.MAX_MEMBERS, twice: what proves that each of them lied. */
const SEEN_MAX = 64
/** For some kilobytes from a verifier that is there; one that is not is asked again. */
const ASK_MS = 3_000
const UINT32 = 2 ** 32 - 1

const request = schema(
  'request for a root’s signature',
  128,
  z.strictObject({ net: wire.uint(UINT32), epoch: wire.uint(UINT32), attempt: wire.uint(UINT32), setId: wire.uint(UINT32) }),
)
const signedContent = z.strictObject({
  root: wire.digest,
  total: wire.bigint(128),
  dataHash: wire.digest,
  signature: wire.bytes(65, 65),
})
const reply = schema(
  'a root’s signatures',
  32_768,
  z.strictObject({ signed: signedContent.nullable(), seen: z.array(signedContent).max(SEEN_MAX) }),
)

export interface SlotSignatures {
  /** By the one that was asked, or so it says. */
  readonly signed: SignedContent | null
  /** By anybody else, or so it says. */
  readonly seen: readonly SignedContent[]
}

const NOTHING: SlotSignatures = { signed: null, seen: [] }

/** Serves what `find` says was signed for a slot of `net`. */
export function serveRootSignatures(network: Network, net: NetworkId, find: (slot: RootSlot) => SlotSignatures): void {
  network.handle(ROOTS_PROTOCOL, async (io) => {
    const bytes = await io.receive(request.maxBytes)
    if (bytes === null) return
    const asked = request.decode(bytes)
    const { signed, seen } = asked.net === net ? find({ ...asked, epoch: epochOf(asked.epoch) }) : NOTHING
    await io.send(reply.encode({ signed, seen: seen.slice(0, SEEN_MAX) }))
    await io.end()
  })
}

/** What `peer` says was signed for a slot. Nothing of it is checked. Throws UNREACHABLE, DEADLINE or what its bytes are not. */
export async function askRootSignature(
  { network, clock }: { readonly network: Network; readonly clock: Clock },
  peer: PeerId,
  net: NetworkId,
  slot: RootSlot,
): Promise<SlotSignatures> {
  using deadline = clock.deadline('a root’s signature', ASK_MS)
  const io = await network.dial(peer, ROOTS_PROTOCOL, deadline.signal)
  try {
    await io.send(request.encode({ net, epoch: slot.epoch, attempt: slot.attempt, setId: slot.setId }))
    const bytes = await io.receive(reply.maxBytes)
    await io.end()
    return bytes === null ? NOTHING : reply.decode(bytes)
  } catch (error) {
    io.abort(error)
    throw error
  }
}
