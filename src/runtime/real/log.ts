import type { Clock, Log } from '../index.ts'
import { createLineLog, type LogLevel } from '../line-log.ts'

/** A log of JSON lines on standard error, from `level` up. Written at once, so that a crash loses none. */
export function createLog(clock: Clock, level: LogLevel): Log {
  return createLineLog({ clock, level, write: (line) => void process.stderr.write(`${line}\n`) })
}
