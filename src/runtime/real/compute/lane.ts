import { Worker } from 'node:worker_threads'
import { CairnError } from '../../../protocol/errors.ts'
import type { WorkerJob, WorkerReply, WorkerStart } from './worker.ts'

/** The published package holds JavaScript; a checkout runs the source. */
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

/** A program imports a few small modules; a machine that needs longer than this to start a thread is out of memory. */
const START_MS = 30_000

interface Waiting {
  resolve(result: unknown): void
  reject(error: CairnError): void
}

/** One worker thread and the jobs that it has been sent. */
export interface Lane {
  readonly busy: number
  send(job: unknown, waiting: Waiting): void
  /** Ends the thread and waits for its end. Jobs that are still running are rejected. */
  end(): Promise<void>
}

/**
 * Starts a thread and resolves when its program is ready. `died` is called once when it ends without having been asked,
 * before its jobs are rejected. The thread keeps the process alive only while it has jobs.
 */
export async function startLane(start: WorkerStart, died: () => void): Promise<Lane> {
  // Flags of this process (`--eval`, `--test` …) say how to run its own entry, not this one.
  const worker = new Worker(ENTRY, { workerData: start, name: 'cairn-compute', execArgv: [] })
  const jobs = new Map<number, Waiting>()
  const ready = Promise.withResolvers<void>()
  let sent = 0
  let ending = false
  let failure = 'the thread ended'

  const take = (id: number): Waiting | undefined => {
    const waiting = jobs.get(id)
    jobs.delete(id)
    if (jobs.size === 0) worker.unref()
    return waiting
  }
  worker.on('message', (reply: WorkerReply) => {
    if (reply.is === 'ready') ready.resolve()
    else if (reply.is === 'done') take(reply.id)?.resolve(reply.result)
    else take(reply.id)?.reject(new CairnError('COMPUTE', { job: 'a compute job', why: reply.why }))
  })
  worker.on('error', (error) => {
    failure = error instanceof Error ? error.message : String(error)
  })
  worker.on('exit', () => {
    const gone = new CairnError('COMPUTE', { job: 'a compute job', why: failure })
    // First, so that nobody whose job is rejected sends the next one to this thread.
    if (!ending) died()
    for (const waiting of jobs.values()) waiting.reject(gone)
    jobs.clear()
    ready.reject(gone)
  })

  const timer = setTimeout(() => ready.reject(new CairnError('DEADLINE', { what: 'starting a worker thread', ms: START_MS })), START_MS)
  try {
    await ready.promise
  } catch (error) {
    ending = true
    await worker.terminate()
    throw error
  } finally {
    clearTimeout(timer)
  }
  worker.unref()

  return {
    get busy() {
      return jobs.size
    },
    send(job, waiting) {
      if (jobs.size === 0) worker.ref()
      const message: WorkerJob = { id: sent, job }
      jobs.set(sent, waiting)
      sent += 1
      worker.postMessage(message)
    },
    async end() {
      ending = true
      await worker.terminate()
    },
  }
}
