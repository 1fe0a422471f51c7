/** Epochs' seeds from block headers: nobody chose them, and everybody who reads the chain gets the same. */
import type { Crypto } from '../../protocol/crypto.ts'
import { bytesOf, type Digest, digestOf, type Epoch, type NetworkId } from '../../protocol/ids.ts'
import { bigEndian } from '../../std/bytes.ts'
import type { ChainHead } from '../chain.ts'

/** A header with the time of the block before it, which says in which epochs it is the first block. */
export interface SeedHeader extends ChainHead {
  /** Seconds. */
  readonly parentTimestamp: number
}

export type SeedAnswer = { is: 'seed'; seed: Digest } | { is: 'waiting' } | { is: 'void' }

export interface SeedIndex {
  /** Next header in chain order. Whether it begins an epoch of a known length and is worth keeping. */
  add(header: SeedHeader): boolean
  /** From now on epochs of this length count; the headers that are still at hand are looked through. */
  addLength(epochSeconds: number): void
  seed(net: NetworkId, epochSeconds: number, epoch: Epoch, headTimestamp: number): SeedAnswer
}

/** Headers kept for networks that are created later: their first epoch may have begun this many blocks before. */
export const HEADERS_KEPT = 8_192

export function createSeedIndex(crypto: Crypto): SeedIndex {
  /** Epoch length → epoch → hash of its first block. */
  const starts = new Map<number, Map<number, Digest>>()
  let recent: SeedHeader[] = []

  function note(length: number, firsts: Map<number, Digest>, header: SeedHeader): boolean {
    const epoch = Math.floor(header.timestamp / length)
    if (Math.floor(header.parentTimestamp / length) === epoch) return false
    firsts.set(epoch, header.hash)
    return true
  }

  return {
    add(header) {
      recent.push(header)
      // Cut in halves, so that forgetting costs nothing per block.
      if (recent.length >= 2 * HEADERS_KEPT) recent = recent.slice(-HEADERS_KEPT)
      let begins = false
      for (const [length, firsts] of starts) begins = note(length, firsts, header) || begins
      return begins
    },
    addLength(length) {
      if (starts.has(length)) return
      const firsts = new Map<number, Digest>()
      starts.set(length, firsts)
      for (const header of recent) note(length, firsts, header)
    },
    seed(net, length, epoch, headTimestamp) {
      const hash = starts.get(length)?.get(epoch)
      if (hash !== undefined) {
        const words = [bytesOf(hash), bigEndian(BigInt(net), 32), bigEndian(BigInt(epoch), 32)]
        return { is: 'seed', seed: digestOf(crypto.keccak256(...words)) }
      }
      return headTimestamp < epoch * length ? { is: 'waiting' } : { is: 'void' }
    },
  }
}
