import { bigEndian, fromBigEndian } from './bytes.ts'

/** Reflected polynomials: CRC-32 (ISO-HDLC), CRC-32C (Castagnoli, RFC 3720), CRC-64/NVME (NVM Express). */
const POLYNOMIALS = {
  crc32: { bits: 32, poly: 0xedb88320n },
  crc32c: { bits: 32, poly: 0x82f63b78n },
  crc64nvme: { bits: 64, poly: 0x9a6c9329ac4bc9b5n },
} as const

type Matrix = readonly bigint[]

function times(matrix: Matrix, vector: bigint): bigint {
  let sum = 0n
  for (let bit = 0, rest = vector; rest !== 0n; bit += 1, rest >>= 1n) if ((rest & 1n) === 1n) sum ^= matrix[bit] as bigint
  return sum
}

const square = (matrix: Matrix): Matrix => matrix.map((row) => times(matrix, row))

/**
 * The CRC of A‖B from the CRCs of A and B (big-endian bytes, as S3 writes them) and B's length: A's is advanced by
 * B's length in zeros, by repeated squaring of the one-zero-bit operator over GF(2) (Adler's method in zlib).
 */
export function combineCrc(kind: keyof typeof POLYNOMIALS, a: Uint8Array, b: Uint8Array, bLength: number): Uint8Array {
  const { bits, poly } = POLYNOMIALS[kind]
  const oneBit: Matrix = [poly, ...Array.from({ length: bits - 1 }, (_, bit) => 1n << BigInt(bit))]
  let operator = square(square(square(oneBit)))
  let crc = fromBigEndian(a)
  for (let rest = bLength; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) crc = times(operator, crc)
    operator = square(operator)
  }
  return bigEndian(crc ^ fromBigEndian(b), bits / 8)
}
