/** Thrown when the program contradicts itself: a bug, never a peer's or the world's fault. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Stops at once when `condition` does not hold; `why` says why it must. Stays on in production. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${why}`)
}

/** Makes a switch exhaustive: the compiler refuses a missing case, and a value from outside the type stops here. */
export function unreachable(value: never): never {
  throw new AssertionError(`assertion failed: no case for ${String(value)}`)
}

/** The value, asserted to be there. */
export function present<T>(value: T | null | undefined, why: string): T {
  assert(value !== null && value !== undefined, why)
  return value
}
