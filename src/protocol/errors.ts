/**
 * Failures of the world: one class, a closed table of codes. What peers and customers cause is a discriminated union
 * at the place where it happens; a bug is an `assert`.
 */
export interface ErrorPayloads {
  /** A request, reply or start did not finish within its deadline. */
  DEADLINE: { what: string; ms: number }
  /** The caller cancelled. */
  ABORTED: { what: string }
  /** No address is known, or no connection could be made. */
  UNREACHABLE: { peer: string; why: string }
  /** The other side broke the protocol: bad length, bad schema, bad signature. */
  PROTOCOL: { peer: string; why: string }
  /** Bytes that do not satisfy their schema. */
  MALFORMED: { what: string; why: string }
  /** A limit of `limits.ts` was reached. */
  LIMIT: { what: string; limit: number }
  /** The disk is failing, read-only or gone; a node stops itself. */
  DISK: { path: string; why: string }
  /** Less free space than the reserve; refused before anything was accepted. */
  FULL: { path: string; freeBytes: number; needBytes: number }
  /** Stored bytes do not match their checksum. */
  CORRUPT: { what: string; why: string }
  /** The chain cannot be reached or does not answer in time; serving goes on. */
  CHAIN_AWAY: { rpc: string; why: string }
  /** A transaction was refused; `reason` is the decoded custom error. */
  REVERTED: { call: string; reason: string }
  /** Fewer than k pieces of a segment can be read. */
  SEGMENT_LOST: { object: string; segment: number; need: number; have: number; missing: string }
  /** Fewer than `ack` providers took a write. */
  NOT_DURABLE: { what: string; need: number; have: number; why: string }
  /** Too few operators or nodes are eligible for a placement. */
  NO_PROVIDERS: { need: number; have: number; why: string }
  /** A worker thread died or its program failed; the job was not done, or its result is lost. */
  COMPUTE: { job: string; why: string }
  /** The data folder was written by another version, or another process holds it. */
  DATA_FOLDER: { path: string; why: string; fix: string }
  /** Something that must be whole cannot be read whole now, and going on without the rest would lose it. */
  INCOMPLETE: { what: string; why: string; fix: string }
  /** A setting, flag or file is wrong. */
  CONFIG: { what: string; why: string; fix: string }
  /** A named thing does not exist. */
  NOT_FOUND: { what: string; id: string }
}

export type ErrorCode = keyof ErrorPayloads

const ROWS: { readonly [C in ErrorCode]: { http: number; say: (p: ErrorPayloads[C]) => string } } = {
  DEADLINE: { http: 504, say: (p) => `${p.what} did not finish within ${p.ms} ms` },
  ABORTED: { http: 499, say: (p) => `${p.what} was cancelled` },
  UNREACHABLE: { http: 503, say: (p) => `peer ${p.peer} cannot be reached: ${p.why}` },
  PROTOCOL: { http: 502, say: (p) => `peer ${p.peer} broke the protocol: ${p.why}` },
  MALFORMED: { http: 400, say: (p) => `${p.what} is malformed: ${p.why}` },
  LIMIT: { http: 413, say: (p) => `${p.what} is over its limit of ${p.limit}` },
  DISK: { http: 503, say: (p) => `the disk under ${p.path} is failing: ${p.why}` },
  FULL: { http: 507, say: (p) => `${p.path} has ${p.freeBytes} bytes free, ${p.needBytes} are needed` },
  CORRUPT: { http: 500, say: (p) => `${p.what} is corrupt: ${p.why}` },
  CHAIN_AWAY: { http: 503, say: (p) => `the chain at ${p.rpc} is away: ${p.why}` },
  REVERTED: { http: 409, say: (p) => `${p.call} was refused by the contract: ${p.reason}` },
  SEGMENT_LOST: {
    http: 503,
    say: (p) => `segment ${p.segment} of ${p.object} needs ${p.need} pieces and has ${p.have}; missing: ${p.missing}`,
  },
  NOT_DURABLE: { http: 503, say: (p) => `${p.what} reached ${p.have} of ${p.need} providers: ${p.why}` },
  NO_PROVIDERS: { http: 503, say: (p) => `${p.need} providers are needed, ${p.have} are eligible: ${p.why}` },
  COMPUTE: { http: 500, say: (p) => `${p.job} failed: ${p.why}` },
  DATA_FOLDER: { http: 500, say: (p) => `data folder ${p.path}: ${p.why}; ${p.fix}` },
  INCOMPLETE: { http: 503, say: (p) => `${p.what} is not complete: ${p.why}; ${p.fix}` },
  CONFIG: { http: 400, say: (p) => `${p.what}: ${p.why}; ${p.fix}` },
  NOT_FOUND: { http: 404, say: (p) => `no ${p.what} ${p.id}` },
}

const BRAND = Symbol.for('cairn.error')

export class CairnError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'CairnError'
  readonly code: C
  readonly data: ErrorPayloads[C]
  readonly [BRAND] = true

  constructor(code: C, data: ErrorPayloads[C], options?: { cause?: unknown }) {
    super(ROWS[code].say(data), options)
    this.code = code
    this.data = data
  }

  /** HTTP status that a door answers with when it has no more specific one. */
  get http(): number {
    return ROWS[this.code].http
  }

  toJSON(): { code: C; message: string; data: ErrorPayloads[C] } {
    return { code: this.code, message: this.message, data: this.data }
  }
}

/** Narrows `error`; with `code`, to that row of the table. Survives duplicate installs by a registered symbol. */
export function isCairnError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is CairnError<C> {
  const branded = typeof error === 'object' && error !== null && BRAND in error
  return branded && (code === undefined || (error as CairnError).code === code)
}
