/** Numbers as measurements report them. */
import { loadavg } from 'node:os'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Nanoseconds per byte of a synchronous step, after `warm` calls that let the machine code settle. */
export function pace(bytes: number, step: () => void, warm = 40, rounds = 25): number {
  for (let i = 0; i < warm; i += 1) step()
  const measured: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    step()
    measured.push(((performance.now() - start) * 1e6) / bytes)
  }
  return median(measured)
}

/** Three significant figures: more would be noise. */
export const brief = (value: number): number => Number(value.toPrecision(3))

/** Processes that wanted a processor in the last minute, on average. */
export const load = (): number => brief(loadavg()[0] ?? 0)
