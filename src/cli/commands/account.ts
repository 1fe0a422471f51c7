/** `cairn account session`. */
import type { Command } from 'commander'
import { common, ends, examples } from './common.ts'

export function addSessions(program: Command): void {
  const account = program.commands.find((command) => command.name() === 'account') ?? program.command('account')
  const noun = account.command('session').description('keys that act for the account')
  common(noun.command('list'))
    .description('delegated keys with their scopes, limits and states')
    .action((options) => ends(import('../verbs/session.ts').then((verb) => verb.listSessions(options))))
  const renew = common(noun.command('renew'))
    .description('give the gateway another key, when the old one may be known to others or is about to expire')
    .option('--dry-run', 'only say what would be done', false)
    .option('--yes', 'do not ask', false)
    .action((options) => ends(import('../verbs/session.ts').then((verb) => verb.renewSession(options))))
  examples(renew, 'cairn account session renew --yes')
  const revoke = common(noun.command('revoke'))
    .argument('<key>', 'address of the session key')
    .description('end a delegated key for good, such as that of a gateway whose disk was stolen')
    .option('--dry-run', 'only say what would be revoked', false)
    .option('--yes', 'do not ask', false)
    .action((key, options) => ends(import('../verbs/session.ts').then((verb) => verb.revokeSession(key, options))))
  examples(revoke, 'cairn account session list', 'cairn account session revoke 0x52908400098527886e0f7030069857d2e4169ee7 --yes')
}
