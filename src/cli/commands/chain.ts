/** `cairn chain`. */
import type { Command } from 'commander'
import { common, ends, examples } from './common.ts'

export function addChain(program: Command): void {
  const noun = program.command('chain').description('the contracts, and the chain they are on')
  const warp = common(noun.command('warp'))
    .argument('<duration>', 'such as 30m, 8d or 3w')
    .description('put a local chain’s clock forward, over weeks of thaw, votes and timelocks; there is no way back')
    .option('--rpc <url>', 'a local chain that is not of `cairn up`')
    .action((duration, options) => ends(import('../verbs/warp.ts').then((verb) => verb.warpChain(duration, options))))
  examples(warp, 'cairn chain warp 8d', 'cairn chain warp 3w --rpc http://127.0.0.1:8545 --json')
}
