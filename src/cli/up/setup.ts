/**
 * Brings a fresh local chain to a working network: contracts, one storage network, operators with stake and devices, a
 * funded reward pot, and a customer with credits, channels and a delegated session key. Everything is sent at once, in
 * order, and waited for together; every call is keyed, so an interrupted setup continues where it stopped.
 */
import { join } from 'node:path'
import type { Crypto } from '../../protocol/crypto.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, type Address, digest, type Hex, type NetworkId, networkId } from '../../protocol/ids.ts'
import { type AccountKeys, deriveKeys, type WalletKey } from '../../protocol/keys.ts'
import { domainSeparator, REGISTER, registryDomain, typedDataHash } from '../../protocol/typed-data.ts'
import { orThrow } from '../../runtime/actions/action.ts'
import { nominateVerifier } from '../../runtime/actions/rewards.ts'
import type { CallOutcome, ChainCall, ChainSigner } from '../../runtime/chain.ts'
import { SCOPE } from '../../runtime/chain.ts'
import type { Clock, Database, Log } from '../../runtime/index.ts'
import { deployContracts } from '../../runtime/real/chain/deploy.ts'
import { readDeploymentParams } from '../../runtime/real/chain/deployment-params.ts'
import {
  createRpc,
  createSigner,
  type Deployment,
  encodeCall,
  loadDeployment,
  openTxQueue,
  type TxQueue,
} from '../../runtime/real/chain/index.ts'
import { present } from '../../std/assert.ts'
import { fromHex, toHex } from '../../std/bytes.ts'
import { ACCOUNT, byQuorum, type Plan, verifiersOf } from './plan.ts'

const CAIRN = 10n ** 18n
const STAKE = 1_000n * CAIRN
const POT = 100_000_000n * CAIRN
const OPERATOR_TOKENS = 10_000n * CAIRN
/** $10 000 of credits for the customer, in µcredits. */
const CUSTOMER_CREDITS = 10_000n * 100_000n * 1_000_000n
const CUSTOMER_TOKENS = 20_000n * CAIRN
/** $100 earmarked for each operator: far more than three epochs of all that fits on it. */
const EARMARK = 100n * 100_000n * 1_000_000n
/** Native coins of the session key: for ten thousand pointers and more. */
const SESSION_GAS = 10n * CAIRN
const NEVER = 4_000_000_000
const NOBODY = `0x${'00'.repeat(20)}`
/** Local keys live for a year; Delegations allows 366 days, of which a chain that starts in the past has used some. */
const SESSION_SECONDS = 350 * 24 * 3600
const SETUP_MS = 120_000
/** The verifiers stake in a network of their own, so that who is judged never chooses the judges. */
const VERIFIER_NET = 1
const STORAGE_NET = 2
/** A local chain's reorgs are lost last blocks of a killed anvil; the setup is keyed and repeated. */
const CONFIRMATIONS = 1

export interface SetupWorld {
  readonly folder: string
  readonly rpc: string
  readonly clock: Clock
  readonly log: Log
  readonly crypto: Crypto
  readonly database: Database
  /** Whether the verifiers are nominated for the week after the chain's: it stands before the one in which they are needed. */
  readonly nominates: boolean
}

export interface LocalNetwork {
  readonly deployment: Deployment
  readonly net: number
  readonly keys: AccountKeys
  readonly devices: readonly Hex[]
}

type Send = (from: ChainSigner, call: Omit<ChainCall, 'key'>, key: string) => Promise<CallOutcome>

/** ERC-7913 signer bytes of a device's secp256k1 key: its address. */
const signerOf = (crypto: Crypto, deviceKey: string): Hex => `0x${toHex(crypto.secp256k1.address(secret(deviceKey)))}`
export const secret = (hex: string): Uint8Array => present(fromHex(hex), 'keys of a plan are hexadecimal')
export const deviceIdOf = (crypto: Crypto, deviceKey: string): Hex => `0x${toHex(crypto.keccak256(secret(signerOf(crypto, deviceKey))))}`

export async function setUp(world: SetupWorld, plan: Plan): Promise<LocalNetwork> {
  const { clock, log, database, crypto } = world
  const rpc = createRpc(world.rpc)
  const keys = deriveKeys(crypto, plan.mnemonic)
  const [chainId, first] = [await rpc.chainId(), await rpc.header(0n)]
  const chain = present(first, 'a started chain has a first block').hash
  const queues: { close(): Promise<void> }[] = []
  const queueOf = (wallet: WalletKey) => {
    const queue = openTxQueue({
      rpc,
      clock,
      log,
      database,
      chain,
      chainId,
      secret: wallet.secret,
      confirmations: CONFIRMATIONS,
      pollMs: 50,
    })
    queues.push(queue)
    return queue
  }
  const holder = keys.wallet(ACCOUNT.holder)
  const holderQueue = queueOf(holder)
  try {
    const path = join(world.folder, 'deployment.json')
    const known = await loadDeployment(path)
    const deployment =
      known !== null && known.chain === chain && plan.net !== null
        ? known
        : await deployContracts(rpc, holderQueue, await readDeploymentParams(), { file: path })
    const devices = plan.nodes.map((node) => deviceIdOf(crypto, node.deviceKey))
    const { addresses } = deployment
    if (plan.net !== null && known?.chain === chain) {
      if (world.nominates) await Promise.all(nominations(plan, keys, createSigner(holderQueue, addresses)))
      return { deployment, net: plan.net, keys, devices }
    }
    const signers = new Map<Account, ChainSigner>([[holder.account, createSigner(holderQueue, addresses)]])
    const signerFor = (wallet: WalletKey): ChainSigner => {
      const known = signers.get(wallet.account) ?? createSigner(queueOf(wallet), addresses)
      signers.set(wallet.account, known)
      return known
    }
    await Promise.all([...steps(world, plan, deployment, keys, signerFor, STORAGE_NET), giveGas(world, plan, holderQueue)])
    return { deployment, net: STORAGE_NET, keys, devices }
  } finally {
    await Promise.all(queues.map((queue) => queue.close()))
  }
}

/** Anyone may nominate, so the holder does, and the verifiers' own queues stay untouched. Not keyed: it is for another week each time. */
const nominations = (plan: Plan, keys: AccountKeys, holder: ChainSigner): readonly Promise<unknown>[] =>
  verifiersOf(plan).map(({ account }) => nominate(holder, keys.wallet(account).account))

const nominate = (holder: ChainSigner, operator: Account): Promise<unknown> =>
  orThrow('quorum.nominate', nominateVerifier(holder, { verifierNet: networkId(VERIFIER_NET), operator }, { deadlineMs: SETUP_MS }))

const PENDING_POLL_MS = 50

interface Given {
  /** Calls are simulated on the pending block, so what follows a transfer need not wait until it is confirmed. */
  readonly visible: Promise<unknown>
  readonly confirmed: Promise<unknown>
}
type Gift = (to: Account, amount: bigint) => Given

function giveVisibly(world: SetupWorld, token: Address, to: Account, amount: bigint, confirmed: Promise<unknown>): Given {
  const rpc = createRpc(world.rpc)
  const data = encodeCall({ contract: 'token', function: 'balanceOf', args: [to] })
  const done = new AbortController()
  const look = async (): Promise<void> => {
    while (!done.signal.aborted) {
      const answer = await rpc.call(token, token, data, 'pending')
      if (typeof answer === 'string' && BigInt(answer) >= amount) return
      await world.clock.sleep(PENDING_POLL_MS, done.signal).catch(() => undefined)
    }
  }
  // A setup that goes on finds the tokens spent in part; their transfer is then confirmed already.
  const visible = Promise.race([look(), confirmed]).finally(() => done.abort())
  return { visible, confirmed }
}

/** The session key publishes pointers, and is no account of the mnemonic that the local chain gave coins to. */
async function giveGas(world: SetupWorld, plan: Plan, queue: TxQueue): Promise<void> {
  const to: Hex = `0x${toHex(world.crypto.secp256k1.address(secret(plan.sessionKey)))}`
  const intent = { to, data: '0x', value: SESSION_GAS, key: 'setup:gas', label: 'coins for the session key' } as const
  const outcome = await queue.submit(intent, SETUP_MS)
  if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: intent.label, reason: outcome.error })
}

/** Every transaction of the setup, started in the order in which they must be mined; anvil mines first come, first served. */
function steps(
  world: SetupWorld,
  plan: Plan,
  deployment: Deployment,
  keys: AccountKeys,
  signerFor: (wallet: WalletKey) => ChainSigner,
  net: number,
): Promise<unknown>[] {
  const { addresses } = deployment
  const holder = signerFor(keys.wallet(ACCOUNT.holder))
  const customer = signerFor(keys.wallet(ACCOUNT.customer))
  const send: Send = async (from, call, key) => {
    const outcome = await from.send({ ...call, key: `setup:${key}` }, SETUP_MS)
    if (outcome.is === 'reverted') throw new CairnError('REVERTED', { call: `${call.contract}.${call.function}`, reason: outcome.error })
    return outcome
  }
  const approve = (from: ChainSigner, spender: Hex, amount: bigint, key: string) =>
    send(from, { contract: 'token', function: 'approve', args: [spender, amount] }, `approve:${key}`)
  const give = (to: Account, amount: bigint) => send(holder, { contract: 'token', function: 'transfer', args: [to, amount] }, `give:${to}`)
  const gift: Gift = (to, amount) => giveVisibly(world, addresses.token, to, amount, give(to, amount))
  const all: Promise<unknown>[] = []
  // A quorum has nobody to accuse of a root: its members answer for what they signed.
  const roles = byQuorum(plan)
    ? { publisher: addresses.quorum, verifier: NOBODY, arbiter: holder.account }
    : { publisher: addresses.publisher, verifier: keys.wallet(ACCOUNT.verifier).account, arbiter: holder.account }
  for (const [id, verifierNet] of [
    [VERIFIER_NET, 0],
    [STORAGE_NET, VERIFIER_NET],
  ] as const) {
    const args = [paramsOf(plan, holder.account, verifierNet), roles, `0x${'00'.repeat(32)}`]
    all.push(send(holder, { contract: 'networks', function: 'create', args }, `network:${id}`))
  }
  all.push(approve(holder, addresses.rewards, POT, 'pot'))
  all.push(send(holder, { contract: 'rewards', function: 'fund', args: [net, addresses.token, POT] }, 'pot'))
  const stake = async (wallet: WalletKey, where: number, given: Given): Promise<void> => {
    const signer = signerFor(wallet)
    await given.visible
    await Promise.all([
      given.confirmed,
      approve(signer, addresses.staking, STAKE, `stake:${wallet.account}`),
      send(signer, { contract: 'staking', function: 'bond', args: [where, STAKE] }, `bond:${wallet.account}`),
    ])
  }
  for (const { account } of verifiersOf(plan)) {
    const wallet = keys.wallet(account)
    const staked = stake(wallet, VERIFIER_NET, gift(wallet.account, OPERATOR_TOKENS))
    all.push(world.nominates ? staked.then(() => nominate(holder, wallet.account)) : staked)
  }
  plan.nodes.forEach((node, index) => {
    const wallet = keys.wallet(ACCOUNT.operator(index))
    const given = gift(wallet.account, OPERATOR_TOKENS)
    all.push(
      stake(wallet, net, given),
      given.visible.then(() => register(world, deployment, signerFor(wallet), node, net, send)),
    )
  })
  all.push(fundCustomer(plan, world, deployment, keys, customer, gift, approve, send, net))
  return all
}

const paramsOf = (plan: Plan, owner: Account, verifierNet: number) => ({
  minStake: STAKE,
  faultPenalty: STAKE / 10n,
  equivocationPenalty: STAKE / 20n,
  disputeBond: 10n * CAIRN,
  rootBond: 10n * CAIRN,
  epochLength: plan.epochSeconds,
  challengeWindow: Math.max(1, Math.floor(plan.epochSeconds / 4)),
  rootEpochs: 1,
  thawWeeks: 3,
  maxSlashBps: 1000,
  feeRecipient: owner,
  responseWindow: Math.max(1, Math.floor(plan.epochSeconds / 4)),
  feeBps: 100,
  reporterBps: 1000,
  operatorCutMaxBps: 5000,
  delegationRatio: 10,
  verifierNet,
})

export interface DeviceKeys {
  readonly deviceKey: Uint8Array
  readonly transportKey: Uint8Array
}

/** What DeviceRegistry takes to enrol a device: bound to its peer and its owner by the device's own signature. */
export function registrationOf(crypto: Crypto, deployment: Deployment, keys: DeviceKeys, owner: Account, net: NetworkId) {
  const transportKey = digest(`0x${toHex(crypto.ed25519.publicKey(keys.transportKey))}`)
  const signer: Hex = `0x${toHex(crypto.secp256k1.address(keys.deviceKey))}`
  const consent = { net, owner, transportKey, deadline: NEVER }
  const separator = domainSeparator(crypto, registryDomain(deployment.chainId, deployment.addresses.devices))
  const hash = typedDataHash(crypto, separator, REGISTER, { ...consent, batch: `0x${'00'.repeat(32)}` })
  const signature: Hex = `0x${toHex(crypto.secp256k1.sign(keys.deviceKey, hash))}`
  return { ...consent, signer, signature }
}

/** An endpoint such as `/ip4/127.0.0.1/tcp/4001` as the registry takes it. */
export const endpointRecord = (endpoint: string): Hex => `0x${Buffer.from(endpoint).toString('hex')}`

/** Registers a node's device and announces where its peer listens. */
async function register(
  world: SetupWorld,
  deployment: Deployment,
  operator: ChainSigner,
  node: Plan['nodes'][number],
  net: number,
  send: Send,
): Promise<void> {
  const keys = { deviceKey: secret(node.deviceKey), transportKey: secret(node.transportKey) }
  const args = [registrationOf(world.crypto, deployment, keys, operator.account, networkId(net))]
  const id = deviceIdOf(world.crypto, node.deviceKey)
  const record = endpointRecord(`/ip4/127.0.0.1/tcp/${node.port}`)
  await Promise.all([
    send(operator, { contract: 'devices', function: 'register', args }, `device:${id}`),
    send(operator, { contract: 'devices', function: 'updateEndpoint', args: [id, record] }, `endpoint:${id}`),
  ])
}

async function fundCustomer(
  plan: Plan,
  world: SetupWorld,
  deployment: Deployment,
  keys: AccountKeys,
  customer: ChainSigner,
  gift: Gift,
  approve: (from: ChainSigner, spender: Hex, amount: bigint, key: string) => Promise<unknown>,
  send: Send,
  net: number,
): Promise<void> {
  const { addresses } = deployment
  const { account } = customer
  const given = gift(account, CUSTOMER_TOKENS)
  await given.visible
  const session = `0x${toHex(world.crypto.secp256k1.address(secret(plan.sessionKey)))}`
  const until = Math.floor(world.clock.now() / 1000) + SESSION_SECONDS
  const scope = SCOPE.voucher | SCOPE.storage | SCOPE.pointer
  const open = plan.nodes.map((_, index) => {
    const payee = keys.wallet(ACCOUNT.operator(index)).account
    const id = { payer: account, payee, asset: addresses.credits, net, channelId: 0n }
    return { call: { contract: 'escrow', function: 'openChannel', args: [id, EARMARK] } as const, key: `channel:${payee}` }
  })
  await Promise.all([
    given.confirmed,
    approve(customer, addresses.credits, CUSTOMER_TOKENS, 'credits'),
    send(customer, { contract: 'credits', function: 'mint', args: [account, CUSTOMER_CREDITS, CUSTOMER_TOKENS] }, 'mint'),
    send(customer, { contract: 'credits', function: 'approve', args: [addresses.escrow, CUSTOMER_CREDITS] }, 'approve:escrow'),
    send(customer, { contract: 'escrow', function: 'deposit', args: [account, addresses.credits, CUSTOMER_CREDITS] }, 'deposit'),
    send(customer, { contract: 'delegations', function: 'register', args: [session, scope, CUSTOMER_CREDITS, until] }, 'session'),
    ...open.map(({ call, key }) => send(customer, call, key)),
  ])
}
