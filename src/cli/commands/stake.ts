/** `cairn stake`. */
import type { Command } from 'commander'
import { common, ends, examples, signs } from './common.ts'

const OPERATOR = 'an address, or operator:N of a local network'

export function addStake(program: Command): void {
  const noun = program.command('stake').description('stake in operators: one’s own, and what others delegate to them')
  const show = common(noun.command('show'))
    .argument('[account]', 'whose: an address, holder, operator:N, delegator:N …; all operators without it')
    .description('who stakes how much in whom, what thaws until when, and who may vote')
    .action((account, options) => ends(import('../verbs/stake-show.ts').then((verb) => verb.showStake(account, options))))
  examples(show, 'cairn stake show', 'cairn stake show delegator:1', 'cairn stake show 0x5290… --json')
  addDelegation(noun)
  addOperator(noun)
  addVotes(noun)
}

function addDelegation(noun: Command): void {
  const delegate = signs(common(noun.command('delegate')), 'holder')
    .argument('<operator>', OPERATOR)
    .argument('<cairn>', 'how much, such as 250 or 12.5')
    .description('delegate CAIRN to an operator: a part of its rewards, and of slashes that its own stake cannot pay')
    .action((operator, cairn, options) => ends(import('../verbs/stake.ts').then((verb) => verb.delegate(operator, cairn, options))))
  examples(
    delegate,
    'cairn stake delegate operator:1 250 --as delegator:1',
    'cairn stake delegate 0x5290… 100 --as key:wallet.key --dry-run',
  )
  const undelegate = signs(common(noun.command('undelegate')), 'holder')
    .argument('<operator>', OPERATOR)
    .argument('<cairn>', 'how much, or all')
    .description('start the thaw of delegated stake; to delegate it elsewhere, withdraw it first')
    .action((operator, cairn, options) => ends(import('../verbs/stake.ts').then((verb) => verb.undelegate(operator, cairn, options))))
  examples(undelegate, 'cairn stake undelegate operator:1 all --as delegator:1', 'cairn stake undelegate 0x5290… 12.5 --as key:wallet.key')
  const withdraw = signs(common(noun.command('withdraw')), 'holder')
    .description('pay out all of the signer’s stake that has thawed, its own and what it delegated')
    .action((options) => ends(import('../verbs/stake.ts').then((verb) => verb.withdraw(options))))
  examples(withdraw, 'cairn stake withdraw --as delegator:1', 'cairn stake withdraw --as operator --data ~/node --yes')
  const claim = signs(common(noun.command('claim')), 'holder')
    .argument('[operator]', `${OPERATOR}; the signer and all that it delegates to without it`)
    .description('claim an operator’s rewards by proof; what it shares unlocks for its delegators over seven days')
    .action((operator, options) => ends(import('../verbs/stake-claim.ts').then((verb) => verb.claim(operator, options))))
  examples(claim, 'cairn stake claim --as delegator:1', 'cairn stake claim operator:1 --as holder --dry-run')
}

function addOperator(noun: Command): void {
  const bond = signs(common(noun.command('bond')), 'operator')
    .argument('<cairn>', 'how much')
    .description('add to the signer’s own stake')
    .action((cairn, options) => ends(import('../verbs/stake.ts').then((verb) => verb.bond(cairn, options))))
  examples(bond, 'cairn stake bond 500 --as operator:1', 'cairn stake bond 500 --data ~/node')
  const unbond = signs(common(noun.command('unbond')), 'operator')
    .argument('<cairn>', 'how much, or all')
    .description('start the thaw of the signer’s own stake; what stays must be the network’s minimum')
    .action((cairn, options) => ends(import('../verbs/stake.ts').then((verb) => verb.unbond(cairn, options))))
  examples(unbond, 'cairn stake unbond 500 --as operator:1', 'cairn stake unbond all --data ~/node')
  const cut = signs(common(noun.command('cut')), 'operator')
    .argument('<percent>', 'of the delegators’ rewards, such as 10 or 12.5')
    .description('set the operator’s cut; a higher one waits for the network’s thaw')
    .action((percent, options) => ends(import('../verbs/stake.ts').then((verb) => verb.setCut(percent, options))))
  examples(cut, 'cairn stake cut 10 --as operator:1', 'cairn stake cut 12.5 --data ~/node --dry-run')
  const share = signs(common(noun.command('share')), 'operator')
    .argument('<on|off>', 'whether delegators get their part')
    .description('have the operator’s rewards shared with its delegators; counts after three days, both ways')
    .action((state, options) => ends(import('../verbs/stake.ts').then((verb) => verb.share(state, options))))
  examples(share, 'cairn stake share on --as operator:1', 'cairn stake share off --data ~/node')
}

function addVotes(noun: Command): void {
  const votes = signs(common(noun.command('votes')), 'holder')
    .argument('<account>', 'who shall cast the signer’s votes; the signer itself to take them back')
    .description('lend votes, from the next block on; the stake stays where it is')
    .action((account, options) => ends(import('../verbs/stake.ts').then((verb) => verb.giveVotes(account, options))))
  examples(votes, 'cairn stake votes holder --as delegator:1', 'cairn stake votes 0x5290… --as key:wallet.key')
  const sync = signs(common(noun.command('sync')), 'holder')
    .argument('<account>', 'whose')
    .description('book the votes that an account’s stake is worth after rewards or slashes; anybody may')
    .action((account, options) => ends(import('../verbs/stake.ts').then((verb) => verb.syncAll(account, options))))
  examples(sync, 'cairn stake sync operator:1', 'cairn stake sync 0x5290… --as key:wallet.key')
}
