/** The command line. Each verb loads its own code, so that `--help` costs nothing. */

import { enableCompileCache } from 'node:module'
import { Command } from 'commander'
import { integer } from './commands/common.ts'
import { addCommands } from './commands.ts'
import type { UpOptions } from './up/up.ts'

// Stripping types and compiling is two thirds of a daemon's start; what is imported from here on is compiled once.
enableCompileCache()

const program = new Command('cairn')
  .description('The open stack for decentralized physical infrastructure networks')
  .version('0.1.0')
  .showHelpAfterError()
  // What stands after the name of a measurement is the measurement's.
  .enablePositionalOptions()

program
  .command('up')
  .description('bring up a whole network on this machine, or continue one')
  .option('--nodes <n>', 'storage nodes, each of an operator of its own', integer(1, 100), 8)
  .option('--data <folder>', 'where everything is kept')
  .option('--epoch-seconds <n>', 'length of an epoch', integer(10, 86_400), 60)
  .option('--verifiers <n>', 'verifiers; four and more sign roots by quorum', integer(1, 8), 1)
  .option('--port <n>', 'port of the S3 endpoint; 0 for a free one', integer(0, 65_535), 0)
  .option('--json', 'print one line when ready', false)
  .option('--verbose', 'say more', false)
  .action(async (options: Omit<UpOptions, 'data'> & { data?: string }) => {
    const { defaultData, up } = await import('./up/up.ts')
    await up({ ...options, data: options.data ?? defaultData() })
  })

program
  .command('run')
  .argument('<role>', 'node, gateway or verifier')
  .requiredOption('--data <folder>', 'its data folder, with config.json')
  .description('run one daemon in the foreground')
  .action(async (role: string, options: { data: string }) => {
    if (role === 'node') await (await import('./daemon/node.ts')).nodeDaemon(options.data)
    else if (role === 'gateway') await (await import('./daemon/gateway.ts')).gatewayDaemon(options.data)
    else if (role === 'verifier') await (await import('./daemon/verifier.ts')).verifierDaemon(options.data)
    else program.error(`there is no role ${role}: node, gateway or verifier`)
  })

const more = (value: string, before: readonly string[]): readonly string[] => [...before, value]

const account = program.command('account').description('the customer’s money')
account
  .command('show')
  .description('balance and channels')
  .option('--data <folder>', 'the network’s or gateway’s folder')
  .option('--json', 'as JSON', false)
  .option('--mnemonic', 'show the words that everything is derived from', false)
  .action(async (options) => {
    process.exitCode = await (await import('./verbs/account.ts')).showAccount(options)
  })
account
  .command('top-up')
  .argument('<dollars>', 'worth of credits, such as 12.50')
  .description('buy credits with CAIRN and deposit them')
  .option('--data <folder>', 'the network’s folder')
  .option('--json', 'as JSON', false)
  .option('--dry-run', 'only say what it would cost', false)
  .option('--yes', 'do not ask', false)
  .action(async (dollars: string, options) => {
    process.exitCode = await (await import('./verbs/account.ts')).topUp(dollars, options)
  })

const key = program.command('key').description('S3 access keys: scoped, expiring credentials')
key
  .command('create')
  .description('make a key')
  .option('--bucket <name>', 'only this bucket; may be given again', more, [])
  .option('--prefix <prefix>', 'only keys that start with this', '')
  .option('--allow <permissions>', 'of read, write, delete, list', 'read,write,delete,list')
  .option('--expires <duration>', 'such as 12h or 7d; never without it')
  .option('--data <folder>', 'the network’s or gateway’s folder')
  .option('--json', 'as JSON', false)
  .action(async (options) => {
    process.exitCode = await (await import('./verbs/key.ts')).createKey(options)
  })
key
  .command('list')
  .description('list keys, without their secrets')
  .option('--data <folder>', 'the network’s or gateway’s folder')
  .option('--json', 'as JSON', false)
  .action(async (options) => {
    process.exitCode = await (await import('./verbs/key.ts')).listKeys(options)
  })
key
  .command('revoke')
  .argument('<access-key>')
  .description('end a key at once')
  .option('--data <folder>', 'the network’s or gateway’s folder')
  .option('--json', 'as JSON', false)
  .action(async (accessKey: string, options) => {
    process.exitCode = await (await import('./verbs/key.ts')).revokeKey(accessKey, options)
  })

program
  .command('sim')
  .description('run the whole network in virtual time, under faults and cheaters, one run for each seed')
  .option('--nodes <n>', 'storage nodes', integer(8, 1000), 20)
  .option('--epochs <n>', 'epochs with faults; some without follow', integer(1, 100_000), 50)
  .option('--seeds <n>', 'how many seeds', integer(1, 1_000_000), 20)
  .option('--first <n>', 'the first of them', integer(0, 2 ** 40), 1)
  .option('--cheaters <ppm>', 'share of the nodes that cheat, in millionths', integer(0, 1_000_000), 300_000)
  .option('--mutant <name>', 'plant a bug on purpose')
  .action(async (options: { nodes: number; epochs: number; seeds: number; first: number; cheaters: number; mutant?: string }) => {
    const { isMutant, runSimulations } = await import('../sim/index.ts')
    const mutant = options.mutant ?? null
    if (mutant !== null && !isMutant(mutant)) return program.error(`there is no planted bug ${mutant}`)
    const say = (line: string): void => void process.stdout.write(`${line}\n`)
    const { ok } = await runSimulations({ ...options, mutant, leak: Math.random, say })
    process.exitCode = ok ? 0 : 1
  })

addCommands(program)

try {
  await program.parseAsync(process.argv.length > 2 ? process.argv : [...process.argv, '--help'])
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(2)
}
