/** `cairn storage`. */
import type { Command } from 'commander'
import { common, ends, examples, integer } from './common.ts'

export function addStorage(program: Command): void {
  const noun = program.command('storage').description('stored objects, from the customer’s side')
  const stat = common(noun.command('stat'))
    .argument('<uri>', 's3://bucket/key')
    .description('how the pieces of an object are: alive, lost (its provider says so) or missing (its provider is silent)')
    .action((uri, options) => ends(import('../verbs/storage.ts').then((verb) => verb.statObject(uri, options))))
  examples(stat, 'cairn storage stat s3://photos/2026/cat.jpg', 'cairn storage stat s3://photos/2026/cat.jpg --json')
  const recover = common(noun.command('recover'))
    .description('rebuild a gateway whose folder is lost, from the mnemonic and the chain')
    .option('--mnemonic-file <file>', 'file with the 24 words')
    .option('--mnemonic <words>', 'the words; other users of the machine may see them, so prefer the file or CAIRN_MNEMONIC')
    .option('--network <descriptor>', 'file or URL of `cairn network describe`; --data is then the new gateway’s own folder')
    .option('--port <n>', 'of the S3 endpoint, with --network; 0 for a free one', integer(0, 65_535), 0)
    .option('--allow-loss', 'take what can be read when the end of the metadata log is with providers that do not answer', false)
    .addHelpText(
      'after',
      `
Two commands rebuild a gateway of \`cairn up\` whose gateway/ folder was deleted:

  cairn storage recover --mnemonic-file words.txt
  cairn up

In the folder of \`cairn up\` the gateway/ folder is rebuilt; chain and nodes are started for it when they do not run.
The words are shown once by the first \`cairn up\`, and by \`cairn account show --mnemonic\` where the account was made.
Providers that do not answer are waited for, for a minute. When so many stay silent that acknowledged objects may be with
them alone, nothing is rebuilt, and who is missing is said. A recovery that was cut off goes on when it is started again.
Ends with 1 when it rebuilt the gateway and a provider did not answer, with 2 when it did not.`,
    )
    .action((options) => ends(import('../verbs/recover.ts').then((verb) => verb.recoverGateway(options))))
  examples(
    recover,
    'cairn account show --mnemonic > words.txt   # while all is well; keep it elsewhere',
    'cairn storage recover --mnemonic-file words.txt && cairn up',
    'cairn storage recover --network net.json --data gw --mnemonic-file words.txt && cairn run gateway --data gw',
  )
}
