/** Nouns and verbs of the command line beside `up` and `run`. Each loads its own code when it is called. */
import { type Command, InvalidArgumentError } from 'commander'

export const integer =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most) throw new InvalidArgumentError(`a whole number from ${least} to ${most}`)
    return value
  }

/** Unix time in epochs of ten seconds fits this for a few thousand years. */
const EPOCH_MAX = 2 ** 32 - 1
const LINES_MAX = 100_000

/** `--data` and `--json`, which every verb has. */
const common = (command: Command): Command =>
  command.option('--data <folder>', 'folder of `cairn up`, or of one daemon').option('--json', 'one JSON document instead of text', false)

const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)

/** A verb's exit code: 0 as asked, 1 a negative answer, 2 trouble. Set, not exited with, so that output is written whole. */
const ends = async (work: Promise<number>): Promise<void> => {
  process.exitCode = await work
}

export function addCommands(program: Command): void {
  addSessions(program)
  addEpochs(program)
  addStorage(program)
  addNode(program)
  addNetwork(program)
}

function addSessions(program: Command): void {
  const account = program.commands.find((command) => command.name() === 'account') ?? program.command('account')
  const noun = account.command('session').description('keys that act for the account')
  common(noun.command('list'))
    .description('delegated keys with their scopes, limits and states')
    .action((options) => ends(import('./verbs/session.ts').then((verb) => verb.listSessions(options))))
  const revoke = common(noun.command('revoke'))
    .argument('<key>', 'address of the session key')
    .description('end a delegated key for good, such as that of a gateway whose disk was stolen')
    .option('--dry-run', 'only say what would be revoked', false)
    .option('--yes', 'do not ask', false)
    .action((key, options) => ends(import('./verbs/session.ts').then((verb) => verb.revokeSession(key, options))))
  examples(revoke, 'cairn account session list', 'cairn account session revoke 0x52908400098527886e0f7030069857d2e4169ee7 --yes')
}

function addEpochs(program: Command): void {
  const epoch = program.command('epoch').description('what became of each epoch')
  const list = common(epoch.command('list'))
    .description('epochs with their state and root, newest last')
    .option('--limit <n>', 'how many', integer(1, LINES_MAX), 50)
    .action((options) => ends(import('./verbs/epoch.ts').then((verb) => verb.epochList(options))))
  examples(list, 'cairn epoch list --limit 10', 'cairn epoch list --json | jq ".[] | select(.state == \\"active\\")"')
  const show = common(epoch.command('show'))
    .argument('<epoch>', 'its number', integer(0, EPOCH_MAX))
    .description('scores with their reasons, and payouts')
    .action((number, options) => ends(import('./verbs/epoch.ts').then((verb) => verb.epochShow(number, options))))
  examples(show, 'cairn epoch show 29374861')
  const audit = common(program.command('audit'))
    .argument('<epoch>', 'its number', integer(0, EPOCH_MAX))
    .description('recompute an epoch’s payouts from published evidence and compare them with the chain')
    .option('--remote', 'ask the verifiers for evidence, even when it is in this folder', false)
    .addHelpText('after', '\nEnds with 0 when both are equal, with 1 when they differ (the first difference is named), with 2 on trouble.')
    .action((number, options) => ends(import('./verbs/audit.ts').then((verb) => verb.auditEpoch(number, options))))
  examples(audit, 'cairn audit 29374861', 'cairn audit 29374861 --remote --json')
}

function addStorage(program: Command): void {
  const noun = program.command('storage').description('stored objects, from the customer’s side')
  const stat = common(noun.command('stat'))
    .argument('<uri>', 's3://bucket/key')
    .description('how the pieces of an object are: alive, lost (its provider says so) or missing (its provider is silent)')
    .action((uri, options) => ends(import('./verbs/storage.ts').then((verb) => verb.statObject(uri, options))))
  examples(stat, 'cairn storage stat s3://photos/2026/cat.jpg', 'cairn storage stat s3://photos/2026/cat.jpg --json')
  const recover = common(noun.command('recover'))
    .description('rebuild a gateway whose folder is lost, from the mnemonic and the chain')
    .option('--mnemonic-file <file>', 'file with the 24 words')
    .option('--mnemonic <words>', 'the words; other users of the machine may see them, so prefer the file or CAIRN_MNEMONIC')
    .option('--network <descriptor>', 'file or URL of `cairn network describe`; --data is then the new gateway’s own folder')
    .option('--port <n>', 'of the S3 endpoint, with --network; 0 for a free one', integer(0, 65_535), 0)
    .option('--allow-loss', 'take what can be read when the end of the metadata log is with providers that do not answer', false)
    .addHelpText(
      'after',
      `
Two commands rebuild a gateway of \`cairn up\` whose gateway/ folder was deleted:

  cairn storage recover --mnemonic-file words.txt
  cairn up

In the folder of \`cairn up\` the gateway/ folder is rebuilt; chain and nodes are started for it when they do not run.
The words are shown once by the first \`cairn up\`, and by \`cairn account show --mnemonic\` where the account was made.
Providers that do not answer are waited for, for a minute. When so many stay silent that acknowledged objects may be with
them alone, nothing is rebuilt, and who is missing is said. A recovery that was cut off goes on when it is started again.
Ends with 1 when it rebuilt the gateway and a provider did not answer, with 2 when it did not.`,
    )
    .action((options) => ends(import('./verbs/recover.ts').then((verb) => verb.recoverGateway(options))))
  examples(
    recover,
    'cairn account show --mnemonic > words.txt   # while all is well; keep it elsewhere',
    'cairn storage recover --mnemonic-file words.txt && cairn up',
    'cairn storage recover --network net.json --data gw --mnemonic-file words.txt && cairn run gateway --data gw',
  )
}

/** `--node`, for the folder of a whole network. */
const whichNode = (command: Command): Command => command.option('--node <n>', 'which of a local network’s nodes', integer(1, 1000))

function addNode(program: Command): void {
  const noun = program.command('node').description('a node, from its operator’s side')
  const status = whichNode(common(noun.command('status')))
    .description('what a node holds, what it is owed, and what keeps it from earning more')
    .action((options) => ends(import('./verbs/node.ts').then((verb) => verb.nodeStatus(options))))
  examples(status, 'cairn node status --node 1', 'cairn node status --data ~/node --json')
  const earnings = whichNode(common(noun.command('earnings')))
    .description('scores of each epoch with their reasons; rewards and vouchers, claimed and open')
    .option('--epochs <n>', 'how many published epochs', integer(1, 1000), 12)
    .action((options) => ends(import('./verbs/node.ts').then((verb) => verb.nodeEarnings(options))))
  addMembership(noun)
  examples(earnings, 'cairn node earnings --node 1', 'cairn node earnings --data ~/node --epochs 100 --json')
}

function addMembership(noun: Command): void {
  const join = common(noun.command('join'))
    .argument('<descriptor>', 'file or URL of `cairn network describe`')
    .description('sell this machine’s disk in a network: make keys, stake, register the device, and run')
    .option('--host <ip>', 'address that is announced and listened on', '127.0.0.1')
    .option('--port <n>', '0 draws one, which stays', integer(0, 65_535), 0)
    .option('--capacity-gib <n>', 'what pieces may take of the disk', integer(1, 1_000_000), 64)
    .option('--fund-from <folder>', 'folder of a local network whose holder gives the stake')
    .option('--no-run', 'do not start the node')
    .option('--dry-run', 'only say what would be staked', false)
    .action((descriptor, options) => ends(import('./verbs/join.ts').then((verb) => verb.joinNetwork(descriptor, options))))
  examples(
    join,
    'cairn node join https://example.org/net.json --data ~/node --host 203.0.113.7',
    'cairn network describe --out net.json && cairn node join net.json --data n9 --fund-from ~/.local/share/cairn',
  )
  const exit = whichNode(common(noun.command('exit')))
    .description('leave: gateways move the pieces away while the node still serves, then its stake thaws')
    .option('--wait <seconds>', 'how long to wait for that', integer(1, 30 * 86_400), 3600)
    .option('--dry-run', 'only say what would be retired', false)
    .option('--yes', 'do not ask', false)
    .action((options) => ends(import('./verbs/join.ts').then((verb) => verb.exitNetwork(options))))
  examples(exit, 'cairn node exit --data ~/node', 'cairn node exit --node 8 --yes')
}

function addNetwork(program: Command): void {
  const describe = program
    .command('network')
    .description('a network as a whole')
    .command('describe')
    .description('write the descriptor by which others join: chain, contracts, verifiers')
    .option('--data <folder>', 'folder of `cairn up`, or of one daemon')
    .option('--out <file>', 'where to; standard output without it')
    .option('--rpc <url>', 'the chain’s address as others reach it')
    .option('--json', 'it is always JSON', false)
    .action((options) => ends(import('./verbs/network.ts').then((verb) => verb.describeNetwork(options))))
  examples(describe, 'cairn network describe --out net.json', 'cairn network describe --rpc https://rpc.example.org > net.json')
  const status = common(program.command('status'))
    .description('the daemons of a folder: who serves, and why not')
    .action((options) => ends(import('./verbs/status.ts').then((verb) => verb.showStatus(options))))
  const doctor = common(program.command('doctor'))
    .description('whether this machine can do it: clock, disk, ports, chain')
    .action((options) => ends(import('./verbs/doctor.ts').then((verb) => verb.doctor(options))))
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
      ends(import('./verbs/bench.ts').then((verb) => verb.bench(name, options))),
    )
  examples(bench, 'cairn bench', 'cairn bench s3 --json', 'cairn bench epoch --subjects 1000')
}
