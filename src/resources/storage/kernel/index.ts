/** The storage kernel: frames, erasure code, hashes and digests on worker threads. */
export { createKernel, type KernelOptions } from './create-kernel.ts'
export type { DecodeResult, Digester, DigestKind, FramePosition, Kernel, Slab } from './kernel.ts'
export { createLeafHashing, type LeafHashing } from './leaf-hashing.ts'
