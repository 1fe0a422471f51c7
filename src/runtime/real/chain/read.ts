import { CairnError } from '../../../protocol/errors.ts'
import type { Address } from '../../../protocol/ids.ts'
import type { Addresses, ChainCall, ContractName } from '../../chain.ts'
import { decodeResult, decodeRevert, encodeCall, targetOf } from './contracts.ts'
import type { Rpc } from './rpc.ts'

/** Contract storage as of the latest block, for people who look; roles act on the confirmed view alone. */
export interface ContractReader {
  /**
   * What a view function returns: one value as itself, several by position. Addresses and hashes are lower case.
   * @throws `REVERTED` with the custom error's name, `MALFORMED`, `CHAIN_AWAY`, `CONFIG` for a function it does not have.
   */
  read(contract: keyof Addresses, name: string, ...args: readonly unknown[]): Promise<unknown>
  /** The same of a contract at an address of its own. */
  readAt(at: Address, contract: ContractName, name: string, ...args: readonly unknown[]): Promise<unknown>
  /** One that returns a number of tokens, seconds, votes or the like. Throws as `read` does. */
  number(contract: keyof Addresses, name: string, ...args: readonly unknown[]): Promise<bigint>
}

export function createReader(rpc: Rpc, addresses: Addresses): ContractReader {
  async function ask(call: ChainCall): Promise<unknown> {
    const at = targetOf(call, addresses)
    const answer = await rpc.call(at, at, encodeCall(call), 'latest')
    if (typeof answer === 'string') return decodeResult(call, answer)
    throw new CairnError('REVERTED', { call: `${call.contract}.${call.function}`, reason: decodeRevert(answer.data, answer.why).error })
  }
  const read: ContractReader['read'] = (contract, name, ...args) => ask({ contract, function: name, args })
  return {
    read,
    readAt: (at, contract, name, ...args) => ask({ contract, at, function: name, args }),
    async number(contract, name, ...args) {
      const value = await read(contract, name, ...args)
      // ABI types of up to 48 bits come as numbers, wider ones as bigints.
      if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value)
      throw new CairnError('MALFORMED', { what: `the answer of ${contract}.${name}`, why: 'it is no number' })
    },
  }
}
