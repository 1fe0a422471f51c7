/**
 * The providers a gateway works with, and how they are. A provider is tried while it answers; after a failed contact it
 * rests for a moment that grows, and its pieces count as lost after LOST_CONTACTS failures over LOST_AFTER_EPOCHS epochs.
 * Being slower than the others is a state of its own, which only moves it behind them.
 */
import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import { type Account, bytesOf, type DeviceId, type PeerId } from '../../../protocol/ids.ts'
import { peerIdOf } from '../../../protocol/peer-id.ts'
import type { DeviceRow } from '../../../runtime/chain.ts'
import type { Duplex } from '../../../runtime/index.ts'
import { type Candidate, type Placement, type PlacementRequest, place } from '../match.ts'
import { STORAGE_PROTOCOL } from '../messages.ts'
import { type StoreContext, TIMING } from './context.ts'
import { isFailure, Refusal } from './exchange.ts'

/** A piece counts as lost after this many failed contacts (DESIGN §6)… */
const LOST_CONTACTS = 3
/** …that span at least this many epochs. */
const LOST_AFTER_EPOCHS = 2
/** First rest after a failure; doubles up to REST_MAX_MS. */
const REST_MS = 500
const REST_MAX_MS = 10_000
/** A provider that lagged behind the others is asked after them for this long; then it gets another chance to show its speed. */
const SLOW_MS = 30_000
/**
 * How long one that refused is left alone before new pieces are offered again. A gateway that was away pays within seconds of
 * coming back, and should not wait for long after it has.
 */
const CLOSED_MS: Readonly<Partial<Record<Refusal['code'], number>>> = { full: 60_000, failing: 60_000, unpaid: 5_000 }

interface Health {
  failures: number
  firstFailure: number
  restUntil: number
  why: string
}

export interface Providers {
  /** Those that new pieces may go to now. */
  candidates(): readonly Candidate[]
  /**
   * Where new pieces go: among the candidates, and when these are too few, among those that rest as well. Where everything is
   * slow everybody rests now and then, and asking once more is better than refusing a write.
   */
  place(seed: Uint8Array, request: PlacementRequest): Placement
  /** Registered and not known to be failing. */
  reachable(device: DeviceId): boolean
  /** Whether its pieces count as lost. */
  lost(device: DeviceId): boolean
  /** Its operator retired it: it takes nothing new, and serves until its pieces are elsewhere. */
  leaving(device: DeviceId): boolean
  operator(device: DeviceId): Account | null
  known(): readonly DeviceRow[]
  /** Why it is not reachable, for people. */
  trouble(device: DeviceId): string | null
  open(device: DeviceId, signal?: AbortSignal): Promise<Duplex>
  /** A provider answered; or failed, and why. */
  good(device: DeviceId): void
  bad(device: DeviceId, error: unknown): void
  /** It answers and says no: no failure either, but people want to read why. */
  refused(device: DeviceId, error: Error): void
  /** A read went on without it because others were faster. That is no failure: it does not rest, and nothing of it counts as lost. */
  lagged(device: DeviceId): void
  /** Whether it lagged a moment ago, so that others are read from first. */
  slow(device: DeviceId): boolean
  /** The error for a write that found too few: beside `why`, what the active providers that take none said last. */
  tooFew(need: number, have: number, why: string): CairnError<'NO_PROVIDERS'>
  /** It took no piece. One that refuses (full, unpaid) is offered none for a while and still serves reads; any other failure rests it. */
  tookNone(device: DeviceId, error: unknown): void
  /** Tries every resting or failed provider again; called once an epoch and by repair. */
  probe(signal: AbortSignal): Promise<void>
}

/** Peer id and operator of a registered device. */
export const peerOf = (device: DeviceRow): PeerId => peerIdOf(bytesOf(device.transportKey))

const subnetOf = (endpoint: string): string => /^\/ip4\/(\d+\.\d+\.\d+)\./.exec(endpoint)?.[1] ?? ''

/** Reasons in one error, the most frequent first. */
const REASONS_TOLD = 3

export function createProviders(at: StoreContext, ping: (device: DeviceId, signal: AbortSignal) => Promise<void>): Providers {
  const health = new Map<DeviceId, Health>()
  const closed = new Map<DeviceId, number>()
  const slowUntil = new Map<DeviceId, number>()
  const refusals = new Map<DeviceId, string>()
  const epochMs = (): number => (at.chain.network(at.net)?.epochSeconds ?? 60) * 1000

  const reachable = (device: DeviceId): boolean => {
    const state = health.get(device)
    return state === undefined || at.clock.monotonic() >= state.restUntil
  }
  const good = (device: DeviceId): void => {
    health.delete(device)
    refusals.delete(device)
  }
  const bad = (device: DeviceId, error: unknown): void => {
    const now = at.clock.monotonic()
    const state = health.get(device) ?? { failures: 0, firstFailure: now, restUntil: 0, why: '' }
    state.failures += 1
    state.restUntil = now + Math.min(REST_MAX_MS, REST_MS * 2 ** Math.min(10, state.failures - 1))
    state.why = error instanceof Error ? error.message : String(error)
    health.set(device, state)
    at.log.debug('provider failed', { device, failures: state.failures, why: state.why })
  }
  const active = (): readonly DeviceRow[] => {
    const least = at.chain.network(at.net)?.minStake ?? 0n
    return at.chain
      .devices(at.net)
      .filter((row) => row.status === 'active' && row.endpoint !== '' && at.chain.stakeOf(row.owner, at.net) >= least)
  }

  const lastWord = (device: DeviceId): string | null => health.get(device)?.why ?? refusals.get(device) ?? null
  const open = ({ id }: DeviceRow): boolean => (closed.get(id) ?? 0) <= at.clock.monotonic()
  const takesWrites = (row: DeviceRow): boolean => reachable(row.id) && open(row)
  const candidatesOf = (takes: (row: DeviceRow) => boolean): readonly Candidate[] =>
    active()
      .filter(takes)
      .map((row) => ({ device: row.id, operator: row.owner, subnet: subnetOf(row.endpoint) }))

  return {
    candidates: () => candidatesOf(takesWrites),
    place(seed, request) {
      const placement = place(at.crypto, candidatesOf(takesWrites), seed, request)
      return placement.ok ? placement : place(at.crypto, candidatesOf(open), seed, request)
    },
    reachable: (device) => at.chain.device(device) !== null && reachable(device),
    lost(device) {
      const row = at.chain.device(device)
      if (row === null || row.status !== 'active') return true
      const state = health.get(device)
      if (state === undefined || state.failures < LOST_CONTACTS) return false
      return at.clock.monotonic() - state.firstFailure >= LOST_AFTER_EPOCHS * epochMs()
    },
    leaving: (device) => at.chain.device(device)?.status === 'retired',
    operator: (device) => at.chain.device(device)?.owner ?? null,
    known: active,
    trouble: (device) => (at.chain.device(device) === null ? 'not registered' : lastWord(device)),
    async open(device, signal) {
      const row = at.chain.device(device)
      if (row === null) throw new CairnError('UNREACHABLE', { peer: device, why: 'no such device is registered' })
      const peer = peerOf(row)
      at.network.know(peer, [row.endpoint])
      using deadline = at.clock.deadline(`dialling ${device}`, TIMING.dial, signal)
      try {
        return await at.network.dial(peer, STORAGE_PROTOCOL, deadline.signal)
      } catch (error) {
        if (signal?.aborted !== true || isCairnError(error, 'UNREACHABLE')) bad(device, error)
        throw error
      }
    },
    good,
    bad,
    refused: (device, error) => void refusals.set(device, error.message),
    lagged: (device) => void slowUntil.set(device, at.clock.monotonic() + SLOW_MS),
    slow(device) {
      const until = slowUntil.get(device) ?? Number.NEGATIVE_INFINITY
      if (at.clock.monotonic() < until) return true
      slowUntil.delete(device)
      return false
    },
    tooFew(need, have, why) {
      // Many commonly say the same; who asks wants the reasons, and `cairn storage stat` names the nodes.
      const said = new Map<string, number>()
      for (const row of active()) {
        if (takesWrites(row)) continue
        const reason = (lastWord(row.id) ?? 'takes no pieces now').replaceAll(row.id, 'it')
        said.set(reason, (said.get(reason) ?? 0) + 1)
      }
      const most = [...said].sort((a, b) => b[1] - a[1]).slice(0, REASONS_TOLD)
      return new CairnError('NO_PROVIDERS', { need, have, why: [why, ...most.map(([reason, count]) => `${count} × ${reason}`)].join('; ') })
    },
    tookNone(device, error) {
      if (!(error instanceof Refusal)) {
        if (isFailure(error)) bad(device, error)
        return
      }
      refusals.set(device, error.message)
      const closedMs = CLOSED_MS[error.code]
      if (closedMs !== undefined) closed.set(device, at.clock.monotonic() + closedMs)
    },
    async probe(signal) {
      // Who lags may as well hang: asked by itself, it answers or has failed.
      const doubtful = new Set([...health.keys(), ...slowUntil.keys()])
      await Promise.all(
        [...doubtful].map(async (device) => {
          try {
            await ping(device, signal)
            good(device)
          } catch (error) {
            bad(device, error)
          }
        }),
      )
    },
  }
}
