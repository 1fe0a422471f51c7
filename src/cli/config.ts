/** What a daemon reads from its data folder at start. Written by `cairn up` and `cairn node join`, or by hand. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CairnError } from '../protocol/errors.ts'
import { fromHex } from '../std/bytes.ts'
import { writeWhole } from './whole-file.ts'

const secret = z.codec(
  z.string().regex(/^0x[0-9a-f]{64}$/),
  z.custom<Uint8Array>((v) => v instanceof Uint8Array),
  {
    decode: (text) => fromHex(text) ?? new Uint8Array(),
    encode: (bytes) => `0x${Buffer.from(bytes).toString('hex')}`,
  },
)
/** An amount of money: decimal text, since JSON's numbers end at 2^53. */
const whole = z.codec(z.string().regex(/^\d{1,39}$/), z.bigint(), { decode: (text) => BigInt(text), encode: (value) => value.toString() })
const hexAccount = z.string().regex(/^0x[0-9a-f]{40}$/)

const peers = z.array(z.strictObject({ peer: z.string().max(100), address: z.string().max(255) })).max(64)

const common = {
  rpc: z.url(),
  /** Path of deployment.json, absolute or relative to the data folder. */
  deployment: z.string().max(4096),
  net: z.number().int().min(1),
  log: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
  /** Of the status and metrics on 127.0.0.1; 0 for a free one, which is written to admin.json. */
  adminPort: z.number().int().min(0).max(65535).default(0),
}

export const nodeConfig = z.strictObject({
  role: z.literal('node'),
  ...common,
  /** Wallet key of the operator, or a hot key that it delegated. */
  operatorKey: secret,
  /** Signs receipts and proofs. */
  deviceKey: secret,
  /** Ed25519: the peer's identity. */
  transportKey: secret,
  host: z.string().max(255),
  port: z.number().int().min(0).max(65535),
  quotaBytes: z.number().int().positive(),
  /** Free bytes of the disk that are never used. */
  reserveBytes: z.number().int().nonnegative(),
  /**
   * What a transaction that collects must bring at least, in µcredits and in 10^-18 CAIRN. By default a tenth of a cent and
   * a hundredth of a token: what one costs on the chains that this is for.
   */
  worth: z.strictObject({ credits: whole, cairn: whole }).default({ credits: 100_000_000n, cairn: 10n ** 16n }),
  /** Epochs after which a payer that signs no more is done without; DESIGN §6: three missed vouchers and it counts as gone. */
  patienceEpochs: z.number().int().min(1).max(1000).default(3),
  /** Where settlements are fetched, to claim by proof. */
  verifiers: peers,
})
export type NodeConfig = z.output<typeof nodeConfig>

export const gatewayConfig = z.strictObject({
  role: z.literal('gateway'),
  ...common,
  /** Who pays. */
  account: hexAccount,
  /** Delegated by the account; signs orders, heads, vouchers and pointers. */
  sessionKey: secret,
  transportKey: secret,
  /** 32 bytes derived from the account's seed: bucket keys and the log key come from it. */
  storageRoot: secret,
  host: z.string().max(255),
  port: z.number().int().min(0).max(65535),
  region: z.string().max(64),
  sync: z.boolean().default(false),
  redundancy: z.strictObject({ k: z.number().int(), ack: z.number().int(), repairBelow: z.number().int(), n: z.number().int() }),
  /** The first access key, made when the folder is new. */
  firstKey: z.strictObject({ accessKey: z.string().max(128), secretKey: z.string().max(128) }).optional(),
  /** Where settlements and evidence are fetched. */
  verifiers: peers,
  /** What verifiers may read in this customer's name, in parts per million of what keeping costs; 0 for nothing. */
  readsPpm: z.number().int().min(0).max(1e15).optional(),
})
export type GatewayConfig = z.output<typeof gatewayConfig>

export const verifierConfig = z.strictObject({
  role: z.literal('verifier'),
  ...common,
  verifierKey: secret,
  transportKey: secret,
  host: z.string().max(255),
  port: z.number().int().min(0).max(65535),
  /** Whether it signs roots. */
  publish: z.boolean().default(true),
  /** The other verifiers: they have evidence, and sign roots where a quorum does. */
  peers: peers.default([]),
})
export type VerifierConfig = z.output<typeof verifierConfig>

const NAME = 'config.json'

/** Writes a config with its secrets readable by this user only. */
export async function writeConfig<T extends z.ZodType>(folder: string, type: T, value: z.output<T>): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeWhole(join(folder, NAME), `${JSON.stringify(z.encode(type, value), null, 2)}\n`)
}

/** Throws CONFIG with the field that is wrong. */
export async function readConfig<T extends z.ZodType>(folder: string, type: T): Promise<z.output<T>> {
  const path = join(folder, NAME)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CairnError('CONFIG', { what: path, why: 'it cannot be read', fix: 'give the folder of a daemon with --data' }, { cause })
  })
  const parsed = type.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new CairnError('CONFIG', {
    what: `${path}: ${issue?.path.join('.') ?? ''}`,
    why: issue?.message ?? 'invalid',
    fix: 'correct that field',
  })
}
