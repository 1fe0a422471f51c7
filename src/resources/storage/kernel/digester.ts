import type { Lanes } from '../../../runtime/index.ts'
import { assert, present } from '../../../std/assert.ts'
import { concat } from '../../../std/bytes.ts'
import type { Digests } from './digests.ts'
import type { Digester, DigestKind, Slab } from './kernel.ts'
import { STAGING_BYTES } from './memory.ts'
import type { KernelJob, KernelReply } from './program.ts'

/** Bodies up to this size are digested where they are: the way to a worker and back costs more (tens of µs) than MD5 of 16 KiB. */
const LOCAL_BYTES = 16 * 1024

/** What a digester needs of its kernel. */
export interface DigesterHome {
  readonly lanes: Lanes<KernelJob, KernelReply>
  /** Digests on the caller's own thread. */
  local(kinds: readonly DigestKind[]): Digests
  /** Calls `use` with the address of bytes of the kernel's memory that equal `bytes` (at most STAGING_BYTES). */
  staged<T>(bytes: Uint8Array, use: (address: number) => Promise<T>): Promise<T>
  /** A free slab's or a sharer's address of `slab`'s plaintext. */
  plainAddress(slab: Slab): number
  /** The lane that fewest bodies are on, counted until `leave`. */
  join(): number
  leave(lane: number): void
}

let lastId = 0

class LaneDigester implements Digester {
  readonly #home: DigesterHome
  readonly #kinds: readonly DigestKind[]
  /** Bytes that may stay on this thread. */
  #small: Uint8Array[] = []
  #smallBytes = 0
  #id = 0
  #lane: number | null = null
  #over = false
  /** Everything that must be sent before the next bytes; rejected once bytes were lost, so that no wrong digest is given. */
  #before: Promise<void> = Promise.resolve()

  constructor(home: DigesterHome, kinds: readonly DigestKind[]) {
    this.#home = home
    this.#kinds = kinds
  }

  async update(slab: Slab, start: number, end: number): Promise<void> {
    assert(!this.#over, 'a finished digester takes no more bytes')
    assert(start >= 0 && start <= end && end <= slab.plain.length, 'the range must lie in the slab')
    const lane = this.#move()
    await this.#before
    await this.#send({ is: 'digest-update', id: this.#id, address: this.#home.plainAddress(slab) + start, length: end - start }, lane)
  }

  async updateBytes(bytes: Uint8Array): Promise<void> {
    assert(!this.#over, 'a finished digester takes no more bytes')
    if (this.#lane === null && this.#smallBytes + bytes.length <= LOCAL_BYTES) {
      this.#small.push(bytes.slice())
      this.#smallBytes += bytes.length
      return
    }
    await this.#feed(bytes, this.#move())
  }

  async finish(): Promise<ReadonlyMap<DigestKind, Uint8Array>> {
    assert(!this.#over, 'a digester is finished once')
    this.#over = true
    if (this.#lane === null) {
      const digests = this.#home.local(this.#kinds)
      const bytes = concat(this.#small)
      await this.#home.staged(bytes, async (address) => digests.update(address, bytes.length))
      return digests.finish()
    }
    try {
      await this.#before
      const reply = await this.#send({ is: 'digest-finish', id: this.#id }, this.#lane)
      assert(reply.is === 'digests', 'a finish is answered with digests')
      return reply.digests
    } finally {
      this.#home.leave(this.#lane)
    }
  }

  abort(): void {
    if (this.#over) return
    this.#over = true
    if (this.#lane === null) return
    this.#home.leave(this.#lane)
    // A lane that cannot be told has lost the state already.
    this.#send({ is: 'digest-abort', id: this.#id }, this.#lane).catch(() => undefined)
  }

  /** Settles on a lane, taking along what was kept here. */
  #move(): number {
    if (this.#lane !== null) return this.#lane
    const lane = this.#home.join()
    this.#lane = lane
    lastId += 1
    this.#id = lastId
    const started = this.#send({ is: 'digest-start', id: this.#id, kinds: this.#kinds }, lane)
    this.#before = started.then(() => undefined)
    void this.#feed(concat(this.#small), lane)
    this.#small = []
    return lane
  }

  #feed(bytes: Uint8Array, lane: number): Promise<void> {
    const fed = this.#before.then(async () => {
      for (let at = 0; at < bytes.length; at += STAGING_BYTES) {
        const chunk = bytes.subarray(at, at + STAGING_BYTES)
        const update = (address: number): Promise<KernelReply> =>
          this.#send({ is: 'digest-update', id: this.#id, address, length: chunk.length }, lane)
        await this.#home.staged(chunk, update)
      }
    })
    this.#before = fed
    // Whoever comes next sees the failure; it must not also surface as nobody's.
    fed.catch(() => undefined)
    return fed
  }

  #send(job: KernelJob, lane: number): Promise<KernelReply> {
    return this.#home.lanes.run(job, lane)
  }
}

export const createDigester = (home: DigesterHome, kinds: readonly DigestKind[]): Digester => new LaneDigester(home, kinds)

/** Counts how many bodies are digested on each lane. */
export class LaneLoad {
  readonly #bodies: number[]

  constructor(lanes: number) {
    this.#bodies = new Array<number>(lanes).fill(0)
  }

  join(): number {
    const lane = this.#bodies.indexOf(Math.min(...this.#bodies))
    this.#bodies[lane] = present(this.#bodies[lane], 'lanes exist') + 1
    return lane
  }

  leave(lane: number): void {
    this.#bodies[lane] = present(this.#bodies[lane], 'lanes exist') - 1
  }
}
