/** `cairn chain`. */
import type { Command } from 'commander'
import { common, ends, examples, integer } from './common.ts'

/** Half a minute of work, and more than any window in the contracts. */
const BLOCKS_MAX = 10_000

export function addChain(program: Command): void {
  const noun = program.command('chain').description('the contracts, and the chain they are on')
  const deploy = noun
    .command('deploy')
    .description('put the contracts on any EVM chain, at addresses that are known before; goes on where it was interrupted')
    .requiredOption('--rpc <url>', 'of the chain')
    .option('--params <file>', 'supply, oracle, windows …: docs/deploying.md; those of `cairn up` without it')
    .option('--key-file <file>', 'the deployer’s key in hexadecimal; CAIRN_DEPLOY_KEY without it')
    .option('--out <file>', 'where the addresses are written', 'deployment.json')
    .option('--json', 'one JSON document instead of text', false)
    .option('--dry-run', 'only show addresses and costs', false)
    .option('--yes', 'do not ask', false)
    .action((options) => ends(import('../verbs/deploy.ts').then((verb) => verb.deployChain(options))))
  examples(
    deploy,
    'cairn chain deploy --rpc https://rpc.example.org --params net.json --key-file ~/deployer.key --dry-run',
    'CAIRN_DEPLOY_KEY=… cairn chain deploy --rpc http://127.0.0.1:8545 --yes --json',
  )
  const verify = common(noun.command('verify'))
    .description('check deployed contracts: code, creation, seal, parameters, and what their deployer can still do')
    .option('--rpc <url>', 'of the chain; the folder’s without it')
    .option('--deployment <file>', 'what `cairn chain deploy` wrote; the folder’s without it')
    .action((options) => ends(import('../verbs/verify.ts').then((verb) => verb.verifyChain(options))))
  examples(verify, 'cairn chain verify', 'cairn chain verify --deployment deployment.json --rpc https://rpc.example.org --json')
  const warp = common(noun.command('warp'))
    .argument('[duration]', 'such as 30m, 8d or 3w')
    .description('put a local chain’s clock or height forward, over weeks of thaw, votes and timelocks; there is no way back')
    .option('--blocks <n>', 'mine so many blocks at once, after the jump in time if there is one', integer(1, BLOCKS_MAX))
    .option('--rpc <url>', 'a local chain that is not of `cairn up`')
    .action((duration, options) => ends(import('../verbs/warp.ts').then((verb) => verb.warpChain(duration, options))))
  examples(warp, 'cairn chain warp 8d', 'cairn chain warp --blocks 600', 'cairn chain warp 3w --rpc http://127.0.0.1:8545 --json')
}
