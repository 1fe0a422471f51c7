/**
 * Who keeps the next batch of the metadata log. Each batch names the devices that the one after it goes to, so that a
 * recovery knows whom it has to hear from: where the log ends is told by these few, and not by every device that was ever
 * registered, some of which are always gone.
 */
import type { DeviceId } from '../../../protocol/ids.ts'
import type { StoreContext } from './context.ts'
import type { Providers } from './providers.ts'

/** Named at a time. With 6 acknowledgements, ten of them may go at once before the log has to go elsewhere. */
const KEEPERS = 16
/** Named anew when more than one in so many of them takes no pieces. */
const SPARE = 4
/** When too few of them have taken a batch for so long, it goes to others too. */
const ESCAPE_MS = 30_000

export const KEEPERS_MAX = 64

export interface Keepers {
  /** Whom the batch after the present one names instead of `now`; null: it names nobody, and they stay. */
  next(now: readonly DeviceId[]): readonly DeviceId[] | null
  /**
   * Where a batch goes that `now` are to keep, or anybody when these are none: to some of them, and to others as well when
   * that has failed for too long. Throws NO_PROVIDERS when they are too few.
   */
  placed(now: readonly DeviceId[]): readonly DeviceId[]
  /** What came of it; `renamed`: the batch that was kept names others for the next. */
  went(well: boolean, renamed: boolean): void
}

/** The log prefers the same providers from batch to batch, so that connections stay warm. */
export const keepSeed = new Uint8Array(32)

export function createKeepers(at: Pick<StoreContext, 'clock' | 'redundancy'>, providers: Providers): Keepers {
  let failingSince: number | null = null
  const isStuck = (): boolean => failingSince !== null && at.clock.monotonic() - failingSince > ESCAPE_MS

  return {
    next(now) {
      // Who failed and was not heard of since may be asked again, but not relied on.
      const usable = new Set(
        providers
          .candidates()
          .map(({ device }) => device)
          .filter((device) => providers.trouble(device) === null),
      )
      const left = now.filter((device) => usable.has(device)).length
      const isFull = now.length >= Math.min(KEEPERS, usable.size)
      if (isFull && left >= now.length - Math.floor(now.length / SPARE)) return null
      const placement = providers.place(keepSeed, { want: KEEPERS, least: at.redundancy.ack, total: KEEPERS }, usable)
      return placement.ok ? placement.devices : null
    },
    placed(now) {
      const { n, ack } = at.redundancy
      const request = { want: n, least: ack, total: n }
      if (now.length > 0 && isStuck()) {
        // They are asked as well: a recovery that hears one of them hears of it.
        const others = providers.place(keepSeed, { ...request, except: new Set(now) })
        return others.ok ? [...now, ...others.devices] : now
      }
      const placement = providers.place(keepSeed, request, now.length === 0 ? null : new Set(now))
      if (!placement.ok) throw providers.tooFew(ack, placement.have, placement.why)
      return placement.devices
    },
    went(well, renamed) {
      if (!well) failingSince ??= at.clock.monotonic()
      // A batch that went elsewhere and named nobody new leaves the next one to those who are gone.
      else if (renamed || !isStuck()) failingSince = null
    },
  }
}
