/** `cairn emissions`. */
import type { Command } from 'commander'
import { common, ends, examples, integer, signs } from './common.ts'

const forNet = (command: Command): Command =>
  command.option('--net <n>', 'another network than that of the folder', integer(1, 2 ** 32 - 1))

const verbs = () => import('../verbs/emissions.ts')

export function addEmissions(program: Command): void {
  const noun = program.command('emissions').description('new CAIRN: what each day’s are for, and who has them minted')
  const show = forNet(common(noun.command('show')))
    .option('--periods <n>', 'how many days', integer(1, 57), 7)
    .description('the schedule, and each day’s parts with what this network has of them')
    .action((options) => ends(verbs().then((verb) => verb.showEmissions(options))))
  examples(show, 'cairn emissions show', 'cairn emissions show --periods 57 --json')
  const settle = forNet(signs(common(noun.command('settle')), 'holder'))
    .option('--periods <n>', 'how many of the last days', integer(1, 56), 56)
    .description('count this network’s burned fees of the days that are over, and close those; anybody may')
    .action((options) => ends(verbs().then((verb) => verb.settleEmissions(options))))
  examples(settle, 'cairn emissions settle', 'cairn emissions settle --as key:wallet.key --yes --json')
  const claim = forNet(signs(common(noun.command('claim')), 'holder'))
    .description('mint this network’s part of the days that are over into its pot; anybody may')
    .action((options) => ends(verbs().then((verb) => verb.claimEmissions(options))))
  examples(claim, 'cairn emissions claim', 'cairn emissions claim --net 1 --dry-run --json')
  const fill = signs(common(noun.command('fill')), 'holder')
    .description('mint what Credits lacks to pay every holder in full, as far as the reserve goes; anybody may')
    .action((options) => ends(verbs().then((verb) => verb.topUpCredits(options))))
  examples(fill, 'cairn emissions fill', 'cairn emissions fill --as key:wallet.key --dry-run')
  const apply = signs(common(noun.command('apply')), 'holder')
    .description('put proposed weights in force after their 14 days; anybody may')
    .action((options) => ends(verbs().then((verb) => verb.applyProposedWeights(options))))
  examples(apply, 'cairn emissions apply', 'cairn emissions apply --as key:wallet.key --yes')
}
