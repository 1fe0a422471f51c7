/** Sums of an asset as people write and read them: dollars of credits, CAIRN, and plain base units of anything else. */
import { CairnError } from '../../protocol/errors.ts'
import { type Address, address } from '../../protocol/ids.ts'
import type { Addresses } from '../../runtime/chain.ts'
import { cairn, dollars, parseCairn, parseDollars } from './output.ts'

/** What an asset is called here: the two of this system by name, any other token by its address. */
export type AssetName = 'credits' | 'token' | Address

export function assetNamed(addresses: Addresses, asset: Address): AssetName {
  if (asset === addresses.credits) return 'credits'
  return asset === addresses.token ? 'token' : asset
}

/** Throws CONFIG for a name that is neither an asset of this system nor an address. */
export function assetOf(addresses: Addresses, name: string): Address {
  if (name === 'credits' || name === 'token') return addresses[name]
  if (/^0x[0-9a-fA-F]{40}$/.test(name)) return address(name)
  throw new CairnError('CONFIG', { what: `the asset ${name}`, why: 'there is none of this name', fix: 'say credits, token, or an address' })
}

/** Base units of a sum such as `12.50` (dollars of credits, or CAIRN). Throws CONFIG for anything else, and for nothing. */
export function parseAmount(addresses: Addresses, asset: Address, text: string): bigint {
  const name = assetNamed(addresses, asset)
  const parsed =
    name === 'credits' ? parseDollars(text) : name === 'token' ? parseCairn(text) : /^\d{1,38}$/.test(text) ? BigInt(text) : null
  if (parsed !== null && parsed > 0n && parsed < 1n << 128n) return parsed
  const fix =
    name === 'credits' ? 'write dollars, such as 12.50' : name === 'token' ? 'write CAIRN, such as 12.5' : 'write whole base units'
  throw new CairnError('CONFIG', { what: 'the sum', why: `${JSON.stringify(text)} is none`, fix })
}

export function showAmount(addresses: Addresses, asset: Address, amount: bigint): string {
  const name = assetNamed(addresses, asset)
  if (name === 'credits') return dollars(amount)
  return name === 'token' ? `${cairn(amount)} CAIRN` : `${amount} of ${asset}`
}
