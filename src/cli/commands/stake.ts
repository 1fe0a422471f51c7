/** `cairn stake`. */
import type { Command } from 'commander'
import { common, ends, examples, signs } from './common.ts'

export function addStake(program: Command): void {
  const noun = program.command('stake').description('stake in operators, one’s own and what is delegated to them')
  const delegate = signs(common(noun.command('delegate')), 'holder')
    .argument('<operator>', 'its address, or operator:N of a local network')
    .argument('<cairn>', 'how much, such as 250 or 12.5')
    .description('delegate CAIRN to an operator: a part of its rewards, and a part of its slashes')
    .action((operator, cairn, options) => ends(import('../verbs/stake.ts').then((verb) => verb.delegate(operator, cairn, options))))
  examples(
    delegate,
    'cairn stake delegate operator:1 250 --as delegator:1',
    'cairn stake delegate 0x5290… 100 --as key:wallet.key --dry-run',
  )
}
