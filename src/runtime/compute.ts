/**
 * Computation off the thread that moves sockets. A *program* is a module of pure code that a higher layer owns; `Compute`
 * runs it on *lanes*: worker threads in `real/`, the caller's own thread in `fake/`. The program gets the machine's fast
 * primitives as a value (`Native`) and shares memory with its caller, so a job carries addresses and not bytes.
 */

/** A running hash of one kind. */
export interface NativeHash {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

/** The machine's fast primitives, each pure: equal inputs give equal bytes on every machine. */
export interface Native {
  /**
   * AES-256-GCM. The ciphertext and its 16-byte tag are two arrays, because the caller places both itself: joining them
   * here would be one more pass over the bytes.
   */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): { readonly text: Uint8Array; readonly tag: Uint8Array }
  /** The plaintext of the concatenated `parts`, in as many arrays; null, and nothing of it, when the tag does not match. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, parts: readonly Uint8Array[], tag: Uint8Array): readonly Uint8Array[] | null
  sha256(bytes: Uint8Array): Uint8Array
  /** SHA-256 of each 64-byte block of `blocks`, one after the other into `out` (half as long). They must not overlap. */
  sha256Pairs(blocks: Uint8Array, out: Uint8Array): void
  hash(kind: 'md5' | 'sha1' | 'sha256'): NativeHash
  /** CRC-32 (ISO-HDLC) of `bytes` continued from `crc` (0 at the start). */
  crc32(bytes: Uint8Array, crc: number): number
  /** Milliseconds that only grow. For choosing between two ways to the same bytes, never for a result. */
  elapsed(): number
}

/** One lane's instance of a program. A handler that throws fails its job and nothing else. */
export type JobHandler<Job, Result> = (job: Job) => Result

/**
 * Code that lanes run. Job, result and `Init` are structured-cloneable. The module at `url` exports this same value under
 * the name `program`: that is how a worker thread, which cannot be handed a function, finds it.
 */
export interface Program<Init, Job, Result> {
  readonly url: string
  start(init: Init, native: Native): JobHandler<Job, Result>
}

/** A program that is loaded on every lane. */
export interface Lanes<Job, Result> {
  readonly count: number
  /**
   * Runs a job on the lane that is free first or, when its state is there, on `lane`. Jobs for a named lane run in the
   * order of the calls. Rejects with `COMPUTE` when the program throws or the lane dies (it is replaced, its state is
   * lost), with `LIMIT` when too many jobs wait, with `ABORTED` after `close`.
   */
  run(job: Job, lane?: number): Promise<Result>
  /** Lets running jobs finish, refuses new ones, frees the threads. */
  close(): Promise<void>
}

export interface Compute {
  readonly native: Native
  /** Loads `program` on every lane. Rejects with `COMPUTE` when it does not start. */
  load<Init, Job, Result>(program: Program<Init, Job, Result>, init: Init): Promise<Lanes<Job, Result>>
  /** Closes what was loaded. */
  close(): Promise<void>
}
