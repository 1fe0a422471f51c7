/** `cairn govern`. */
import type { Command } from 'commander'
import { common, ends, examples, signs } from './common.ts'

const PROPOSAL = 'its number in `cairn govern list`, or its id'

export function addGovern(program: Command): void {
  const noun = program.command('govern').description('decisions of those who stake')
  const list = common(noun.command('list'))
    .description('every proposal with its state and what it waits for')
    .action((options) => ends(import('../verbs/govern.ts').then((verb) => verb.listProposals(options))))
  examples(list, 'cairn govern list', 'cairn govern list --json')
  const show = common(noun.command('show'))
    .argument('<proposal>', PROPOSAL)
    .description('a proposal’s text, its calls, votes and quorum')
    .action((proposal, options) => ends(import('../verbs/govern.ts').then((verb) => verb.showProposal(proposal, options))))
  examples(show, 'cairn govern show 1', 'cairn govern show 1 --json')
  addDecision(noun)
  addPause(noun)
}

function addDecision(noun: Command): void {
  const propose = signs(common(noun.command('propose')), 'holder')
    .argument('<call...>', 'contract.function(arguments in JSON); "@name" is a contract’s address')
    .option('--description <text>', 'what voters read; its first line is the title')
    .option('--description-file <path>', 'the same from a file')
    .description('put calls of the Timelock to the vote, all of which are made or none')
    .action((calls, options) => ends(import('../verbs/govern.ts').then((verb) => verb.propose(calls, options))))
  examples(
    propose,
    "cairn govern propose 'weights.set([2],[4000])' --description 'Emissions for storage'",
    'cairn govern propose \'staking.proposeSlasher("@disputes")\' --description-file why.md --as key:wallet.key --dry-run',
  )
  const vote = signs(common(noun.command('vote')), 'holder')
    .argument('<proposal>', PROPOSAL)
    .argument('<for|against|abstain>', 'the vote, which is final')
    .option('--reason <text>', 'kept on chain with the vote', '')
    .description('cast the votes that the signer had when the vote opened')
    .action((proposal, choice, options) => ends(import('../verbs/govern.ts').then((verb) => verb.vote(proposal, choice, options))))
  examples(vote, 'cairn govern vote 1 for', "cairn govern vote 1 against --reason 'too early' --as delegator:1")
  for (const [how, what] of [
    ['queue', 'hand a proposal that passed to the Timelock; anybody may'],
    ['execute', 'make the calls of a proposal whose delay is over; anybody may'],
    ['cancel', 'withdraw the signer’s proposal before its vote opens'],
  ] as const) {
    const verb = signs(common(noun.command(how)), 'holder')
      .argument('<proposal>', PROPOSAL)
      .description(what)
      .action((proposal, options) => ends(import('../verbs/govern.ts').then((verbs) => verbs.move(how, proposal, options))))
    examples(verb, `cairn govern ${how} 1`, `cairn govern ${how} 1 --as key:wallet.key --dry-run`)
  }
}

function addPause(noun: Command): void {
  const pause = signs(common(noun.command('pause')), 'holder')
    .argument('<duration>', 'such as 12h, at most 7d')
    .description('the guardian stops new stake, credits and leases; exits go on')
    .action((duration, options) => ends(import('../verbs/govern.ts').then((verb) => verb.pause(duration, options))))
  examples(pause, 'cairn govern pause 12h --as key:guardian.key', 'cairn govern pause 7d --dry-run')
  const unpause = signs(common(noun.command('unpause')), 'holder')
    .description('the guardian ends its pause')
    .action((options) => ends(import('../verbs/govern.ts').then((verb) => verb.unpause(options))))
  examples(unpause, 'cairn govern unpause', 'cairn govern unpause --as key:guardian.key')
}
