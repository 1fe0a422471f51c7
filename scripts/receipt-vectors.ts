/**
 * Hashes of receipts as devices sign them, for the contract that judges them: `contracts/test/vectors/ReceiptVectors.sol`.
 * `node scripts/receipt-vectors.ts` writes the file; a test compares it.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeAbiParameters, getAddress, parseAbiParameters } from 'viem'
import { deviceId, digestOf, type Hex, networkId } from '../src/protocol/ids.ts'
import { receiptHasher } from '../src/resources/receipts.ts'
import type { DeviceReceipt } from '../src/runtime/chain-judges.ts'
import { createCrypto } from '../src/runtime/real/crypto.ts'
import { vectorLibrary } from './vector-library.ts'

export const RECEIPT_VECTORS_PATH = join(dirname(dirname(fileURLToPath(import.meta.url))), 'contracts/test/vectors/ReceiptVectors.sol')
/** forge's chain, and a place where its test puts the judge. */
const CHAIN_ID = 31_337
const JUDGE: Hex = `0x${'d1'.repeat(20)}`
const crypto = createCrypto()

const bytes32 = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`

/** Zeros, the largest of each type, and something between. */
const RECEIPTS: readonly DeviceReceipt[] = [
  { net: 0, deviceId: bytes32(0), boot: bytes32(0), sequence: 0n, timestamp: 0, contentHash: bytes32(0) },
  {
    net: 2 ** 32 - 1,
    deviceId: bytes32(255),
    boot: bytes32(255),
    sequence: 2n ** 64n - 1n,
    timestamp: 2 ** 40 - 1,
    contentHash: bytes32(255),
  },
  { net: 2, deviceId: bytes32(17), boot: bytes32(34), sequence: 1025n, timestamp: 1_800_000_000, contentHash: bytes32(51) },
].map((one) => ({
  ...one,
  net: networkId(one.net),
  deviceId: deviceId(one.deviceId),
  boot: digestOf(Buffer.from(one.boot.slice(2), 'hex')),
  contentHash: digestOf(Buffer.from(one.contentHash.slice(2), 'hex')),
}))

const VECTOR = parseAbiParameters([
  'Receipt receipt, bytes32 digest',
  'struct Receipt { uint32 net; bytes32 deviceId; bytes32 boot; uint64 sequence; uint40 timestamp; bytes32 contentHash; }',
])

/** The Solidity file. */
export function receiptVectors(): string {
  const hash = receiptHasher(crypto, CHAIN_ID, JUDGE)
  const vectors = RECEIPTS.map((receipt) => encodeAbiParameters(VECTOR, [receipt, digestOf(hash(receipt))]))
  return vectorLibrary({
    by: 'scripts/receipt-vectors.ts',
    name: 'ReceiptVectors',
    holds: 'Receipt, digest',
    vectors,
    constants: [`address internal constant JUDGE = ${getAddress(JUDGE)};`],
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(RECEIPT_VECTORS_PATH, receiptVectors())
