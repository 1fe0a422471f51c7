/**
 * Receipts that a device signs of its work, and that DisputeManager judges: two that differ under one (boot, sequence) cost
 * the device its place and its owner a part of his stake. So a signer must never use a number twice, whatever happens to
 * its machine: it makes a ceiling durable before it uses the numbers below it, and goes on from the ceiling after a start.
 */
import { z } from 'zod'
import type { Crypto } from '../protocol/crypto.ts'
import { CairnError } from '../protocol/errors.ts'
import { bytesOf, type DeviceId, type Digest, digestOf, type Hex, type NetworkId } from '../protocol/ids.ts'
import { schema, wire } from '../protocol/schema.ts'
import { domainSeparator, RECEIPT, receiptDomain, typedDataHash } from '../protocol/typed-data.ts'
import type { DeviceReceipt } from '../runtime/chain-judges.ts'
import type { Clock, Disk, Random } from '../runtime/index.ts'
import { bigEndian } from '../std/bytes.ts'

/** Hashes of receipts for signing, for one chain and the DisputeManager on it. */
export function receiptHasher(crypto: Crypto, chainId: number, disputes: Hex): (receipt: DeviceReceipt) => Uint8Array {
  const separator = domainSeparator(crypto, receiptDomain(chainId, disputes))
  return (receipt) => typedDataHash(crypto, separator, RECEIPT, { ...receipt })
}

export interface SignedReceipt {
  readonly receipt: DeviceReceipt
  /** 64 bytes (P-256) or 65 (secp256k1). */
  readonly signature: Uint8Array
}

export interface ReceiptSignerOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly crypto: Crypto
  readonly random: Random
  /** The signer's alone: a copy of the folder that is used as well is a second device with the first one's key. */
  readonly disk: Pick<Disk, 'read' | 'replace'>
  readonly chainId: number
  /** Address of DisputeManager. */
  readonly disputes: Hex
  readonly net: NetworkId
  readonly device: { readonly id: DeviceId; sign(hash: Uint8Array): Uint8Array }
}

export interface ReceiptSigner {
  /** Signs for `contentHash` under the next number, now. Throws `DISK`; the signer is then of no more use. */
  sign(contentHash: Digest): Promise<SignedReceipt>
}

const PATH = 'receipts'
/** Numbers that one write to the disk pays for; a crash skips as many at most. */
const STEP = 1024n

/** `check`: SHA-256 of the rest. A medium that rots could otherwise lower the ceiling. */
const stateSchema = schema('receipt numbers', 256, z.strictObject({ boot: wire.digest, ceiling: wire.bigint(64), check: wire.digest }))
type State = ReturnType<typeof stateSchema.decode>

const checkOf = (crypto: Crypto, boot: Digest, ceiling: bigint): Digest => digestOf(crypto.sha256(bytesOf(boot), bigEndian(ceiling, 8)))

/** Opens a device's numbers, or begins a new boot where there are none. Throws `DISK`. */
export async function openReceiptSigner(options: ReceiptSignerOptions): Promise<ReceiptSigner> {
  const { clock, crypto, disk, net, device } = options
  const hash = receiptHasher(crypto, options.chainId, options.disputes)
  const kept = await readState(crypto, disk)
  // A file that cannot be read is as good as none: under a new boot every number is free.
  const boot = kept?.boot ?? digestOf(options.random.bytes(32))
  let next = kept?.ceiling ?? 0n
  let ceiling = next
  let raising: Promise<void> | null = null
  let broken: unknown = null

  async function raise(): Promise<void> {
    const higher = next + STEP
    try {
      await disk.replace(PATH, stateSchema.encode({ boot, ceiling: higher, check: checkOf(crypto, boot, higher) }))
      ceiling = higher
    } catch (error) {
      // What is on the disk now is not known; the next start reads it.
      broken = error
    } finally {
      raising = null
    }
  }

  return {
    async sign(contentHash) {
      while (broken === null && next >= ceiling) {
        raising ??= raise()
        await raising
      }
      if (broken !== null) throw broken
      const sequence = next
      next += 1n
      const receipt = { net, deviceId: device.id, boot, sequence, timestamp: Math.floor(clock.now() / 1000), contentHash }
      return { receipt, signature: device.sign(hash(receipt)) }
    },
  }
}

async function readState(crypto: Crypto, disk: Pick<Disk, 'read'>): Promise<State | null> {
  const bytes = await disk.read(PATH)
  if (bytes === null) return null
  try {
    const state = stateSchema.decode(bytes)
    return state.check === checkOf(crypto, state.boot, state.ceiling) ? state : null
  } catch (error) {
    if (error instanceof CairnError) return null
    throw error
  }
}
