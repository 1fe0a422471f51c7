import type { DeviceId } from '../../../protocol/ids.ts'

/** Bytes taken from each provider since the last `take`: the customer's side of the meter. */
export interface Served {
  add(device: DeviceId, bytes: number): void
  take(): ReadonlyMap<DeviceId, number>
}

export function createServed(): Served {
  let counts = new Map<DeviceId, number>()
  return {
    add(device, bytes) {
      counts.set(device, (counts.get(device) ?? 0) + bytes)
    },
    take() {
      const taken = counts
      counts = new Map()
      return taken
    },
  }
}
