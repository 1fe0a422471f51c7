/**
 * `cairn credits price`: another price on a local chain. Nobody may set the fixed oracle's, and no contract is bent for
 * it here: a development chain lets its code be replaced, by the same contract compiled for another price.
 */
import { CairnError } from '../../protocol/errors.ts'
import { createRpc, loadDeployment } from '../../runtime/real/chain/index.ts'
import { fixedOracleCode } from '../../runtime/real/chain/oracle-code.ts'
import { type Exit, fixed, print, printJson } from './output.ts'
import { findPlace } from './place.ts'
import type { LookOptions } from './send.ts'
import { requireLocal } from './warp.ts'

const USD = 10n ** 18n

/** USD · 1e18; null for `none`. Throws `CONFIG`. */
function priceOf(text: string): bigint | null {
  if (text === 'none') return null
  const parts = /^\$?(\d{1,9})(?:\.(\d{1,18}))?$/.exec(text)
  const price = parts === null ? 0n : BigInt(parts[1] ?? '0') * USD + BigInt((parts[2] ?? '').padEnd(18, '0'))
  if (price > 0n) return price
  throw new CairnError('CONFIG', { what: 'the price', why: `${JSON.stringify(text)} is none`, fix: 'write 0.10 or 1.9, or none' })
}

/**
 * Sets the price of a local chain's fixed oracle, or takes it away.
 * @throws `CONFIG` for a chain that is no anvil, and for an oracle of another kind, whose price comes from its market.
 */
export async function setPrice(text: string, options: LookOptions): Promise<Exit> {
  const price = priceOf(text)
  const place = await findPlace(options.data)
  const rpc = createRpc(place.rpc)
  await requireLocal(rpc, 'set its prices')
  const deployment = await loadDeployment(place.deployment)
  if (deployment === null) throw new CairnError('NOT_FOUND', { what: 'deployment file', id: place.deployment })
  const { oracle } = deployment.addresses
  const [known, code] = await Promise.all([rpc.code(oracle), fixedOracleCode()])
  if (known !== '0x' && !code.matches(known)) {
    const why = 'it is no fixed one'
    throw new CairnError('CONFIG', { what: `the oracle ${oracle}`, why, fix: 'move the price at its own source' })
  }
  await rpc.request('anvil_setCode', [oracle, price === null ? '0x' : code.of(price)])
  if (options.json) printJson({ oracle, price })
  else print(price === null ? 'there is no price any more' : `a CAIRN is $${fixed(price, USD, 6)} now`)
  return 0
}
