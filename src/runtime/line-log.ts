import type { Clock, Log, LogFields } from './index.ts'

/** From rarest to chattiest; a log shows its level and those before it. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Fields whose value never reaches a log, whoever passes it. Public keys and object keys are not secrets. */
const SECRET_FIELD =
  /secret|password|passphrase|mnemonic|credential|authorization|cookie|(private|session|wallet|access|api|device|transport)_?key$|^seed$|token$/i
/** User name and password inside a URL, as RPC endpoints often have them. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi
/** Longer texts are cut: a log line is read by a person, and a peer must not choose its length. */
const TEXT_MAX = 2000

const clean = (text: string): string => text.slice(0, TEXT_MAX).replace(URL_CREDENTIALS, '$1[redacted]@')

function cleanFields(fields: LogFields): Record<string, string | number | boolean | null> {
  const out: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (SECRET_FIELD.test(name)) out[name] = '[redacted]'
    else if (typeof value === 'string') out[name] = clean(value)
    else out[name] = typeof value === 'bigint' ? value.toString() : value
  }
  return out
}

interface LineLogOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly level: LogLevel
  /** Takes one line of JSON without its line end. */
  readonly write: (line: string) => void
  readonly fields?: LogFields
}

/** A log that hands each record to `write` as one line of JSON: `time`, `level`, `message`, then the fields. */
export function createLineLog({ clock, level, write, fields = {} }: LineLogOptions): Log {
  const shown = LOG_LEVELS.indexOf(level)
  const at =
    (rank: number) =>
    (message: string, more: LogFields = {}): void => {
      if (rank > shown) return
      const head = { time: new Date(clock.now()).toISOString(), level: LOG_LEVELS[rank], message: clean(message) }
      write(JSON.stringify({ ...cleanFields(fields), ...cleanFields(more), ...head }))
    }
  return {
    error: at(0),
    warn: at(1),
    info: at(2),
    debug: at(3),
    child: (more) => createLineLog({ clock, level, write, fields: { ...fields, ...more } }),
  }
}
