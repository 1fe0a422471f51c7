/** A provider on a fake disk and clock, and a gateway that drives its real handlers over pairs of duplexes in memory. For tests. */

import {
  type Account,
  type Address,
  address,
  type Digest,
  deviceId,
  digestOf,
  type NetworkId,
  networkId,
  type PeerId,
  type ProtocolId,
  account as toAccount,
} from '../../../protocol/ids.ts'
import { domainSeparator, escrowDomain, STORAGE_ORDER, storageDomain, typedDataHash, VOUCHER } from '../../../protocol/typed-data.ts'
import type { Rate } from '../../../protocol/units.ts'
import { type ChainView, SCOPE } from '../../../runtime/chain.ts'
import { createFakeDisk, createFakeRuntime, createInlineCompute, createStillChain, stillNetwork } from '../../../runtime/fake/index.ts'
import type { Duplex, Network } from '../../../runtime/index.ts'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCrypto } from '../../../runtime/real/crypto.ts'
import { openDatabase } from '../../../runtime/real/database.ts'
import { assert } from '../../../std/assert.ts'
import { concat, toHex } from '../../../std/bytes.ts'
import { createPrng } from '../../../std/prng.ts'
import { rateTerms } from '../../rates.ts'
import { buildSet, type DataSet, headHasher, setIdOf } from '../data-set.ts'
import { FRAME_BYTES } from '../layout.ts'
import {
  type ManifestEntry,
  ORDER_OP,
  type Order,
  PROOF_PROTOCOL,
  type ProofReply,
  type ProofRequest,
  proofReply,
  proofRequest,
  type SetHead,
  STORAGE_PROTOCOL,
  type StorageReply,
  type StorageRequest,
  storageReply,
  storageRequest,
  type Voucher,
} from '../messages.ts'
import { leafHashes, rootOfLeaves, treeHash } from '../piece-tree.ts'
import { openStorageProvider, type StorageProvider } from '../provide.ts'
import { BYTE_SECOND } from '../terms.ts'

export const EPOCH_SECONDS = 60
export const NET = networkId(7)
export const DEVICE = deviceId('0x'.padEnd(66, 'd'))
export const crypto = createCrypto()

export interface Key {
  readonly secret: Uint8Array
  readonly account: Account
}
export const keyOf = (n: number): Key => {
  const secret = crypto.sha256(Uint8Array.of(n))
  return { secret, account: toAccount(toHex(crypto.secp256k1.address(secret))) }
}

/** Two ends of one connection; an aborted end fails the other one's waits. */
export function duplexPair(): [Duplex, Duplex] {
  const make = (): { queue: (Uint8Array | null)[]; wake: (() => void) | null; reason: unknown } => ({ queue: [], wake: null, reason: null })
  const ways = [make(), make()] as const
  const end = (inward: ReturnType<typeof make>, outward: ReturnType<typeof make>): Duplex => {
    const push = (message: Uint8Array | null): void => {
      outward.queue.push(message)
      outward.wake?.()
    }
    async function receive(): Promise<Uint8Array | null> {
      for (;;) {
        const next = inward.queue.shift()
        if (next !== undefined) return next
        if (inward.reason !== null) throw inward.reason
        await new Promise<void>((resolve) => {
          inward.wake = resolve
        })
      }
    }
    return {
      peer: 'peer' as PeerId,
      async send(...parts) {
        if (outward.reason !== null) throw outward.reason
        push(concat(parts))
        await new Promise((resolve) => setImmediate(resolve))
      },
      receive,
      async receiveInto(target) {
        const message = await receive()
        if (message === null) return null
        assert(message.length <= target.length, 'a message fits its buffer')
        target.set(message)
        return message.length
      },
      async end() {
        push(null)
      },
      abort(reason) {
        for (const way of ways) {
          way.reason ??= reason ?? new Error('aborted')
          way.wake?.()
        }
      },
    }
  }
  return [end(ways[0], ways[1]), end(ways[1], ways[0])]
}

export interface TestChain extends ChainView {
  /** `account/key/scope` of active session keys. */
  readonly sessions: Set<string>
  /** Unix seconds at which session keys end that somebody looks up. */
  readonly ends: Map<Address, number>
  /** `epoch/verifier` → committed hash. */
  readonly nonces: Map<string, Digest>
  available: bigint
  /** Of every channel; null while there is none. */
  redeemed: bigint | null
}

function createTestChain(): TestChain {
  const chain: TestChain = createStillChain({
    sessions: new Set<string>(),
    ends: new Map<Address, number>(),
    nonces: new Map<string, Digest>(),
    available: 0n,
    redeemed: null as bigint | null,
    network: (id: NetworkId) => stillNetwork(id, { epochSeconds: EPOCH_SECONDS }),
    session: (account: Account, key: Address) =>
      chain.ends.has(key) ? { account, key, scope: SCOPE.voucher, limit: 0n, until: chain.ends.get(key) ?? 0, revokedAt: 0 } : null,
    sessionActive: (account: Account, key: Address, scope: number) => chain.sessions.has(`${account}/${key}/${scope}`),
    sessionRedeemable: (account: Account, key: Address, scope: number) => chain.sessions.has(`${account}/${key}/${scope}`),
    channel(payer: Account, payee: Account, of: Address, net: NetworkId, channelId: bigint) {
      const { redeemed } = chain
      return redeemed === null ? null : { payer, payee, asset: of, net, channelId, earmark: 0n, redeemed, closesAt: 0 }
    },
    escrow: () => ({ available: chain.available, thawing: 0n, earned: 0n }),
    nonceCommit: (_net: NetworkId, epoch: number, verifier: Account) => chain.nonces.get(`${epoch}/${verifier}`) ?? null,
    epochSeed: (_net: NetworkId, epoch: number) => ({ is: 'seed' as const, seed: digestOf(crypto.sha256(Uint8Array.of(epoch & 255))) }),
  })
  return chain
}

type Handler = (io: Duplex, signal: AbortSignal) => Promise<void>

export async function createTestWorld(seed = 1, over: { quotaBytes?: number; keptPerByteSecond?: bigint; perByteServed?: bigint } = {}) {
  const prng = createPrng(BigInt(seed))
  const runtime = createFakeRuntime({ prng, compute: createInlineCompute(createNative()), crypto })
  const disk = createFakeDisk({ prng: prng.fork('disk') })
  const database = openDatabase(':memory:')
  const chain = createTestChain()
  const operator = keyOf(200)
  const deviceKey = keyOf(201)
  const asset: Address = address('0x'.padEnd(42, 'c'))
  const handlers = new Map<ProtocolId, Handler>()
  const network: Network = {
    self: 'provider' as PeerId,
    addresses: [],
    know() {},
    async dial(_peer, protocol) {
      const [mine, theirs] = duplexPair()
      const handler = handlers.get(protocol)
      assert(handler !== undefined, 'the protocol is served')
      handler(theirs, new AbortController().signal).then(
        () => theirs.end(),
        (error) => theirs.abort(error),
      )
      return mine
    },
    handle: (protocol, serve) => void handlers.set(protocol, serve),
    async close() {},
  }
  const fatal: unknown[] = []
  const kept: Rate = { numerator: over.keptPerByteSecond ?? 0n, denominator: 1n }
  const open = (): Promise<StorageProvider> =>
    openStorageProvider({
      runtime,
      disk,
      database,
      chain,
      network,
      net: NET,
      device: { id: DEVICE, sign: (hash) => crypto.secp256k1.sign(deviceKey.secret, hash) },
      operator: { account: operator.account, sign: (hash) => crypto.secp256k1.sign(operator.secret, hash) },
      asset,
      rates: { kept, served: { numerator: over.perByteServed ?? 0n, denominator: 1n } },
      quotaBytes: over.quotaBytes ?? 1e9,
      reserveBytes: 0,
      onFatal: (error) => fatal.push(error),
    })
  return {
    runtime,
    disk,
    database,
    chain,
    operator,
    deviceKey,
    asset,
    network,
    fatal,
    prng,
    open,
    gateway: (key: Key, account?: Account) => createGateway(key, account),
  }

  function createGateway(key: Key, account: Account = key.account) {
    const orderSeparator = domainSeparator(crypto, storageDomain(chain.chainId))
    const hashHead = headHasher(crypto, chain.chainId)
    let serial = BigInt(runtime.clock.now()) * 1000n + BigInt(key.secret[0] ?? 0)

    function order(op: keyof typeof ORDER_OP, change: Partial<Order> = {}): Order {
      serial += 1n
      const body = {
        account,
        device: DEVICE,
        op: ORDER_OP[op] as number,
        pieceId: digestOf(new Uint8Array(32)),
        maxBytes: 1n << 30n,
        expiry: BigInt(runtime.clock.now() + 60_000),
        serial,
        ...change,
      }
      const { signature: given, ...signed } = body as Order
      const hash = typedDataHash(crypto, orderSeparator, STORAGE_ORDER, signed)
      return { ...signed, signature: given ?? crypto.secp256k1.sign(key.secret, hash) }
    }

    async function ask(request: StorageRequest, data: readonly Uint8Array[] = []): Promise<{ reply: StorageReply; io: Duplex }> {
      const io = await network.dial('provider' as PeerId, STORAGE_PROTOCOL)
      await io.send(storageRequest.encode(request))
      for (const part of data) await io.send(part)
      const bytes = await io.receive()
      assert(bytes !== null, 'the provider replies')
      return { reply: storageReply.decode(bytes), io }
    }

    const frames = (bytes: Uint8Array): Uint8Array[] =>
      Array.from({ length: Math.ceil(bytes.length / FRAME_BYTES) }, (_, i) => bytes.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES))

    return {
      order,
      ask,
      hashHead,
      put: async (pieceId: Digest, bytes: Uint8Array, change: Partial<Order> = {}) =>
        (await ask({ op: 'put', order: order('put', { pieceId, ...change }), size: bytes.length }, frames(bytes))).reply,
      async get(
        pieceId: Digest,
        offset: number,
        length: number,
        given: Order = order('get', { pieceId }),
      ): Promise<Uint8Array | StorageReply> {
        const { reply, io } = await ask({ op: 'get', order: given, offset, length })
        if (reply.is !== 'data') return reply
        const parts: Uint8Array[] = []
        for (let have = 0; have < length; ) {
          const part = await io.receive()
          assert(part !== null, 'all data arrives')
          parts.push(part)
          have += part.length
        }
        return concat(parts)
      },
      stat: async (pieces: Digest[]) => (await ask({ op: 'stat', order: order('manage'), pieces })).reply,
      head(
        version: bigint,
        set: { root: Digest; entries: readonly unknown[]; totalBytes: number },
        change: Partial<SetHead> = {},
      ): SetHead {
        return {
          net: NET,
          setId: setIdOf(crypto, NET, DEVICE, account),
          provider: operator.account,
          customer: account,
          root: set.root,
          count: BigInt(set.entries.length),
          totalBytes: BigInt(set.totalBytes),
          version,
          expiresAt: Math.floor(runtime.clock.now() / 1000) + 30 * 86_400,
          ...change,
        }
      },
      rate(change: Partial<Rate> = {}) {
        const priced = { ...kept, ...change }
        const unit = { payer: account, payee: operator.account, asset, net: NET, resource: 'storage', unit: BYTE_SECOND }
        const { hash } = rateTerms(crypto, { chainId: chain.chainId, escrow: chain.addresses.escrow }, unit, priced)
        return { ...priced, signature: crypto.secp256k1.sign(key.secret, hash) }
      },
      signHead: (head: SetHead) => crypto.secp256k1.sign(key.secret, hashHead(head)),
      voucher(cumulative: bigint, change: Partial<Voucher> = {}) {
        const voucher: Voucher = { payer: account, payee: operator.account, asset, net: NET, channelId: 0n, cumulative, ...change }
        const separator = domainSeparator(crypto, escrowDomain(chain.chainId, chain.addresses.escrow))
        const signature = crypto.secp256k1.sign(key.secret, typedDataHash(crypto, separator, VOUCHER, voucher))
        return { voucher, signature, note: Uint8Array.of(1, 2, 3) }
      },
    }
  }
}

export async function askProof(network: Network, request: ProofRequest): Promise<ProofReply> {
  const io = await network.dial('provider' as PeerId, PROOF_PROTOCOL)
  await io.send(proofRequest.encode(request))
  const bytes = await io.receive()
  assert(bytes !== null, 'the provider replies')
  return proofReply.decode(bytes)
}

export const pieceId = (n: number): Digest => digestOf(crypto.sha256(Uint8Array.of(n >> 8, n & 255, 99)))
export const addressOf = (secret: Uint8Array): Address => address(toHex(crypto.secp256k1.address(secret)))

export type World = Awaited<ReturnType<typeof createTestWorld>>
export type Gateway = ReturnType<World['gateway']>
const hash = treeHash(crypto)
export const byId = (a: ManifestEntry, b: ManifestEntry): number => (a.pieceId < b.pieceId ? -1 : 1)
export const codeOf = (reply: StorageReply): string => (reply.is === 'refused' ? reply.code : reply.is)

export async function putPiece(gateway: Gateway, n: number, bytes: Uint8Array): Promise<ManifestEntry> {
  const reply = await gateway.put(pieceId(n), bytes)
  assert(reply.is === 'stored', 'the piece is taken')
  return { pieceId: pieceId(n), size: bytes.length, root: digestOf(rootOfLeaves(hash, leafHashes(hash, bytes))) }
}

export async function propose(
  gateway: Gateway,
  head: SetHead,
  adds: ManifestEntry[],
  removes: Digest[] = [],
  { signature = gateway.signHead(head), rate = gateway.rate() }: { signature?: Uint8Array; rate?: ReturnType<Gateway['rate']> } = {},
): Promise<StorageReply> {
  const request = {
    op: 'head',
    order: gateway.order('manage'),
    adds,
    removes,
    more: false,
    head,
    signature,
    rate,
  } as const
  return (await gateway.ask(request)).reply
}

export const setOf = (entries: readonly ManifestEntry[]): DataSet => buildSet(hash, [...entries].sort(byId))
/** What a customer may do now: `put`, `get`, both or neither. */
export async function allowed(gateway: Gateway, entry: ManifestEntry, n: number): Promise<string> {
  const put = await gateway.put(pieceId(100 + n), new Uint8Array(10))
  const get = await gateway.get(entry.pieceId, 0, 10)
  const may = [put.is === 'stored' ? 'put' : codeOf(put), get instanceof Uint8Array ? 'get' : codeOf(get)]
  return may.filter((one) => one !== 'unpaid').join(' and ')
}

export const nextEpoch = (world: World): Promise<void> => world.runtime.clock.advance(EPOCH_SECONDS * 1000)
export const epochOf = (world: World): number => Math.floor(world.runtime.clock.now() / 1000 / EPOCH_SECONDS)
