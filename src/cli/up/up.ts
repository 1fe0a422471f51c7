/** `cairn up`: a whole network on this machine, one process for each of its parties. */
import { mkdir } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { mnemonicOf } from '../../protocol/keys.ts'
import { peerIdOf } from '../../protocol/peer-id.ts'
import { drawKey } from '../../resources/storage/gateway.ts'
import { LOCAL_REDUNDANCY } from '../../resources/storage/index.ts'
import { type Anvil, LOCAL_CHAIN_ID, startAnvil } from '../../runtime/real/chain/index.ts'
import { createClock, createCrypto, createLog, createRandom, openDatabase } from '../../runtime/real/index.ts'
import { drawPorts } from '../../runtime/real/ports.ts'
import { present } from '../../std/assert.ts'
import { toHex } from '../../std/bytes.ts'
import { claim } from '../claim.ts'
import { gatewayConfig, nodeConfig, verifierConfig, writeConfig } from '../config.ts'
import { type Child, startChild } from './children.ts'
import { beginInPast, checkVerifiers } from './past.ts'
import { ACCOUNT, byQuorum, DELEGATORS, FORMAT, type Plan, readPlan, verifiersOf, writePlan } from './plan.ts'
import { type LocalNetwork, secret, setUp } from './setup.ts'

export interface UpOptions {
  readonly data: string
  readonly nodes: number
  readonly epochSeconds: number
  /** One, or at least as many as sign roots by quorum. */
  readonly verifiers: number
  /** Of the S3 endpoint; 0 takes a free one, which stays the same over restarts. */
  readonly port: number
  readonly json: boolean
  readonly verbose: boolean
}

export const defaultData = (): string => join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'cairn')

const REGION = 'cairn-local-1'
const HOST = '127.0.0.1'
/** What each local node offers, and what it leaves free. */
const QUOTA_BYTES = 64 * 1024 ** 3
const RESERVE_BYTES = 1024 ** 3
/** A local chain's gas is free, so whatever was earned is collected, and is seen soon. */
const LOCAL_WORTH = { credits: 1n, cairn: 1n }
/** DESIGN §6: three missed vouchers and a payer counts as gone. */
const PATIENCE_EPOCHS = 3

const crypto = createCrypto()
const random = createRandom()
const clock = createClock()

export async function up(options: UpOptions): Promise<never> {
  const folder = resolve(options.data)
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  checkVerifiers(options.verifiers)
  const release = await lock(folder)
  const plan = (await readPlan(folder)) ?? (await draw(folder, options))
  if (plan.nodes.length !== options.nodes && options.nodes !== 0)
    say(`this folder was made for ${plan.nodes.length} nodes; --nodes is ignored`)
  if (verifiersOf(plan).length !== options.verifiers && options.verifiers !== 1)
    say(`this folder was made for ${verifiersOf(plan).length} verifier(s); --verifiers is ignored`)
  const log = createLog(clock, options.verbose ? 'info' : 'warn')
  say(`data folder ${folder}`)
  const startsAt = byQuorum(plan) ? await beginInPast(folder, plan, Math.floor(clock.now() / 1000)) : null
  const chain = await startAnvil({
    ...(startsAt === null ? {} : { startsAt, anew: plan.net === null }),
    folder: join(folder, 'chain'),
    clock,
    log,
    port: plan.ports.chain,
    mnemonic: plan.mnemonic,
    accounts: ACCOUNT.delegator(plan.nodes.length, DELEGATORS),
  })
  const children: Child[] = []
  let ending = false
  const end = (code: number): void => {
    if (ending) return
    ending = true
    void stop(children, chain, release).finally(() => process.exit(code))
  }
  process.once('SIGINT', () => end(0))
  process.once('SIGTERM', () => end(0))
  try {
    if (plan.net === null && !options.json) sayMnemonic(plan.mnemonic, say)
    say(plan.net === null ? 'setting up contracts, operators and a customer' : 'continuing with the contracts of this folder')
    const [network] = await Promise.all([settleChain(folder, plan, chain, startsAt !== null), compileDaemons()])
    await writeConfigs(folder, plan, network, chain.url)
    await startAll(folder, plan, children, say)
    report(options, folder, plan, network, chain, children, say)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    end(1)
  }
  return new Promise<never>(() => undefined)
}

/** Once, at the first start: whoever has the words can rebuild the gateway, and spend the money. */
function sayMnemonic(mnemonic: string, say: (line: string) => void): void {
  say('The words of this network’s accounts. With them a lost gateway is rebuilt (`cairn storage recover`); keep them elsewhere:')
  say('')
  const words = mnemonic.split(' ')
  for (let i = 0; i < words.length; i += 6) say(`  ${words.slice(i, i + 6).join(' ')}`)
  say('')
  say('`cairn account show --mnemonic` shows them again.')
}

/** One `up` for each folder; a lock of a process that is gone is taken over. */
async function lock(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'up.pid')
  const own = await claim(path)
  if (own.is === 'ours') return own.release
  throw new CairnError('DATA_FOLDER', {
    path: folder,
    why: `process ${own.pid} runs a network in it`,
    fix: 'stop that one, or use another folder with --data',
  })
}

/** Ports are drawn once and kept, so that what clients and the chain know stays true over restarts. */
async function draw(folder: string, options: UpOptions): Promise<Plan> {
  const key = (): string => `0x${toHex(random.bytes(32))}`
  const nodeCount = options.nodes || 8
  // For the chain, the gateway and the verifiers too, and one more in case that the given one is among them.
  const drawn = await drawPorts({ folder, count: nodeCount + options.verifiers + 3 })
  const ports = drawn.filter((port) => port !== options.port).values()
  const port = (): number => present(ports.next().value, 'as many were drawn')
  const plan: Plan = {
    format: FORMAT,
    mnemonic: mnemonicOf(random.bytes(32)),
    epochSeconds: options.epochSeconds,
    ports: { chain: port(), s3: options.port === 0 ? port() : options.port, verifier: port() },
    sessionKey: key(),
    gatewayKey: key(),
    verifierKey: key(),
    moreVerifiers: Array.from({ length: options.verifiers - 1 }, () => ({ port: port(), transportKey: key() })),
    ...drawKey(random),
    nodes: Array.from({ length: nodeCount }, () => ({ port: port(), deviceKey: key(), transportKey: key() })),
    net: null,
  }
  await writePlan(folder, plan)
  return plan
}

/** While the setup waits for blocks: ten daemons then start from one compilation instead of making ten. */
async function compileDaemons(): Promise<void> {
  await Promise.all([import('../daemon/node.ts'), import('../daemon/gateway.ts'), import('../daemon/verifier.ts')])
  flushCompileCache()
}

async function settleChain(folder: string, plan: Plan, chain: Anvil, nominates: boolean): Promise<LocalNetwork> {
  const database = openDatabase(join(folder, 'setup.db'))
  try {
    const world = { folder, rpc: chain.url, clock, log: createLog(clock, 'warn'), crypto, database, nominates }
    const network = await setUp(world, plan)
    if (nominates) await chain.toPresent()
    if (plan.net === null) await writePlan(folder, { ...plan, net: network.net })
    return network
  } finally {
    database.close()
  }
}

async function writeConfigs(folder: string, plan: Plan, network: LocalNetwork, rpc: string): Promise<void> {
  const { keys, net } = network
  const deployment = join(folder, 'deployment.json')
  const common = { rpc, deployment, net, log: 'info' as const, adminPort: 0, host: HOST }
  const verifiers = verifiersOf(plan).map(({ port, transportKey }) => ({
    peer: peerIdOf(crypto.ed25519.publicKey(secret(transportKey))),
    address: `/ip4/${HOST}/tcp/${port}`,
  }))
  await Promise.all([
    ...plan.nodes.map((node, i) =>
      writeConfig(join(folder, 'nodes', String(i + 1)), nodeConfig, {
        role: 'node',
        ...common,
        operatorKey: keys.wallet(ACCOUNT.operator(i)).secret,
        deviceKey: secret(node.deviceKey),
        transportKey: secret(node.transportKey),
        port: node.port,
        quotaBytes: QUOTA_BYTES,
        reserveBytes: RESERVE_BYTES,
        worth: LOCAL_WORTH,
        patienceEpochs: PATIENCE_EPOCHS,
        verifiers,
      }),
    ),
    writeConfig(join(folder, 'gateway'), gatewayConfig, {
      role: 'gateway',
      ...common,
      account: keys.wallet(ACCOUNT.customer).account,
      sessionKey: secret(plan.sessionKey),
      transportKey: secret(plan.gatewayKey),
      storageRoot: keys.storageRoot,
      port: plan.ports.s3,
      region: REGION,
      sync: false,
      redundancy: redundancyOf(plan.nodes.length),
      firstKey: { accessKey: plan.accessKey, secretKey: plan.secretKey },
      verifiers,
    }),
    ...verifiersOf(plan).map((one, i) =>
      writeConfig(join(folder, one.folder), verifierConfig, {
        role: 'verifier',
        ...common,
        verifierKey: keys.wallet(one.account).secret,
        transportKey: secret(one.transportKey),
        port: one.port,
        publish: true,
        peers: verifiers.filter((_, other) => other !== i),
      }),
    ),
  ])
}

/** The local four numbers. Fewer than eight nodes keep fewer pieces, and still one more than a write waits for if they can. */
export function redundancyOf(nodes: number): typeof LOCAL_REDUNDANCY {
  if (nodes >= LOCAL_REDUNDANCY.n) return LOCAL_REDUNDANCY
  const k = Math.max(1, Math.min(Math.floor(nodes / 2), nodes - 3))
  const ack = Math.min(nodes, k + 2)
  return { k, ack, repairBelow: Math.min(nodes, ack + 1), n: nodes }
}

async function startAll(folder: string, plan: Plan, children: Child[], say: (line: string) => void): Promise<void> {
  const verifiers = verifiersOf(plan)
  const them = verifiers.length === 1 ? 'the verifier' : `${verifiers.length} verifiers`
  say(`starting ${plan.nodes.length} nodes, ${them} and the gateway`)
  const start = (name: string, role: 'node' | 'gateway' | 'verifier', path: string, respawn: boolean): Promise<void> =>
    startChild({ name, role, folder: join(folder, path), respawn, log: say }).then((child) => void children.push(child))
  await Promise.all([
    ...plan.nodes.map((_, i) => start(`node ${i + 1}`, 'node', `nodes/${i + 1}`, false)),
    ...verifiers.map((one) => start(one.name, 'verifier', one.folder, true)),
    start('gateway', 'gateway', 'gateway', true),
  ])
}

function report(
  options: UpOptions,
  folder: string,
  plan: Plan,
  network: LocalNetwork,
  chain: Anvil,
  children: readonly Child[],
  say: (line: string) => void,
): void {
  const child = (name: string): Child | undefined => children.find((one) => one.name === name)
  const endpoint = `http://${HOST}:${plan.ports.s3}`
  const facts = {
    ready: true,
    s3: { endpoint, accessKey: plan.accessKey, secretKey: plan.secretKey, region: REGION },
    chain: { rpc: chain.url, chainId: LOCAL_CHAIN_ID, pid: chain.pid() },
    nodes: network.devices.map((id, i) => ({
      id,
      pid: child(`node ${i + 1}`)?.pid() ?? null,
      operator: network.keys.wallet(ACCOUNT.operator(i)).account,
    })),
    gateway: { pid: child('gateway')?.pid() ?? null },
    verifier: { pid: child('verifier')?.pid() ?? null },
    verifiers: verifiersOf(plan).map(({ name, account }) => ({
      pid: child(name)?.pid() ?? null,
      account: network.keys.wallet(account).account,
    })),
    data: folder,
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify(facts)}\n`)
    return
  }
  say('')
  say(`The network is up: ${plan.nodes.length} nodes of as many operators, epochs of ${plan.epochSeconds} s.`)
  if (byQuorum(plan)) say(`  roots are signed by more than two thirds of ${verifiersOf(plan).length} verifiers`)
  say(`  S3     ${endpoint}   region ${REGION}`)
  say(`  key    ${plan.accessKey}   secret ${plan.secretKey}`)
  say(`  chain  ${chain.url}   id ${LOCAL_CHAIN_ID}`)
  say(`  data   ${folder}`)
  say('')
  say('Try it:')
  say(`  export AWS_ACCESS_KEY_ID=${plan.accessKey} AWS_SECRET_ACCESS_KEY=${plan.secretKey} AWS_DEFAULT_REGION=${REGION}`)
  say(`  aws --endpoint-url ${endpoint} s3 mb s3://photos && aws --endpoint-url ${endpoint} s3 cp FILE s3://photos/`)
  say('')
  say('Ctrl-C stops it; starting it again continues with everything it had.')
}

async function stop(children: readonly Child[], chain: Anvil, release: () => Promise<void>): Promise<void> {
  await Promise.all(children.map((child) => child.stop()))
  await chain.stop()
  await release()
}
