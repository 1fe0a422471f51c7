/**
 * How a local chain loses nothing that was confirmed. Anvil keeps its chain in memory. It does not mine by itself: each
 * block is mined from here, and not before every earlier one is on the disk. So a block that has another above it is
 * never lost, which is what the index and the queues count as confirmed.
 *
 * On the disk are a whole state, written now and then, and the blocks since, each with its transactions and its time.
 * From these anvil makes the same blocks again, with the same hashes: nothing in them is drawn at random.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { CairnError } from '../../../protocol/errors.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { present } from '../../../std/assert.ts'
import type { BlockFile, KeptBlock } from './anvil-blocks.ts'
import { replaceFile } from './anvil-state.ts'
import type { Header, Rpc } from './rpc.ts'

/**
 * Blocks after which the whole state is written anew. Making them again takes a second at most; a whole state of 4000
 * blocks takes a quarter of one, and a minute's share of a core grows with the chain.
 */
const BLOCKS_MAX = 64
/** Of a whole state, unpacked: what one string can hold, and the chain of weeks. */
const STATE_BYTES_MAX = 500_000_000

export interface Keeper {
  /** Mines a block once all before it are on the disk, and writes it there too. */
  mine(): Promise<void>
  /** Writes the whole state; the blocks so far are not needed any more. */
  save(): Promise<void>
}

export interface KeeperOptions {
  readonly rpc: Rpc
  readonly blocks: BlockFile
  /** Path of the whole state. */
  readonly state: string
}

/** @param options.rpc Must take answers as large as the state. */
export function createKeeper({ rpc, blocks, state }: KeeperOptions): Keeper {
  /** The newest block on the disk; null while that is not known. */
  let last: Header | null = null

  async function save(): Promise<void> {
    last = null
    // Others may mine in the meantime: a block that is in the state and among the blocks after it is made once.
    const head = await headOf(rpc)
    await replaceFile(state, await dump(rpc))
    await blocks.clear()
    last = head
  }

  /** Puts on the disk what has been mined since, by us or by somebody else's order. */
  async function record(): Promise<void> {
    const known = last
    const head = await headOf(rpc)
    if (known === null) return save()
    // A chain that was set back to an earlier block no longer has the one that was written last.
    if ((await rpc.header(known.number))?.hash !== known.hash) return save()
    const count = Number(head.number - known.number)
    if (count + blocks.length() > BLOCKS_MAX) return save()
    const made = await Promise.all(Array.from({ length: count }, (_, i) => readBlock(rpc, known.number + BigInt(i) + 1n)))
    if (made.length === 0) return
    last = null
    await blocks.append(made)
    last = head
  }

  return {
    save,
    async mine() {
      await record()
      await rpc.request('evm_mine', [])
      await record()
    },
  }
}

/**
 * Makes the blocks that follow the chain's head. With a state that blocks alone do not explain, which orders such as
 * `anvil_setCode` leave, they come out with other hashes; their transactions are there all the same.
 * @returns The first that is not what it was, or null.
 */
export async function replay(rpc: Rpc, blocks: readonly KeptBlock[]): Promise<bigint | null> {
  const head = await headOf(rpc)
  const newer = blocks.filter((block) => block.number > head.number)
  const [first] = newer
  if (first === undefined) return null
  // They belong to a branch that was given up right before the state was written.
  if (first.parent !== head.hash) return first.number
  let differs: bigint | null = null
  for (const block of newer) {
    // One after the other: the pool is first come, first served.
    for (const raw of block.transactions) await rpc.broadcast(raw)
    // It follows from the parent, except in a chain that was set back.
    await rpc.request('anvil_setNextBlockBaseFeePerGas', [`0x${block.baseFee.toString(16)}`])
    await rpc.request('evm_mine', [block.timestamp])
    if ((await headOf(rpc)).hash !== block.hash) differs ??= block.number
  }
  return differs
}

const headOf = async (rpc: Rpc): Promise<Header> => present(await rpc.header('latest'), 'a chain has a head')

const unpack = promisify(gunzip)

/** The whole chain as the JSON that anvil loads. */
async function dump(rpc: Rpc): Promise<Uint8Array> {
  const answer = await rpc.request('anvil_dumpState', [])
  if (typeof answer !== 'string') throw strange(rpc, 'its state')
  return unpack(Buffer.from(answer.slice(2), 'hex'), { maxOutputLength: STATE_BYTES_MAX })
}

async function readBlock(rpc: Rpc, number: bigint): Promise<KeptBlock> {
  const answer = await rpc.request('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])
  const header = present(await rpc.header(number), 'a block below the head')
  if (typeof answer !== 'object' || answer === null || !('transactions' in answer) || !Array.isArray(answer.transactions))
    throw strange(rpc, `block ${number}`)
  const transactions = await Promise.all(answer.transactions.map((hash) => rawOf(rpc, hash)))
  const { hash, parent, timestamp, baseFee } = header
  return { number, hash, parent, timestamp, baseFee, transactions }
}

async function rawOf(rpc: Rpc, hash: unknown): Promise<Hex> {
  const raw = await rpc.request('eth_getRawTransactionByHash', [hash])
  if (typeof raw !== 'string' || !raw.startsWith('0x')) throw strange(rpc, `transaction ${String(hash)}`)
  return `0x${raw.slice(2)}`
}

const strange = (rpc: Rpc, what: string): CairnError => new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: `it does not show ${what}` })
