/** The tables that the WebAssembly loops read, computed and not typed in: a wrong digit has nowhere to hide. */

import { createField, encodeMatrix, nibbleTables, selectRows } from './gf256.ts'
import type { MemoryPlan } from './memory.ts'

/** Reflected polynomials: CRC-32C (Castagnoli, RFC 3720 B.4) and CRC-64/NVME (NVM Command Set 1.0, §5.2.1.3.4). */
const CRC32C = 0x82f63b78n
const CRC64NVME = 0x9a6c9329ac4bc9b5n
/** Tables of 256 entries: how many bytes a step takes. */
const SLICES = 16

/** The first 32 fractional bits of the cube roots of the first 64 primes (FIPS 180-4 §4.2.2). */
export function sha256Constants(): Uint32Array {
  const out = new Uint32Array(64)
  const primes: bigint[] = []
  for (let candidate = 2n; primes.length < out.length; candidate += 1n) {
    if (primes.every((prime) => candidate % prime !== 0n)) primes.push(candidate)
  }
  for (const [i, prime] of primes.entries()) out[i] = Number(cubeRoot(prime << 96n) & 0xffff_ffffn)
  return out
}

/** ⌊∛value⌋ for values below 2^120, by bisection. */
function cubeRoot(value: bigint): bigint {
  let low = 0n
  let high = 1n << 40n
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (middle ** 3n <= value) low = middle
    else high = middle
  }
  return low
}

/** Entry [j][b]: what byte b does to the register once j more zero bytes have been read. */
function crcTables(polynomial: bigint): bigint[] {
  const tables: bigint[] = []
  for (let byte = 0n; byte < 256n; byte += 1n) {
    let register = byte
    for (let bit = 0; bit < 8; bit += 1) register = register & 1n ? (register >> 1n) ^ polynomial : register >> 1n
    tables.push(register)
  }
  for (let i = 256; i < SLICES * 256; i += 1) {
    const before = tables[i - 256] as bigint
    tables.push((tables[Number(before & 0xffn)] as bigint) ^ (before >> 8n))
  }
  return tables
}

/** Writes every constant of `plan` into `memory`; once, before any thread reads it. */
export function writeConstants(memory: WebAssembly.Memory, plan: MemoryPlan): void {
  new Uint32Array(memory.buffer, plan.sha256, 64).set(sha256Constants())
  new Uint32Array(memory.buffer, plan.crc32c, SLICES * 256).set(crcTables(CRC32C).map(Number))
  new BigUint64Array(memory.buffer, plan.crc64nvme, SLICES * 256).set(crcTables(CRC64NVME))
  const field = createField()
  const parityRows = Array.from({ length: plan.n - plan.k }, (_, i) => plan.k + i)
  const parity = selectRows(encodeMatrix(field, plan.k, plan.n), parityRows)
  const tables = nibbleTables(field, parity)
  new Uint8Array(memory.buffer, plan.parity, tables.length).set(tables)
}
