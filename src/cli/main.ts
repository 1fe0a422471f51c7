import { Command } from 'commander'

const program = new Command('cairn')
  .description('The open stack for decentralized physical infrastructure networks')
  .version('0.1.0')
  .showHelpAfterError()

await program.parseAsync(process.argv.length > 2 ? process.argv : [...process.argv, '--help'])
