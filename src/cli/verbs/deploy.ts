/** `cairn chain deploy`: the contracts on any EVM chain, at addresses that are known before. */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account } from '../../protocol/ids.ts'
import { deployContracts, requireProxy } from '../../runtime/real/chain/deploy.ts'
import { DEPLOYED } from '../../runtime/real/chain/deployment-addresses.ts'
import { type DeploymentCost, deploymentCost } from '../../runtime/real/chain/deployment-cost.ts'
import { type DeploymentParams, party, readDeploymentParams } from '../../runtime/real/chain/deployment-params.ts'
import { addressesOf, type DeploymentPlan, planDeployment } from '../../runtime/real/chain/deployment-plan.ts'
import { createRpc, type Deployment, loadDeployment, openTxQueue, type Rpc } from '../../runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, openDatabase } from '../../runtime/real/index.ts'
import { fromHex, toHex } from '../../std/bytes.ts'
import { claim } from '../claim.ts'
import { confirmed, type Exit, fixed, type Progress, print, printJson, progress, table } from './output.ts'

export interface DeployOptions {
  readonly rpc: string
  /** Parameter file; that of `cairn up` without it. */
  readonly params?: string
  readonly keyFile?: string
  readonly out: string
  readonly json: boolean
  readonly dryRun: boolean
  readonly yes: boolean
}

/** Twenty-four transactions in a few of a slow chain's blocks, and room for a busy hour. The same command goes on after it. */
const DEPLOY_MS = 30 * 60_000
/** What everything else acts on, too. */
const CONFIRMATIONS = 3
const POLL_MS = 1_000
const KEY_VARIABLE = 'CAIRN_DEPLOY_KEY'
/** A timelock shorter than this leaves nobody time to leave before a decision takes effect. */
const TIMELOCK_SECONDS_LEAST = 7 * 86_400

/**
 * Deploys, or continues a deployment that was interrupted: the addresses are the same, and what was sent is not sent
 * again. Ends with 1 when it was not confirmed by the user.
 * @throws `CONFIG` with what to do: no key, another chain, no CREATE2 proxy, too few coins, a wrong parameter.
 */
export async function deployChain(options: DeployOptions): Promise<Exit> {
  if (options.dryRun) return deploy(options)
  const release = await claimOut(resolve(options.out))
  try {
    return await deploy(options)
  } finally {
    await release()
  }
}

/** Two at a time would each take the nonces that the other has in its own journal, and write one file. */
async function claimOut(out: string): Promise<() => Promise<void>> {
  await mkdir(dirname(out), { recursive: true })
  const own = await claim(`${out}.pid`)
  if (own.is === 'ours') return own.release
  throw new CairnError('CONFIG', {
    what: out,
    why: `process ${own.pid} is deploying to it`,
    fix: 'wait until it has ended and run this command again, which goes on where it stopped; or name another file with --out',
  })
}

async function deploy(options: DeployOptions): Promise<Exit> {
  const bar = progress(options.json)
  const crypto = createCrypto()
  const [params, secret] = await Promise.all([readDeploymentParams(options.params), readKey(options.keyFile)])
  const deployer = account(toHex(crypto.secp256k1.address(secret)))
  const rpc = createRpc(options.rpc)
  bar.step(`looking at the chain at ${options.rpc}`)
  const plan = await planDeployment(rpc, deployer, params)
  await requireProxy(rpc, plan)
  const out = resolve(options.out)
  await requireOwnFile(out, plan)
  const cost = await deploymentCost(rpc, plan)
  bar.done()
  if (!options.json) show(plan, cost)
  if (options.dryRun) {
    if (options.json) printJson({ dryRun: true, ...facts(plan), cost: { ...cost, missing: cost.missing.length } })
    return 0
  }
  if (cost.open) {
    requireCoins(cost, deployer, plan.chainId)
    const question = `Deploy ${cost.missing.length} contracts on chain ${plan.chainId} for about ${coins(cost.expected)} coins?`
    if (!(await confirmed(question, options.yes))) return 1
  }
  const deployment = await send(rpc, plan, params, secret, out, bar)
  bar.done()
  if (options.json) printJson({ deployed: true, ...facts(plan), fromBlock: deployment.fromBlock, out })
  else print(`deployed and sealed; written to ${out}\n  check it: cairn chain verify --deployment ${options.out} --rpc ${options.rpc}`)
  return 0
}

/** Signed transactions are kept beside the result until it is whole, so that an interrupted run sends none of them twice. */
async function send(
  rpc: Rpc,
  plan: DeploymentPlan,
  params: DeploymentParams,
  secret: Uint8Array,
  file: string,
  bar: Progress,
): Promise<Deployment> {
  const clock = createClock()
  const { chain, chainId } = plan
  const journal = `${file}.sending`
  const database = openDatabase(journal)
  const log = createLog(clock, 'error')
  const queue = openTxQueue({ rpc, clock, log, database, chain, chainId, secret, confirmations: CONFIRMATIONS, pollMs: POLL_MS })
  let deployment: Deployment
  try {
    deployment = await deployContracts(rpc, queue, params, { file, deadlineMs: DEPLOY_MS, onStep: bar.step })
  } finally {
    await queue.close()
    database.close()
  }
  await Promise.all(['', '-wal', '-shm'].map((end) => rm(`${journal}${end}`, { force: true })))
  return deployment
}

/** A key given as an argument would be in everybody's process list and in the shell's history. */
async function readKey(file: string | undefined): Promise<Uint8Array> {
  const bad = (what: string, why: string): CairnError =>
    new CairnError('CONFIG', { what, why, fix: `name a file with --key-file, or set ${KEY_VARIABLE}: 32 bytes in hexadecimal` })
  const given = process.env[KEY_VARIABLE]
  if (file === undefined && given === undefined) throw bad('the deployer’s key', 'there is none')
  const from = file ?? KEY_VARIABLE
  const text = file === undefined ? (given ?? '') : await readFile(file, 'utf8').catch(() => null)
  if (text === null) throw bad(from, 'it cannot be read')
  const secret = fromHex(text.trim())
  if (secret === null || secret.length !== 32) throw bad(from, 'it holds no key')
  return secret
}

/** What an interrupted run wrote is continued; somebody else's deployment is not written over. */
async function requireOwnFile(out: string, plan: DeploymentPlan): Promise<void> {
  const known = await loadDeployment(out)
  if (known === null || (known.release === plan.release && known.factory === plan.factory)) return
  throw new CairnError('CONFIG', {
    what: out,
    why: `it holds another deployment (chain ${known.chainId}, release ${known.release.slice(0, 10)}…)`,
    fix: 'name another file with --out; or use the key, parameters and version that it was made with, to continue it',
  })
}

function requireCoins(cost: DeploymentCost, deployer: Account, chainId: number): void {
  if (cost.balance >= cost.advised) return
  throw new CairnError('CONFIG', {
    what: `account ${deployer} on chain ${chainId}`,
    why: `it has ${coins(cost.balance)} coins for gas; about ${coins(cost.expected)} will be used, and twice the base fee should be there`,
    fix: `send it ${coins(cost.advised - cost.balance + 1n)} and run this command again`,
  })
}

const COIN = 10n ** 18n
/** Six decimals, and a sum that is not nothing never looks like it. */
const coins = (wei: bigint): string => (wei > 0n && wei < COIN / 1_000_000n ? '0.000001' : fixed(wei, COIN, 6))

const facts = (plan: DeploymentPlan) => {
  const { chainId, deployer, release, factory } = plan
  return { chainId, deployer, release, factory, addresses: addressesOf(plan.at) }
}

function show(plan: DeploymentPlan, cost: DeploymentCost): void {
  const { params, deployer } = plan
  const missing = new Set<string>(cost.missing)
  print(`chain ${plan.chainId}, deployer ${deployer}, release ${plan.release.slice(0, 10)}…`)
  print(table(['contract', 'address', ''], [...DEPLOYED.map((name) => [name, plan.at[name], missing.has(name) ? '' : 'is there'])]))
  print(`supply ${params.supply} CAIRN to ${party(params.holder, deployer)}; guardian ${party(params.guardian, deployer)}`)
  print(
    `oracle ${JSON.stringify(params.oracle)}; timelock ${params.timelockSeconds} s; days from ${new Date(plan.genesis * 1000).toISOString()}`,
  )
  if (params.timelockSeconds < TIMELOCK_SECONDS_LEAST)
    print('  a timelock below seven days is for trying things: nobody can leave in time before a decision')
  if (params.guardian === 'deployer') print('  the deployer stays guardian: it can pause new commitments and veto roots')
  print(
    cost.open
      ? `${cost.gas} gas, about ${coins(cost.expected)} coins now; the account has ${coins(cost.balance)}`
      : 'everything is there and sealed',
  )
}
