/**
 * Ways to be paid for storage without storing, each a real provider with a bent wire: it signs what it sends with its own
 * device key, so only the bytes give it away. Conformance and simulation run them; none may be paid for long.
 */
import { bytesOf, type Digest, digestOf, epoch as toEpoch } from '../../protocol/ids.ts'
import type { Duplex, Network } from '../../runtime/index.ts'
import { concat } from '../../std/bytes.ts'
import type { Fault, NodeRuntime, Resource } from '../resource.ts'
import { answerHash } from '../settle.ts'
import { SLOTS_PER_SET } from './challenge.ts'
import type { StorageKind } from './kind.ts'
import {
  challengeSchema,
  claimSchema,
  PROOF_PROTOCOL,
  type ProofReply,
  type ProofRequest,
  proofReply,
  proofRequest,
  proofSchema,
  STORAGE_PROTOCOL,
  type StorageChallenge,
  type StorageClaim,
  type StorageProof,
  storageReply,
} from './messages.ts'

type Provide = Resource<StorageKind>['provide']
type Prove = ProofRequest & { readonly op: 'prove' }
type Lie = StorageProof | { readonly refuse: string }

/** What a cheater does in place of its honest self; what it leaves out it does honestly. */
interface Cheat {
  claim?(claim: StorageClaim): StorageClaim
  /** `proof`: what the honest provider would have shown. */
  proof?(proof: StorageProof, challenge: StorageChallenge): Lie
  /** Before the answers leave; false: they never do. */
  before?(challenges: number): Promise<boolean>
}

/** Chance that a cheater may still be unseen after the epochs within which it must be caught. */
const MISS = { numerator: 1n, denominator: 1_000_000n }

/**
 * Epochs after which a provider without the share `lost` (a fraction) of its bytes has failed a challenge, but for a chance
 * of one in a million: the smallest n with (1 − lost)^(slots · n) ≤ 10^-6.
 */
export function epochsToCatch(lost: { readonly numerator: bigint; readonly denominator: bigint }, slots: number): number {
  const kept = lost.denominator - lost.numerator
  let [above, below] = [1n, 1n]
  for (let epochs = 1; ; epochs += 1) {
    above *= kept ** BigInt(slots)
    below *= lost.denominator ** BigInt(slots)
    if (above * MISS.denominator <= below * MISS.numerator) return epochs
  }
}

/** A relay reads k pieces from k other providers for each byte it is asked for and decodes them; a second is fast for that. */
const RELAY_MS = 1_000

/** What a line that is paid for by others leaves to a read. */
const THROTTLE_MS = 4_000

const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
/** The half that `deletes-half` deletes. */
export const isOdd = (id: Digest): boolean => ((bytesOf(id).at(-1) ?? 0) & 1) === 1

/** The network as the cheater's honest half sees it: its replies to verifiers pass through `bend`. */
function bentNetwork(network: Network, bend: (request: ProofRequest, reply: ProofReply) => Promise<ProofReply | null>): Network {
  return {
    self: network.self,
    addresses: network.addresses,
    know: (peer, addresses) => network.know(peer, addresses),
    dial: (peer, protocol, signal) => network.dial(peer, protocol, signal),
    close: () => network.close(),
    handle(protocol, serve) {
      if (protocol !== PROOF_PROTOCOL) return network.handle(protocol, serve)
      network.handle(protocol, (io, signal) => serve(bentDuplex(io, bend), signal))
    },
  }
}

function bentDuplex(io: Duplex, bend: (request: ProofRequest, reply: ProofReply) => Promise<ProofReply | null>): Duplex {
  let request: ProofRequest | null = null
  return {
    peer: io.peer,
    async receive(maxBytes) {
      const bytes = await io.receive(maxBytes)
      if (bytes !== null) request = proofRequest.decode(bytes)
      return bytes
    },
    receiveInto: (target) => io.receiveInto(target),
    async send(...parts) {
      const [bytes] = parts
      if (bytes === undefined || request === null) return io.send(...parts)
      const reply = await bend(request, proofReply.decode(bytes))
      if (reply !== null) await io.send(proofReply.encode(reply))
    },
    end: () => io.end(),
    abort: (reason) => io.abort(reason),
  }
}

/** `provide`, run by somebody who cheats. */
function cheating(provide: Provide, makeCheat: (rt: NodeRuntime) => Cheat): Provide {
  return (rt, terms) => {
    const { crypto, identity } = rt
    const cheat = makeCheat(rt)
    const claims = new Map<Digest, Uint8Array>()

    function bendClaims(reply: ProofReply & { readonly is: 'claims' }): ProofReply {
      const bent = reply.claims.map((bytes) => {
        const honest = claimSchema.decode(bytes)
        const claim = claimSchema.encode(cheat.claim?.(honest) ?? honest)
        claims.set(honest.head.setId, claim)
        return claim
      })
      return { ...reply, claims: bent }
    }

    function bendAnswer(request: Prove, bytes: Uint8Array, answer: (ProofReply & { readonly is: 'answers' })['answers'][number]) {
      const challenge = challengeSchema.decode(bytes)
      if (answer.is !== 'proof' || cheat.proof === undefined) return answer
      const lie = cheat.proof(proofSchema.decode(answer.proof), challenge)
      const at = {
        net: identity.net,
        epoch: toEpoch(request.epoch),
        verifier: request.verifier,
        subject: identity.device.id,
        claim: claims.get(challenge.setId) ?? new Uint8Array(0),
        slot: challenge.slot,
      }
      const sign = (body: Parameters<typeof answerHash>[2]): Uint8Array => identity.device.sign(answerHash(crypto, at, body))
      if ('refuse' in lie) {
        const body = { code: lie.refuse, why: 'the piece can not be read' }
        return { is: 'refusal' as const, ...body, signature: sign(body) }
      }
      const proof = proofSchema.encode(lie)
      return { is: 'proof' as const, proof, signature: sign({ blob: digestOf(crypto.sha256(proof)) }) }
    }

    async function bend(request: ProofRequest, reply: ProofReply): Promise<ProofReply | null> {
      if (reply.is === 'claims') return bendClaims(reply)
      if (reply.is !== 'answers' || request.op !== 'prove') return reply
      if ((await cheat.before?.(reply.answers.length)) === false) return null
      const answers = reply.answers.map((answer, i) => bendAnswer(request, request.challenges[i] ?? new Uint8Array(0), answer))
      return { is: 'answers', answers }
    }

    return provide({ ...rt, network: bentNetwork(rt.network, bend) }, terms)
  }
}

/** `provide`, run by somebody who keeps and proves everything, and bends what it serves to whoever reads. */
function misserving(provide: Provide, serve: (io: Duplex, rt: NodeRuntime) => Duplex): Provide {
  return (rt, terms) => {
    const { network } = rt
    const bent: Network = {
      self: network.self,
      addresses: network.addresses,
      know: (peer, addresses) => network.know(peer, addresses),
      dial: (peer, protocol, signal) => network.dial(peer, protocol, signal),
      close: () => network.close(),
      handle: (protocol, handler) =>
        network.handle(protocol, protocol === STORAGE_PROTOCOL ? (io, signal) => handler(serve(io, rt), signal) : handler),
    }
    return provide({ ...rt, network: bent }, terms)
  }
}

/** A duplex whose messages after the announcement of data pass through `data`, and the announcement through `announce`. */
function bentReads(
  io: Duplex,
  bend: { announce?(bytes: Uint8Array): Promise<Uint8Array>; data?(bytes: Uint8Array): Uint8Array | null },
): Duplex {
  let serving = false
  return {
    peer: io.peer,
    receive: (maxBytes) => io.receive(maxBytes),
    receiveInto: (target) => io.receiveInto(target),
    async send(...parts) {
      const whole = concat(parts)
      if (serving) {
        const bytes = bend.data === undefined ? whole : bend.data(whole)
        return bytes === null ? undefined : io.send(bytes)
      }
      serving = storageReply.decode(whole).is === 'data'
      return io.send(serving && bend.announce !== undefined ? await bend.announce(whole) : whole)
    },
    end: () => io.end(),
    abort: (reason) => io.abort(reason),
  }
}

const REFUSED = storageReply.encode({ is: 'refused', code: 'no-piece', why: 'the piece is not held' })

/** Answers with the first proof it ever made for a set. */
function replayer(): Cheat {
  const first = new Map<Digest, StorageProof>()
  return {
    proof(proof, { setId }) {
      const old = first.get(setId) ?? proof
      first.set(setId, old)
      return old
    },
  }
}

/** Every way to cheat that storage is held to, over the honest `provide`. */
export function storageFaults(provide: Provide): readonly Fault<StorageKind>[] {
  const all = epochsToCatch({ numerator: 1n, denominator: 1n }, SLOTS_PER_SET)
  const half = epochsToCatch({ numerator: 1n, denominator: 2n }, SLOTS_PER_SET)
  const fault = (id: string, caughtWithin: number, reason: string, cheat: (rt: NodeRuntime) => Cheat): Fault<StorageKind> => ({
    id,
    caughtWithin,
    reason,
    provide: cheating(provide, cheat),
  })
  const served = (id: string, serve: (io: Duplex, rt: NodeRuntime) => Duplex): Fault<StorageKind> => ({
    id,
    caughtWithin: all,
    reason: 'unretrievable',
    provide: misserving(provide, serve),
  })
  return [
    fault('deletes-half', half, 'refused-lost', () => ({ proof: (proof) => (isOdd(proof.pieceId) ? { refuse: 'lost' } : proof) })),
    // Knows every root and path, and no byte: the right length is all it can offer.
    fault('keeps-hashes-only', all, 'wrong-leaf', () => ({ proof: (proof) => ({ ...proof, leaf: new Uint8Array(proof.leaf.length) }) })),
    fault('serves-corrupted', all, 'wrong-leaf', () => ({ proof: (proof) => ({ ...proof, leaf: flipped(proof.leaf) }) })),
    fault('fetches-elsewhere', all, 'silence', ({ clock }) => ({
      before: async (challenges) => {
        await clock.sleep(RELAY_MS * challenges)
        return true
      },
    })),
    fault('replays-old-proofs', all, 'wrong-position', replayer),
    fault('forges', all, 'wrong-path', ({ random }) => ({
      proof: (proof) => ({ ...proof, leaf: random.bytes(proof.leaf.length), setPath: random.bytes(proof.setPath.length) }),
    })),
    fault('silent', all, 'silence', () => ({ before: () => Promise.resolve(false) })),
    served('refuses-reads', (io) => bentReads(io, { announce: () => Promise.resolve(REFUSED), data: () => null })),
    served('corrupts-reads', (io) => bentReads(io, { data: flipped })),
    served('throttles-reads', (io, { clock }) => bentReads(io, { announce: (bytes) => clock.sleep(THROTTLE_MS).then(() => bytes) })),
    fault('inflates-its-claim', all, 'not-signed-by-customer', () => ({
      claim: (claim) => ({ ...claim, head: { ...claim.head, totalBytes: claim.head.totalBytes * 2n } }),
    })),
  ]
}
