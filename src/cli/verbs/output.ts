/** How verbs speak: tables for people, one JSON document for programs, progress on the side that is not piped. */

/** The process ends with it: 0 as asked, 1 a negative answer (a difference, something lost), 2 trouble or misuse. */
export type Exit = 0 | 1 | 2

const CREDIT = 1_000_000n
/** 1 credit is $0.00001. */
const DOLLAR = 100_000n * CREDIT
const CAIRN = 10n ** 18n

/** JSON on one line; bigint becomes a decimal string, since settled amounts must not pass through a float. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}\n`)
}

export const print = (line = ''): void => {
  process.stdout.write(`${line}\n`)
}

/** Columns as wide as their widest cell; numbers stand right. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => (row[i] ?? '').length)))
  const right = heads.map((_, i) => rows.length > 0 && rows.every((row) => /^[-$]?[\d.,]*( ?[kMGT]?i?B| ?%)?$/.test(row[i] ?? '')))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (right[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(heads), ...rows.map(line)].join('\n')
}

/** `amount` in units of `unit`, cut (never rounded up) to `digits` decimals. */
export function fixed(amount: bigint, unit: bigint, digits: number): string {
  const sign = amount < 0n ? '-' : ''
  const scaled = ((amount < 0n ? -amount : amount) * 10n ** BigInt(digits)) / unit
  const text = scaled.toString().padStart(digits + 1, '0')
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** µcredits as dollars. */
export const dollars = (microcredits: bigint): string => `$${fixed(microcredits, DOLLAR, 6)}`
/** Wei of CAIRN. */
export const cairn = (wei: bigint): string => fixed(wei, CAIRN, 4)

/** µcredits of a sum in dollars such as `12.50`; null when it is no positive sum of at most six decimals. */
export function parseDollars(text: string): bigint | null {
  const parts = /^\$?(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text)
  if (parts === null) return null
  const sum = BigInt(parts[1] ?? '0') * DOLLAR + (BigInt((parts[2] ?? '').padEnd(6, '0')) * DOLLAR) / 1_000_000n
  return sum > 0n ? sum : null
}

/** Wei of a number of CAIRN such as `12.5`; null when it is no positive number of at most 18 decimals. */
export function parseCairn(text: string): bigint | null {
  const parts = /^(\d{1,12})(?:\.(\d{1,18}))?$/.exec(text)
  if (parts === null) return null
  const sum = BigInt(parts[1] ?? '0') * CAIRN + BigInt((parts[2] ?? '').padEnd(18, '0'))
  return sum > 0n ? sum : null
}

export function bytes(count: number | bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = Number(count)
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** Seconds of `30m`, `12h`, `7d` …; null for anything else. */
export function parseDuration(text: string): number | null {
  const parts = /^(\d{1,6})([smhdw])$/.exec(text)
  const unit = SECONDS[parts?.[2] ?? '']
  return parts === null || unit === undefined ? null : Number(parts[1]) * unit
}

export interface Progress {
  /** `part` of `whole`, or just what happens. */
  step(what: string, part?: number, whole?: number): void
  done(): void
}

const BAR = 24

/** A bar on a terminal, plain lines elsewhere, nothing with `--json`. Everything goes to stderr. */
export function progress(quiet: boolean): Progress {
  const tty = process.stderr.isTTY === true
  let last = ''
  return {
    step(what, part, whole) {
      if (quiet) return
      const filled = part === undefined || whole === undefined || whole === 0 ? null : Math.round((BAR * part) / whole)
      const bar = filled === null ? '' : `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] `
      if (tty) process.stderr.write(`\r\x1b[K${bar}${what}`)
      else if (what !== last) process.stderr.write(`${what}\n`)
      last = what
    },
    done() {
      if (!quiet && tty && last !== '') process.stderr.write('\n')
      last = ''
    },
  }
}

/** Waits for a `y` on the terminal; without a terminal nothing is done that was not confirmed by a flag. */
export async function confirmed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (process.stdin.isTTY !== true) {
    process.stderr.write(`${question}\nNothing was done: add --yes to do it, or --dry-run to see what would be done.\n`)
    return false
  }
  const { createInterface } = await import('node:readline/promises')
  const ask = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await ask.question(`${question} [y/N] `)).trim())
  } finally {
    ask.close()
  }
}
