/** The simulated world, all of it from one seed. Only the simulator and tests import this folder. */
import type { Prng } from '../../std/prng.ts'
import type { Compute, Runtime } from '../index.ts'
import { createFakeClock, type FakeClock } from './clock.ts'
import { portableCrypto } from './crypto.ts'
import { createCapturingLog } from './log.ts'
import { createFakeMetrics, type FakeMetrics } from './metrics.ts'
import { createFakeRandom } from './random.ts'

export { createFakeClock, type FakeClock } from './clock.ts'
export { createInlineCompute } from './compute.ts'
export { portableCrypto } from './crypto.ts'
export { createFakeDisk, type DiskFailure, type FakeDisk } from './disk.ts'
export type { CapturingLog } from './log.ts'
export { createFakeMetrics, type FakeMetrics } from './metrics.ts'
export { createFakeNetwork, type FakeNetworkHub } from './network.ts'
export { createFakeRandom } from './random.ts'
export { createStillChain, stillNetwork } from './still-chain.ts'

export interface FakeRuntimeOptions {
  readonly prng: Prng
  readonly compute: Compute
  /** The one clock of the simulation, when there are several machines in it. */
  readonly clock?: FakeClock
  /** Native crypto gives the same bytes several times faster; a simulation may take it. */
  readonly crypto?: Runtime['crypto']
}

export interface FakeRuntime extends Runtime {
  readonly clock: FakeClock
  readonly metrics: FakeMetrics
  /** What the log said, oldest first. */
  readonly lines: readonly string[]
}

/** Everything of `Runtime`, driven by `prng` and by whoever runs its clock. */
export function createFakeRuntime({ prng, compute, clock = createFakeClock(), crypto = portableCrypto }: FakeRuntimeOptions): FakeRuntime {
  const { log, lines } = createCapturingLog(clock)
  return { clock, random: createFakeRandom(prng.fork('random')), crypto, log, lines, metrics: createFakeMetrics(), compute }
}
