/** `cairn market`. */
import { type Command, InvalidArgumentError } from 'commander'
import { common, ends, examples, signs } from './common.ts'

const leaseId = (text: string, before: readonly bigint[] = []): readonly bigint[] => {
  if (!/^\d{1,20}$/.test(text)) throw new InvalidArgumentError('the number of a lease')
  return [...before, BigInt(text)]
}

export function addMarket(program: Command): void {
  const noun = program.command('market').description('leases: capacity for a time, by quotes that providers sign')
  addQuotes(noun)
  const lease = signs(common(noun.command('lease')), 'customer')
    .argument('[files...]', 'quotes; those of the folder without any')
    .requiredOption('--for <duration>', 'how long, such as 12h or 7d')
    .option('--terms <text>', 'only quotes of exactly these terms')
    .option('--asset <asset>', 'credits, token (CAIRN) or an address', 'credits')
    .option('--most <sum>', 'what the whole time may cost at most')
    .description('open a lease by the cheapest quote that fits, and lock its price in Escrow')
    .action((files, options) => ends(import('../verbs/market.ts').then((verb) => verb.openCheapest(files, options))))
  examples(lease, 'cairn market lease --for 7d --dry-run', 'cairn market lease a.json b.json --for 12h --most 2.50 --yes')
  const leases = common(noun.command('leases'))
    .option('--as <who>', 'whose: holder, customer, operator:N, key:FILE, or an address', 'customer')
    .description('an account’s leases: what is locked, paid and owed')
    .action((options) => ends(import('../verbs/leases.ts').then((verb) => verb.listLeases(options))))
  examples(leases, 'cairn market leases', 'cairn market leases --as operator:1 --json')
  const settle = signs(common(noun.command('settle')), 'holder')
    .argument('<lease...>', 'their numbers', leaseId)
    .description('pay providers for the time until now; anyone may')
    .action((ids, options) => ends(import('../verbs/leases.ts').then((verb) => verb.settle(ids, options))))
  examples(settle, 'cairn market settle 1 2 3 --yes')
  const end = signs(common(noun.command('end')), 'customer')
    .argument('<lease>', 'its number', (text: string) => leaseId(text))
    .description('end a lease early: at once by its customer, after the notice by its provider')
    .action((ids, options) => ends(import('../verbs/leases.ts').then((verb) => verb.endLease(ids, options))))
  examples(end, 'cairn market end 1 --dry-run', 'cairn market end 1 --as operator:2 --yes')
}

function addQuotes(noun: Command): void {
  const quote = signs(common(noun.command('quote')), 'operator:1')
    .argument('<customer>', 'who may take it: an address, or a name that --as takes')
    .requiredOption('--price <sum>', 'for each --per, such as 0.50')
    .option('--per <duration>', 'what the price is for', '30d')
    .option('--asset <asset>', 'credits, token (CAIRN) or an address', 'credits')
    .option('--term <duration>', 'longest life', '30d')
    .option('--notice <duration>', 'what you give before ending early', '1d')
    .option('--valid <duration>', 'how long it can be taken', '24h')
    .option('--terms <text>', 'what is leased', '')
    .option('--out <file>', 'where to; the folder’s quotes without it')
    .description('sign a quote for one customer; nothing is sent')
    .action((customer, options) => ends(import('../verbs/market.ts').then((verb) => verb.quote(customer, options))))
  examples(
    quote,
    'cairn market quote customer --price 0.50 --terms "100 GiB, k=4 n=8"',
    'cairn market quote 0x52908400098527886e0f7030069857d2e4169ee7 --price 0.02 --per 1h --term 7d --as operator:2 --out q.json',
  )
  const quotes = common(noun.command('quotes'))
    .argument('[files...]', 'quotes; those of the folder without any')
    .description('quotes with their prices, and whether they can be taken')
    .action((files, options) => ends(import('../verbs/market.ts').then((verb) => verb.listQuotes(files, options))))
  examples(quotes, 'cairn market quotes', 'cairn market quotes q.json --json')
  const cancel = signs(common(noun.command('cancel')), 'operator:1')
    .argument('<file>', 'one of your quotes')
    .description('make a quote of yours worthless, and every other one with its nonce')
    .action((file, options) => ends(import('../verbs/market.ts').then((verb) => verb.cancel(file, options))))
  examples(cancel, 'cairn market cancel q.json --yes')
}
