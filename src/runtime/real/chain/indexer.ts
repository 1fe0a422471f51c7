import type { Crypto } from '../../../protocol/crypto.ts'
import { isCairnError } from '../../../protocol/errors.ts'
import { present } from '../../../std/assert.ts'
import { type Addresses, type ChainView, CONTRACT_NAMES } from '../../chain.ts'
import { type ChainEvent, type ChainRows, createChainRows, createLiveView } from '../../chain-index/index.ts'
import type { Clock, Database, Log } from '../../index.ts'
import { createBlockPace } from './block-pace.ts'
import { decodeEvent } from './contracts.ts'
import { type IndexedBlock, openIndexStore } from './index-store.ts'
import type { Header, RawLog, Rpc } from './rpc.ts'

export interface IndexerOptions {
  readonly rpc: Rpc
  readonly clock: Clock
  readonly log: Log
  readonly crypto: Crypto
  readonly database: Database
  readonly chainId: number
  /** Hash of the chain's first block. */
  readonly chain: string
  readonly addresses: Addresses
  /** Block of the first deployed contract: nothing of ours is older. */
  readonly fromBlock: bigint
  /** Blocks that must follow one before it counts. */
  readonly confirmations: number
  /** How often to ask a chain whose pace is not known, or that has stopped; otherwise see `BlockPace`. */
  readonly pollMs: number
  /** A second endpoint: a block counts only when both name the same hash for it, so that one liar moves nothing. */
  readonly witness?: Rpc
}

export interface Indexer {
  readonly view: ChainView
  /** How often confirmed state had to be read anew, because a reorg went deeper. */
  rebuilds(): number
  /**
   * Confirmed state as of the last block before `seconds`, replayed from the stored events, so that everyone who asks
   * reads the same however late; null while the chain has not passed that time.
   */
  asOf(seconds: number): ChainRows | null
  close(): Promise<void>
}

/** Blocks per request: public endpoints cap `eth_getLogs`, and headers come one by one in a batch of this size. */
const RANGE = 100n
/** After this long without an answer the chain counts as away. Ten blocks of the local chain. */
const DEGRADED_MS = 10_000
const BACKOFF_MS_MAX = 5_000

/** `behind` when there are confirmed blocks that were not read yet. */
type Step = 'advanced' | 'behind' | 'idle' | 'reorg'

export async function startIndexer(options: IndexerOptions): Promise<Indexer> {
  const { rpc, clock, log, addresses } = options
  const byAddress = new Map<string, keyof Addresses>()
  for (const name of CONTRACT_NAMES) byAddress.set(addresses[name], name)
  const filter = [...byAddress.keys()].map((at) => `0x${at.slice(2)}` as const)
  const store = openIndexStore(options.database, `${options.chain} ${addresses.networks} ${addresses.escrow}`)
  const fresh = (): ChainRows => createChainRows({ chainId: options.chainId, addresses, crypto: options.crypto })

  let rows = fresh()
  for (const block of store.load()) rows.add(block.header, block.events)
  const view = createLiveView(rows, clock)
  if (rows.head() !== null) view.show(rows, clock.now())
  let rebuilds = 0
  let answeredAt = clock.monotonic()
  const closed = new AbortController()
  const pace = createBlockPace(options.pollMs, Math.random)

  /** Headers of a range, linked to each other and to `before`; null when the chain changed under us. */
  async function headers(from: bigint, to: bigint, before: Header): Promise<readonly Header[] | null> {
    const numbers = Array.from({ length: Number(to - from) + 1 }, (_, i) => from + BigInt(i))
    const found = await Promise.all(numbers.map((number) => rpc.header(number)))
    let parent = before
    const linked: Header[] = []
    for (const header of found) {
      if (header === null || header.parent !== parent.hash) return null
      linked.push(header)
      parent = header
    }
    return linked
  }

  async function witnessed(header: Header): Promise<boolean> {
    if (options.witness === undefined) return true
    const other = await options.witness.header(header.number)
    if (other?.hash === header.hash) return true
    if (other !== null)
      log.error('two endpoints name different blocks', { number: header.number, ours: rpc.url, other: options.witness.url })
    return false
  }

  /** Reads the next range of confirmed blocks. */
  async function step(): Promise<Step> {
    const head = rows.head()
    const lastNumber = head?.number ?? options.fromBlock - 1n
    // The next block is asked for with the question whether it is confirmed, since mostly it is the only one that is.
    const [latest, last, next] = await Promise.all([rpc.blockNumber(), rpc.header(lastNumber), rpc.header(lastNumber + 1n)])
    // A shorter chain may only be an endpoint that lags; another block in this place is a reorg.
    if (last === null) return 'idle'
    if (head !== null && last.hash !== head.hash) return 'reorg'
    const confirmed = latest - BigInt(options.confirmations)
    if (confirmed <= lastNumber) return 'idle'
    const blocks = confirmed === lastNumber + 1n ? await one(last, next) : await range(last, confirmed)
    if (blocks === null) return 'idle'
    commit(blocks)
    for (const { header } of blocks) pace.seen(header.timestamp)
    if (present(blocks.at(-1), 'a range is never empty').header.number < confirmed) return 'behind'
    return 'advanced'
  }

  /** The block that follows, when it is the only one; null when the chain changed under us. */
  async function one(last: Header, next: Header | null): Promise<readonly IndexedBlock[] | null> {
    if (next === null || next.parent !== last.hash) return null
    const [logs, agreed] = await Promise.all([rpc.logsOf(next.hash, filter), witnessed(next)])
    return agreed ? join(last, [next], logs) : null
  }

  /** The blocks after `last` up to `confirmed`, as many as are read at a time; null when the chain changed under us. */
  async function range(last: Header, confirmed: bigint): Promise<readonly IndexedBlock[] | null> {
    const to = confirmed - last.number > RANGE ? last.number + RANGE : confirmed
    const [linked, logs] = await Promise.all([headers(last.number + 1n, to, last), rpc.logs(last.number + 1n, to, filter)])
    if (linked === null) return null
    const end = present(linked.at(-1), 'a range is never empty')
    // Asked again after the logs: if the end is still there, so is everything under it, and the logs are of this chain.
    if ((await rpc.header(to))?.hash !== end.hash || !(await witnessed(end))) return null
    return join(last, linked, logs)
  }

  function join(before: Header, linked: readonly Header[], logs: readonly RawLog[]): readonly IndexedBlock[] | null {
    const byBlock = new Map<bigint, RawLog[]>()
    for (const entry of logs) byBlock.set(entry.block, [...(byBlock.get(entry.block) ?? []), entry])
    const blocks: IndexedBlock[] = []
    let parentTimestamp = before.timestamp
    for (const header of linked) {
      const own = (byBlock.get(header.number) ?? []).sort((a, b) => a.index - b.index)
      if (own.some((entry) => entry.blockHash !== header.hash)) return null
      const { number, hash, timestamp } = header
      blocks.push({ header: { number, hash, timestamp, parentTimestamp }, events: own.flatMap((entry) => eventOf(entry, timestamp)) })
      parentTimestamp = timestamp
    }
    return blocks
  }

  function eventOf(entry: RawLog, timestamp: number): ChainEvent[] {
    const contract = byAddress.get(entry.address)
    const event = contract === undefined ? null : decodeEvent(contract, entry)
    return contract === undefined || event === null ? [] : [{ contract, ...event, block: entry.block, timestamp }]
  }

  function commit(blocks: readonly IndexedBlock[]): void {
    const begins = new Set<bigint>()
    for (const { header, events } of blocks) if (rows.add(header, events)) begins.add(header.number)
    try {
      store.append(blocks, begins)
    } catch (error) {
      // Memory went first, since it says which headers are worth keeping; it must not run ahead of the disk.
      rows = fresh()
      for (const block of store.load()) rows.add(block.header, block.events)
      throw error
    }
    if (rebuilding === null) view.show(rows, clock.now())
  }

  let rebuilding: ChainRows | null = null

  /** Everything is read anew while readers keep the old rows, which are shown as degraded. */
  function rebuild(): void {
    rebuilds += 1
    log.warn('the chain changed below what was confirmed; reading it anew', { head: rows.head()?.number })
    store.clear()
    rebuilding = rows
    rows = fresh()
    view.degrade(true)
  }

  /** Milliseconds until the next one. */
  async function turn(): Promise<number> {
    const result = await step()
    answeredAt = clock.monotonic()
    if (result === 'reorg') rebuild()
    if (result === 'advanced' || result === 'idle') caughtUp()
    if (rebuilding === null && rows.head() !== null) view.degrade(false)
    return result === 'advanced' ? pace.untilDue() : result === 'idle' ? pace.untilRetry() : 0
  }

  function caughtUp(): void {
    if (rows.head() === null) return
    if (rebuilding !== null) {
      rebuilding = null
      view.show(rows, clock.now())
    }
    view.fresh(clock.now())
  }

  async function follow(): Promise<void> {
    let backoff = options.pollMs
    while (!closed.signal.aborted) {
      let wait: number
      try {
        wait = await turn()
        backoff = options.pollMs
      } catch (error) {
        if (!isCairnError(error, 'CHAIN_AWAY')) log.error('the chain cannot be read', { error: String(error) })
        if (clock.monotonic() - answeredAt > DEGRADED_MS) view.degrade(true)
        backoff = Math.min(2 * backoff, BACKOFF_MS_MAX)
        wait = backoff
      }
      if (wait > 0) await clock.sleep(wait, closed.signal).catch(() => undefined)
    }
  }
  const following = follow()

  return {
    view,
    rebuilds: () => rebuilds,
    asOf(seconds) {
      if (rebuilding !== null || (rows.head()?.timestamp ?? 0) < seconds) return null
      const then = fresh()
      for (const block of store.load()) if (block.header.timestamp < seconds) then.add(block.header, block.events)
      return then
    },
    async close() {
      closed.abort()
      await following
      store.flush()
    },
  }
}
