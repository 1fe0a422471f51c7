/** Sends a planned deployment, or whatever of it a run before did not get to. */
import { setTimeout } from 'node:timers/promises'
import { encodeFunctionData, type Hex } from 'viem'
import { deploymentAbi } from '../../../protocol/abi/deployment.ts'
import { CairnError } from '../../../protocol/errors.ts'
import type { Address } from '../../../protocol/ids.ts'
import { CREATE2_PROXY, DEPLOYED, factoryCalldata, nameBytes, PROXY_COINS, PROXY_MAKER } from './deployment-addresses.ts'
import { type Deployment, loadDeployment, saveDeployment } from './deployment-file.ts'
import type { DeploymentParams } from './deployment-params.ts'
import { addressesOf, type DeploymentPlan, planDeployment } from './deployment-plan.ts'
import type { Rpc } from './rpc.ts'
import type { TxQueue } from './tx-queue.ts'

/** Three dozen transactions in a few blocks; three minutes cover a slow public chain's blocks too. */
const DEPLOY_MS = 180_000
const VISIBLE_POLL_MS = 50

export interface DeployOptions {
  /**
   * Where the deployment is kept, written before anything is sent: whoever runs again after an interruption knows from
   * which block on to look for events.
   */
  readonly file?: string
  readonly deadlineMs?: number
  /** What happens, and how many of how many steps are done. */
  readonly onStep?: (what: string, part: number, whole: number) => void
}

/**
 * Deploys the contracts, or what is missing of them. The addresses follow from the code, the parameters, the deployer and
 * the chain, so running it again changes nothing and a new version gets addresses of its own.
 * @throws `REVERTED` when a transaction fails, `CHAIN_AWAY`, `DEADLINE`, `CONFIG` on a chain without the CREATE2 proxy.
 */
export async function deployContracts(
  rpc: Rpc,
  queue: TxQueue,
  params: DeploymentParams,
  options: DeployOptions = {},
): Promise<Deployment> {
  const plan = await planDeployment(rpc, queue.account, params)
  await requireProxy(rpc, plan)
  const deployment = await begin(rpc, plan, options.file)
  await sendAll(rpc, queue, plan, options)
  return deployment
}

/** @throws `CONFIG` on a chain where nobody has deployed the proxy yet. */
export async function requireProxy(rpc: Rpc, plan: DeploymentPlan): Promise<void> {
  if ((await rpc.code(CREATE2_PROXY)) !== '0x') return
  throw new CairnError('CONFIG', {
    what: `chain ${plan.chainId}`,
    why: `it has no CREATE2 proxy at ${CREATE2_PROXY}`,
    fix: `send ${PROXY_COINS} coins to ${PROXY_MAKER} there, broadcast the signed transaction in docs/deploying.md, and run this again`,
  })
}

/** Names of `plan` that have no code yet, in the order in which they are deployed. */
export async function missingOf(rpc: Rpc, plan: DeploymentPlan): Promise<readonly (typeof DEPLOYED)[number][]> {
  const codes = await Promise.all(DEPLOYED.map((name) => rpc.code(plan.at[name])))
  return DEPLOYED.filter((_, i) => codes[i] === '0x')
}

async function begin(rpc: Rpc, plan: DeploymentPlan, file: string | undefined): Promise<Deployment> {
  const known = file === undefined ? null : await loadDeployment(file)
  if (known !== null && known.release === plan.release && known.factory === plan.factory) return known
  const { chainId, chain, release, factory, deployer, params } = plan
  const fromBlock = await firstBlockOf(rpc, factory)
  const deployment = { chainId, chain, release, factory, fromBlock, addresses: addressesOf(plan.at), made: { deployer, params } }
  if (file !== undefined) await saveDeployment(file, deployment)
  return deployment
}

/** The block in which `factory` got its code, or the next one while it has none. */
async function firstBlockOf(rpc: Rpc, factory: Address): Promise<bigint> {
  const latest = await rpc.blockNumber()
  if ((await rpc.code(factory)) === '0x') return latest + 1n
  let [without, having] = [0n, latest]
  while (having - without > 1n) {
    const middle = (without + having) / 2n
    // An endpoint that has forgotten old states cannot say; events are then looked for from the beginning.
    const code = await rpc.request('eth_getCode', [factory, `0x${middle.toString(16)}`]).catch(() => null)
    if (code === null) return 1n
    if (code === '0x') without = middle
    else having = middle
  }
  return having
}

async function sendAll(rpc: Rpc, queue: TxQueue, plan: DeploymentPlan, options: DeployOptions): Promise<void> {
  const { factory, release, at, made } = plan
  const deadlineMs = options.deadlineMs ?? DEPLOY_MS
  let done = 0
  let whole = 0
  const confirm = async (to: Address, data: Hex, label: string): Promise<void> => {
    const outcome = await queue.submit({ to, data, label, key: `${label} ${release}` }, deadlineMs)
    if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: label, reason: outcome.error })
    done += 1
    options.onStep?.(label, done, whole)
  }
  const sealing = encodeFunctionData({ abi: deploymentAbi, functionName: 'seal' })
  const [missing, factoryCode] = await Promise.all([missingOf(rpc, plan), rpc.code(factory)])
  // What lies on chain counts as done; the factory and the sealing are steps too.
  whole = DEPLOYED.length + 2
  done = DEPLOYED.length - missing.length + (factoryCode === '0x' ? 0 : 1)
  options.onStep?.('sending', done, whole)
  const sends: Promise<void>[] = []
  if (factoryCode === '0x') {
    sends.push(confirm(CREATE2_PROXY, factoryCalldata(plan.factoryInit), 'deploy Deployment'))
    await Promise.race([visible(rpc, factory, deadlineMs), sends[0]])
  }
  for (const name of missing) {
    const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'deploy', args: [nameBytes(name), made[name]] })
    sends.push(confirm(factory, data, `deploy ${name}`))
  }
  // Sent with the others where the pending block shows them; elsewhere its simulation fails and it is sent afterwards.
  const early = sends.length === 0 ? null : confirm(factory, sealing, 'seal').catch(() => undefined)
  await Promise.all([...sends, early])
  if (!(await isSealed(rpc, factory))) await confirm(factory, sealing, 'seal')
  const [first] = await missingOf(rpc, plan)
  if (first === undefined) return
  throw new CairnError('CONFIG', { what: `contract ${first}`, why: `there is no code at ${at[first]}`, fix: 'deploy again' })
}

/** Resolves when calls to `factory` can be simulated: at once where there is a pending block, else when it is mined. */
async function visible(rpc: Rpc, factory: Address, deadlineMs: number): Promise<void> {
  const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'release' })
  for (let tries = 0; tries < deadlineMs / VISIBLE_POLL_MS; tries += 1) {
    const answer = await rpc.call(factory, factory, data, 'pending')
    if (typeof answer === 'string' && answer !== '0x') return
    await setTimeout(VISIBLE_POLL_MS)
  }
  throw new CairnError('DEADLINE', { what: 'the deployment factory', ms: deadlineMs })
}

/** Whether the set is complete and checked, and its deployer has given it up. */
export async function isSealed(rpc: Rpc, factory: Address): Promise<boolean> {
  const data = encodeFunctionData({ abi: deploymentAbi, functionName: 'owner' })
  const answer = await rpc.call(factory, factory, data, 'latest')
  return typeof answer === 'string' && answer !== '0x' && BigInt(answer) === 0n
}
