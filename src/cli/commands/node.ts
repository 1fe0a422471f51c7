/** `cairn node`. */
import type { Command } from 'commander'
import { common, ends, examples, integer } from './common.ts'

/** `--node`, for the folder of a whole network. */
const whichNode = (command: Command): Command => command.option('--node <n>', 'which of a local network’s nodes', integer(1, 1000))

export function addNode(program: Command): void {
  const noun = program.command('node').description('a node, from its operator’s side')
  const status = whichNode(common(noun.command('status')))
    .description('what a node holds, what it is owed, and what keeps it from earning more')
    .action((options) => ends(import('../verbs/node.ts').then((verb) => verb.nodeStatus(options))))
  examples(status, 'cairn node status --node 1', 'cairn node status --data ~/node --json')
  const earnings = whichNode(common(noun.command('earnings')))
    .description('scores of each epoch with their reasons; rewards and vouchers, claimed and open')
    .option('--epochs <n>', 'how many published epochs', integer(1, 1000), 12)
    .action((options) => ends(import('../verbs/node.ts').then((verb) => verb.nodeEarnings(options))))
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
    .option('--operator-of <folder>', 'folder of another node whose operator owns this one, too: one stake, one account to be paid')
    .option('--fund-from <folder>', 'folder of a local network whose holder gives the stake')
    .option('--no-run', 'do not start the node')
    .option('--dry-run', 'only say what would be staked', false)
    .action((descriptor, options) => ends(import('../verbs/join.ts').then((verb) => verb.joinNetwork(descriptor, options))))
  examples(
    join,
    'cairn node join https://example.org/net.json --data ~/node --host 203.0.113.7',
    'cairn node join https://example.org/net.json --data /mnt/disk2/node --operator-of ~/node --host 203.0.113.7',
    'cairn network describe --out net.json && cairn node join net.json --data n9 --fund-from ~/.local/share/cairn',
  )
  const exit = whichNode(common(noun.command('exit')))
    .description('leave: gateways move the pieces away while the node still serves, then its stake thaws')
    .option('--wait <seconds>', 'how long to wait for that', integer(1, 30 * 86_400), 3600)
    .option('--dry-run', 'only say what would be retired', false)
    .option('--yes', 'do not ask', false)
    .action((options) => ends(import('../verbs/join.ts').then((verb) => verb.exitNetwork(options))))
  examples(exit, 'cairn node exit --data ~/node', 'cairn node exit --node 8 --yes')
}
