import { assert } from '../../../std/assert.ts'
import { KERNEL_WASM } from './kernel.wasm.ts'

/** What wasm/kernel.as.ts exports. Addresses and lengths are bytes of the shared memory. */
export interface KernelExports {
  gfMultiply(tables: number, sources: number, k: number, targets: number, rows: number, length: number): void
  sha256x4(jobs: number, length: number, constants: number, scratch: number): void
  crc32Update(crc: number, at: number, length: number, tables: number): number
  crc64Update(crc: bigint, at: number, length: number, tables: number): bigint
}

/** Compiled once by whoever creates the kernel; threads share the machine code with the module. */
export function compileKernel(): WebAssembly.Module {
  const binary = atob(KERNEL_WASM)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i)
  return new WebAssembly.Module(bytes)
}

export function instantiateKernel(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const exports: unknown = new WebAssembly.Instance(module, { env: { memory } }).exports
  assert(typeof exports === 'object' && exports !== null && 'sha256x4' in exports, 'the kernel exports its functions')
  return exports as KernelExports
}
