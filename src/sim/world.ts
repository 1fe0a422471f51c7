/**
 * The ground that everything of a simulation stands on: one clock, one network, one chain with its contracts set up as
 * `cairn up` sets them up, all of it drawn from one seed.
 */
import type { Crypto } from '../protocol/crypto.ts'
import { deviceIdOf } from '../protocol/device-signature.ts'
import {
  type Account,
  type Address,
  account,
  address,
  type DeviceId,
  type Hex,
  type NetworkId,
  networkId,
  type PeerId,
} from '../protocol/ids.ts'
import { peerIdOf } from '../protocol/peer-id.ts'
import { domainSeparator, REGISTER, registryDomain, typedDataHash } from '../protocol/typed-data.ts'
import type { UnixMs } from '../protocol/units.ts'
import { type ChainCall, SCOPE } from '../runtime/chain.ts'
import { WEEK_SECONDS } from '../runtime/chain-index/index.ts'
import { createFakeChain, type FakeChain } from '../runtime/fake/chain/index.ts'
import {
  createFakeClock,
  createFakeDisk,
  createFakeMetrics,
  createFakeNetwork,
  createFakeRandom,
  createInlineCompute,
  type FakeClock,
  type FakeNetworkHub,
} from '../runtime/fake/index.ts'
import type { Compute, Runtime } from '../runtime/index.ts'
import { createLineLog } from '../runtime/line-log.ts'
import { createNative } from '../runtime/real/compute/native.ts'
import { createCrypto } from '../runtime/real/crypto.ts'
import { openDatabase } from '../runtime/real/database.ts'
import { assert, present } from '../std/assert.ts'
import { toHex, utf8 } from '../std/bytes.ts'
import { createPrng, type Prng } from '../std/prng.ts'
import { createSimulatedCrypto } from './crypto.ts'
import type { Machine, Process } from './process.ts'
import { createTrace, type Trace } from './trace.ts'

const CAIRN = 10n ** 18n
const SUPPLY = 1_000_000_000n * CAIRN
const STAKE = 1_000n * CAIRN
const POT = 100_000_000n * CAIRN
/** $10 000 in µcredits, and $1 earmarked for each operator: more than any run draws. */
const CUSTOMER_CREDITS = 10_000n * 100_000n * 1_000_000n
const EARMARK = 100_000n * 1_000_000n
const NEVER = 4_000_000_000
const SESSION_SECONDS = 360 * 24 * 3600
/** Blocks until a call is seen as confirmed, and one for it to be made. */
const SETUP_MS = 600_000
/** Calls of one block: each is simulated on top of those that wait, so that a thousand at once would cost a million. */
const SETUP_BATCH = 64
/** Verifiers stake in a network of their own, as CONTRACTS wants it: nobody verifies the network that pays it. */
const VERIFIER_NET = networkId(1)
const STORAGE_NET = networkId(2)
/** Pieces of a segment go to eight operators: so many nodes have one each, of the others two have one together. */
const OPERATORS_MIN = 12

export interface Key {
  readonly secret: Uint8Array
  readonly account: Account
  readonly address: Address
}

/** What tells a node from others; its machine may crash and its process be replaced, this stays. */
export interface NodeKeys {
  readonly index: number
  readonly operator: Key
  readonly device: Key & { readonly id: DeviceId }
  readonly transport: PeerId
  /** Its Ed25519 public key. */
  readonly transportKey: Hex
}

export interface VerifierKeys {
  readonly index: number
  readonly key: Key
  readonly transport: PeerId
  /** Where it listens, from its first start on. */
  readonly address: string
}

export interface CustomerKeys {
  readonly key: Key
  /** What its gateway signs with from its next start on. */
  readonly session: Key
  readonly storageRoot: Uint8Array
  readonly transport: PeerId
}

export interface WorldOptions {
  readonly seed: bigint
  readonly nodes: number
  readonly verifiers: number
  readonly epochSeconds: number
}

export interface World {
  readonly options: WorldOptions
  readonly prng: Prng
  readonly clock: FakeClock
  readonly crypto: Crypto
  readonly compute: Compute
  readonly hub: FakeNetworkHub
  readonly chain: FakeChain
  readonly trace: Trace
  readonly net: NetworkId
  readonly verifierNet: NetworkId
  readonly nodes: readonly NodeKeys[]
  /** Whose nodes they are; some have two. */
  readonly operators: readonly Key[]
  readonly verifiers: readonly VerifierKeys[]
  readonly customer: CustomerKeys
  /** Gives the customer another session key; the old one is as good as before. Rejects when the chain does not take it in time. */
  renewSession(): Promise<void>
  /** Takes a key's powers on chain, for good. */
  revokeSession(key: Key): Promise<void>
  /** Who holds the genesis supply. */
  readonly holder: Key
  machine(name: string, prng: Prng): Machine
  /** The world as a process on some machine sees it. */
  runtime(name: string, process: Process, prng: Prng): Runtime
  /** Of the true time, which no process need know. */
  epoch(): number
}

/** Latencies of a continent. */
const LATENCY = { min: 1, max: 20 }

function keyMaker(crypto: Crypto, seed: bigint) {
  return (name: string): Key => {
    const secret = crypto.sha256(utf8(`simulation ${seed}: ${name}`))
    const at = toHex(crypto.secp256k1.address(secret))
    return { secret, account: account(at), address: address(at) }
  }
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const crypto = createSimulatedCrypto(createCrypto())
  const prng = createPrng(options.seed)
  const clock = createFakeClock(options.verifiers < QUORUM_LEAST ? undefined : beforeAWeek())
  const trace = createTrace(crypto)
  const keyOf = keyMaker(crypto, options.seed)
  const publicKeyOf = (name: string): Uint8Array => crypto.ed25519.publicKey(keyOf(`${name} transport`).secret)
  const transportOf = (name: string): PeerId => peerIdOf(publicKeyOf(name))
  const holder = keyOf('holder')
  const chain = createFakeChain({
    clock,
    crypto,
    random: createFakeRandom(prng.fork('chain')),
    config: {
      deployer: holder.account,
      guardian: holder.account,
      supply: SUPPLY,
      price: CAIRN,
      dailyMintFloor: CUSTOMER_CREDITS * 10n,
      networkBond: 0n,
      minimums: { epochLength: 2, challengeWindow: 1, responseWindow: 1 },
    },
  })
  const hub = createFakeNetwork({ clock, random: createFakeRandom(prng.fork('network')), latency: LATENCY })
  const operators: Key[] = []
  const nodes = Array.from({ length: options.nodes }, (_, index) => {
    const device = keyOf(`device ${index}`)
    const id = deviceIdOf(crypto, device.address)
    const name = `node ${index}`
    const transportKey: Hex = `0x${toHex(publicKeyOf(name))}`
    if (index < OPERATORS_MIN || index % 2 === 0) operators.push(keyOf(`operator ${index}`))
    const operator = present(operators.at(-1), 'the first node has an operator of its own')
    return { index, operator, device: { ...device, id }, transport: transportOf(name), transportKey }
  })
  const customer = { key: keyOf('customer'), session: keyOf('session') }
  let renewals = 0
  const world: World = {
    options,
    prng,
    clock,
    crypto,
    compute: createInlineCompute(createNative()),
    hub,
    chain,
    trace,
    net: STORAGE_NET,
    verifierNet: VERIFIER_NET,
    nodes,
    operators,
    verifiers: Array.from({ length: options.verifiers }, (_, index) => {
      const transport = transportOf(`verifier ${index}`)
      return { index, key: keyOf(`verifier ${index}`), transport, address: addressOf(hub, transport) }
    }),
    customer: {
      key: customer.key,
      get session() {
        return customer.session
      },
      storageRoot: keyOf('storage root').secret,
      transport: transportOf('gateway'),
    },
    async renewSession() {
      renewals += 1
      const next = keyOf(`session ${renewals}`)
      await sendAll(chain, [[customer.key, sessionCall(world, next)]])
      customer.session = next
    },
    revokeSession: ({ address: key }) => sendAll(chain, [[customer.key, { contract: 'delegations', function: 'revoke', args: [key] }]]),
    holder,
    machine: (_name, stream) => ({ disk: createFakeDisk({ prng: stream }), database: openDatabase(':memory:'), skewMs: 0 }),
    runtime(name, process, stream) {
      const write = (line: string): void => trace.add(`${Math.floor(clock.monotonic())} ${name} ${line}`)
      return {
        clock: process.clock,
        random: createFakeRandom(stream),
        crypto,
        log: createLineLog({ clock: process.clock, level: 'info', write }),
        metrics: createFakeMetrics(),
        compute: world.compute,
      }
    },
    epoch: () => Math.floor(clock.now() / 1000 / options.epochSeconds),
  }
  await clock.run(async () => {
    await setUp(world)
    if (options.verifiers >= QUORUM_LEAST) await clock.sleep(WEEK_SECONDS * 1000 - (clock.now() % (WEEK_SECONDS * 1000)))
  })
  return world
}

const zero: Hex = `0x${'00'.repeat(32)}`
const NOBODY: Hex = `0x${'00'.repeat(20)}`
/** Of contracts, stakes and devices of the largest network. */
const SETUP_SECONDS = 600
/** RootQuorum takes no fewer. */
const QUORUM_LEAST = 4

const paramsOf = (epochSeconds: number, owner: Account, verifierNet: number) => ({
  minStake: STAKE,
  faultPenalty: STAKE / 10n,
  equivocationPenalty: STAKE / 20n,
  disputeBond: 10n * CAIRN,
  rootBond: 10n * CAIRN,
  epochLength: epochSeconds,
  challengeWindow: Math.max(1, Math.floor(epochSeconds / 4)),
  rootEpochs: 1,
  thawWeeks: 3,
  maxSlashBps: 1000,
  feeRecipient: owner,
  responseWindow: Math.max(1, Math.floor(epochSeconds / 4)),
  feeBps: 100,
  reporterBps: 1000,
  operatorCutMaxBps: 5000,
  delegationRatio: 10,
  verifierNet,
})

async function setUp(world: World): Promise<void> {
  const { chain, holder, customer } = world
  const { token, credits, escrow, rewards, staking, publisher } = chain.addresses
  const calls: (readonly [Key, ChainCall])[] = []
  const add = (from: Key, contract: ChainCall['contract'], name: string, ...args: readonly unknown[]): void => {
    calls.push([from, { contract, function: name, args }])
  }
  const byQuorum = world.verifiers.length >= QUORUM_LEAST
  const roles = byQuorum
    ? { publisher: chain.addresses.quorum, verifier: NOBODY, arbiter: holder.account }
    : { publisher, verifier: (world.verifiers[0] ?? { key: holder }).key.account, arbiter: holder.account }
  const { epochSeconds } = world.options
  add(holder, 'networks', 'create', paramsOf(epochSeconds, holder.account, 0), roles, zero)
  add(holder, 'networks', 'create', paramsOf(epochSeconds, holder.account, VERIFIER_NET), roles, zero)
  add(holder, 'token', 'approve', rewards, POT)
  add(holder, 'rewards', 'fund', STORAGE_NET, token, POT)
  const stake = (who: Key, net: number): void => {
    add(holder, 'token', 'transfer', who.account, STAKE)
    add(who, 'token', 'approve', staking, STAKE)
    add(who, 'staking', 'bond', net, STAKE)
  }
  for (const { key } of world.verifiers) stake(key, VERIFIER_NET)
  if (byQuorum) for (const { key } of world.verifiers) add(holder, 'quorum', 'nominate', VERIFIER_NET, key.account)
  add(holder, 'token', 'transfer', customer.key.account, 20_000n * CAIRN)
  add(customer.key, 'token', 'approve', credits, 20_000n * CAIRN)
  add(customer.key, 'credits', 'mint', customer.key.account, CUSTOMER_CREDITS, 20_000n * CAIRN)
  add(customer.key, 'credits', 'approve', escrow, CUSTOMER_CREDITS)
  add(customer.key, 'escrow', 'deposit', customer.key.account, credits, CUSTOMER_CREDITS)
  calls.push([customer.key, sessionCall(world, customer.session)])
  for (const node of world.nodes) {
    stake(node.operator, STORAGE_NET)
    for (const call of registration(world, node)) calls.push([node.operator, call])
  }
  for (const { account: payee } of world.operators) {
    const channel = { payer: customer.key.account, payee, asset: credits, net: STORAGE_NET, channelId: 0n }
    add(customer.key, 'escrow', 'openChannel', channel, EARMARK)
  }
  await sendAll(chain, calls)
}

function sessionCall(world: World, key: Key): ChainCall {
  const until = Math.floor(world.clock.now() / 1000) + SESSION_SECONDS
  const scope = SCOPE.voucher | SCOPE.storage | SCOPE.pointer
  return { contract: 'delegations', function: 'register', args: [key.address, scope, CUSTOMER_CREDITS, until] }
}

/** Sends them in order; the chain must accept each. */
async function sendAll(chain: FakeChain, calls: readonly (readonly [Key, ChainCall])[]): Promise<void> {
  for (let at = 0; at < calls.length; at += SETUP_BATCH) {
    const sent = calls.slice(at, at + SETUP_BATCH).map(([from, call]) => chain.signer(from.account).send(call, SETUP_MS))
    for (const [i, outcome] of (await Promise.all(sent)).entries()) {
      const call = calls[at + i]?.[1]
      assert(
        outcome.is === 'confirmed',
        `${call?.contract}.${call?.function} is accepted: ${JSON.stringify(outcome, (_, v) => (typeof v === 'bigint' ? String(v) : v))}`,
      )
    }
  }
}

/** A set signs from the week after the one in which it was nominated: the setup ends some minutes before that. */
function beforeAWeek(): UnixMs {
  const week = Math.ceil(createFakeClock().now() / 1000 / WEEK_SECONDS)
  return ((week * WEEK_SECONDS - SETUP_SECONDS) * 1000) as UnixMs
}

/** A peer keeps its address over crashes, so that it can be announced before the peer first starts. */
function addressOf(hub: FakeNetworkHub, peer: PeerId): string {
  const [address] = hub.join(peer).addresses
  hub.crash(peer)
  return address ?? ''
}

/** Registers a node's device, bound to its peer by the device's own signature, and announces where the peer listens. */
function registration({ crypto, chain, hub }: World, node: NodeKeys): ChainCall[] {
  const { transportKey } = node
  const consent = { net: STORAGE_NET, owner: node.operator.account, transportKey, deadline: NEVER }
  const separator = domainSeparator(crypto, registryDomain(chain.view.chainId, chain.addresses.devices))
  const hash = typedDataHash(crypto, separator, REGISTER, { ...consent, batch: zero })
  const signature = `0x${toHex(crypto.secp256k1.sign(node.device.secret, hash))}`
  const record = `0x${toHex(utf8(addressOf(hub, node.transport)))}`
  return [
    { contract: 'devices', function: 'register', args: [{ ...consent, signer: node.device.address, signature }] },
    { contract: 'devices', function: 'updateEndpoint', args: [node.device.id, record] },
  ]
}
