/** How every daemon starts and ends: one ready line, an orderly end on SIGTERM, SIGINT or when its parent is gone. */

/** A daemon that has not ended by then is ended: `up` promises 10 s in all. */
const END_MS = 8_000

export interface Lifecycle {
  readonly signal: AbortSignal
  /** Tells the parent, if there is one, that the daemon serves. */
  ready(facts: Readonly<Record<string, unknown>>): void
}

/** Runs a daemon until it is told to end; exits the process. */
export async function runDaemon(work: (life: Lifecycle) => Promise<() => Promise<void>>): Promise<never> {
  const stop = new AbortController()
  const told = new Promise<void>((resolve) => {
    const end = (): void => {
      stop.abort(new Error('the daemon was told to end'))
      resolve()
    }
    process.once('SIGTERM', end)
    process.once('SIGINT', end)
    process.once('disconnect', end)
  })
  const life: Lifecycle = {
    signal: stop.signal,
    ready(facts) {
      if (process.send !== undefined) process.send({ ready: true, ...facts })
      else process.stdout.write(`${JSON.stringify({ ready: true, ...facts })}\n`)
    },
  }
  const close = await work(life)
  await told
  setTimeout(() => process.exit(1), END_MS).unref()
  await close()
  process.exit(0)
}
