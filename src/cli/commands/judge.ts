/** What judges are asked for: `cairn storage demand|demands|fault|heads`, `cairn dispute`, `cairn device`, `cairn verifier`. */
import { type Command, InvalidArgumentError } from 'commander'
import { common, ends, examples, integer, signs } from './common.ts'

const nounOf = (program: Command, name: string, about: string): Command =>
  program.commands.find((command) => command.name() === name) ?? program.command(name).description(about)

/** Number of a demand or dispute. */
function id(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('a number')
  return BigInt(text)
}

function verdict(text: string): 'accept' | 'reject' | 'draw' {
  if (text === 'accept' || text === 'reject' || text === 'draw') return text
  throw new InvalidArgumentError('accept, reject or draw')
}

export function addJudges(program: Command): void {
  addDemands(nounOf(program, 'storage', 'stored objects, from the customer’s side'))
  addDisputes(program.command('dispute').description('accusations with bonds on both sides, ruled by the network’s arbiter'))
  addDevices(nounOf(program, 'device', 'devices and what they sign'))
  addVerifiers(nounOf(program, 'verifier', 'verifiers and what they sign'))
}

function addDemands(noun: Command): void {
  const demand = signs(common(noun.command('demand')), 'customer')
    .argument('[uri]', 's3://bucket/key: the sets of all providers that hold pieces of it')
    .option('--set <id>', 'this data set')
    .option('--provider <account>', 'only of this operator: an address, or operator:N')
    .option('--head <file>', 'heads of `cairn storage heads --json`, without a gateway’s folder')
    .description('demand on chain that a provider shows one byte of what it signed for; silence costs it stake')
    .action((uri, options) => ends(import('../verbs/demand.ts').then((verb) => verb.demandProofs(uri ?? null, options))))
  examples(
    demand,
    'cairn storage demand s3://photos/2026/cat.jpg --dry-run',
    'cairn storage demand --provider operator:3 --yes',
    'cairn storage demand --head heads.json --set 0x52… --as key:wallet.key --data ~/node',
  )
  const demands = common(noun.command('demands'))
    .option('--provider <account>', 'only of this operator')
    .description('demands on chain and what became of them')
    .action((options) => ends(import('../verbs/demand.ts').then((verb) => verb.listDemands(options))))
  examples(demands, 'cairn storage demands', 'cairn storage demands --provider operator:3 --json')
  const fault = signs(common(noun.command('fault')), 'customer')
    .argument('<demand>', 'its number', id)
    .description('slash a provider that was silent to a demand for the response window and 600 blocks')
    .action((demand, options) => ends(import('../verbs/demand.ts').then((verb) => verb.faultSilent(demand, options))))
  examples(fault, 'cairn storage fault 7', 'cairn storage fault 7 --as holder --yes')
  const heads = common(noun.command('heads'))
    .description('data sets that gateway and providers both signed, with the signatures')
    .action((options) => ends(import('../verbs/demand.ts').then((verb) => verb.listHeads(options))))
  examples(heads, 'cairn storage heads', 'cairn storage heads --json > heads.json')
}

function addDisputes(noun: Command): void {
  const open = signs(common(noun.command('open')), 'customer')
    .argument('<accused>', 'an operator: an address, or operator:N')
    .argument('<evidence>', 'the file that you publish, or its SHA-256')
    .description('accuse an operator of what no contract can see, for the network’s dispute bond')
    .action((accused, evidence, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.open(accused, evidence, options))))
  examples(open, 'cairn dispute open operator:3 evidence.txt', 'cairn dispute open 0x5290… 0x9f86… --as key:wallet.key --dry-run')
  const root = signs(common(noun.command('root')), 'customer')
    .argument('<epoch>', 'whose root is pending', integer(0, 2 ** 32 - 1))
    .argument('<reason>', 'the file that you publish, or its SHA-256')
    .description('challenge a pending root: it freezes until the verdict')
    .action((epoch, reason, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.openRoot(epoch, reason, options))))
  examples(root, 'cairn audit 1234 --json > audit.json; cairn dispute root 1234 audit.json')
  const respond = signs(common(noun.command('respond')), 'operator')
    .argument('<dispute>', 'its number', id)
    .argument('<answer>', 'the file that you publish, or its SHA-256')
    .description('answer as the accused, for a bond as large as the challenger’s')
    .action((dispute, answer, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.respond(dispute, answer, options))))
  examples(respond, 'cairn dispute respond 7 answer.txt --as operator:3')
  const rule = signs(common(noun.command('rule')), 'holder')
    .argument('<dispute>', 'its number', id)
    .argument('<verdict>', 'accept, reject or draw', verdict)
    .option('--amount <cairn>', 'what an accepted dispute slashes')
    .description('rule as the network’s arbiter')
    .action((dispute, word, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.rule(dispute, word, options))))
  examples(rule, 'cairn dispute rule 7 accept --amount 50', 'cairn dispute rule 8 reject --as key:arbiter.key')
  const finalize = signs(common(noun.command('finalize')), 'customer')
    .argument('<dispute>', 'its number', id)
    .description('close what somebody was silent about: the accused loses by default, the arbiter’s silence is a draw')
    .action((dispute, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.finalize(dispute, options))))
  examples(finalize, 'cairn dispute finalize 7 --yes')
  const withdraw = signs(common(noun.command('withdraw')), 'customer')
    .description('pay out the bonds that disputes left to the signer')
    .action((options) => ends(import('../verbs/dispute.ts').then((verb) => verb.withdraw(options))))
  examples(withdraw, 'cairn dispute withdraw --as operator:3')
  const list = common(noun.command('list'))
    .description('disputes of the network, and devices that were punished without one')
    .action((options) => ends(import('../verbs/dispute.ts').then((verb) => verb.list(options))))
  examples(list, 'cairn dispute list', 'cairn dispute list --json')
  const show = common(noun.command('show'))
    .argument('<dispute>', 'its number', id)
    .description('all that is known of a dispute, and what it waits for')
    .action((dispute, options) => ends(import('../verbs/dispute.ts').then((verb) => verb.show(dispute, options))))
  examples(show, 'cairn dispute show 7')
}

function addDevices(noun: Command): void {
  const receipt = common(noun.command('receipt'))
    .argument('<file>', 'what the device signs for')
    .option('--node <n>', 'which of a local network’s nodes', integer(1, 1000), 1)
    .description('sign for a file with a node’s device key, under a number that it never uses again')
    .action((file, options) => ends(import('../verbs/equivocation.ts').then((verb) => verb.signReceipt(file, options))))
  examples(receipt, 'cairn device receipt measurement.csv --node 3', 'cairn device receipt measurement.csv --data ~/node --json')
  const equivocation = noun.command('equivocation').description('devices that signed two receipts under one number')
  const submit = signs(common(equivocation.command('submit')), 'customer')
    .argument('<file>', 'a JSON array of the two receipts, as `cairn device receipt --json` prints them')
    .description('slash the device’s owner and revoke the device; a part of the slash is the reporter’s')
    .action((file, options) => ends(import('../verbs/equivocation.ts').then((verb) => verb.submit(file, options))))
  examples(submit, 'cairn device equivocation submit two.json --dry-run', 'cairn device equivocation submit two.json --as holder --yes')
}

function addVerifiers(noun: Command): void {
  const equivocation = noun.command('equivocation').description('verifiers that signed two roots for one epoch, attempt and set')
  const list = common(equivocation.command('list'))
    .description('what the verifiers of this folder kept of others, both signatures, and what was slashed for it')
    .action((options) => ends(import('../verbs/root-equivocation.ts').then((verb) => verb.list(options))))
  examples(list, 'cairn verifier equivocation list', "cairn verifier equivocation list --json | jq '.[0].signed' > two.json")
  const submit = signs(common(equivocation.command('submit')), 'customer')
    .argument('[file]', 'a JSON array of the two signed roots; all that the verifiers of this folder kept without it')
    .description('slash a verifier for two roots of one slot; a part of the slash is the reporter’s')
    .action((file, options) => ends(import('../verbs/root-equivocation.ts').then((verb) => verb.submit(file ?? null, options))))
  examples(submit, 'cairn verifier equivocation submit --dry-run', 'cairn verifier equivocation submit two.json --as verifier:2 --yes')
}
