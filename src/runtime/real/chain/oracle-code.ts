import type { Hex } from '../../../protocol/ids.ts'
import { readArtifact } from './artifacts.ts'

export interface FixedOracleCode {
  /** Runtime code of a FixedOracle with this price (USD · 1e18 per CAIRN): what its constructor would leave on chain. */
  of(price: bigint): Hex
  /** Whether a contract's code is that of a FixedOracle, whatever its price. */
  matches(code: Hex): boolean
}

/** The price is the contract's one immutable, so two of them differ in it alone. */
export async function fixedOracleCode(): Promise<FixedOracleCode> {
  const { runtime, immutables } = await readArtifact('FixedOracle')
  const filled = (code: string, word: string): Hex => {
    const digits = [...code]
    for (const { start, length } of immutables) digits.splice(2 + 2 * start, 2 * length, ...word)
    return `0x${digits.slice(2).join('')}`
  }
  const word = (value: bigint): string => value.toString(16).padStart(64, '0')
  return {
    of: (price) => filled(runtime, word(price)),
    matches: (code) => code.length === runtime.length && filled(code, word(0n)) === filled(runtime, word(0n)),
  }
}
