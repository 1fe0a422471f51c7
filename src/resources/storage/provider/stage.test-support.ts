/** A provider on fake wires, disk and time, with customers who have stored something: where conformance runs storage. */
import { deviceIdOf } from '../../../protocol/device-signature.ts'
import {
  type Account,
  type Address,
  account as accountOf,
  type Digest,
  digestOf,
  type Epoch,
  epoch as epochOf,
  type Hex,
  networkId,
  type PeerId,
} from '../../../protocol/ids.ts'
import { domainSeparator, STORAGE_ORDER, storageDomain, typedDataHash } from '../../../protocol/typed-data.ts'
import type { ChainView, DeviceRow } from '../../../runtime/chain.ts'
import {
  createFakeDisk,
  createFakeNetwork,
  createFakeRandom,
  createFakeRuntime,
  createInlineCompute,
  createStillChain,
  type FakeClock,
  stillNetwork,
} from '../../../runtime/fake/index.ts'
import type { Network } from '../../../runtime/index.ts'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCrypto, openDatabase } from '../../../runtime/real/index.ts'
import { assert } from '../../../std/assert.ts'
import { toHex, utf8 } from '../../../std/bytes.ts'
import { createPrng, type Prng } from '../../../std/prng.ts'
import type { Stage } from '../../conformance.ts'
import { rateTerms } from '../../rates.ts'
import type { Resource, VerifierRuntime } from '../../resource.ts'
import { type EpochFacts, nonceHash } from '../../settle.ts'
import { buildSet, headHasher, setIdOf } from '../data-set.ts'
import type { StorageKind } from '../kind.ts'
import { FRAME_BYTES } from '../layout.ts'
import {
  type ManifestEntry,
  ORDER_OP,
  readTicket,
  readWish,
  STORAGE_PROTOCOL,
  type StorageReply,
  type StorageRequest,
  storageReply,
  storageRequest,
} from '../messages.ts'
import { leafHashes, rootOfLeaves, treeHash } from '../piece-tree.ts'
import { BYTE_SECOND, PROVIDER_RATES, type StorageTerms } from '../terms.ts'

export const crypto = createCrypto()
const NET = networkId(7)
export const EPOCH_SECONDS = 60
const CUSTOMERS = 2
/** Enough that half of them is half of the bytes, with sizes around those of leaves and frames. */
const SIZES = [1, 4096, 4097, 65_536, 65_537, 70_000]
const PROVIDER = '12D3KooWProvider' as PeerId

export const TERMS: StorageTerms = { ...PROVIDER_RATES, capacity: 1_000_000_000n, region: 'test' }

export interface Key {
  readonly secret: Uint8Array
  readonly account: Account
}
export function keyOf(name: string): Key {
  const secret = crypto.sha256(utf8(name))
  return { secret, account: accountOf(toHex(crypto.secp256k1.address(secret))) }
}

const OWNER = keyOf('owner')
const VERIFIER = keyOf('verifier')
const DEVICE_KEY = keyOf('device')
const SIGNER: Hex = `0x${toHex(crypto.secp256k1.address(DEVICE_KEY.secret))}`
export const DEVICE = deviceIdOf(crypto, SIGNER)

const seedOf = (epoch: Epoch): Digest => digestOf(crypto.sha256(utf8(`seed ${epoch}`)))
const nonceOf = (epoch: Epoch): Uint8Array => crypto.sha256(utf8(`nonce ${epoch}`))
const sessionOf = (customer: Key): Key => keyOf(`session of ${customer.account}`)

const row: DeviceRow = {
  id: DEVICE,
  owner: OWNER.account,
  net: NET,
  signer: SIGNER,
  transportKey: `0x${'00'.repeat(32)}`,
  endpoint: '',
  status: 'active',
}

/** What the chain says to a provider that is asked for proofs, all of it fixed. */
function stageChain(customers: readonly Key[]): ChainView {
  const network = stillNetwork(NET, {
    owner: OWNER.account,
    feeRecipient: OWNER.account,
    verifier: VERIFIER.account,
    epochSeconds: EPOCH_SECONDS,
  })
  const isSession = (account: Account, key: Address): boolean =>
    customers.some((one) => one.account === account && sessionOf(one).account === (key as string))
  return createStillChain({
    network: () => network,
    networks: () => [network],
    devices: () => [row],
    device: () => row,
    stakeOf: () => 1n,
    sessionActive: isSession,
    sessionRedeemable: isSession,
    escrow: () => ({ available: 1n << 100n, thawing: 0n, earned: 0n }),
    nonceCommit: (_net, epoch, verifier) => (verifier === VERIFIER.account ? nonceHash(crypto, nonceOf(epoch)) : null),
    epochSeed: (_net, epoch) => ({ is: 'seed', seed: seedOf(epoch) }),
  })
}

/** One customer's session, as its gateway uses it. */
function createCustomer(customer: Key, chain: ChainView, clock: FakeClock, network: Network) {
  const key = sessionOf(customer)
  const separator = domainSeparator(crypto, storageDomain(chain.chainId))
  let serial = 0n

  function order(op: keyof typeof ORDER_OP, pieceId: Digest) {
    serial += 1n
    const body = {
      account: customer.account,
      device: DEVICE,
      op: ORDER_OP[op],
      pieceId,
      maxBytes: 1n << 30n,
      expiry: BigInt(clock.now() + 3_600_000),
      serial,
    }
    return { ...body, signature: crypto.secp256k1.sign(key.secret, typedDataHash(crypto, separator, STORAGE_ORDER, body)) }
  }

  function rate() {
    const unit = {
      payer: customer.account,
      payee: OWNER.account,
      asset: chain.addresses.credits,
      net: NET,
      resource: 'storage',
      unit: BYTE_SECOND,
    }
    const { hash } = rateTerms(crypto, { chainId: chain.chainId, escrow: chain.addresses.escrow }, unit, PROVIDER_RATES.kept)
    return { ...PROVIDER_RATES.kept, signature: crypto.secp256k1.sign(key.secret, hash) }
  }

  async function ask(request: StorageRequest, frames: readonly Uint8Array[] = []): Promise<StorageReply> {
    const io = await network.dial(PROVIDER, STORAGE_PROTOCOL)
    await io.send(storageRequest.encode(request))
    for (const frame of frames) await io.send(frame)
    await io.end()
    const bytes = await io.receive()
    assert(bytes !== null, 'the provider replies')
    return storageReply.decode(bytes)
  }

  return {
    account: customer.account,
    /** The order for a read that a verifier wishes to make. */
    grant(wish: Uint8Array): Uint8Array {
      const { pieceId } = readWish.decode(wish)
      return readTicket.encode(order('get', pieceId))
    },
    /** Stores one piece of random bytes and gives its line of the manifest. */
    async put(prng: Prng, size: number, pieceId: Digest): Promise<ManifestEntry> {
      const bytes = prng.bytes(size)
      const frames = Array.from({ length: Math.ceil(size / FRAME_BYTES) }, (_, i) => bytes.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES))
      const reply = await ask({ op: 'put', order: order('put', pieceId), size }, frames)
      assert(reply.is === 'stored', `a piece is stored, not ${reply.is}`)
      const hash = treeHash(crypto)
      return { pieceId, size, root: digestOf(rootOfLeaves(hash, leafHashes(hash, bytes))) }
    },
    async sign(entries: readonly ManifestEntry[]): Promise<void> {
      const set = buildSet(treeHash(crypto), entries)
      const head = {
        net: NET,
        setId: setIdOf(crypto, NET, DEVICE, customer.account),
        provider: OWNER.account,
        customer: customer.account,
        root: set.root,
        count: BigInt(entries.length),
        totalBytes: BigInt(set.totalBytes),
        version: 1n,
        expiresAt: Math.floor(clock.now() / 1000) + 30 * 86_400,
      }
      const signature = crypto.secp256k1.sign(key.secret, headHasher(crypto, chain.chainId)(head))
      const reply = await ask({
        op: 'head',
        order: order('manage', digestOf(new Uint8Array(32))),
        adds: [...entries],
        removes: [],
        more: false,
        head,
        signature,
        rate: rate(),
      })
      assert(reply.is === 'signed', `a head is signed, not ${reply.is}`)
    },
  }
}

/** Piece ids end in odd and even bytes by turns, so that whoever forgets one kind forgets half of each size. */
function idOf(prng: Prng, isOdd: boolean): Digest {
  const bytes = prng.bytes(32)
  bytes[31] = ((bytes[31] ?? 0) & 0xfe) | (isOdd ? 1 : 0)
  return digestOf(bytes)
}

type Customer = ReturnType<typeof createCustomer>

async function fill(customers: readonly Customer[], prng: Prng): Promise<void> {
  for (const customer of customers) {
    const entries: ManifestEntry[] = []
    for (const size of SIZES) {
      for (const isOdd of [false, true]) entries.push(await customer.put(prng, size, idOf(prng, isOdd)))
    }
    await customer.sign(entries.sort((a, b) => (a.pieceId < b.pieceId ? -1 : 1)))
  }
}

/** A provider run by `provide`, its disk filled by two customers in the epoch before the first. */
export async function storageStage(provide: Resource<StorageKind>['provide'], seed: number): Promise<Stage> {
  const prng = createPrng(BigInt(seed))
  const runtime = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), crypto })
  const { clock } = runtime
  const hub = createFakeNetwork({ clock, random: createFakeRandom(prng.fork('network')) })
  const wires = hub.join(PROVIDER)
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => keyOf(`customer ${i}`))
  const chain = stageChain(customers)
  const database = openDatabase(':memory:')
  const identity = {
    net: NET,
    device: { id: DEVICE, sign: (hash: Uint8Array) => crypto.secp256k1.sign(DEVICE_KEY.secret, hash) },
    operator: { account: OWNER.account, sign: (hash: Uint8Array) => crypto.secp256k1.sign(OWNER.secret, hash) },
  }
  const fatal = (error: unknown): never => {
    throw error
  }
  const disk = createFakeDisk({ prng: prng.fork('disk') })
  const provider = await clock.run(() => provide({ ...runtime, identity, onFatal: fatal, network: wires, disk, database, chain }, TERMS))
  const join = (name: string): Network => {
    const network = hub.join(name as PeerId, { listens: false })
    network.know(PROVIDER, wires.addresses)
    return network
  }
  const wire = join('12D3KooWCustomer')
  const users = customers.map((key) => createCustomer(key, chain, clock, wire))
  await clock.run(() => fill(users, prng.fork('pieces')))
  const first = Math.floor(clock.now() / 1000 / EPOCH_SECONDS) + 1
  let visits = 0
  const rt: VerifierRuntime = {
    ...runtime,
    network: join('12D3KooWVerifier'),
    chain,
    peerOf: () => PROVIDER,
    async visit() {
      visits += 1
      const network = join(`12D3KooWNobody${visits}`)
      return { dial: (protocol, signal) => network.dial(PROVIDER, protocol, signal), close: () => network.close() }
    },
    tickets: async (payer, wishes) => wishes.map((wish) => users.find(({ account }) => account === payer)?.grant(wish) ?? null),
  }
  return {
    subject: DEVICE,
    rt,
    run: (work) => clock.run(work),
    async enter(nth) {
      const epoch = epochOf(first + nth)
      const ms = epoch * EPOCH_SECONDS * 1000 + 1000 - clock.now()
      if (ms > 0) await clock.advance(ms)
      return { net: NET, epoch, verifier: VERIFIER.account, seed: seedOf(epoch), nonce: nonceOf(epoch) }
    },
    facts: (epoch): Omit<EpochFacts, 'committed'> => ({
      chainId: chain.chainId,
      net: NET,
      epoch,
      epochSeconds: EPOCH_SECONDS,
      asset: chain.addresses.token,
      credits: chain.addresses.credits,
      seed: seedOf(epoch),
      devices: [row],
      sessionRedeemable: (account, key) => chain.sessionRedeemable(account, key, 2, clock.now()),
      nonceCommit: (verifier) => chain.nonceCommit(NET, epoch, verifier),
      stakeOf: () => 1n,
      funded: 1_024_000n,
      allocated: 0n,
    }),
    async close() {
      await clock.run(() => provider.close())
      database.close()
    },
  }
}
