/** A contract call as people write it: `weights.set([2],[4000])`, its arguments in JSON. */
import { CairnError } from '../../protocol/errors.ts'
import { type Addresses, type ChainCall, CONTRACT_NAMES } from '../../runtime/chain.ts'

/** What a proposal's calls may need; a longer one is a mistake. */
const TEXT_MAX = 20_000

const wrong = (text: string, why: string): CairnError =>
  new CairnError('CONFIG', {
    what: `the call ${text.slice(0, 200)}`,
    why,
    fix: 'write contract.function(arguments in JSON), such as weights.set([2],[4000]) or staking.proposeSlasher("@disputes")',
  })

/** Integers exactly, however long; `"@name"` as the address of a contract of this deployment. */
function argumentOf(text: string, addresses: Addresses, value: unknown, source: string | undefined): unknown {
  if (typeof value === 'number') {
    if (source === undefined || !/^-?\d+$/.test(source)) throw wrong(text, `${source ?? value} is no integer`)
    return BigInt(source)
  }
  if (typeof value !== 'string' || !value.startsWith('@')) return value
  const name = CONTRACT_NAMES.find((contract) => `@${contract}` === value)
  if (name === undefined) throw wrong(text, `there is no contract ${value.slice(1)}`)
  return addresses[name]
}

/** Throws `CONFIG` for what is no such call; whether the contract has the function is `encodeCall`'s to say. */
export function parseCall(text: string, addresses: Addresses): ChainCall {
  const parts = text.length > TEXT_MAX ? null : /^\s*(\w+)\.(\w+)\((.*)\)\s*$/s.exec(text)
  if (parts === null) throw wrong(text, 'it is not of that form')
  const contract = CONTRACT_NAMES.find((name) => name === parts[1])
  if (contract === undefined) throw wrong(text, `there is no contract ${parts[1]}, but ${CONTRACT_NAMES.join(', ')}`)
  let args: unknown
  try {
    args = JSON.parse(`[${parts[3]}]`, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
      return argumentOf(text, addresses, value, context?.source)
    })
  } catch (error) {
    if (error instanceof CairnError) throw error
    throw wrong(text, `its arguments are no JSON (${error instanceof Error ? error.message : String(error)})`)
  }
  return { contract, function: parts[2] ?? '', args: Array.isArray(args) ? args : [] }
}
