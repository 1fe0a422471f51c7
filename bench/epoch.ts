/**
 * What an epoch costs whoever settles it, and whoever audits it: every provider is asked, its answers are packed, and from the
 * packed evidence each claim is admitted, each proof verified and the root computed, then all of it again for the audit.
 * Honest providers with one set each, which is 8 proofs. Each step is a process of its own, on one thread.
 * 10 000 subjects take 90 s of processor, most of it to make and check signatures.
 *
 *   ./cairn bench epoch [--json] [--data FOLDER] [--subjects 1000]
 *
 * Left out: the way over the network, and the providers' own work, which runs in the same process and is subtracted.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { proofHashes } from '../src/resources/storage/data-set.ts'
import { SLOTS_PER_SET } from '../src/resources/storage/index.ts'
import { LEAF_BYTES } from '../src/resources/storage/layout.ts'
import { benchArguments } from './parts/arguments.ts'
import { crypto, PIECE_BYTES, PIECES } from './parts/epoch-world.ts'
import { brief, load, pace } from './parts/figures.ts'
import { benchFolder } from './parts/folder.ts'

const STEPS = fileURLToPath(new URL('./parts/epoch-steps.ts', import.meta.url))
const STEP_MS = 180_000
/** Two signatures of a claim's head, and one of each answer. */
const SIGNATURES = 2 + SLOTS_PER_SET
const MIB = 1024 * 1024

const spent = z.object({ ms: z.number(), cpuMs: z.number() })
const memory = { idleMiB: z.number(), peakMiB: z.number() }
const collected = z.object({
  collect: z.object({ ms: z.number(), providersMs: z.number() }),
  pack: spent,
  bundleMiB: z.number(),
  proofsMiB: z.number(),
  ...memory,
})
const settled = z.object({ open: spent, settle: spent, write: spent, ...memory })
const audited = z.object({ audit: spent, ...memory })

async function step<T>(type: z.ZodType<T>, name: string, folder: string, count: number): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [STEPS, name, folder, String(count)], { timeout: STEP_MS })
  return type.parse(JSON.parse(stdout))
}

/** What the primitives of this machine need for one subject, in microseconds of one core. */
function floorOf(proofBytes: number): Readonly<Record<string, number>> {
  const secret = crypto.sha256(new Uint8Array(1))
  const signature = crypto.secp256k1.sign(secret, secret)
  const pair = new Uint8Array(64)
  const leaf = new Uint8Array(LEAF_BYTES)
  const long = new Uint8Array(MIB)
  const many = (times: number, call: () => void): number =>
    pace(times, () => {
      for (let i = 0; i < times; i += 1) call()
    })
  const recover = many(50, () => crypto.secp256k1.recover(secret, signature))
  const proof = (proofHashes(PIECES, PIECE_BYTES) - 1) * many(1000, () => crypto.sha256(pair)) + many(100, () => crypto.sha256(leaf))
  const perByte = pace(long.length, () => crypto.sha256(long))
  return {
    signatures: (SIGNATURES * recover) / 1000,
    'hashes of the proofs': (SLOTS_PER_SET * proof) / 1000,
    // Once as a file that was committed, once as a proof that an answer names.
    'hashes of the evidence': (2 * proofBytes * perByte) / 1000,
  }
}

const ms = (...parts: readonly { readonly ms: number }[]): number => parts.reduce((sum, part) => sum + part.ms, 0)
const cpu = (...parts: readonly { readonly cpuMs: number }[]): number => parts.reduce((sum, part) => sum + part.cpuMs, 0)

const { json, data, numbers } = benchArguments('epoch', { subjects: { about: 'providers that are asked', value: 1000 } })
const count = numbers.subjects
const before = load()
const folder = await benchFolder(data)
async function run() {
  try {
    const one = await step(collected, 'collect', folder.path, count)
    const two = await step(settled, 'settle', folder.path, count)
    return { ...one, settled: two, audited: await step(audited, 'audit', folder.path, count), collectPeakMiB: one.peakMiB }
  } finally {
    await folder.remove()
  }
}
const took = await run()
const floor = floorOf((took.proofsMiB * MIB) / count)
const floorUs = Object.values(floor).reduce((sum, us) => sum + us, 0)
const figure = (wall: number, cpuMs: number | null, peakMiB: number) => ({
  ms: Math.round(wall),
  perSubjectUs: brief((wall * 1000) / count),
  ...(cpuMs === null ? {} : { cpuMs: Math.round(cpuMs) }),
  peakMiB: Math.round(peakMiB),
})
const { settled: s, audited: a } = took
const rows = {
  collect: figure(took.collect.ms + took.pack.ms, null, took.collectPeakMiB),
  settle: figure(ms(s.open, s.settle, s.write), cpu(s.open, s.settle, s.write), s.peakMiB),
  audit: figure(a.audit.ms, a.audit.cpuMs, a.peakMiB),
}
const name = count % 1000 === 0 ? `${count / 1000}k` : String(count)
const evidence = { proofs: count * SLOTS_PER_SET, bundleMiB: brief(took.bundleMiB), proofsMiB: brief(took.proofsMiB) }
const limits = { perSubjectUs: brief(floorUs), of: Object.fromEntries(Object.entries(floor).map(([what, us]) => [what, brief(us)])) }
const loads = [before, load()]

function print(): void {
  console.log(
    `${count} subjects, ${evidence.proofs} proofs, ${evidence.bundleMiB} + ${evidence.proofsMiB} MiB of evidence; load before ${loads[0]}, after ${loads[1]}`,
  )
  for (const [what, { ms: wall, perSubjectUs, peakMiB }] of Object.entries(rows)) {
    console.log(`  ${what.padEnd(8)} ${String(wall).padStart(7)} ms, ${perSubjectUs} µs per subject, ${peakMiB} MiB at most`)
  }
  console.log(`opening the evidence took ${Math.round(s.open.ms)} ms of settling, writing ${Math.round(s.write.ms)} ms`)
  console.log(`a subject takes at least ${brief(floorUs)} µs of processor time to settle`)
  for (const [what, us] of Object.entries(limits.of)) console.log(`  ${String(us).padStart(6)}  ${what}`)
}
if (json) {
  const named = Object.fromEntries(Object.entries(rows).map(([what, row]) => [`${what}${name}`, row]))
  console.log(JSON.stringify({ ...named, evidence, limits, idleMiB: Math.round(s.idleMiB), load: loads }))
} else print()
