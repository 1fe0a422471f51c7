import type { Clock, Log } from '../index.ts'
import { createLineLog, type LogLevel } from '../line-log.ts'

/** Lines kept; older ones are dropped, so that a long simulation does not fill the memory with its log. */
const LINES_MAX = 10_000

export interface CapturingLog {
  readonly log: Log
  /** The newest lines of JSON, oldest first. */
  readonly lines: readonly string[]
}

/** A log that remembers its lines for whoever asks why a simulation failed. */
export function createCapturingLog(clock: Pick<Clock, 'now'>, level: LogLevel = 'debug'): CapturingLog {
  const lines: string[] = []
  const write = (line: string): void => {
    // Dropped by halves: shifting one by one would move the whole array for each line.
    if (lines.length >= LINES_MAX) lines.splice(0, LINES_MAX / 2)
    lines.push(line)
  }
  return { log: createLineLog({ clock, level, write }), lines }
}
