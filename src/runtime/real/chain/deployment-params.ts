/** What differs between one deployment and another: one JSON file, described in docs/deploying.md. The rest is in the code. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CairnError } from '../../../protocol/errors.ts'
import { type Account, account, address, digest } from '../../../protocol/ids.ts'

/** A file of a dozen settings. */
const FILE_BYTES_MAX = 16 * 1024
/** Decimals of CAIRN, and of prices in USD. */
const DECIMALS = 18
/** Emissions double it and keep both in 128 bits; a trillion tokens is a thousandth of what fits. */
const SUPPLY_MAX = 10n ** 12n
/** Timelock.sol means weeks. More than a year between a vote and its effect is a slip of the hand. */
const TIMELOCK_SECONDS_MAX = 366 * 86_400
/** NetworkGovernor.MOST_THRESHOLD_BPS: whoever has more than a hundredth of the supply can always propose. */
const THRESHOLD_PARTS_LEAST = 100n
/** ChainlinkOracle and Credits refuse an answer that may be off by more than 2 %. */
const CONF_BPS_MAX = 200
/** PythOracle: who brings a price chooses among those of this time. */
const PYTH_AGE_MAX = 600
/** The slowest feeds of Chainlink beat once a day. */
const FEED_AGE_MAX = 3 * 86_400
const WINDOW_MAX = 30 * 86_400

/** A positive or zero decimal in whole units (CAIRN, dollars), of at most `digits` decimals, up to `most`. */
const decimal = (digits: number, most: bigint, least = 0n) =>
  z.string().superRefine((text, issues) => {
    const value = new RegExp(`^(0|[1-9]\\d{0,14})(\\.\\d{1,${digits}})?$`).test(text) ? units(text, digits) : null
    if (value !== null && value >= least && value <= most * 10n ** BigInt(digits)) return
    issues.addIssue({ code: 'custom', message: `a decimal number in quotes with at most ${digits} decimals, up to ${most}` })
  })

/** `text` in the smallest unit, such as wei for 18 digits. The text has passed the schema. */
export function units(text: string, digits: number = DECIMALS): bigint {
  const [whole = '0', part = ''] = text.split('.')
  return BigInt(whole + part.padEnd(digits, '0'))
}

const seconds = (least: number, most: number) => z.number().int().min(least).max(most)
const addressText = z.string().transform((text, issues) => {
  try {
    return address(text.toLowerCase())
  } catch {
    issues.addIssue({ code: 'custom', message: 'an address of 20 bytes in hexadecimal' })
    return z.NEVER
  }
})
const digestText = z.string().transform((text, issues) => {
  try {
    return digest(text)
  } catch {
    issues.addIssue({ code: 'custom', message: '32 bytes in hexadecimal' })
    return z.NEVER
  }
})

const oracleType = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('fixed'), price: decimal(DECIMALS, 10n ** 9n, 1n) }),
  z.strictObject({
    kind: z.literal('chainlink'),
    feed: addressText,
    sequencer: addressText,
    maxAge: seconds(1, FEED_AGE_MAX),
    confBps: z.number().int().min(1).max(CONF_BPS_MAX),
  }),
  z.strictObject({ kind: z.literal('pyth'), pyth: addressText, feedId: digestText, maxAge: seconds(1, PYTH_AGE_MAX) }),
])

const paramsType = z
  .strictObject({
    /** Refused on any other chain. Without it the file is for whatever chain is asked. */
    chainId: z.number().int().positive().optional(),
    /** Where the days of fees and emissions are counted from, in the past: a day, or the time of the chain's first block. */
    genesis: z.union([z.literal('first-block'), z.iso.datetime()]),
    /** CAIRN that exist from the start; emissions add as much again. */
    supply: decimal(DECIMALS, SUPPLY_MAX, 1n),
    /** Who gets them. */
    holder: z.union([z.literal('deployer'), addressText]),
    oracle: oracleType,
    halfLifeDays: z.number().int().min(1).max(36_500),
    timelockSeconds: seconds(0, TIMELOCK_SECONDS_MAX),
    /** May pause new commitments for days and `veto` a root; it can move nothing. */
    guardian: z.union([z.literal('deployer'), z.literal('nobody'), addressText]),
    /** Smallest windows of a network, in seconds. */
    minimums: z.strictObject({
      epochLength: seconds(1, WINDOW_MAX),
      challengeWindow: seconds(0, WINDOW_MAX),
      responseWindow: seconds(0, WINDOW_MAX),
    }),
    /** CAIRN to create a network. */
    networkBond: decimal(DECIMALS, SUPPLY_MAX),
    /** Dollars of credits that may be minted a day while a tenth of the supply is less. */
    dailyMintFloor: decimal(6, 10n ** 12n),
    /** Staked CAIRN with which one may propose. */
    governorThreshold: decimal(DECIMALS, SUPPLY_MAX),
  })
  .superRefine((params, issues) => {
    const supply = units(params.supply)
    const most = supply / THRESHOLD_PARTS_LEAST
    const over = (path: string, message: string): void => issues.addIssue({ code: 'custom', path: [path], message })
    if (units(params.governorThreshold) > most) over('governorThreshold', 'at most a hundredth of the supply')
    if (units(params.networkBond) > supply) over('networkBond', 'at most the supply')
  })

/** As in the file: amounts are decimal texts, which `units` reads. */
export type DeploymentParams = z.output<typeof paramsType>

/** The parameters in `value`. Throws CONFIG that names `from` and the field that is wrong. */
export function parseDeploymentParams(value: unknown, from: string): DeploymentParams {
  const parsed = paramsType.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const why = `${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'it is wrong'}`
  throw new CairnError('CONFIG', { what: from, why, fix: 'compare it with deployments/example.json and docs/deploying.md' })
}

const LOCAL = new URL('../../../../deployments/local.json', import.meta.url)

/** Reads a parameter file; without a path that of `cairn up`. Throws CONFIG. */
export async function readDeploymentParams(path: string | URL = LOCAL): Promise<DeploymentParams> {
  const what = String(path)
  const bad = (why: string): CairnError => new CairnError('CONFIG', { what, why, fix: 'name a file such as deployments/example.json' })
  const text = await readFile(path, 'utf8').catch(() => {
    throw bad('it cannot be read')
  })
  if (text.length > FILE_BYTES_MAX) throw bad('it is too long')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return parseDeploymentParams(value, what)
}

const NOBODY = account(`0x${'00'.repeat(20)}`)

/** The account that a parameter names. */
export function party(named: string, deployer: Account): Account {
  if (named === 'deployer') return deployer
  return named === 'nobody' ? NOBODY : account(named)
}
