import type { Native } from '../../../runtime/index.ts'
import { bigEndian } from '../../../std/bytes.ts'
import type { DigestKind } from './kernel.ts'
import type { MemoryPlan } from './memory.ts'
import type { KernelExports } from './wasm.ts'

/** One running digest over bytes of the kernel's memory. */
interface Running {
  update(address: number, length: number): void
  finish(): Uint8Array
}

/** What digests work on. */
export interface DigestTools {
  readonly exports: KernelExports
  readonly native: Native
  readonly memory: WebAssembly.Memory
  readonly plan: MemoryPlan
}

function start(kind: DigestKind, { exports, native, memory, plan }: DigestTools): Running {
  const view = (address: number, length: number): Uint8Array => new Uint8Array(memory.buffer, address, length)
  if (kind === 'md5' || kind === 'sha1' || kind === 'sha256') {
    const state = native.hash(kind)
    return { update: (address, length) => state.update(view(address, length)), finish: () => Uint8Array.from(state.digest()) }
  }
  if (kind === 'crc64nvme') {
    let crc = 0xffff_ffff_ffff_ffffn
    return {
      update(address, length) {
        crc = BigInt.asUintN(64, exports.crc64Update(crc, address, length, plan.crc64nvme))
      },
      finish: () => bigEndian(crc ^ 0xffff_ffff_ffff_ffffn, 8),
    }
  }
  if (kind === 'crc32c') {
    let crc = 0xffff_ffff
    return {
      update(address, length) {
        crc = exports.crc32Update(crc, address, length, plan.crc32c) >>> 0
      },
      finish: () => bigEndian(BigInt((crc ^ 0xffff_ffff) >>> 0), 4),
    }
  }
  let crc = 0
  return {
    update(address, length) {
      crc = native.crc32(view(address, length), crc)
    },
    finish: () => bigEndian(BigInt(crc), 4),
  }
}

/** Several digests of one body. Checksums are big-endian, as S3 writes them. */
export class Digests {
  readonly #running: ReadonlyMap<DigestKind, Running>

  constructor(kinds: readonly DigestKind[], tools: DigestTools) {
    this.#running = new Map(kinds.map((kind) => [kind, start(kind, tools)]))
  }

  update(address: number, length: number): void {
    if (length === 0) return
    for (const one of this.#running.values()) one.update(address, length)
  }

  finish(): ReadonlyMap<DigestKind, Uint8Array> {
    return new Map([...this.#running].map(([kind, one]) => [kind, one.finish()]))
  }
}
