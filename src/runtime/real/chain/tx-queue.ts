import * as OxAddress from 'ox/Address'
import * as Hash from 'ox/Hash'
import * as Secp256k1 from 'ox/Secp256k1'
import * as TxEnvelopeEip1559 from 'ox/TxEnvelopeEip1559'
import { CairnError, isCairnError } from '../../../protocol/errors.ts'
import { type Account, account as accountOf, digest, type Hex } from '../../../protocol/ids.ts'
import { toHex } from '../../../std/bytes.ts'
import type { CallOutcome } from '../../chain.ts'
import type { Clock, Database, Log } from '../../index.ts'
import { decodeRevert } from './contracts.ts'
import { type Journal, type JournalRow, openJournal } from './journal.ts'
import type { Receipt, Refusal, Rpc } from './rpc.ts'

export interface TxQueueOptions {
  readonly rpc: Rpc
  readonly clock: Clock
  readonly log: Log
  readonly database: Database
  /** Hash of the chain's first block. */
  readonly chain: string
  readonly chainId: number
  /** 32-byte secp256k1 key of the account. */
  readonly secret: Uint8Array
  /** Depth from which a transaction counts as done. */
  readonly confirmations: number
  readonly pollMs: number
}

/** What is to happen on chain; without `to` a contract is created. */
export interface Intent {
  readonly to: Hex | null
  readonly data: Hex
  readonly value?: bigint
  readonly key?: string
  /** For logs and errors. */
  readonly label: string
}

/** All transactions of one account, in nonce order, each sent until it is final. One instance per account and chain. */
export interface TxQueue {
  readonly account: Account
  /** See `ChainSigner.send`. */
  submit(intent: Intent, deadlineMs: number): Promise<CallOutcome>
  /** Transactions that are not 64 deep yet. */
  depth(): number
  close(): Promise<void>
}

/** DESIGN §5: a transaction is kept until it is 64 deep. */
const FINAL_DEPTH = 64n
/** Estimates hold for the state they were made on; others' transactions in between make some calls dearer. */
const GAS_MARGIN_PERCENT = 130n
const GAS_MARGIN = 20_000n
/** EIP-7825. */
const GAS_MAX = 1n << 24n
/** Covers about eleven full blocks of rising base fee (12.5 % each) before a transaction is priced out. */
const BASE_FEE_FACTOR = 4n
const RESEND_MS = 2_000
const RESEND_AT_ONCE = 64
const RETRY_MS = 200
const RETRY_MS_MAX = 5_000
/** While everything is mined and waits to be 64 deep, nobody waits for it. */
const SETTLING_POLL_MS = 5_000
/** A nonce that is used up while our transaction stays unknown for so long was taken by another program. */
const DISPLACED_MS = 15_000
const REVERT_WORDS = /revert|insufficient funds|out of gas|exceeds (block )?gas|nonce too/i

/** Whether the node refused because of the call, and not because of itself (rate limits, internal errors). */
const isRevert = (refusal: Refusal): boolean => refusal.code === 3 || refusal.data !== '0x' || REVERT_WORDS.test(refusal.why)

/** What we signed and kept. */
const transactionOf = (raw: Hex) => TxEnvelopeEip1559.deserialize(raw as TxEnvelopeEip1559.Serialized)

interface Waiter {
  readonly promise: Promise<CallOutcome>
  readonly resolve: (outcome: CallOutcome) => void
}

export function openTxQueue(options: TxQueueOptions): TxQueue {
  const { rpc, clock, log, chainId } = options
  const privateKey: Hex = `0x${toHex(options.secret)}`
  const self = accountOf(OxAddress.fromPublicKey(Secp256k1.getPublicKey({ privateKey })))
  const journal: Journal = openJournal(options.database, options.chain, self)
  const confirmations = BigInt(options.confirmations)
  const waiters = new Map<number, Waiter>()
  const sentAt = new Map<number, number>()
  const missingSince = new Map<number, number>()
  const keyed = new Map<string, Promise<CallOutcome>>()
  const closed = new AbortController()
  let lane: Promise<unknown> = Promise.resolve()
  let wake: (() => void) | null = null
  let away: CairnError<'CHAIN_AWAY'> | null = null

  const poke = (): void => wake?.()

  function waiterOf(nonce: number): Waiter {
    const known = waiters.get(nonce)
    if (known !== undefined) return known
    const made: Waiter = Promise.withResolvers<CallOutcome>()
    waiters.set(nonce, made)
    return made
  }

  // ---------------------------------------------------------------- signing

  function sign(intent: Intent, gas: bigint, nonce: number, baseFee: bigint, tip: bigint): { raw: Hex; hash: Hex } {
    const padded = (gas * GAS_MARGIN_PERCENT) / 100n + GAS_MARGIN
    const envelope = TxEnvelopeEip1559.from({
      chainId,
      nonce: BigInt(nonce),
      gas: padded > GAS_MAX ? GAS_MAX : padded,
      maxFeePerGas: BASE_FEE_FACTOR * baseFee + tip,
      maxPriorityFeePerGas: tip,
      value: intent.value ?? 0n,
      data: intent.data,
      ...(intent.to === null ? {} : { to: intent.to }),
    })
    const signature = Secp256k1.sign({ payload: TxEnvelopeEip1559.getSignPayload(envelope), privateKey })
    const raw = TxEnvelopeEip1559.serialize(envelope, { signature })
    return { raw, hash: Hash.keccak256(raw) }
  }

  /** Simulates, signs, writes down, sends. The nonce once the transaction is durable, or why it is refused. */
  async function place(intent: Intent): Promise<number | CallOutcome> {
    const [gas, pending, head, tip] = await Promise.all([
      rpc.estimate(self, intent.to, intent.data, intent.value ?? 0n),
      rpc.nonce(self, 'pending'),
      rpc.header('latest'),
      rpc.tip(),
    ])
    if (typeof gas !== 'bigint') {
      if (!isRevert(gas)) throw new CairnError('CHAIN_AWAY', { rpc: rpc.url, why: gas.why })
      return { is: 'reverted', ...decodeRevert(gas.data, gas.why) }
    }
    const highest = journal.open().at(-1)?.nonce ?? -1
    const nonce = Math.max(pending, highest + 1)
    const { raw, hash } = sign(intent, gas, nonce, head?.baseFee ?? 0n, tip)
    journal.add({ nonce, hash, raw, key: intent.key ?? null, label: intent.label, block: null, outcome: null })
    sentAt.set(nonce, clock.monotonic())
    await broadcast(nonce, raw, intent.label)
    poke()
    return nonce
  }

  async function broadcast(nonce: number, raw: Hex, label: string): Promise<void> {
    try {
      const refused = await rpc.broadcast(raw)
      if (refused !== null) log.debug('a transaction was not taken by the node', { label, nonce, why: refused.why })
    } catch (error) {
      // It is in the journal: it will be sent again.
      log.debug('a transaction could not be sent now', { label, nonce, error: String(error) })
    }
  }

  /** Tries to place until the chain answers; `signal` ends the trying of an intent that nobody waits for any more. */
  async function placeWhenThere(intent: Intent, signal: AbortSignal): Promise<number | CallOutcome> {
    for (let wait = RETRY_MS; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      signal.throwIfAborted()
      try {
        const placed = await place(intent)
        away = null
        return placed
      } catch (error) {
        if (!isCairnError(error, 'CHAIN_AWAY')) throw error
        away = error
        await clock.sleep(wait, signal)
      }
    }
  }

  function enqueue(intent: Intent, signal: AbortSignal): Promise<CallOutcome> {
    // Placing is one at a time: a nonce is chosen, written down and sent before the next one is.
    const placed = lane.then(() => placeWhenThere(intent, signal))
    lane = placed.catch(() => undefined)
    return placed.then((result) => (typeof result === 'number' ? waiterOf(result).promise : result))
  }

  function keyedOutcome(intent: Intent, key: string): Promise<CallOutcome> {
    const running = keyed.get(key)
    if (running !== undefined) return running
    const row = journal.byKey(key)
    if (row !== null) return isDone(row) ? Promise.resolve(row.outcome) : waiterOf(row.nonce).promise
    // A keyed intent goes on after its caller gave up waiting.
    const made = enqueue(intent, closed.signal).finally(() => keyed.delete(key))
    made.catch(() => undefined)
    keyed.set(key, made)
    return made
  }

  /** `raw` is gone once a row is final; until then the watcher says when it is deep enough. */
  const isDone = (row: JournalRow): row is JournalRow & { outcome: CallOutcome } => row.outcome !== null && row.raw === '0x'

  async function submit(intent: Intent, deadlineMs: number): Promise<CallOutcome> {
    using deadline = clock.deadline(intent.label, deadlineMs, closed.signal)
    const work = intent.key === undefined ? enqueue(intent, deadline.signal) : keyedOutcome(intent, intent.key)
    work.catch(() => undefined)
    const late = new Promise<never>((_, reject) => {
      deadline.signal.addEventListener('abort', () => {
        if (closed.signal.aborted) reject(new CairnError('ABORTED', { what: intent.label }))
        else reject(away ?? new CairnError('DEADLINE', { what: intent.label, ms: deadlineMs }))
      })
    })
    // Awaited here: the deadline ends with this function.
    return await Promise.race([work, late])
  }

  // --------------------------------------------------------------- watching

  async function outcomeOf(row: JournalRow, receipt: Receipt): Promise<CallOutcome> {
    if (receipt.ok) return { is: 'confirmed', hash: digest(row.hash), block: receipt.block }
    const tx = transactionOf(row.raw)
    if (tx.to === undefined || tx.to === null) return { is: 'reverted', error: 'CreationFailed', data: {} }
    // Replayed on the state before its block: close enough to name the error, which only people read.
    const answer = await rpc.call(self, tx.to, tx.data ?? '0x', receipt.block - 1n)
    return typeof answer === 'string'
      ? { is: 'reverted', error: 'Reverted', data: { why: 'it fails only in its place in the block, or needed more gas' } }
      : { is: 'reverted', ...decodeRevert(answer.data, answer.why) }
  }

  async function look(row: JournalRow, head: bigint): Promise<void> {
    const receipt = await rpc.receipt(row.hash)
    if (receipt === null) {
      if (row.block !== null) journal.seen(row.nonce, null, null)
      return displaced(row)
    }
    missingSince.delete(row.nonce)
    const moved = row.block !== receipt.block || row.outcome === null
    const outcome = moved ? await outcomeOf(row, receipt) : row.outcome
    if (moved) journal.seen(row.nonce, receipt.block, outcome)
    if (outcome === null || head - receipt.block < confirmations) return
    waiters.get(row.nonce)?.resolve(outcome)
    waiters.delete(row.nonce)
    sentAt.delete(row.nonce)
    if (head - receipt.block >= FINAL_DEPTH) journal.final(row.nonce, clock.now())
  }

  /** Its nonce is used up but it is in no block. After a while that means that somebody else uses this account. */
  async function displaced(row: JournalRow): Promise<void> {
    const since = missingSince.get(row.nonce) ?? clock.monotonic()
    missingSince.set(row.nonce, since)
    if (clock.monotonic() - since < DISPLACED_MS || (await rpc.known(row.hash))) return
    log.warn('another program uses this account: a transaction gets a new nonce', { account: self, nonce: row.nonce, label: row.label })
    missingSince.delete(row.nonce)
    const tx = transactionOf(row.raw)
    const waiter = waiters.get(row.nonce)
    waiters.delete(row.nonce)
    journal.drop(row.nonce)
    const intent: Intent = {
      to: tx.to ?? null,
      data: tx.data ?? '0x',
      value: tx.value ?? 0n,
      label: row.label,
      ...(row.key === null ? {} : { key: row.key }),
    }
    const again = enqueue(intent, closed.signal)
    again.then((outcome) => waiter?.resolve(outcome)).catch(() => undefined)
  }

  async function resend(rows: readonly JournalRow[], mined: number): Promise<void> {
    let sent = 0
    for (const row of rows) {
      if (row.nonce < mined) continue
      if (row.block !== null) {
        log.warn('the chain lost a transaction; it is sent again', { label: row.label, nonce: row.nonce })
        journal.seen(row.nonce, null, null)
        sentAt.delete(row.nonce)
      }
      const before = sentAt.get(row.nonce)
      if (before !== undefined && clock.monotonic() - before < RESEND_MS) continue
      if (sent === RESEND_AT_ONCE) return
      sent += 1
      sentAt.set(row.nonce, clock.monotonic())
      // One after the other: a node may refuse a nonce whose predecessor it has not seen.
      await broadcast(row.nonce, row.raw, row.label)
    }
  }

  /** One look at everything open. Whether somebody waits for a result. */
  async function tick(): Promise<boolean> {
    const rows = journal.open()
    if (rows.length === 0) return false
    const [head, mined] = await Promise.all([rpc.blockNumber(), rpc.nonce(self, 'latest')])
    away = null
    const first = rows[0]
    if (first !== undefined && first.nonce > mined)
      log.error('the chain lost more than is kept', { account: self, mined, kept: first.nonce })
    await resend(rows, mined)
    const due = rows.filter((row) => row.nonce < mined && needsLook(row, head))
    for (let i = 0; i < due.length; i += RESEND_AT_ONCE) await Promise.all(due.slice(i, i + RESEND_AT_ONCE).map((row) => look(row, head)))
    return waiters.size > 0 || journal.open().some((row) => row.block === null)
  }

  const needsLook = (row: JournalRow, head: bigint): boolean =>
    row.block === null || head - row.block >= FINAL_DEPTH || (waiters.has(row.nonce) && head - row.block >= confirmations)

  async function watch(): Promise<void> {
    let wait = options.pollMs
    while (!closed.signal.aborted) {
      try {
        wait = (await tick()) ? options.pollMs : SETTLING_POLL_MS
      } catch (error) {
        if (!isCairnError(error, 'CHAIN_AWAY')) log.error('transactions cannot be followed', { error: String(error) })
        else away = error
        wait = Math.min(Math.max(2 * wait, RETRY_MS), RETRY_MS_MAX)
      }
      const woken = new Promise<void>((done) => {
        wake = done
      })
      await Promise.race([clock.sleep(wait, closed.signal).catch(() => undefined), woken])
    }
  }
  const watching = watch()

  return {
    account: self,
    submit,
    depth: () => journal.open().length,
    async close() {
      closed.abort()
      poke()
      await watching
      await lane.catch(() => undefined)
    },
  }
}
