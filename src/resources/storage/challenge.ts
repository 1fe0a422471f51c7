/**
 * Which bytes a provider must show in an epoch. Nobody chooses: the epoch's seed comes
 * from a block after the claims were fixed, the verifier's nonce was committed before that block. Pure.
 */
import type { Crypto } from '../../protocol/crypto.ts'
import { bytesOf, type DeviceId, type Digest, digestOf, type Seed } from '../../protocol/ids.ts'
import { assert } from '../../std/assert.ts'
import { bigEndian, fromBigEndian } from '../../std/bytes.ts'
import { subjectSeed } from '../settle.ts'
import type { SetHead, StorageChallenge } from './messages.ts'

/**
 * Challenges per data set and verifier in an epoch. A provider that lost the share α of a set passes all with (1 − α)^8:
 * 43 % at α = 10 %, 0.4 % at one half, and pay is lost for the epoch each time, so that losing data never pays.
 */
export const SLOTS_PER_SET = 8

export interface Draw {
  /** `ChainView.epochSeed`. */
  readonly epochSeed: Uint8Array
  /** 32 bytes whose Keccak-256 the verifier committed on chain before the epoch (EvidenceLog.commitNonce). */
  readonly nonce: Uint8Array
  readonly device: DeviceId
  readonly slot: number
}

/** H(the subject's seed ‖ set ‖ slot): one function for the provider that answers and everyone who judges. */
export const slotSeed = (crypto: Pick<Crypto, 'sha256'>, seed: Seed, setId: Digest, slot: number): Uint8Array =>
  crypto.sha256(seed, bytesOf(setId), bigEndian(BigInt(slot), 4))

/**
 * Uniform in [0, total): the first of SHA-256(seed ‖ 0), SHA-256(seed ‖ 1), … whose leading 64 bits fall below the largest
 * multiple of `total`. A round fails with a chance of at most one half (far less for real sets).
 */
export function drawPosition(crypto: Pick<Crypto, 'sha256'>, seed: Uint8Array, total: bigint): bigint {
  assert(total > 0n && total <= 1n << 63n, 'a position is drawn from a set with bytes')
  const space = 1n << 64n
  const fair = space - (space % total)
  for (let round = 0; round < 256; round += 1) {
    const draw = fromBigEndian(crypto.sha256(seed, bigEndian(BigInt(round), 4)).subarray(0, 8))
    if (draw < fair) return draw % total
  }
  throw new RangeError('256 draws in a row were rejected, which has a chance of 2^-256')
}

/** The challenge of one slot of a claimed set that is not empty. */
function challengeAt(crypto: Pick<Crypto, 'sha256'>, head: SetHead, seed: Seed, slot: number): StorageChallenge {
  const { setId, root, count, totalBytes, version } = head
  const position = drawPosition(crypto, slotSeed(crypto, seed, setId, slot), totalBytes)
  return { setId, root, count, totalBytes, version, slot, position }
}

/** The challenge of one slot as the provider works it out again from what the verifier opened. */
export function challengeOf(crypto: Pick<Crypto, 'sha256'>, head: SetHead, draw: Draw): StorageChallenge {
  assert(draw.epochSeed.length === 32 && draw.nonce.length === 32, 'seeds and nonces are 32 bytes')
  return challengeAt(crypto, head, subjectSeed(crypto, digestOf(draw.epochSeed), draw.nonce, draw.device), draw.slot)
}

/** All challenges of a claimed set. None for an empty one, nor for a size that no set has and no claim is admitted with. */
export const challengesOf = (crypto: Pick<Crypto, 'sha256'>, head: SetHead, seed: Seed): StorageChallenge[] =>
  head.totalBytes === 0n || head.totalBytes > BigInt(Number.MAX_SAFE_INTEGER)
    ? []
    : Array.from({ length: SLOTS_PER_SET }, (_, slot) => challengeAt(crypto, head, seed, slot))

/** What a verifier's nonce must hash to on chain. */
export const nonceCommitment = (crypto: Pick<Crypto, 'keccak256'>, nonce: Uint8Array): Digest => digestOf(crypto.keccak256(nonce))
