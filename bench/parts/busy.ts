/**
 * Keeps the machine's other processors at work while something is measured. Two processors of a virtual machine are often
 * one core with two threads, and all share caches and memory: alone, a primitive costs less than it does in a network
 * that uses every processor.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'

/** What hashes and copies, as storing does, in pieces of one frame over more memory than a cache holds. */
const FRAME_BYTES = 64 * 1024
const MEMORY_BYTES = 32 * 1024 * 1024

/** Runs `measure` while `others` processes keep as many processors busy. */
export async function whileBusy<T>(others: number, measure: () => Promise<T>): Promise<T> {
  const children: ChildProcess[] = Array.from({ length: others }, () =>
    spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  try {
    await Promise.all(children.map((child) => child.stdout !== null && once(child.stdout, 'data')))
    return await measure()
  } finally {
    for (const child of children) child.kill()
  }
}

function work(): void {
  const memory = Buffer.alloc(MEMORY_BYTES, 7)
  let at = 0
  const some = (): void => {
    // A few milliseconds at a time, so that the end of the pipe is noticed.
    for (let i = 0; i < 32; i += 1) {
      const frame = memory.subarray(at, at + FRAME_BYTES)
      createHash('sha256').update(frame).digest()
      at = (at + FRAME_BYTES) % MEMORY_BYTES
      frame.copy(memory, at)
    }
    setImmediate(some)
  }
  some()
  console.log('busy')
  // The parent's end of the pipe closes when it exits, however it does.
  process.stdin.on('close', () => process.exit(0)).resume()
}

if (import.meta.main) work()
