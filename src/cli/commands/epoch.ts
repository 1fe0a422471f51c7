/** `cairn epoch` and `cairn audit`. */
import type { Command } from 'commander'
import { common, ends, examples, integer } from './common.ts'

/** Unix time in epochs of ten seconds fits this for a few thousand years. */
const EPOCH_MAX = 2 ** 32 - 1
const LINES_MAX = 100_000

export function addEpochs(program: Command): void {
  const epoch = program.command('epoch').description('what became of each epoch')
  const list = common(epoch.command('list'))
    .description('epochs with their state and root, newest last')
    .option('--limit <n>', 'how many', integer(1, LINES_MAX), 50)
    .action((options) => ends(import('../verbs/epoch.ts').then((verb) => verb.epochList(options))))
  examples(list, 'cairn epoch list --limit 10', 'cairn epoch list --json | jq ".[] | select(.state == \\"active\\")"')
  const show = common(epoch.command('show'))
    .argument('<epoch>', 'its number', integer(0, EPOCH_MAX))
    .description('scores with their reasons, and payouts')
    .action((number, options) => ends(import('../verbs/epoch.ts').then((verb) => verb.epochShow(number, options))))
  examples(show, 'cairn epoch show 29374861')
  const audit = common(program.command('audit'))
    .argument('<epoch>', 'its number', integer(0, EPOCH_MAX))
    .description('recompute an epoch’s payouts from published evidence and compare them with the chain')
    .option('--remote', 'ask the verifiers for evidence, even when it is in this folder', false)
    .addHelpText('after', '\nEnds with 0 when both are equal, with 1 when they differ (the first difference is named), with 2 on trouble.')
    .action((number, options) => ends(import('../verbs/audit.ts').then((verb) => verb.auditEpoch(number, options))))
  examples(audit, 'cairn audit 29374861', 'cairn audit 29374861 --remote --json')
}
