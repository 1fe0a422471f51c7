/** `cairn network`, `status`, `doctor` and `bench`. */
import type { Command } from 'commander'
import { common, ends, examples } from './common.ts'

export function addNetwork(program: Command): void {
  const describe = program
    .command('network')
    .description('a network as a whole')
    .command('describe')
    .description('write the descriptor by which others join: chain, contracts, verifiers')
    .option('--data <folder>', 'folder of `cairn up`, or of one daemon')
    .option('--out <file>', 'where to; standard output without it')
    .option('--rpc <url>', 'the chain’s address as others reach it')
    .option('--json', 'it is always JSON', false)
    .action((options) => ends(import('../verbs/network.ts').then((verb) => verb.describeNetwork(options))))
  examples(describe, 'cairn network describe --out net.json', 'cairn network describe --rpc https://rpc.example.org > net.json')
  const status = common(program.command('status'))
    .description('the daemons of a folder: who serves, and why not')
    .action((options) => ends(import('../verbs/status.ts').then((verb) => verb.showStatus(options))))
  const doctor = common(program.command('doctor'))
    .description('whether this machine can do it: clock, disk, ports, chain')
    .action((options) => ends(import('../verbs/doctor.ts').then((verb) => verb.doctor(options))))
  examples(doctor, 'cairn doctor', 'cairn doctor --data ~/node --json')
  examples(status, 'cairn status', 'cairn status --json | jq .serving')
  const bench = program
    .command('bench')
    .argument('[name]', 's3, kernel, network, proofs or epoch; their names without it')
    .argument('[options...]', 'its own; `--help` after the name says which')
    .description('measure this machine: what a customer sees, and each part beside what the hardware allows')
    .passThroughOptions()
    .allowUnknownOption()
    .action((name: string | undefined, options: readonly string[]) =>
      ends(import('../verbs/bench.ts').then((verb) => verb.bench(name, options))),
    )
  examples(bench, 'cairn bench', 'cairn bench s3 --json', 'cairn bench epoch --subjects 1000')
}
