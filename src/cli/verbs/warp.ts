/** `cairn chain warp`: a local chain's clock and height put forward, to get over thaw, votes, timelocks and windows. */
import { CairnError } from '../../protocol/errors.ts'
import { createRpc, type Rpc } from '../../runtime/real/chain/index.ts'
import { present } from '../../std/assert.ts'
import { type Exit, parseDuration, print, printJson } from './output.ts'
import { findPlace } from './place.ts'

export interface WarpOptions {
  readonly data?: string
  /** Of the local chain; the one of `--data` without it. */
  readonly rpc?: string
  /** To be mined at once. */
  readonly blocks?: number
  readonly json: boolean
}

/** The jump's own block and three above it, so that every index that waits for three confirmations has seen it. */
const JUMP_BLOCKS = 4
/** In one order, which is answered when they are there. */
const ORDER_BLOCKS = 250
/** The contracts keep times in 40 bits and more; a mistyped year must still not put a chain beyond its sessions for good. */
const SECONDS_MAX = 10 * 366 * 86_400

/**
 * Puts the clock of an anvil forward by `duration` (`30m`, `8d`, `3w`) and mines until the jump is confirmed; with
 * `blocks`, mines so many within the same second. There is no way back: epochs that lie inside of a jump have no block and
 * are void, and what runs by the wall clock stays behind.
 * @throws `CONFIG` for a chain that is no anvil, a duration that is none, or without any of both; `CHAIN_AWAY`.
 */
export async function warpChain(duration: string | undefined, options: WarpOptions): Promise<Exit> {
  const seconds = duration === undefined ? 0 : secondsOf(duration)
  const blocks = options.blocks ?? 0
  if (seconds === 0 && blocks === 0)
    throw new CairnError('CONFIG', { what: 'what to put forward', why: 'nothing is named', fix: 'give a time such as 8d, or --blocks 600' })
  const rpc = createRpc(options.rpc ?? (await findPlace(options.data)).rpc)
  await requireLocal(rpc, seconds > 0 ? 'move its clock' : 'mine at once there')
  const before = await head(rpc)
  if (seconds > 0) await jump(rpc, seconds)
  for (let left = blocks; left > 0; left -= ORDER_BLOCKS)
    await rpc.request('anvil_mine', [`0x${Math.min(left, ORDER_BLOCKS).toString(16)}`])
  const after = await head(rpc)
  const [moved, mined] = [after.timestamp - before.timestamp, after.number - before.number]
  if (moved < seconds) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: `its clock moved by ${moved} s only` })
  if (mined < blocks) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: `it mined ${mined} blocks only` })
  if (options.json) printJson({ rpc: rpc.url, seconds: moved, blocks: mined, block: after.number, timestamp: after.timestamp })
  else {
    const what = seconds > 0 ? `the chain's clock is ${duration} ahead` : `${mined} blocks were mined`
    print(`${what}: block ${after.number}, ${new Date(after.timestamp * 1000).toISOString()}`)
  }
  return 0
}

const head = async (rpc: Rpc) => present(await rpc.header('latest'), 'a chain has a head')

function secondsOf(duration: string): number {
  const seconds = parseDuration(duration)
  if (seconds !== null && seconds > 0 && seconds <= SECONDS_MAX) return seconds
  throw new CairnError('CONFIG', {
    what: `the duration ${duration}`,
    why: seconds === null ? 'it is no number with a unit' : 'it is nothing, or more than ten years',
    fix: 'give one such as 90s, 30m, 12h, 8d or 3w',
  })
}

async function jump(rpc: Rpc, seconds: number): Promise<void> {
  await rpc.request('evm_increaseTime', [seconds])
  for (let mined = 0; mined < JUMP_BLOCKS; mined += 1) await rpc.request('evm_mine', [])
}

/** Only a development chain takes orders about its clock, and only anvil's are known to be understood. */
export async function requireLocal(rpc: Rpc, what: string): Promise<void> {
  const client = await rpc.request('web3_clientVersion', [])
  if (typeof client === 'string' && /^anvil\b/i.test(client)) return
  throw new CairnError('CONFIG', {
    what: `the chain at ${rpc.url}`,
    why: `it is no local chain (${typeof client === 'string' ? client : 'it does not name itself'}), and nobody can ${what}`,
    fix: 'wait there, or try it on a network of `cairn up`',
  })
}
