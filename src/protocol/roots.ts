/** Roots as verifiers sign them, and the arithmetic of the set that signs by quorum (RootQuorum.sol). */
import type { Crypto } from './crypto.ts'
import type { Account, Address, Digest, Epoch, NetworkId } from './ids.ts'
import { domainSeparator, ROOT, rootDomain, typedDataHash } from './typed-data.ts'

/** IRootPublisher.RootMessage. */
export interface RootMessage {
  readonly net: NetworkId
  readonly asset: Address
  readonly epoch: Epoch
  /** A signer signs one content for each (net, asset, epoch, attempt, setId); two are equivocation, and cost its stake. */
  readonly attempt: number
  /** The week of the set; 0 for the single verifier of RootPublisher. */
  readonly setId: number
  readonly root: Digest
  /** Of all that was ever earned, in the asset's smallest unit. */
  readonly total: bigint
  readonly dataHash: Digest
}

/** What is signed: the EIP-712 hash for `contract`, which is RootPublisher or RootQuorum. */
export function rootMessageHash(crypto: Crypto, chainId: number, contract: Address, message: RootMessage): Uint8Array {
  return typedDataHash(crypto, domainSeparator(crypto, rootDomain(chainId, contract)), ROOT, { ...message })
}

/** A week's set, with what each member's signature counts. */
export interface RootSet {
  /** The week that it was nominated for. */
  readonly id: number
  /** By ascending account, as signatures are ordered. */
  readonly members: readonly RootMember[]
  /** Sum of the weights; 0 while there are fewer members than may sign: such a set does not come into force. */
  readonly total: bigint
}
export interface RootMember {
  readonly account: Account
  readonly weight: bigint
}

/** RootQuorum.CAPS: nobody counts more than a quarter of the whole, so that four sign at least. */
const CAPS = 4

/**
 * The set of a week from its members' stakes: the cap c = ¼ · Σ min(stakeᵢ, c) as the contract computes it, rounded down
 * as there.
 */
export function rootSetOf(id: number, stakes: readonly RootMember[]): RootSet {
  const members = stakes.toSorted((a, b) => (a.account < b.account ? -1 : 1))
  if (members.length < CAPS) return { id, members: members.map(({ account }) => ({ account, weight: 0n })), total: 0n }
  const largest = members.map(({ weight }) => weight).sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))
  let rest = largest.reduce((sum, weight) => sum + weight, 0n)
  let capped = 0
  while (capped < CAPS - 1 && (largest[capped] ?? 0n) > rest / BigInt(CAPS - capped)) {
    rest -= largest[capped] ?? 0n
    capped += 1
  }
  const cap = rest / BigInt(CAPS - capped)
  const counted = members.map(({ account, weight }) => ({ account, weight: weight < cap ? weight : cap }))
  return { id, members: counted, total: BigInt(capped) * cap + rest }
}

/** The fewest of `signers` that are a quorum, by ascending account; null when all of them are none. Each costs gas. */
export function quorumOf(set: RootSet, signers: ReadonlySet<Account>): readonly Account[] | null {
  const heaviest = set.members
    .filter(({ account }) => signers.has(account))
    .sort((a, b) => (a.weight > b.weight ? -1 : a.weight < b.weight ? 1 : 0))
    .map(({ account }) => account)
  for (let count = 1; count <= heaviest.length; count += 1) {
    const chosen = heaviest.slice(0, count)
    if (isQuorum(set, chosen)) return chosen.sort()
  }
  return null
}

/** Whether these signers are more than two thirds of the set: 3·Σw > 2·W. Strangers count nothing. */
function isQuorum(set: RootSet, signers: Iterable<Account>): boolean {
  const weights = new Map(set.members.map(({ account, weight }) => [account, weight]))
  let sum = 0n
  for (const signer of new Set(signers)) sum += weights.get(signer) ?? 0n
  return set.total > 0n && 3n * sum > 2n * set.total
}
