/** Cheaters beyond those that the resource itself declares: liars to customers, and one whose losses follow a formula. */

import type { Crypto } from '../protocol/crypto.ts'
import { isCairnError } from '../protocol/errors.ts'
import { bytesOf, type ProtocolId } from '../protocol/ids.ts'
import {
  challengeSchema,
  PROOF_PROTOCOL,
  type ProofRequest,
  proofReply,
  proofRequest,
  STORAGE_PROTOCOL,
  storage,
  storageReply,
} from '../resources/storage/index.ts'
import type { Duplex, Network } from '../runtime/index.ts'
import { present } from '../std/assert.ts'
import { bigEndian, fromBigEndian } from '../std/bytes.ts'
import type { NodeBend } from './node.ts'

/** `network` with one protocol's exchanges bent. */
function bent(network: Network, protocol: ProtocolId, bend: (io: Duplex) => Duplex): Network {
  return {
    self: network.self,
    addresses: network.addresses,
    know: (peer, addresses) => network.know(peer, addresses),
    dial: (peer, name, signal) => network.dial(peer, name, signal),
    close: () => network.close(),
    handle: (name, serve) => network.handle(name, name === protocol ? (io, signal) => serve(bend(io), signal) : serve),
  }
}

/** Keeps the proofs honest and flips a bit in everything it serves to customers. */
export const corruptsReads = (): NodeBend => ({
  network: (network) =>
    bent(network, STORAGE_PROTOCOL, (io) => {
      let serving = false
      return {
        ...plain(io),
        send(...parts) {
          const [first] = parts
          if (serving && first !== undefined)
            return io.send(
              first.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
              ...parts.slice(1),
            )
          serving = first !== undefined && announcesData(first)
          return io.send(...parts)
        },
      }
    }),
})

function announcesData(bytes: Uint8Array): boolean {
  try {
    return storageReply.decode(bytes).is === 'data'
  } catch (error) {
    if (isCairnError(error)) return false
    throw error
  }
}

const plain = (io: Duplex): Duplex => ({
  peer: io.peer,
  send: (...parts) => io.send(...parts),
  receive: (maxBytes) => io.receive(maxBytes),
  receiveInto: (target) => io.receiveInto(target),
  end: () => io.end(),
  abort: (reason) => io.abort(reason),
})

/** Cells of a set that are lost or kept as a whole: so small that the share of lost ones is the share asked for. */
const CELL_BYTES = 64n

/** Has lost the share `ppm` of its bytes, spread evenly, and cannot show a byte that falls in them. */
export const losesShare = (crypto: Crypto, ppm: number): NodeBend => ({
  network: (network) =>
    bent(network, PROOF_PROTOCOL, (io) => {
      let request: ProofRequest | null = null
      const isLost = (bytes: Uint8Array): boolean => {
        const { setId, position } = challengeSchema.decode(bytes)
        const draw = fromBigEndian(crypto.sha256(bytesOf(setId), bigEndian(position / CELL_BYTES, 8)).subarray(0, 6))
        return draw * 1_000_000n < BigInt(ppm) << 48n
      }
      return {
        ...plain(io),
        async receive(maxBytes) {
          const bytes = await io.receive(maxBytes)
          if (bytes !== null) request = proofRequest.decode(bytes)
          return bytes
        },
        send(...parts) {
          const [bytes] = parts
          const asked = request
          if (bytes === undefined || asked === null || asked.op !== 'prove') return io.send(...parts)
          const reply = proofReply.decode(bytes)
          if (reply.is !== 'answers') return io.send(...parts)
          const answers = reply.answers.map((answer, i) => {
            if (answer.is !== 'proof' || !isLost(asked.challenges[i] ?? new Uint8Array())) return answer
            // What it cannot read it can only make up.
            return { ...answer, proof: answer.proof.map((byte, at) => (at === answer.proof.length - 1 ? byte ^ 1 : byte)) }
          })
          return io.send(proofReply.encode({ is: 'answers', answers }))
        },
      }
    }),
})

/** Ids of the resource's own faults, in order. Who only serves badly is found by verifiers' reads, which are not simulated yet. */
export const CHEATS: readonly string[] = storage.faults.filter((fault) => fault.reason !== 'unretrievable').map((fault) => fault.id)

export const cheatBend = (id: string): NodeBend => ({
  cheat: present(
    storage.faults.find((fault) => fault.id === id),
    `storage declares the fault ${id}`,
  ),
})
