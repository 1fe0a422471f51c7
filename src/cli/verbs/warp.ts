/** `cairn chain warp`: a local chain's clock put forward, to get over weeks of thaw, votes and timelocks. */
import { CairnError } from '../../protocol/errors.ts'
import { createRpc, type Rpc } from '../../runtime/real/chain/index.ts'
import { present } from '../../std/assert.ts'
import { type Exit, parseDuration, print, printJson } from './output.ts'
import { findPlace } from './place.ts'

export interface WarpOptions {
  readonly data?: string
  /** Of the local chain; the one of `--data` without it. */
  readonly rpc?: string
  readonly json: boolean
}

/** The jump's own block and three above it, so that every index that waits for three confirmations has seen it. */
const BLOCKS = 4
/** The contracts keep times in 40 bits and more; a mistyped year must still not put a chain beyond its sessions for good. */
const SECONDS_MAX = 10 * 366 * 86_400

/**
 * Puts the clock of an anvil forward by `duration` (`30m`, `8d`, `3w`) and mines until the jump is confirmed. There is no
 * way back: epochs that lie inside of the jump have no block and are void, and what runs by the wall clock stays behind.
 * @throws `CONFIG` for a chain that is no anvil, or a duration that is none; `CHAIN_AWAY`.
 */
export async function warpChain(duration: string, options: WarpOptions): Promise<Exit> {
  const seconds = parseDuration(duration)
  if (seconds === null || seconds === 0 || seconds > SECONDS_MAX) {
    throw new CairnError('CONFIG', {
      what: `the duration ${duration}`,
      why: seconds === null ? 'it is no number with a unit' : 'it is nothing, or more than ten years',
      fix: 'give one such as 90s, 30m, 12h, 8d or 3w',
    })
  }
  const rpc = createRpc(options.rpc ?? (await findPlace(options.data)).rpc)
  await requireLocal(rpc, 'move its clock')
  const before = present(await rpc.header('latest'), 'a chain has a head')
  await rpc.request('evm_increaseTime', [seconds])
  for (let mined = 0; mined < BLOCKS; mined += 1) await rpc.request('evm_mine', [])
  const after = present(await rpc.header('latest'), 'a chain has a head')
  const moved = after.timestamp - before.timestamp
  if (moved < seconds) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: `its clock moved by ${moved} s only` })
  if (options.json) printJson({ rpc: rpc.url, seconds: moved, block: after.number, timestamp: after.timestamp })
  else print(`the chain's clock is ${duration} ahead: block ${after.number}, ${new Date(after.timestamp * 1000).toISOString()}`)
  return 0
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
