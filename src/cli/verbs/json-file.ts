/** Signed messages in files: what one person writes and another reads, who need not trust each other. */
import { open, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../protocol/errors.ts'
import { account, address, digest, type Hex } from '../../protocol/ids.ts'

/** A message has a few hundred bytes, and what it carries for a contract at most some tens of thousands. */
const FILE_BYTES_MAX = 256 * 1024

const hexOf = <T extends Hex>(bytes: number, make: (text: string) => T) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected ${bytes} bytes of hexadecimal`)
    .transform(make)

/** What the fields of such a file are; each refuses what is out of its bounds. */
export const field = {
  account: hexOf(20, account),
  address: hexOf(20, address),
  digest: hexOf(32, digest),
  hex: (maxBytes: number) =>
    z
      .string()
      .regex(/^0x([0-9a-fA-F]{2})*$/, 'expected hexadecimal')
      .max(2 + 2 * maxBytes)
      .transform((text): Hex => `0x${text.slice(2).toLowerCase()}`),
  /** An integer in decimal text: JSON's numbers end at 53 bits. */
  uint: (bits: number) =>
    z
      .string()
      .regex(/^\d{1,78}$/, 'expected an integer as text')
      .transform(BigInt)
      .refine((value) => value >> BigInt(bits) === 0n, `expected at most ${bits} bits`),
  seconds: z
    .number()
    .int()
    .min(0)
    .max(2 ** 40 - 1),
  net: z
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 1),
}

/** Reads and checks a file. Throws CONFIG that names it when it is not there, too large, no JSON, or of another form. */
export async function readJsonFile<T extends z.ZodType>(path: string, what: string, type: T): Promise<z.output<T>> {
  const bad = (why: string, cause?: unknown): CairnError =>
    new CairnError('CONFIG', { what: path, why, fix: `give a file with ${what}` }, { cause })
  const file = await open(path, 'r').catch((cause: unknown) => Promise.reject(bad('it cannot be opened', cause)))
  let text: string
  try {
    if ((await file.stat()).size > FILE_BYTES_MAX) throw bad(`it has more than ${FILE_BYTES_MAX} bytes`)
    text = await file.readFile('utf8')
  } finally {
    await file.close()
  }
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (cause) {
    throw bad('it is no JSON', cause)
  }
  const parsed = type.safeParse(raw)
  if (parsed.success) return parsed.data
  const first = parsed.error.issues[0]
  throw bad(`${first?.path.join('.') ?? ''} ${first?.message ?? 'is wrong'}`.trim())
}

/** Writes a file of JSON with its integers as text. `secret` keeps it from other users of the machine. */
export async function writeJsonFile(path: string, value: unknown, options: { secret?: boolean; replace?: boolean } = {}): Promise<void> {
  const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2)
  try {
    await writeFile(path, `${text}\n`, { mode: options.secret === true ? 0o600 : 0o644, flag: options.replace === true ? 'w' : 'wx' })
  } catch (cause) {
    const there = typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'EEXIST'
    const why = there ? 'it is there already' : 'it cannot be written'
    throw new CairnError('CONFIG', { what: path, why, fix: 'name another file' }, { cause })
  }
}
