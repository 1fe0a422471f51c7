/** `cairn credits`. */
import type { Command } from 'commander'
import { common, ends, examples, signs } from './common.ts'

/** What the price may do until a transaction is mined. */
const trades = (command: Command, as: string): Command =>
  signs(common(command), as)
    .option('--slippage <percent>', 'how much worse than now the price may be', '2')
    .option('--to <account>', 'who gets it; the signer without it')

export function addCredits(program: Command): void {
  const noun = program.command('credits').description('what customers pay with: its price, its backing, and its ways in and out')
  const show = common(noun.command('show'))
    .description('price, supply, vault and cover, and whether buying and redeeming are open')
    .action((options) => ends(import('../verbs/credits.ts').then((verb) => verb.showCredits(options))))
  examples(show, 'cairn credits show', 'cairn credits show --json')
  const mint = trades(noun.command('mint'), 'customer')
    .argument('<dollars>', 'how much, such as 10 or 12.50')
    .description('buy credits with CAIRN into a wallet; `cairn account topup` also deposits them')
    .action((dollars, options) => ends(import('../verbs/credits.ts').then((verb) => verb.mint(dollars, options))))
  examples(mint, 'cairn credits mint 10', 'cairn credits mint 12.50 --as key:wallet.key --slippage 1 --dry-run')
  const redeem = trades(noun.command('redeem'), 'operator')
    .argument('<dollars>', 'how much of the earned credits, or all')
    .description('turn earned credits into CAIRN; bought ones are spent, not sold')
    .action((dollars, options) => ends(import('../verbs/credits.ts').then((verb) => verb.redeem(dollars, options))))
  examples(redeem, 'cairn credits redeem all --as operator:1', 'cairn credits redeem 25 --data ~/node --yes')
  const poke = signs(common(noun.command('poke')), 'holder')
    .description('record that there is no price, or that minting is halted; anybody may')
    .action((options) => ends(import('../verbs/credits.ts').then((verb) => verb.poke(options))))
  examples(poke, 'cairn credits poke', 'cairn credits poke --as key:wallet.key')
  const price = common(noun.command('price'))
    .argument('<usd|none>', 'of one CAIRN')
    .description('set the fixed price of a local chain, to see what Credits does then; elsewhere nobody can')
    .action((usd, options) => ends(import('../verbs/price.ts').then((verb) => verb.setPrice(usd, options))))
  examples(price, 'cairn credits price 0.10', 'cairn credits price none')
}
