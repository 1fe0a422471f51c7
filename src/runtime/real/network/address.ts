import { isIP } from 'node:net'
import { ADDRESS_BYTES_MAX } from '../../../protocol/limits.ts'

/** Where a socket connects to. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`, optionally with `/p2p/PEER` behind it, as libp2p's multiaddr text writes it. */
const ADDRESS = /^\/(ip4|ip6|dns|dns4|dns6)\/([0-9A-Za-z.:-]{1,253})\/tcp\/([0-9]{1,5})(?:\/p2p\/[1-9A-Za-z]{1,64})?$/

/** The endpoint that `address` names, or null when it is none that TCP can reach. */
export function parseAddress(address: string): Endpoint | null {
  const match = address.length <= ADDRESS_BYTES_MAX ? ADDRESS.exec(address) : null
  if (match === null) return null
  const [, kind = '', host = '', digits = ''] = match
  const port = Number(digits)
  if (port < 1 || port > 65_535) return null
  const family = kind === 'ip4' ? 4 : kind === 'ip6' ? 6 : 0
  return isIP(host) === family ? { host, port } : null
}

/** The text of an endpoint. */
export function formatAddress({ host, port }: Endpoint): string {
  const family = isIP(host)
  return `/${family === 4 ? 'ip4' : family === 6 ? 'ip6' : 'dns'}/${host}/tcp/${port}`
}
