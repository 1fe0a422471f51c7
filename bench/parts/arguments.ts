/** The command line of a measurement: `--json`, `--data` and its own numbers. What is wrong with it is said in one line. */
import { parseArgs } from 'node:util'

export interface BenchOption {
  readonly about: string
  readonly value: number
}

export interface BenchArguments<Name extends string> {
  /** Whether programs read the result. */
  readonly json: boolean
  /** Where to put what is written; null for the system's temporary folder. */
  readonly data: string | null
  readonly numbers: Readonly<Record<Name, number>>
}

const FIXED = [
  ['--json', 'print one line of JSON'],
  ['--data <folder>', 'where to put what it writes, which is removed again; the folder itself only if it was not there'],
] as const

const usage = (name: string, own: readonly (readonly [string, BenchOption])[]): string =>
  [
    `usage: cairn bench ${name} [options]`,
    ...own.map(([option, { about, value }]) => `  ${`--${option} <n>`.padEnd(18)} ${about} (${value})`),
    ...FIXED.map(([option, about]) => `  ${option.padEnd(18)} ${about}`),
  ].join('\n')

/** Reads the command line of `cairn bench NAME`; ends the program with 2 when it is not understood and with 0 after `--help`. */
export function benchArguments<Name extends string>(name: string, own: Readonly<Record<Name, BenchOption>>): BenchArguments<Name> {
  const known = Object.entries<BenchOption>(own)
  const fail = (why: string): never => {
    console.error(`cairn bench ${name}: ${why}\n${usage(name, known)}`)
    process.exit(2)
  }
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const parsed = (): ReturnType<typeof parse> => {
    try {
      return parse()
    } catch (error) {
      return fail(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error))
    }
  }
  const parse = () =>
    parseArgs({
      allowPositionals: false,
      options: { ...Object.fromEntries(known.map(([option]) => [option, text])), json: flag, help: flag, data: text },
    })
  const values: Readonly<Record<string, unknown>> = parsed().values
  if (values['help'] === true) {
    console.log(usage(name, known))
    process.exit(0)
  }
  const numbers = { ...Object.fromEntries(known.map(([option, { value }]) => [option, value])) }
  for (const [option] of known) {
    const given = values[option]
    if (typeof given !== 'string') continue
    const number = Number(given)
    if (!Number.isInteger(number) || number < 1) fail(`--${option} is a whole number from 1 on, not ${JSON.stringify(given)}`)
    numbers[option] = number
  }
  const data = values['data']
  return { json: values['json'] === true, data: typeof data === 'string' ? data : null, numbers: numbers as Readonly<Record<Name, number>> }
}
