import { CairnError } from '../../../protocol/errors.ts'
import { type Digest, digest, type Hex } from '../../../protocol/ids.ts'
import type { ChainHead } from '../../chain.ts'
import { createJsonRpc, type RpcFailure } from './json-rpc.ts'

/** A block's header, as far as we read it. */
export interface Header extends ChainHead {
  readonly parent: Digest
  readonly baseFee: bigint
}

export interface RawLog {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly block: bigint
  readonly blockHash: Digest
  readonly index: number
}

export interface Receipt {
  readonly block: bigint
  readonly blockHash: Digest
  readonly ok: boolean
  readonly created: Hex | null
}

/** What the node answered instead of a result: it is there, and refuses. */
export interface Refusal {
  readonly is: 'refused'
  readonly code: number
  readonly why: string
  /** Revert data, `0x` when there is none. */
  readonly data: Hex
}

/** The few JSON-RPC methods in use, each answered in time, refused by the node, or failed with `CHAIN_AWAY`. */
export interface Rpc {
  readonly url: string
  chainId(): Promise<number>
  blockNumber(): Promise<bigint>
  /** Null when the chain has no such block (yet, or any more). */
  header(number: bigint | 'latest'): Promise<Header | null>
  logs(from: bigint, to: bigint, addresses: readonly Hex[]): Promise<readonly RawLog[]>
  /** Of one block by its hash (EIP-234), so that no reorg can put another block's in their place. */
  logsOf(block: Digest, addresses: readonly Hex[]): Promise<readonly RawLog[]>
  nonce(account: Hex, tag: 'latest' | 'pending'): Promise<number>
  receipt(hash: Hex): Promise<Receipt | null>
  known(hash: Hex): Promise<boolean>
  estimate(from: Hex, to: Hex | null, data: Hex, value: bigint): Promise<bigint | Refusal>
  call(from: Hex, to: Hex, data: Hex, block: bigint | 'latest' | 'pending'): Promise<Hex | Refusal>
  code(address: Hex): Promise<Hex>
  balance(account: Hex): Promise<bigint>
  tip(): Promise<bigint>
  /** Null when the pool took it or has it already. */
  broadcast(raw: Hex): Promise<Refusal | null>
  /** Any other method, for tests and tools. */
  request(method: string, params: readonly unknown[]): Promise<unknown>
}

/** A local chain answers in milliseconds, a public endpoint within a second or two. */
const TIMEOUT_MS = 8_000

const hexOf = (value: bigint): Hex => `0x${value.toString(16)}`
const tagOf = (block: bigint | string): string => (typeof block === 'bigint' ? hexOf(block) : block)

function refusalOf({ code, message, data }: RpcFailure): Refusal {
  // Endpoints differ in where revert data lies: in `data`, or in `data.data`.
  const inner: unknown = typeof data === 'object' && data !== null && 'data' in data ? data.data : data
  return { is: 'refused', code, why: message, data: isHex(inner) ? inner : '0x' }
}

const isHex = (value: unknown): value is Hex => typeof value === 'string' && /^0x[0-9a-fA-F]*$/.test(value)

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw malformed(what)
  return Object.fromEntries(Object.entries(value))
}
const malformed = (what: string): CairnError => new CairnError('MALFORMED', { what: `the chain's ${what}`, why: 'a field is missing' })

function hexField(from: Fields, name: string): Hex {
  const value = from[name]
  if (!isHex(value)) throw malformed(name)
  return value
}
const intField = (from: Fields, name: string): bigint => BigInt(hexField(from, name))

function headerOf(value: unknown): Header | null {
  if (value === null) return null
  const block = fields(value, 'block')
  return {
    number: intField(block, 'number'),
    hash: digest(hexField(block, 'hash')),
    parent: digest(hexField(block, 'parentHash')),
    timestamp: Number(intField(block, 'timestamp')),
    baseFee: block.baseFeePerGas === undefined ? 0n : intField(block, 'baseFeePerGas'),
  }
}

function logOf(value: unknown): RawLog {
  const log = fields(value, 'log')
  const topics = log.topics
  if (!Array.isArray(topics) || !topics.every(isHex)) throw malformed('topics')
  return {
    address: hexField(log, 'address'),
    topics,
    data: hexField(log, 'data'),
    block: intField(log, 'blockNumber'),
    blockHash: digest(hexField(log, 'blockHash')),
    index: Number(intField(log, 'logIndex')),
  }
}

function receiptOf(value: unknown): Receipt | null {
  if (value === null) return null
  const receipt = fields(value, 'receipt')
  const created = receipt.contractAddress
  return {
    block: intField(receipt, 'blockNumber'),
    blockHash: digest(hexField(receipt, 'blockHash')),
    ok: intField(receipt, 'status') === 1n,
    created: isHex(created) ? created : null,
  }
}

/**
 * A client for the chain at `url`. Requests that are made in one turn travel as one batch. Nothing is retried here: who
 * calls knows for how long it is worth it.
 */
export function createRpc(url: string, timeoutMs: number = TIMEOUT_MS, answerBytesMax?: number): Rpc {
  const rpc = createJsonRpc(url, timeoutMs, answerBytesMax)

  async function attempt(method: string, params: readonly unknown[]): Promise<{ value: unknown } | Refusal> {
    const answer = await rpc.ask(method, params)
    return answer.is === 'result' ? { value: answer.value } : refusalOf(answer.failure)
  }

  async function request(method: string, params: readonly unknown[]): Promise<unknown> {
    const answer = await attempt(method, params)
    if ('is' in answer) throw new CairnError('CHAIN_AWAY', { rpc: url, why: `${method}: ${answer.why}` })
    return answer.value
  }

  async function integer(method: string, params: readonly unknown[]): Promise<bigint> {
    const value = await request(method, params)
    if (!isHex(value)) throw malformed(method)
    return BigInt(value)
  }

  async function bytes(method: string, params: readonly unknown[]): Promise<Hex> {
    const value = await request(method, params)
    if (!isHex(value)) throw malformed(method)
    return value
  }

  async function logs(filter: Fields): Promise<readonly RawLog[]> {
    const value = await request('eth_getLogs', [filter])
    if (!Array.isArray(value)) throw malformed('logs')
    return value.map(logOf)
  }

  return {
    url,
    request,
    chainId: async () => Number(await integer('eth_chainId', [])),
    blockNumber: () => integer('eth_blockNumber', []),
    header: async (number) => headerOf(await request('eth_getBlockByNumber', [tagOf(number), false])),
    logs: (from, to, addresses) => logs({ fromBlock: hexOf(from), toBlock: hexOf(to), address: addresses }),
    logsOf: (block, addresses) => logs({ blockHash: block, address: addresses }),
    nonce: async (account, tag) => Number(await integer('eth_getTransactionCount', [account, tag])),
    receipt: async (hash) => receiptOf(await request('eth_getTransactionReceipt', [hash])),
    known: async (hash) => (await request('eth_getTransactionByHash', [hash])) !== null,
    async estimate(from, to, data, value) {
      const call = { from, data, value: hexOf(value), ...(to === null ? {} : { to }) }
      const answer = await attempt('eth_estimateGas', [call, 'pending'])
      if ('is' in answer) return answer
      if (!isHex(answer.value)) throw malformed('gas')
      return BigInt(answer.value)
    },
    async call(from, to, data, block) {
      const answer = await attempt('eth_call', [{ from, to, data }, tagOf(block)])
      if ('is' in answer) return answer
      if (!isHex(answer.value)) throw malformed('call')
      return answer.value
    },
    code: (address) => bytes('eth_getCode', [address, 'latest']),
    balance: (account) => integer('eth_getBalance', [account, 'latest']),
    tip: () => integer('eth_maxPriorityFeePerGas', []),
    async broadcast(raw) {
      const answer = await attempt('eth_sendRawTransaction', [raw])
      if (!('is' in answer)) return null
      // A node that has it already says so in words of its own; either way it is where it should be.
      return /already (known|imported)|known transaction/i.test(answer.why) ? null : answer
    },
  }
}
