/** Models of RewardsDistributor, RootPublisher and DeviceRegistry. */
import { deviceIdOf, verifyDevice } from '../../../protocol/device-signature.ts'
import { type Account, type Address, bytesOf, type DeviceId, type Digest, deviceId } from '../../../protocol/ids.ts'
import { verifyMerkle } from '../../../protocol/merkle.ts'
import { domainSeparator, REGISTER, ROOT, registryDomain, rootDomain, typedDataHash } from '../../../protocol/typed-data.ts'
import { bigEndian, concat, equalBytes } from '../../../std/bytes.ts'
import {
  accountArg,
  accountOf,
  addressArg,
  addressOf,
  amountArg,
  amountOf,
  digestArg,
  digestOf,
  hexOf,
  listOf,
  numberArg,
  numberOf,
  type Struct,
  structArg,
  structOf,
} from './arguments.ts'
import { type Call, greatest, type Machine, must, NOBODY, refuse, type Tokens, ZERO_WORD } from './machine.ts'
import type { Functions, RegistryModel } from './registry.ts'

const RING = 8
const EARLY_SHARE = 2
const VETOES_IN_A_ROW = 2
const LONG_WINDOW = 21 * 86_400
const PAYOUT_DELAY = 3 * 86_400

type Stored = 'pending' | 'vetoed' | 'challenged' | 'rejected'

interface Root {
  readonly root: Digest
  readonly total: bigint
  readonly activeAt: number
  readonly epoch: number
  readonly index: number
  readonly state: Stored
}

export interface Pot {
  readonly claimed: bigint
  readonly allocated: bigint
  readonly funded: bigint
  readonly published: number
  readonly lastEpoch: number
  readonly dueAt: number
}

export interface RewardsModel {
  readonly rewards: Functions
  readonly publisher: Functions
  /** As `sender`, who must be the network's publisher. */
  publish(sender: string, net: number, asset: Address, epoch: number, root: Digest, total: bigint, dataHash: Digest): number
  isActiveRoot(net: number, asset: Address, index: number, root: Digest): boolean
  pot(net: number, asset: Address): Pot
  claimedOf(net: number, asset: Address, account: Account): bigint
  /** Tokens of an asset that all pots hold. */
  held(asset: Address): bigint
}

const EMPTY: Pot = { claimed: 0n, allocated: 0n, funded: 0n, published: 0, lastEpoch: 0, dueAt: 0 }

export function createRewards(machine: Machine, tokens: Tokens, registry: RegistryModel, guardian: Account): RewardsModel {
  const { addresses, emit, crypto, now } = machine
  const pots = machine.table<Pot>(EMPTY)
  const roots = machine.table<Root | null>(null)
  const claims = machine.table(0n)
  const payouts = machine.table({ current: '', next: '', effectiveAt: 0 })
  const potKey = (net: number, asset: string): string => `${net} ${asset}`
  const slot = (key: string, index: number): string => `${key} ${index % RING}`
  const at = (key: string, index: number): Root | null => roots.get(slot(key, index))
  const isActive = (root: Root): boolean => root.state === 'pending' && now() >= root.activeAt

  function active(key: string, index: number): Root {
    const root = at(key, index)
    return root !== null && root.index === index && isActive(root) ? root : refuse('NotActive', { index })
  }

  function pendingRoot(key: string, index: number): Root {
    const root = at(key, index)
    const pending = root !== null && root.index === index && root.state === 'pending' && now() < root.activeAt
    return pending ? root : refuse('NotPending', { index })
  }

  /** Last activated total in the ring, and whether two vetoes in a row precede. */
  function history(key: string, index: number): { floor: bigint; vetoLimit: boolean } {
    let vetoes = 0
    let inARow = true
    for (let i = 1; i <= Math.min(index, RING); i += 1) {
      const root = at(key, index - i)
      if (root !== null && isActive(root)) return { floor: root.total, vetoLimit: vetoes >= VETOES_IN_A_ROW }
      inARow = inARow && root?.state === 'vetoed'
      if (inARow) vetoes += 1
    }
    return { floor: pots.get(key).allocated, vetoLimit: vetoes >= VETOES_IN_A_ROW }
  }

  /** Makes room in the ring: what an active root allocated is remembered before it goes. */
  function retire(key: string, index: number): void {
    const root = index < RING ? null : at(key, index)
    if (root === null) return
    must(root.state !== 'pending' || isActive(root), 'SlotBusy', { index: root.index })
    const pot = pots.get(key)
    if (isActive(root) && root.total > pot.allocated) pots.set(key, { ...pot, allocated: root.total })
  }

  function publish(sender: string, net: number, asset: Address, epoch: number, root: Digest, total: bigint, dataHash: Digest): number {
    must(root !== ZERO_WORD, 'ZeroRoot')
    const network = registry.network(net)
    must(network !== null && sender === network.publisher, 'NotPublisher', { caller: sender })
    const rule = (name: string): number => numberOf(network?.params[name])
    const interval = rule('epochLength') * rule('rootEpochs')
    must(epoch < Math.floor(now() / rule('epochLength')), 'EpochNotOver', { epoch })
    const key = potKey(net, asset)
    const pot = pots.get(key)
    const index = pot.published
    must(index === 0 || epoch > pot.lastEpoch, 'StaleEpoch', { epoch, last: pot.lastEpoch })
    const readyAt = pot.dueAt - Math.floor(interval / EARLY_SHARE)
    must(index === 0 || now() >= readyAt, 'TooSoon', { readyAt })
    must(total <= pot.funded, 'ExceedsFunding', { total, funded: pot.funded })
    const { floor, vetoLimit } = history(key, index)
    must(total >= floor, 'NonMonotonic', { total, floor })
    retire(key, index)
    const activeAt = now() + (vetoLimit ? Math.max(LONG_WINDOW, rule('challengeWindow')) : rule('challengeWindow'))
    roots.set(slot(key, index), { root, total, activeAt, epoch, index, state: 'pending' })
    pots.set(key, { ...pots.get(key), published: index + 1, lastEpoch: epoch, dueAt: Math.max(pot.dueAt, now()) + interval })
    emit('rewards', 'RootPublished', { net, asset, epoch, index, root, total, dataHash, activeAt })
    return index
  }

  const isVetoed = (key: string, index: number): boolean => {
    const root = index < 0 ? null : at(key, index)
    return root !== null && root.index === index && root.state === 'vetoed'
  }

  function veto(call: Call, args: readonly unknown[]): void {
    const [net, asset, index] = [numberArg(args, 0), addressArg(args, 1), numberArg(args, 2)]
    must(call.sender === guardian, 'NotGuardian', { caller: call.sender })
    const key = potKey(net, asset)
    const root = pendingRoot(key, index)
    let before = 0
    while (before < VETOES_IN_A_ROW && isVetoed(key, index - 1 - before)) before += 1
    let run = before + 1
    while (run - before - 1 < VETOES_IN_A_ROW && isVetoed(key, index + run - before)) run += 1
    must(run <= VETOES_IN_A_ROW, 'VetoLimit')
    roots.set(slot(key, index), { ...root, state: 'vetoed' })
    const next = at(key, index + run - before)
    if (
      run === VETOES_IN_A_ROW &&
      next !== null &&
      next.index === index + run - before &&
      next.state === 'pending' &&
      now() < next.activeAt
    ) {
      roots.set(slot(key, next.index), { ...next, activeAt: Math.max(next.activeAt, now() + LONG_WINDOW) })
    }
    emit('rewards', 'RootVetoed', { net, asset, index })
  }

  function payoutOf(account: Account): string {
    const payout = payouts.get(account)
    if (payout.effectiveAt === 0) return account
    return now() >= payout.effectiveAt ? payout.next : payout.current
  }

  /** Checks one leaf and pays what is new in it; false when that is nothing. */
  function payOne(net: number, asset: Address, index: number, account: Account, rest: readonly [bigint, Digest, unknown]): boolean {
    const [cumulative, detailRoot, path] = rest
    const key = potKey(net, asset)
    const root = active(key, index)
    const padded = (id: Account | Address): Uint8Array => concat([new Uint8Array(12), bytesOf(id)])
    const words = [bigEndian(BigInt(net), 32), padded(asset), padded(account), bigEndian(cumulative, 32), bytesOf(detailRoot)]
    const leaf = crypto.keccak256(crypto.keccak256(...words))
    const proof = listOf(path).map((hash) => bytesOf(digestOf(hash)))
    must(verifyMerkle(crypto, bytesOf(root.root), leaf, proof), 'BadProof')
    const before = claims.get(`${key} ${account}`)
    if (cumulative <= before) return false
    const amount = cumulative - before
    const pot = pots.get(key)
    const allocated = greatest(root.total, pot.allocated)
    must(pot.claimed + amount <= allocated, 'ExceedsAllocation', { claimed: pot.claimed + amount, allocated })
    pots.set(key, { ...pot, allocated, claimed: pot.claimed + amount })
    claims.set(`${key} ${account}`, cumulative)
    const payout = payoutOf(account)
    emit('rewards', 'Claimed', { net, asset, account, payout, amount, index })
    tokens.move(asset, addresses.rewards, payout, amount)
    return true
  }

  const separator = domainSeparator(crypto, rootDomain(machine.chainId, addresses.publisher))

  function publishSigned(_: Call, args: readonly unknown[]): void {
    const m = structArg(args, 0)
    const [net, asset, epoch] = [numberOf(m['net']), addressOf(m['asset']), numberOf(m['epoch'])]
    const [attempt, setId] = [numberOf(m['attempt']), numberOf(m['setId'])]
    const [root, total, dataHash] = [digestOf(m['root']), amountOf(m['total']), digestOf(m['dataHash'])]
    must(setId === 0, 'UnknownSet', { setId })
    const signatures = hexOf(args[1])
    const hash = typedDataHash(crypto, separator, ROOT, { net, asset, epoch, attempt, setId, root, total, dataHash })
    const signature = bytesOf(signatures)
    const signer = signature.length === 65 ? crypto.secp256k1.recover(hash, signature) : null
    const verifier = registry.network(net)?.verifier ?? NOBODY
    must(signer !== null && equalBytes(signer, bytesOf(verifier)), 'BadSignature')
    const index = publish(addresses.publisher, net, asset, epoch, root, total, dataHash)
    emit('publisher', 'RootSigned', { net, asset, epoch, index, attempt, setId, signatures })
  }

  return {
    rewards: {
      veto,
      fund(call, args) {
        const [net, asset, amount] = [numberArg(args, 0), addressArg(args, 1), amountArg(args, 2)]
        tokens.pull(asset, addresses.rewards, call.sender, amount)
        // Credits move in and out of Escrow alone, not even none of them elsewhere.
        must(asset !== addresses.credits, 'NotTransferable', { from: call.sender, to: addresses.rewards })
        must(amount !== 0n, 'ZeroAmount')
        const pot = pots.get(potKey(net, asset))
        pots.set(potKey(net, asset), { ...pot, funded: pot.funded + amount })
        emit('rewards', 'Funded', { net, asset, from: call.sender, amount })
      },
      publish(call, args) {
        const [net, asset, epoch] = [numberArg(args, 0), addressArg(args, 1), numberArg(args, 2)]
        publish(call.sender, net, asset, epoch, digestArg(args, 3), amountArg(args, 4), digestArg(args, 5))
      },
      claim(_, args) {
        const [net, asset, index, account] = [numberArg(args, 0), addressArg(args, 1), numberArg(args, 2), accountArg(args, 3)]
        must(payOne(net, asset, index, account, [amountArg(args, 4), digestArg(args, 5), args[6]]), 'NothingToClaim')
      },
      claimMany(_, args) {
        const [net, asset, index] = [numberArg(args, 0), addressArg(args, 1), numberArg(args, 2)]
        active(potKey(net, asset), index)
        for (const c of listOf(args[3]).map(structOf)) {
          payOne(net, asset, index, accountOf(c['account']), [amountOf(c['cumulative']), digestOf(c['detailRoot']), c['proof']])
        }
      },
      setPayout(call, args) {
        const to = accountArg(args, 0)
        const next = to === NOBODY ? call.sender : to
        payouts.set(call.sender, { current: payoutOf(call.sender), next, effectiveAt: now() + PAYOUT_DELAY })
        emit('rewards', 'PayoutSet', { account: call.sender, to: next, effectiveAt: now() + PAYOUT_DELAY })
      },
    },
    publisher: { publish: publishSigned },
    publish,
    isActiveRoot(net, asset, index, root) {
      const found = at(potKey(net, asset), index)
      return found !== null && found.index === index && isActive(found) && found.root === root
    },
    pot: (net, asset) => pots.get(potKey(net, asset)),
    claimedOf: (net, asset, account) => claims.get(`${potKey(net, asset)} ${account}`),
    held(asset) {
      let sum = 0n
      for (const [key, pot] of pots.entries()) if (key.endsWith(` ${asset}`)) sum += pot.funded - pot.claimed
      return sum
    },
  }
}

// ------------------------------------------------------------------- devices

const MAX_RECORD = 512

interface Device {
  readonly owner: Account
  readonly net: number
  readonly status: 'active' | 'retired'
}

/** Enrolment, retirement and endpoints: what the roles of stage 1 call. Batches and transfers are not modelled. */
export function createDevices(machine: Machine, registry: RegistryModel): Functions {
  const { emit, crypto, now } = machine
  const devices = machine.table<Device | null>(null)
  const separator = domainSeparator(crypto, registryDomain(machine.chainId, machine.addresses.devices))

  function register(r: Struct): void {
    const [net, owner, deadline] = [numberOf(r['net']), accountOf(r['owner']), numberOf(r['deadline'])]
    const [signer, transportKey] = [hexOf(r['signer']), digestOf(r['transportKey'])]
    const id = deviceIdOf(crypto, signer)
    must(registry.isActive(net), 'NetworkNotActive', { net })
    must(owner !== NOBODY, 'BadOwner')
    must(now() <= deadline, 'Expired', { deadline })
    must(devices.get(id) === null, 'AlreadyRegistered', { id })
    const hash = typedDataHash(crypto, separator, REGISTER, { net, owner, transportKey, deadline, batch: ZERO_WORD })
    must(verifyDevice(crypto, signer, hash, bytesOf(hexOf(r['signature']))), 'BadDeviceSignature')
    devices.set(id, { owner, net, status: 'active' })
    emit('devices', 'DeviceRegistered', { id, owner, net, signer, transportKey, batch: 0, model: ZERO_WORD })
  }

  function activeDevice(id: DeviceId): Device {
    const device = devices.get(id)
    return device !== null && device.status === 'active' ? device : refuse('NotActive', { id })
  }

  return {
    register: (_, args) => register(structArg(args, 0)),
    registerMany(_, args) {
      for (const r of listOf(args[0])) register(structOf(r))
    },
    retire(call, args) {
      const id = deviceId(digestArg(args, 0))
      must(devices.get(id)?.owner === call.sender, 'NotOwner', { id, caller: call.sender })
      devices.set(id, { ...activeDevice(id), status: 'retired' })
      emit('devices', 'DeviceRetired', { id })
    },
    updateEndpoint(call, args) {
      const id = deviceId(digestArg(args, 0))
      const signedRecord = hexOf(args[1])
      must(bytesOf(signedRecord).length <= MAX_RECORD, 'RecordTooLong', { length: BigInt(bytesOf(signedRecord).length) })
      const { owner } = activeDevice(id)
      must(owner === call.sender || registry.sessionIsActive(owner, call.sender, 4), 'NotOwner', { id, caller: call.sender })
      emit('devices', 'EndpointUpdated', { id, signedRecord })
    },
  }
}
