/** Real providers on fake disks, wires and time, and a gateway's store over them. For tests of the store. */
import { deviceIdOf } from '../../../protocol/device-signature.ts'
import {
  type Account,
  type Address,
  account as accountOf,
  address,
  type DeviceId,
  digestOf,
  networkId,
  type PeerId,
} from '../../../protocol/ids.ts'
import { peerIdOf } from '../../../protocol/peer-id.ts'
import type { ChainView, DeviceRow, PointerRow } from '../../../runtime/chain.ts'
import {
  createFakeClock,
  createFakeDisk,
  createFakeNetwork,
  createFakeRuntime,
  createInlineCompute,
  createStillChain,
  type FakeClock,
  stillNetwork,
} from '../../../runtime/fake/index.ts'
import type { Database, Duplex, Network } from '../../../runtime/index.ts'
import { createNative } from '../../../runtime/real/compute/native.ts'
import { createCrypto, openDatabase } from '../../../runtime/real/index.ts'
import { toHex } from '../../../std/bytes.ts'
import { createPrng } from '../../../std/prng.ts'
import { createKernel, type Kernel } from '../kernel/index.ts'
import type { Slab } from '../kernel/kernel.ts'
import { LOCAL_REDUNDANCY, type Redundancy } from '../layout.ts'
import { storageReply } from '../messages.ts'
import type { BodySource, PutRequest, Tenant } from '../object-store.ts'
import { openStorageProvider, type StorageProvider } from '../provide.ts'
import { DEFAULT_RATES } from '../terms.ts'
import type { PlacedPiece } from './records.ts'
import type { Corrupt } from './repair.ts'
import { createServed } from './served.ts'
import { openStore, type Store } from './store.ts'

export const crypto = createCrypto()
export const NET = networkId(7)
export const EPOCH_SECONDS = 60
const SLABS = 12

export interface Key {
  readonly secret: Uint8Array
  readonly account: Account
}
export const keyOf = (name: string): Key => {
  const secret = crypto.sha256(new TextEncoder().encode(name))
  return { secret, account: accountOf(toHex(crypto.secp256k1.address(secret))) }
}

/** How a provider misbehaves; nothing set means that it does not. */
export interface Fault {
  /** Flips a bit in every data message that it serves. */
  corrupt?: boolean
  /** Takes requests and answers nothing. */
  deaf?: boolean
  /** Before each message it sends. */
  slowMs?: number
  /** Cuts the exchange in place of its next `loses` replies of kind signed. */
  losesSigned?: number
  /** Says that it is full in place of keeping a piece. */
  full?: boolean
}

export interface Node {
  readonly id: DeviceId
  readonly peer: PeerId
  readonly owner: Account
  readonly provider: StorageProvider
  readonly fault: Fault
  /** Nothing reaches it until `heal`. */
  cut(): void
  heal(): void
}

function bent(io: Duplex, fault: Fault, clock: FakeClock): Duplex {
  let data = false
  return {
    peer: io.peer,
    receive: (max) => io.receive(max),
    receiveInto: (target) => io.receiveInto(target),
    end: () => io.end(),
    abort: (reason) => io.abort(reason),
    async send(...parts) {
      if (fault.deaf === true) return clock.sleep(600_000)
      if (fault.slowMs !== undefined) await clock.sleep(fault.slowMs)
      if (data && fault.corrupt === true) {
        const bytes = Uint8Array.from(parts.flatMap((part) => [...part]))
        bytes[0] = (bytes[0] ?? 0) ^ 1
        return io.send(bytes)
      }
      const reply = data ? null : storageReply.decode(Uint8Array.from(parts.flatMap((part) => [...part])))
      data ||= reply?.is === 'data'
      if (reply?.is === 'signed' && (fault.losesSigned ?? 0) > 0) {
        fault.losesSigned = (fault.losesSigned ?? 0) - 1
        throw new Error('the line went dead')
      }
      if (reply?.is === 'stored' && fault.full === true) return io.send(storageReply.encode({ is: 'refused', code: 'full', why: 'a test' }))
      return io.send(...parts)
    },
  }
}

const withFaults = (network: Network, fault: Fault, clock: FakeClock): Network => ({
  self: network.self,
  addresses: network.addresses,
  know: network.know.bind(network),
  dial: network.dial.bind(network),
  close: network.close.bind(network),
  handle: (protocol, serve) =>
    network.handle(protocol, (io, signal) => serve(protocol === '/cairn/storage/1' ? bent(io, fault, clock) : io, signal)),
})

/** Slabs in use, so that a test can say that none was kept. */
function counted(kernel: Kernel): { kernel: Kernel; used: Set<Slab> } {
  const used = new Set<Slab>()
  const proxy = new Proxy(kernel, {
    get(target, name) {
      if (name === 'acquire')
        return async (signal?: AbortSignal) => {
          const slab = await target.acquire(signal)
          used.add(slab)
          return slab
        }
      if (name === 'release')
        return (slab: Slab) => {
          used.delete(slab)
          target.release(slab)
        }
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { kernel: proxy, used }
}

export interface Gateway {
  readonly store: Store
  readonly database: Database
  readonly corrupt: Corrupt
  readonly blamed: PlacedPiece[]
  readonly used: ReadonlySet<Slab>
  readonly tenant: Tenant
  readonly stop: AbortController
}

/** What a gateway is besides the customer's own, over providers that know its account already. */
interface GatewayChange {
  readonly storageRoot?: Uint8Array
  readonly sessionKey?: Uint8Array
  readonly redundancy?: Redundancy
  readonly sync?: boolean
  readonly life?: number
  readonly database?: Database
}

export async function createWorld(options: { seed?: number; nodes?: number } = {}) {
  const prng = createPrng(BigInt(options.seed ?? 1))
  const clock = createFakeClock()
  const compute = createInlineCompute(createNative())
  const hub = createFakeNetwork({ clock, random: { bytes: prng.bytes, below: prng.below }, latency: { min: 1, max: 5 } })
  const rows: DeviceRow[] = []
  const nodes: Node[] = []
  let pointer: PointerRow | null = null
  const customer = keyOf('customer')
  const gatewayPeer = peerIdOf(crypto.ed25519.publicKey(keyOf('gateway').secret))
  const sessions = new Set<Address>()
  const chain = chainOf(rows, () => pointer, sessions)
  for (let n = 0; n < (options.nodes ?? 8); n += 1) {
    const [device, operator, transport] = [keyOf(`device ${n}`), keyOf(`operator ${n}`), keyOf(`transport ${n}`)]
    const publicKey = crypto.ed25519.publicKey(transport.secret)
    const peer = peerIdOf(publicKey)
    const network = hub.join(peer)
    const signer = address(toHex(crypto.secp256k1.address(device.secret)))
    const id = deviceIdOf(crypto, signer)
    const fault: Fault = {}
    rows.push({
      id,
      owner: operator.account,
      net: NET,
      signer,
      transportKey: `0x${toHex(publicKey)}`,
      endpoint: network.addresses[0] ?? '',
      status: 'active',
    })
    const provider = await openStorageProvider({
      runtime: createFakeRuntime({ prng: prng.fork(`node ${n}`), compute, clock, crypto }),
      disk: createFakeDisk({ prng: prng.fork(`disk ${n}`) }),
      database: openDatabase(':memory:'),
      chain,
      network: withFaults(network, fault, clock),
      net: NET,
      device: { id, sign: (hash) => crypto.secp256k1.sign(device.secret, hash) },
      operator: { account: operator.account, sign: (hash) => crypto.secp256k1.sign(operator.secret, hash) },
      asset: chain.addresses.credits,
      rates: { kept: { numerator: 0n, denominator: 1n }, served: { numerator: 0n, denominator: 1n } },
      quotaBytes: 1e9,
      reserveBytes: 0,
      onFatal: (error) => {
        throw error
      },
    })
    nodes.push({
      id,
      peer,
      owner: operator.account,
      provider,
      fault,
      cut: () => hub.cut(gatewayPeer, peer),
      heal: () => hub.heal(gatewayPeer, peer),
    })
  }

  async function gateway(over: GatewayChange = {}): Promise<Gateway> {
    const redundancy = over.redundancy ?? LOCAL_REDUNDANCY
    const inner = await createKernel({ compute, k: redundancy.k, n: redundancy.n, slabs: SLABS })
    const { kernel, used } = counted(inner)
    hub.crash(gatewayPeer)
    const network = hub.join(gatewayPeer, { listens: false })
    const runtime = createFakeRuntime({ prng: prng.fork(`gateway ${over.life ?? 0}`), compute, clock, crypto })
    const database = over.database ?? openDatabase(':memory:')
    const corrupt: Corrupt = new Set()
    const blamed: PlacedPiece[] = []
    const at = {
      ...runtime,
      network,
      chain,
      kernel,
      served: createServed(),
      net: NET,
      redundancy,
      account: customer.account,
      sessionKey: over.sessionKey ?? customer.secret,
      rates: DEFAULT_RATES,
      storageRoot: over.storageRoot ?? crypto.sha256(new Uint8Array([7])),
    }
    const store = openStore(at, database, {
      sync: over.sync ?? false,
      onCorrupt(_, piece) {
        blamed.push(piece)
        corrupt.add(piece.pieceId)
      },
    })
    const stop = new AbortController()
    void store.run(stop.signal)
    return { store, database, corrupt, blamed, used, tenant: { account: customer.account, accessKey: 'key' }, stop }
  }

  return {
    clock,
    nodes,
    rows,
    chain,
    sessions,
    gateway,
    point: (next: { digest: PointerRow['digest']; seq: bigint }) => {
      pointer = { account: customer.account, extra: digestOf(new Uint8Array(32)), ...next }
    },
    pointer: () => pointer,
    bytes: (length: number, name = 'body') => createPrng(BigInt(length)).fork(name).bytes(length),
  }
}

function chainOf(rows: readonly DeviceRow[], pointer: () => PointerRow | null, sessions: ReadonlySet<Address>): ChainView {
  const isSession = (account: Account, key: Address): boolean => String(account) === String(key) || sessions.has(key)
  return createStillChain({
    network: (id) => stillNetwork(id, { epochSeconds: EPOCH_SECONDS }),
    devices: () => rows,
    device: (id) => rows.find((row) => row.id === id) ?? null,
    stakeOf: () => 1n,
    sessionActive: isSession,
    sessionRedeemable: isSession,
    escrow: () => ({ available: 10n ** 18n, thawing: 0n, earned: 0n }),
    pointer,
    epochSeed: (_net, epoch) => ({ is: 'seed', seed: digestOf(crypto.sha256(Uint8Array.of(epoch & 255))) }),
  })
}

export const bodyOf = (bytes: Uint8Array, over: Partial<BodySource> = {}): BodySource => {
  let at = 0
  return {
    length: bytes.length,
    digests: [],
    async read(target) {
      const count = Math.min(target.length, bytes.length - at, 100_000)
      target.set(bytes.subarray(at, at + count))
      at += count
      return count
    },
    check: () => ({ ok: true }),
    ...over,
  }
}

export const putOf = (gateway: Gateway, key: string, body: BodySource, over: Partial<PutRequest> = {}): PutRequest => ({
  tenant: gateway.tenant,
  bucket: 'b',
  key,
  headers: {},
  conditions: {},
  checksum: null,
  body,
  signal: new AbortController().signal,
  ...over,
})

/** The object's bytes (or those of a range), or what was said instead. */
export async function readAll(
  gateway: Gateway,
  key: string,
  range: { from: number; to: number | null } | null = null,
): Promise<Uint8Array | string> {
  const signal = new AbortController().signal
  const opened = await gateway.store.objects.get({ tenant: gateway.tenant, bucket: 'b', key, range, admit: () => true, signal })
  if (opened.is !== 'open') return opened.is
  const out = new Uint8Array(opened.end - opened.start)
  let at = 0
  await opened.send({
    async write(bytes) {
      out.set(bytes, at)
      at += bytes.length
    },
  })
  return at === out.length ? out : `sent ${at} of ${out.length}`
}

/** Pieces that the gateway's manifests name, by the device they should be on. */
export const named = (gateway: Gateway): string[] =>
  gateway.store.metadata.segments
    .devices()
    .flatMap((device) => gateway.store.metadata.segments.manifest(device).map((entry) => `${device} ${entry.pieceId}`))
    .sort()
