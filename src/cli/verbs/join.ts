/** `cairn node join|exit`: how an outsider's disk enters a network, and how it leaves without harm to anybody. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { deviceIdOf } from '../../protocol/device-signature.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf, type DeviceId, deviceId } from '../../protocol/ids.ts'
import { deriveKeys } from '../../protocol/keys.ts'
import { orThrow } from '../../runtime/actions/action.ts'
import { approve } from '../../runtime/actions/money.ts'
import { registerDevice, updateEndpoint } from '../../runtime/actions/registry.ts'
import { bondStake, unbondStake } from '../../runtime/actions/staking.ts'
import type { ChainCall, ChainSigner } from '../../runtime/chain.ts'
import { encodeCall, openTxQueue, saveDeployment } from '../../runtime/real/chain/index.ts'
import { drawPorts } from '../../runtime/real/ports.ts'
import { present } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import { type NodeConfig, nodeConfig, readConfig, writeConfig } from '../config.ts'
import { ACCOUNT, readPlan } from '../up/plan.ts'
import { endpointRecord, registrationOf } from '../up/setup.ts'
import { askStatus } from './daemons.ts'
import { readDescriptor } from './descriptor.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { type NodeOptions, nodesOf } from './node.ts'
import { cairn, confirmed, type Exit, type Progress, print, printJson, progress } from './output.ts'
import { dataFolder, exists, findPlace } from './place.ts'

export interface JoinOptions {
  readonly data?: string
  readonly json: boolean
  readonly host: string
  readonly port: number
  readonly capacityGib: number
  /** Folder of a node of the same operator. */
  readonly operatorOf?: string
  /** Folder of a local network whose holder pays the stake. */
  readonly fundFrom?: string
  readonly run: boolean
  readonly dryRun: boolean
}

const SEND_MS = 120_000
/** Coins for a few thousand transactions of an operator. */
const OPERATOR_GAS = 10n ** 18n
/** Free bytes of the disk that pieces never take. */
const RESERVE_BYTES = 1024 ** 3
const GIB = 1024 ** 3

export async function joinNetwork(from: string, options: JoinOptions): Promise<Exit> {
  const folder = dataFolder(options.data)
  const bar = progress(options.json)
  const config = (await exists(join(folder, 'config.json'))) ? await readConfig(folder, nodeConfig) : await prepare(from, folder, options)
  const desk = await openChainDesk({ folder, rpc: config.rpc, deployment: join(folder, 'deployment.json'), net: config.net })
  let report: Awaited<ReturnType<typeof enrol>> | null
  try {
    const operator = accountOf(toHex(desk.crypto.secp256k1.address(config.operatorKey)))
    if (options.dryRun) {
      const need = { operator, stake: desk.network.minStake }
      if (options.json) printJson({ dryRun: true, ...need })
      else print(`operator ${operator} would stake ${cairn(need.stake)} CAIRN in network ${config.net} and register one device`)
      return 0
    }
    await fund(desk, operator, options.fundFrom, bar)
    report = await enrol(desk, config, operator, bar)
    bar.done()
  } finally {
    await desk.close()
  }
  if (options.json) printJson({ joined: true, ...report, data: folder })
  else
    print(
      `joined network ${config.net} as ${report.operator} with device ${report.device}\n  data ${folder}; earnings: cairn node earnings --data ${folder}`,
    )
  if (options.run) await (await import('../daemon/node.ts')).nodeDaemon(folder)
  return 0
}

/** Keys are written down before anything is sent with them. */
async function prepare(from: string, folder: string, options: JoinOptions): Promise<NodeConfig> {
  const { createRandom } = await import('../../runtime/real/index.ts')
  const random = createRandom()
  const descriptor = await readDescriptor(from)
  const { operatorOf } = options
  const operatorKey = operatorOf === undefined ? random.bytes(32) : (await readConfig(dataFolder(operatorOf), nodeConfig)).operatorKey
  await mkdir(folder, { recursive: true })
  await saveDeployment(join(folder, 'deployment.json'), descriptor.deployment)
  const config = nodeConfig.parse({
    role: 'node',
    rpc: descriptor.chain.rpc,
    deployment: 'deployment.json',
    net: descriptor.net,
    operatorKey: hexKey(operatorKey),
    deviceKey: hexKey(random.bytes(32)),
    transportKey: hexKey(random.bytes(32)),
    host: options.host,
    port: options.port === 0 ? await drawPort(folder, options.host) : options.port,
    quotaBytes: options.capacityGib * GIB,
    reserveBytes: RESERVE_BYTES,
    verifiers: descriptor.verifiers,
  })
  await writeConfig(folder, nodeConfig, config)
  return config
}

/** Announced on chain, so it is drawn once. */
const drawPort = async (folder: string, host: string): Promise<number> =>
  present((await drawPorts({ folder, host, count: 1 }))[0], 'one was drawn')

const hexKey = (bytes: Uint8Array): string => `0x${toHex(bytes)}`

async function balanceOf(desk: ChainDesk, account: Account): Promise<bigint> {
  const { token } = desk.access.view.addresses
  const answer = await desk.rpc.call(token, token, encodeCall({ contract: 'token', function: 'balanceOf', args: [account] }), 'latest')
  return typeof answer === 'string' ? BigInt(answer) : 0n
}

/** The operator needs its stake and coins for gas: from a local network's holder, or from wherever its owner gets them. */
async function fund(desk: ChainDesk, operator: Account, from: string | undefined, bar: Progress): Promise<void> {
  const { minStake, id } = desk.network
  const lacks = desk.access.view.stakeOf(operator, id) < minStake && (await balanceOf(desk, operator)) < minStake
  const coins = await desk.rpc.balance(`0x${operator.slice(2)}`)
  if (!lacks && coins > 0n) return
  if (from === undefined) {
    const needs = [
      ...(lacks ? [`${cairn(minStake)} CAIRN (token ${desk.access.view.addresses.token})`] : []),
      ...(coins > 0n ? [] : ['coins for gas']),
    ]
    throw new CairnError('CONFIG', {
      what: `operator ${operator}`,
      why: `it needs ${needs.join(' and ')}`,
      fix: 'send them there and run this command again; on a local network add --fund-from <folder of cairn up>',
    })
  }
  const plan = await readPlan(dataFolder(from))
  if (plan === null) throw new CairnError('CONFIG', { what: from, why: 'no local network is in it', fix: 'name the folder of `cairn up`' })
  bar.step('taking the stake from the local network’s holder')
  const holder = deriveKeys(desk.crypto, plan.mnemonic).wallet(ACCOUNT.holder)
  const { rpc, clock, log, database } = desk
  const { chain, chainId } = desk.access.deployment
  const queue = openTxQueue({ rpc, clock, log, database, chain, chainId, secret: holder.secret, confirmations: 1, pollMs: 200 })
  try {
    const { token } = desk.access.view.addresses
    const call: ChainCall = { contract: 'token', function: 'transfer', args: [operator, minStake] }
    await Promise.all([
      orThrow(
        'a transfer of coins',
        queue.submit({ to: `0x${operator.slice(2)}`, data: '0x', value: OPERATOR_GAS, label: 'coins' }, SEND_MS),
      ),
      lacks ? orThrow('token.transfer', queue.submit({ to: token, data: encodeCall(call), label: 'stake' }, SEND_MS)) : null,
    ])
  } finally {
    await queue.close()
  }
}

async function enrol(
  desk: ChainDesk,
  config: NodeConfig,
  operator: Account,
  bar: Progress,
): Promise<{ operator: Account; device: DeviceId }> {
  const { view, deployment } = desk.access
  const { minStake, id: net } = desk.network
  const signer = desk.signer(config.operatorKey)
  const options = { deadlineMs: SEND_MS }
  const registration = registrationOf(desk.crypto, deployment, config, operator, net)
  const device = deviceId(deviceIdOf(desk.crypto, registration.signer))
  const staked = view.stakeOf(operator, net)
  const known = view.device(device)
  const endpoint = `/ip4/${config.host}/tcp/${config.port}`
  bar.step(`staking ${cairn(minStake)} CAIRN and registering the device`)
  const steps: Promise<unknown>[] = []
  if (staked < minStake) {
    const amount = minStake - staked
    steps.push(
      orThrow('token.approve', approve(signer, { asset: 'token', spender: view.addresses.staking, amount }, options)),
      orThrow('staking.bond', bondStake(signer, { net, amount }, options)),
    )
  }
  if (known === null) steps.push(orThrow('devices.register', registerDevice(signer, registration, options)))
  if (known?.endpoint !== endpoint) {
    steps.push(orThrow('devices.updateEndpoint', updateEndpoint(signer, { device, record: endpointRecord(endpoint) }, options)))
  }
  await Promise.all(steps)
  return { operator, device }
}

export interface ExitOptions extends NodeOptions {
  readonly dryRun: boolean
  readonly yes: boolean
  /** Seconds. */
  readonly wait: number
}

const LOOK_MS = 2_000

/**
 * Retires the device, waits until the gateways have moved what it keeps and signed it out of their sets, then starts
 * the thaw of the stake and ends the daemon. Ends with 1 when it is not empty in time; the same command goes on waiting.
 */
export async function exitNetwork(options: ExitOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const folders = nodesOf(place, options.node)
  const folder = folders[0]
  if (folder === undefined || folders.length > 1) {
    throw new CairnError('CONFIG', { what: place.folder, why: 'there are several nodes in it', fix: 'say which one with --node' })
  }
  const config = await readConfig(folder, nodeConfig)
  const status = await askStatus(folder)
  if (status?.role !== 'node') {
    throw new CairnError('CONFIG', {
      what: folder,
      why: 'its node does not run, so nobody can fetch its pieces',
      fix: `start it: cairn run node --data ${folder}`,
    })
  }
  const question = `Retire device ${status.device} for good, with ${status.pieces} pieces in ${status.sets} data set(s)?`
  if (options.dryRun) {
    if (options.json) printJson({ dryRun: true, device: status.device, pieces: status.pieces, sets: status.sets })
    else print(question)
    return 0
  }
  if (!(await confirmed(question, options.yes))) return 1
  const desk = await openChainDesk(place)
  const bar = progress(options.json)
  try {
    const device = deviceId(status.device)
    const signer = desk.signer(config.operatorKey)
    const { view } = desk.access
    if (view.device(device)?.status === 'active') {
      bar.step('retiring the device on chain')
      const call = { contract: 'devices', function: 'retire', args: [device] } as const
      await orThrow('devices.retire', signer.send(call, SEND_MS))
    }
    const left = await drained(desk, folder, options.wait, bar)
    if (left > 0n) {
      bar.done()
      if (options.json) printJson({ exited: false, device, keptBytes: left })
      else print(`${left} bytes are still signed for; run the command again to go on waiting`)
      return 1
    }
    bar.step('starting the thaw of the stake')
    const unbonded = await thawStake(desk, signer, device)
    process.kill(status.pid, 'SIGTERM')
    bar.done()
    if (options.json) printJson({ exited: true, device, unbonded })
    else print(`the node has left; ${unbonded > 0n ? `${cairn(unbonded)} CAIRN thaw` : 'the stake stays for the other devices'}`)
    return 0
  } finally {
    await desk.close()
  }
}

/** Whoever of an operator's nodes leaves last takes the stake along. What thaws now; wei of CAIRN. */
async function thawStake(desk: ChainDesk, signer: ChainSigner, device: DeviceId): Promise<bigint> {
  const { view } = desk.access
  const { id: net } = desk.network
  const amount = view.stakeOf(signer.account, net)
  const others = view.devices(net).some((row) => row.owner === signer.account && row.id !== device && row.status === 'active')
  if (amount === 0n || others) return 0n
  const outcome = await unbondStake(signer, { net, amount }, { deadlineMs: SEND_MS })
  // Two that leave in the same moment are both the last: the other one was faster.
  if (outcome.is === 'reverted' && outcome.error === 'InsufficientStake') return 0n
  await orThrow('staking.unbond', Promise.resolve(outcome))
  return amount
}

/** Bytes that some customer's set still names when the time is over. */
async function drained(desk: ChainDesk, folder: string, seconds: number, bar: Progress): Promise<bigint> {
  const end = desk.clock.monotonic() + seconds * 1000
  let first: bigint | null = null
  for (;;) {
    const status = await askStatus(folder)
    if (status?.role !== 'node')
      throw new CairnError('CONFIG', { what: folder, why: 'its node ended while it was being emptied', fix: 'start it again' })
    const kept = status.accounts.reduce((sum, row) => sum + row.keptBytes, 0n)
    first ??= kept
    if (kept === 0n || desk.clock.monotonic() > end) return kept
    bar.step(`gateways move pieces away: ${kept} bytes are left`, Number(first - kept), Number(first))
    await desk.clock.sleep(LOOK_MS)
  }
}
