/**
 * The chain as the roles see it: a view of confirmed state that is always there (possibly stale, and it says so), and
 * transactions that are sent until they are final. Serving never waits for either.
 */
import type { Account, Address, DeviceId, Digest, Epoch, Hex, NetworkId } from '../protocol/ids.ts'
import type { RootSet } from '../protocol/roots.ts'
import type { UnixMs } from '../protocol/units.ts'
import type { JudgesView } from './chain-judges.ts'

/** Scope bits of a session key, as in Delegations.sol. */
export const SCOPE = { voucher: 1, storage: 2, pointer: 4 } as const

export interface ChainHead {
  readonly number: bigint
  readonly hash: Digest
  /** Seconds. */
  readonly timestamp: number
}

export interface DeviceRow {
  readonly id: DeviceId
  readonly owner: Account
  readonly net: NetworkId
  /** ERC-7913 signer bytes: 20-byte address, or P-256 x ‖ y. */
  readonly signer: Hex
  /** Ed25519 public key of the peer. */
  readonly transportKey: Hex
  /** Last announced endpoint, e.g. `/ip4/127.0.0.1/tcp/4001`, or ''. */
  readonly endpoint: string
  readonly status: 'active' | 'retired' | 'revoked'
}

export interface NetworkRow {
  readonly id: NetworkId
  readonly owner: Account
  readonly epochSeconds: number
  readonly minStake: bigint
  readonly challengeSeconds: number
  /** Epochs between two publications at least. */
  readonly rootEpochs: number
  readonly feeBps: number
  readonly feeRecipient: Account
  /** Who may call RewardsDistributor.publish; in stage 1 the RootPublisher contract. */
  readonly publisher: Address
  /** Whose signature RootPublisher accepts in stage 1. */
  readonly verifier: Account
  /** Network whose stakers verify this one; 0 for none. */
  readonly verifierNet: number
  readonly closed: boolean
}

export interface SessionRow {
  readonly account: Account
  readonly key: Address
  readonly scope: number
  /** Most that its vouchers may ever draw, in µcredits. */
  readonly limit: bigint
  /** Unix seconds. */
  readonly until: number
  /** Unix seconds, 0 while it is not revoked. */
  readonly revokedAt: number
}

export interface RootRow {
  readonly net: NetworkId
  readonly asset: Address
  readonly epoch: Epoch
  /** Publication counter. */
  readonly index: number
  readonly root: Digest
  readonly total: bigint
  readonly dataHash: Digest
  /** Unix seconds from which it is active, unless something stops it. */
  readonly activeAt: number
  readonly state: 'pending' | 'active' | 'vetoed' | 'challenged' | 'rejected'
}

export interface EvidenceCommit {
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly verifier: Account
  readonly digest: Digest
  readonly bytes: number
  readonly block: bigint
}

export interface PointerRow {
  readonly account: Account
  readonly digest: Digest
  readonly extra: Digest
  readonly seq: bigint
}

export interface ChannelRow {
  readonly payer: Account
  readonly payee: Account
  readonly asset: Address
  readonly net: NetworkId
  readonly channelId: bigint
  readonly earmark: bigint
  readonly redeemed: bigint
  /** Unix seconds from which the earmark may return to the payer; 0 while the channel is open. */
  readonly closesAt: number
}

/** Stake that is on its way out; a slash may since have taken of it. */
export interface ThawRow {
  /** The bucket: it can be withdrawn from week · 604 800 unix seconds on. */
  readonly week: number
  /** CAIRN wei when the thaw began. */
  readonly amount: bigint
}

/** Stake that others delegated to an operator. What shares are worth moves with rewards and slashes: `staking.valueOf`. */
export interface PoolRow {
  readonly operator: Account
  readonly net: NetworkId
  /** The operator's highest is the one that takes delegations; a slash that wipes a pool out begins another. */
  readonly nonce: number
  readonly shares: bigint
  readonly delegators: number
}

/** One delegator's part of a pool. */
export interface DelegationRow {
  readonly operator: Account
  readonly net: NetworkId
  readonly nonce: number
  readonly delegator: Account
  readonly shares: bigint
  /** What it has not withdrawn yet, by week. */
  readonly thawing: readonly ThawRow[]
}

/** A proposal of the Governor. Whether it reached its quorum is the contract's to say: `governor.state`. */
export interface ProposalRow {
  readonly id: bigint
  readonly proposer: Account
  readonly calls: readonly { readonly target: Account; readonly value: bigint; readonly calldata: Hex }[]
  readonly description: string
  /** Unix seconds between which votes are cast; a late quorum moves the end. */
  readonly opensAt: number
  readonly closesAt: number
  readonly votes: { readonly for: bigint; readonly against: bigint; readonly abstain: bigint }
  /** Unix seconds from which the Timelock lets it be executed; 0 while it is not queued. */
  readonly executableAt: number
  readonly end: 'executed' | 'cancelled' | null
}

/** A lease of Market. What it still locks is rate · (end − settledAt). */
export interface LeaseRow {
  readonly id: bigint
  readonly customer: Account
  readonly provider: Account
  readonly net: NetworkId
  /** Digest of what is leased. */
  readonly spec: Digest
  readonly asset: Address
  /** Base units of the asset per second. */
  readonly rate: bigint
  /** Unix seconds, as the next two. */
  readonly start: number
  /** Earlier than it was opened for once one side ends it. */
  readonly end: number
  readonly settledAt: number
  /** What the provider was paid so far, before fees. */
  readonly paid: bigint
  readonly closed: boolean
}

export interface Addresses {
  readonly token: Address
  readonly credits: Address
  readonly escrow: Address
  readonly networks: Address
  readonly devices: Address
  readonly staking: Address
  readonly delegations: Address
  readonly pointers: Address
  readonly evidence: Address
  readonly rewards: Address
  readonly publisher: Address
  readonly oracle: Address
  readonly quorum: Address
  readonly proofs: Address
  readonly disputes: Address
  readonly emissions: Address
  readonly weights: Address
  readonly market: Address
  readonly passkeys: Address
  readonly timelock: Address
  readonly governor: Address
}

/** The names in `Addresses`. */
export const CONTRACT_NAMES = [
  'token',
  'credits',
  'escrow',
  'networks',
  'devices',
  'staking',
  'delegations',
  'pointers',
  'evidence',
  'rewards',
  'publisher',
  'oracle',
  'quorum',
  'proofs',
  'disputes',
  'emissions',
  'weights',
  'market',
  'passkeys',
  'timelock',
  'governor',
] as const satisfies readonly (keyof Addresses)[]

/** Every contract that is called: those of a deployment, and those of which there are many, at addresses of their own. */
export type ContractName = keyof Addresses | 'passkeyAccount'

/** Confirmed state (≥ 3 blocks deep), indexed from event logs. Reads are immediate and never touch the network. */
export interface ChainView extends JudgesView {
  readonly chainId: number
  readonly addresses: Addresses
  /** The confirmed head, null before the first sync. */
  head(): ChainHead | null
  /** When the view last advanced; a long gap means the chain is away: a visible *degraded* state. */
  freshAt(): UnixMs
  degraded(): boolean
  network(id: NetworkId): NetworkRow | null
  networks(): readonly NetworkRow[]
  devices(net: NetworkId): readonly DeviceRow[]
  device(id: DeviceId): DeviceRow | null
  /** Active self stake. */
  stakeOf(operator: Account, net: NetworkId): bigint
  /** Self stake of an operator that is unbonding or not withdrawn. */
  thawingOf(operator: Account, net: NetworkId): readonly ThawRow[]
  /** Every pool of a network that was ever delegated to. */
  pools(net: NetworkId): readonly PoolRow[]
  /** What an account has in pools of any network, active or thawing. */
  delegationsOf(delegator: Account): readonly DelegationRow[]
  proposals(): readonly ProposalRow[]
  session(account: Account, key: Address): SessionRow | null
  /** Every key that the account ever delegated to, the revoked ones included. */
  sessionsOf(account: Account): readonly SessionRow[]
  /** Whether `key` may act for `account` in every bit of `scope` at `atMs`. An account may always act for itself. */
  sessionActive(account: Account, key: Address, scope: number, atMs: UnixMs): boolean
  /**
   * Whether what `key` signed for `account` still counts at `atMs`: for a week after the key expired or was revoked, as
   * Delegations.isRedeemable says, so that nobody loses what was promised because the promising key went.
   */
  sessionRedeemable(account: Account, key: Address, scope: number, atMs: UnixMs): boolean
  channel(payer: Account, payee: Account, asset: Address, net: NetworkId, channelId: bigint): ChannelRow | null
  channelsOf(payer: Account): readonly ChannelRow[]
  /** Escrow account of (owner, asset). */
  escrow(owner: Account, asset: Address): { available: bigint; thawing: bigint; earned: bigint }
  pointer(account: Account): PointerRow | null
  evidence(net: NetworkId, epoch: Epoch): readonly EvidenceCommit[]
  /** Epochs from `from` on for which somebody committed evidence, in order. */
  evidenceFrom(net: NetworkId, from: Epoch): readonly Epoch[]
  /** Hash that a verifier committed for its nonce of an epoch, or null. */
  nonceCommit(net: NetworkId, epoch: Epoch, verifier: Account): Digest | null
  roots(net: NetworkId): readonly RootRow[]
  /** The set of verifiers whose quorum signs roots now for the networks that `verifierNet` verifies; null when none does. */
  rootSet(verifierNet: NetworkId): RootSet | null
  /** The stake with which `member` is in a week's set; 0 when it is not. */
  nominated(verifierNet: NetworkId, week: number, member: Account): bigint
  /** Cumulative amount that `account` has claimed from a pot. */
  claimed(net: NetworkId, asset: Address, account: Account): bigint
  pot(net: NetworkId, asset: Address): { funded: bigint; allocated: bigint; claimed: bigint }
  lease(id: bigint): LeaseRow | null
  /** Leases that an account is customer or provider of, oldest first. */
  leasesOf(party: Account): readonly LeaseRow[]
  /** Whether the provider took back the quotes of this nonce. A used nonce is in no event: ask Market.isUsed. */
  quoteCancelled(provider: Account, nonce: bigint): boolean
  /**
   * keccak256(abi.encode(hash of the first confirmed block with timestamp ≥ e·L whose parent is earlier, net, e)), from
   * headers, with L the network's epoch length.
   * `void` when the epoch ended without such a block inside it: no pay, no fault.
   */
  epochSeed(net: NetworkId, epoch: Epoch): { is: 'seed'; seed: Digest } | { is: 'waiting' } | { is: 'void' }
  /** Resolves when the view has advanced past what it was at the call, or after `ms`. */
  advanced(ms: number, signal?: AbortSignal): Promise<void>
}

/** A call that changes the chain. Names and arguments are the contracts' own. */
export interface ChainCall {
  readonly contract: ContractName
  /** Where it is, for a contract of which there are many. */
  readonly at?: Address
  readonly function: string
  readonly args: readonly unknown[]
  /** Two calls with one key are one intent: the second waits for, and returns, the first's outcome; survives restarts. */
  readonly key?: string
}

export type CallOutcome =
  | { readonly is: 'confirmed'; readonly hash: Digest; readonly block: bigint }
  /** Refused by the contract, in simulation or on chain; `error` is the decoded custom error. */
  | { readonly is: 'reverted'; readonly error: string; readonly data: Readonly<Record<string, unknown>> }

/** Sends for one account through one nonce queue; a transaction is kept and sent again until it is 64 blocks deep. */
export interface ChainSigner {
  readonly account: Account
  /** Simulated, then sent. Resolves when confirmed; rejects with CHAIN_AWAY or DEADLINE after `deadlineMs`, and goes on trying if keyed. */
  send(call: ChainCall, deadlineMs?: number): Promise<CallOutcome>
}
