/** What every verb of the command line has. */
import { type Command, InvalidArgumentError } from 'commander'

export const integer =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < least || value > most) throw new InvalidArgumentError(`a whole number from ${least} to ${most}`)
    return value
  }

/** `--data` and `--json`, which every verb has. */
export const common = (command: Command): Command =>
  command.option('--data <folder>', 'folder of `cairn up`, or of one daemon').option('--json', 'one JSON document instead of text', false)

export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)

/** A verb's exit code: 0 as asked, 1 a negative answer, 2 trouble. Set, not exited with, so that output is written whole. */
export const ends = async (work: Promise<number>): Promise<void> => {
  process.exitCode = await work
}

/** `--as`, `--dry-run` and `--yes`, which every verb that signs has. */
export const signs = (command: Command, as: string): Command =>
  command
    .option('--as <who>', 'who signs: holder, customer, verifier:N, operator:N, delegator:N, or key:FILE', as)
    .option('--dry-run', 'only say what would be sent', false)
    .option('--yes', 'do not ask', false)
