/**
 * Compiles src/resources/storage/kernel/wasm/kernel.as.ts (AssemblyScript) into ../kernel.wasm.ts, which is committed so
 * that nobody needs the compiler to run. `--check` fails when what is committed is not what the source compiles to.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'src/resources/storage/kernel')
const target = join(folder, 'kernel.wasm.ts')

/** Stub runtime: the kernel allocates nothing. The memory's maximum is the widest there is; the importer's may be smaller. */
const OPTIONS = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--enable', 'simd', '--enable', 'relaxed-simd', '--enable', 'threads'],
]

function compile(): Uint8Array {
  const out = mkdtempSync(join(tmpdir(), 'cairn-kernel-'))
  try {
    const asc = join(root, 'node_modules/assemblyscript/bin/asc.js')
    const binary = join(out, 'kernel.wasm')
    execFileSync(process.execPath, [asc, join(folder, 'wasm/kernel.as.ts'), ...OPTIONS, '-o', binary], { stdio: 'inherit', cwd: root })
    return readFileSync(binary)
  } finally {
    rmSync(out, { recursive: true })
  }
}

function render(binary: Uint8Array): string {
  const lines =
    Buffer.from(binary)
      .toString('base64')
      .match(/.{1,120}/g) ?? []
  const header = '/** Compiled from wasm/kernel.as.ts by scripts/build-kernel.ts; do not edit. */\n'
  return `${header}export const KERNEL_WASM =\n${lines.map((line) => `  '${line}'`).join(' +\n')}\n`
}

const fresh = render(compile())
if (!process.argv.includes('--check')) {
  writeFileSync(target, fresh)
} else if (readFileSync(target, 'utf8') !== fresh) {
  console.error('kernel.wasm.ts is stale: run scripts/build-kernel.ts')
  process.exitCode = 1
}
