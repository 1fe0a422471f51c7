/**
 * Who is paid what for an epoch: pure integer arithmetic from scores and proven units to the root on chain. One leaf per
 * owner with its cumulative total; under it, a detail tree with the cumulative proven units of each payment channel, so
 * that a provider can take its pay without the payer (Escrow.redeemProved).
 */
import { assert } from '../std/assert.ts'
import { bigEndian, compareBytes, concat, utf8 } from '../std/bytes.ts'
import type { Crypto } from './crypto.ts'
import { type Account, type Address, bytesOf, type Digest, digestOf, type NetworkId } from './ids.ts'
import { merkleTree } from './merkle.ts'

/** Share of what is left in a pot that one epoch may give: 1/1024, so a pot lasts and never runs dry at once. */
const BUDGET_DIVISOR = 1024n

/** Channels of one owner, over all units: customers and gateways that ever paid it. */
export const CHANNELS_MAX = 100_000

/** Cumulative proven units of one channel, as Escrow.redeemProved takes them. */
export interface ChannelLine {
  readonly channel: Digest
  /** keccak256 of the unit's name, e.g. `storage.byte-second`. */
  readonly unit: Digest
  readonly cumulative: bigint
}

export interface OwnerLine {
  readonly account: Account
  /** Cumulative reward in the pot's asset. */
  readonly cumulative: bigint
  /** Sorted by channel, then unit. */
  readonly channels: readonly ChannelLine[]
}

/** What one owner's work of the epoch weighs: Σ proven units × score. */
export interface Weight {
  readonly account: Account
  readonly weight: bigint
}

/** ABI encoding of static values is their 32-byte words one after the other. */
const word = (value: bigint): Uint8Array => bigEndian(value, 32)
const padded = (bytes: Uint8Array): Uint8Array => concat([new Uint8Array(32 - bytes.length), bytes])
const twice = (crypto: Crypto, words: readonly Uint8Array[]): Uint8Array => crypto.keccak256(crypto.keccak256(...words))

export const unitId = (crypto: Crypto, name: string): Digest => digestOf(crypto.keccak256(utf8(name)))

/** Escrow's key of a channel: keccak256(abi.encode(payer, payee, asset, net, channelId)). */
export function channelKey(crypto: Crypto, payer: Account, payee: Account, asset: Address, net: NetworkId, channelId: bigint): Digest {
  const words = [padded(bytesOf(payer)), padded(bytesOf(payee)), padded(bytesOf(asset)), word(BigInt(net)), word(channelId)]
  return digestOf(crypto.keccak256(...words))
}

export const channelLeaf = (crypto: Crypto, line: ChannelLine): Uint8Array =>
  twice(crypto, [bytesOf(line.channel), bytesOf(line.unit), word(line.cumulative)])

/** Root of an owner's detail tree; zero when it has no channels. */
export function detailRoot(crypto: Crypto, channels: readonly ChannelLine[]): Uint8Array {
  if (channels.length === 0) return new Uint8Array(32)
  return merkleTree(
    crypto,
    channels.map((line) => channelLeaf(crypto, line)),
  ).root
}

export function rewardLeaf(crypto: Crypto, net: NetworkId, asset: Address, owner: OwnerLine): Uint8Array {
  const words = [
    word(BigInt(net)),
    padded(bytesOf(asset)),
    padded(bytesOf(owner.account)),
    word(owner.cumulative),
    detailRoot(crypto, owner.channels),
  ]
  return twice(crypto, words)
}

/** Root over all owners, in byte order of their accounts. */
export function rewardRoot(crypto: Crypto, net: NetworkId, asset: Address, owners: readonly OwnerLine[]): Digest {
  assert(owners.length > 0, 'an epoch that pays nobody publishes no root')
  return digestOf(
    merkleTree(
      crypto,
      owners.map((owner) => rewardLeaf(crypto, net, asset, owner)),
    ).root,
  )
}

/** What an epoch may give: a share of what the pot holds beyond what earlier roots allocated; nothing when it holds less. */
export const epochBudget = (funded: bigint, allocated: bigint): bigint => (funded > allocated ? (funded - allocated) / BUDGET_DIVISOR : 0n)

/**
 * Adds an epoch's rewards to the cumulative totals. Shares are floored, so their sum never exceeds the budget; what
 * rounding leaves stays in the pot. Owners are ordered by bytes before anything is folded.
 */
export function addRewards(before: readonly OwnerLine[], weights: readonly Weight[], budget: bigint): readonly OwnerLine[] {
  const total = weights.reduce((sum, entry) => sum + entry.weight, 0n)
  const owners = new Map<Account, OwnerLine>(before.map((owner) => [owner.account, owner]))
  for (const { account, weight } of weights) {
    if (total === 0n || weight === 0n) continue
    const owner = owners.get(account) ?? { account, cumulative: 0n, channels: [] }
    owners.set(account, { ...owner, cumulative: owner.cumulative + (budget * weight) / total })
  }
  return sortOwners([...owners.values()])
}

/** Units that one owner proved, to be added to its channels. */
export interface OwnerUnits {
  readonly account: Account
  readonly lines: readonly ChannelLine[]
}

/**
 * Adds proven units to owners' channels. An owner that has CHANNELS_MAX of them gets no new ones: whoever invents customers
 * for itself must not make the settlement of all others too large to be written.
 */
export function addUnits(owners: readonly OwnerLine[], added: readonly OwnerUnits[]): readonly OwnerLine[] {
  const byOwner = new Map<Account, ChannelLine[]>()
  for (const { account, lines } of added) {
    const known = byOwner.get(account)
    if (known === undefined) byOwner.set(account, [...lines])
    else known.push(...lines)
  }
  const out = new Map<Account, OwnerLine>(owners.map((owner) => [owner.account, owner]))
  for (const [account, lines] of byOwner) {
    const owner = out.get(account) ?? { account, cumulative: 0n, channels: [] }
    const channels = addLines(owner.channels, lines)
    if (channels.length > 0) out.set(account, { ...owner, channels })
  }
  return sortOwners([...out.values()])
}

function addLines(before: readonly ChannelLine[], lines: readonly ChannelLine[]): readonly ChannelLine[] {
  const keyOf = (line: ChannelLine): string => `${line.channel}${line.unit}`
  const channels = new Map(before.map((line) => [keyOf(line), line]))
  for (const line of [...lines].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    const old = channels.get(keyOf(line))
    if (old !== undefined || channels.size < CHANNELS_MAX) {
      channels.set(keyOf(line), { ...line, cumulative: (old?.cumulative ?? 0n) + line.cumulative })
    }
  }
  return [...channels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line)
}

export const totalOf = (owners: readonly OwnerLine[]): bigint => owners.reduce((sum, owner) => sum + owner.cumulative, 0n)

function sortOwners(owners: OwnerLine[]): readonly OwnerLine[] {
  return owners.sort((a, b) => compareBytes(bytesOf(a.account), bytesOf(b.account)))
}
