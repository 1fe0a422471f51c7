/**
 * The world as values. Everything that can fail because the world did, or that differs between a daemon and the
 * simulator, is one of these interfaces: `real/` touches the machine, `fake/` is a deterministic twin driven by a seed.
 * Code above this folder never names a clock, a socket or a file on its own.
 */
import type { Crypto } from '../protocol/crypto.ts'
import type { PeerId, ProtocolId } from '../protocol/ids.ts'
import type { UnixMs } from '../protocol/units.ts'
import type { Compute } from './compute.ts'

export type { Compute, JobHandler, Lanes, Native, NativeHash, Program } from './compute.ts'

export interface Clock {
  /** Wall time. May jump; use it for what is signed or compared with the chain. */
  now(): UnixMs
  /** Milliseconds that only grow; use it for deadlines and intervals. */
  monotonic(): number
  /** Resolves after `ms`, or rejects with `ABORTED` at once when `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A signal that fires `DEADLINE` after `ms`, or with `parent`. Dispose it when the work is done. */
  deadline(what: string, ms: number, parent?: AbortSignal): Deadline
}

export interface Deadline {
  readonly signal: AbortSignal
  [Symbol.dispose](): void
}

export interface Random {
  bytes(length: number): Uint8Array
  /** Uniform integer in [0, bound). */
  below(bound: number): number
}

/** A connection carrying whole messages both ways; each side's sends arrive in order or the duplex fails. */
export interface Duplex {
  readonly peer: PeerId
  /** Queues one message made of `parts` and resolves when the transport has taken them: the caller may then reuse their
   *  memory, and a slow peer holds the caller back. */
  send(...parts: readonly Uint8Array[]): Promise<void>
  /** The next message, or null at the orderly end. Throws `UNREACHABLE` when the peer is gone, `LIMIT` over `maxBytes`. */
  receive(maxBytes?: number): Promise<Uint8Array | null>
  /** Reads the next message straight into `target`; its length, or null at the orderly end. */
  receiveInto(target: Uint8Array): Promise<number | null>
  /** Orderly end of this side's sends. */
  end(): Promise<void>
  /** Drops the connection now. */
  abort(reason: unknown): void
}

export interface Network {
  readonly self: PeerId
  /** Where others find this peer, e.g. `/ip4/127.0.0.1/tcp/4001`. */
  readonly addresses: readonly string[]
  /** Remembers where a peer was last seen. */
  know(peer: PeerId, addresses: readonly string[]): void
  /** Opens an exchange; end or abort it, or its connection stays taken. Throws `UNREACHABLE`, or the reason of `signal`,
   *  which until both sides have ended also aborts the exchange (a `Clock.deadline` bounds all of it with `DEADLINE`).
   *  A peer that does not serve the protocol is found out by the first receive: dialing waits for no answer. */
  dial(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Duplex>
  /** Serves a protocol; the duplex is closed when the handler returns, aborted when it throws. */
  handle(protocol: ProtocolId, serve: (io: Duplex, signal: AbortSignal) => Promise<void>): void
  close(): Promise<void>
}

/** A folder that this process owns. Paths are relative and never leave it. */
export interface Disk {
  open(path: string): Promise<DiskFile>
  list(folder: string): Promise<readonly string[]>
  remove(path: string): Promise<void>
  /** Atomically, durably replaces `path` (write, fsync, rename, fsync folder). */
  replace(path: string, bytes: Uint8Array): Promise<void>
  /** The file's bytes, or null when it does not exist. */
  read(path: string): Promise<Uint8Array | null>
  freeBytes(): Promise<number>
}

/** A file opened for reading and appending; created when missing. */
export interface DiskFile {
  size(): Promise<number>
  /** Fills `target` from `offset`; the number of bytes read (short only at the end of the file). */
  readAt(offset: number, target: Uint8Array): Promise<number>
  /** Writes all `parts` one after the other at `offset`. Not durable before `sync`. */
  writeAt(offset: number, parts: readonly Uint8Array[]): Promise<void>
  /** Everything written before this call survives a crash once it resolves. Throws `DISK`; the file is then unusable. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  close(): Promise<void>
}

/** Values that a statement takes and returns. Money is stored as TEXT or BLOB, never as a float. */
export type SqlValue = null | number | bigint | string | Uint8Array
export type SqlRow = Readonly<Record<string, SqlValue>>

/** An embedded SQL database (SQLite dialect). Ports per noun are built on it; nothing above them writes SQL. */
export interface Database {
  /** Runs statements without results (migrations). */
  exec(sql: string): void
  prepare(sql: string): Statement
  /** Runs `work` in one transaction, rolled back when it throws. Never nested. Durable when it returns. */
  transaction<T>(work: () => T): T
  close(): void
}

export interface Statement {
  run(...values: readonly SqlValue[]): { changes: number }
  get(...values: readonly SqlValue[]): SqlRow | null
  all(...values: readonly SqlValue[]): readonly SqlRow[]
}

export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>
/** error: a person must act. warn: degraded, will retry. info: rare state changes. debug: for whoever works on the code. */
export interface Log {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  child(fields: LogFields): Log
}

/** Prometheus-style metrics; names end in `_total`, `_seconds` or `_bytes`. */
export interface Metrics {
  counter(name: string, help: string): { add(n?: number, labels?: Readonly<Record<string, string>>): void }
  gauge(name: string, help: string): { set(n: number, labels?: Readonly<Record<string, string>>): void }
  histogram(name: string, help: string, buckets: readonly number[]): { observe(n: number): void }
  /** The OpenMetrics text of everything registered. */
  text(): Promise<string>
}

/** What every role gets. Chain access is separate (`chain.ts`): it has its own state and its own ways to be away. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: Crypto
  readonly log: Log
  readonly metrics: Metrics
  readonly compute: Compute
}

/** One HTTP request as a door sees it. Header names are lower case; a repeated header's values are joined by `,`. */
export interface HttpRequest {
  readonly method: string
  /** Path and query exactly as the client sent them, since a signature covers their spelling. */
  readonly target: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: AsyncIterable<Uint8Array>
  readonly remote: string
  /** Fires when the client goes away. */
  readonly signal: AbortSignal
}

/** Takes a response body piece by piece; a resolved `write` frees the caller's memory and holds it back while the client is slow. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A function streams; when it throws, the connection is cut so that a partial body is never taken for a whole one. */
  readonly body: Uint8Array | ((sink: Sink) => Promise<void>) | null
}

export interface HttpServer {
  listen(
    at: { host: string; port: number },
    handle: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<{ address: string; port: number; close(): Promise<void> }>
}
