/** The real world: what a daemon runs on. Only composition roots (the CLI, benches, tests) import this folder. */

import type { Compute, Runtime } from '../index.ts'
import type { LogLevel } from '../line-log.ts'
import { createClock } from './clock.ts'
import { createCrypto } from './crypto.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createRandom } from './random.ts'

export { openDatabase } from './database.ts'
export { openDisk } from './disk.ts'
export { createClock, createCrypto, createLog, createMetrics, createRandom }

export interface RealRuntimeOptions {
  readonly level: LogLevel
  /** Built by the caller: a worker pool has kernels to load and must be closed by whoever opened it. */
  readonly compute: Compute
}

/** Everything of `Runtime`, on this machine. */
export function createRealRuntime({ level, compute }: RealRuntimeOptions): Runtime {
  const clock = createClock()
  return { clock, random: createRandom(), crypto: createCrypto(), log: createLog(clock, level), metrics: createMetrics(), compute }
}
