/**
 * A machine and the processes that live on it one after the other. A crash is not an orderly end: the old process's waits
 * never come back, its disk and database no longer answer, and whatever it was about to do is never done.
 */
import { CairnError } from '../protocol/errors.ts'
import type { UnixMs } from '../protocol/units.ts'
import type { FakeClock, FakeDisk } from '../runtime/fake/index.ts'
import type { Clock, Database, Disk } from '../runtime/index.ts'
import { createWaits } from '../runtime/waits.ts'

export interface Process {
  readonly clock: Clock
  readonly disk: Disk
  readonly database: Database
  /** Fires when the process is told to end; a crash tells nobody. */
  readonly signal: AbortSignal
  readonly alive: boolean
  /** Takes the process away without a word to it. */
  kill(): void
  stop(): void
}

export interface Machine {
  readonly disk: FakeDisk
  readonly database: Database
  /** How wrong its wall clock is, in milliseconds; monotonic time is never wrong. */
  skewMs: number
}

/** What a dead process waits for: its continuation is garbage. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

export function startProcess(clock: FakeClock, machine: Machine): Process {
  let alive = true
  const timers = new Set<() => void>()
  const stopping = new AbortController()

  function after(ms: number, fire: () => void): () => void {
    if (!alive) return () => undefined
    const cancel = clock.after(ms, () => {
      timers.delete(stop)
      fire()
    })
    const stop = (): void => {
      timers.delete(stop)
      cancel()
    }
    timers.add(stop)
    return stop
  }

  return {
    clock: {
      now: () => (clock.now() + machine.skewMs) as UnixMs,
      monotonic: () => clock.monotonic(),
      ...createWaits(after),
    },
    disk: mortalDisk(machine.disk, () => alive),
    database: mortalDatabase(machine.database, () => alive),
    signal: stopping.signal,
    get alive() {
      return alive
    },
    kill() {
      alive = false
      for (const cancel of [...timers]) cancel()
    },
    stop: () => stopping.abort(new CairnError('ABORTED', { what: 'a process that was told to end' })),
  }
}

function mortalDisk(disk: Disk, alive: () => boolean): Disk {
  const guard = <T>(work: () => Promise<T>): Promise<T> => (alive() ? work() : never())
  return {
    open: (path) => guard(() => disk.open(path)),
    list: (folder) => guard(() => disk.list(folder)),
    remove: (path) => guard(() => disk.remove(path)),
    replace: (path, bytes) => guard(() => disk.replace(path, bytes)),
    read: (path) => guard(() => disk.read(path)),
    freeBytes: () => guard(() => disk.freeBytes()),
  }
}

/** SQLite commits are synchronous and durable, so a crash finds the database between two of them. */
function mortalDatabase(database: Database, alive: () => boolean): Database {
  const guard = <T>(work: () => T): T => {
    if (!alive()) throw new CairnError('ABORTED', { what: 'a statement of a process that is gone' })
    return work()
  }
  return {
    exec: (sql) => guard(() => database.exec(sql)),
    prepare(sql) {
      const statement = guard(() => database.prepare(sql))
      return {
        run: (...values) => guard(() => statement.run(...values)),
        get: (...values) => guard(() => statement.get(...values)),
        all: (...values) => guard(() => statement.all(...values)),
      }
    },
    transaction: (work) => guard(() => database.transaction(work)),
    close: () => undefined,
  }
}
