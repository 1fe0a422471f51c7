/** Entry of a worker thread: loads the program it was given and answers jobs until it is ended. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Program } from '../../compute.ts'
import { createNative } from './native.ts'

/** What the pool gives a new thread. */
export interface WorkerStart {
  readonly url: string
  readonly init: unknown
}

export type WorkerReply =
  | { readonly is: 'ready' }
  | { readonly is: 'done'; readonly id: number; readonly result: unknown }
  | { readonly is: 'failed'; readonly id: number; readonly why: string }

export interface WorkerJob {
  readonly id: number
  readonly job: unknown
}

async function serve(port: MessagePort, { url, init }: WorkerStart): Promise<void> {
  const module: { program: Program<unknown, unknown, unknown> } = await import(url)
  const handle = module.program.start(init, createNative())
  const reply = (message: WorkerReply): void => port.postMessage(message)
  port.on('message', ({ id, job }: WorkerJob) => {
    try {
      reply({ is: 'done', id, result: handle(job) })
    } catch (error) {
      reply({ is: 'failed', id, why: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  reply({ is: 'ready' })
}

if (parentPort !== null) await serve(parentPort, workerData)
