/**
 * The contract that every resource fulfils. The core (node, gateway, verifier, CLI, docs) is generic over it and knows
 * none by name. Resources differ in who meters, what proves the work, how often, whether location matters and whether
 * work is deterministic; nothing here assumes one answer. A resource never touches balances: it says what is payable.
 */
import type { Crypto } from '../protocol/crypto.ts'
import type { Account, Address, Cid, DeviceId, Digest, Epoch, NetworkId, PeerId, ProtocolId, Seed, SubjectId } from '../protocol/ids.ts'
import type { Schema } from '../protocol/schema.ts'
import type { Credits, Ppm, UnixMs } from '../protocol/units.ts'
import type { ChainView } from '../runtime/chain.ts'
import type { Database, Disk, Duplex, HttpServer, Network, Runtime } from '../runtime/index.ts'

/** The types by which one resource differs from another. */
export interface Kind {
  Terms: unknown
  Order: unknown
  Work: unknown
  Claim: unknown
  Challenge: unknown
  Proof: unknown
  Observation: unknown
  Carry: unknown
}

/** unit → CUMULATIVE integer, per lease. */
export type Usage = Readonly<Record<string, bigint>>
export type GroupKey = string

/** Why somebody is not paid: a code, the numbers, and the evidence behind it. */
export interface Reason {
  readonly code: string
  readonly data: Readonly<Record<string, string | bigint>>
  readonly evidence: readonly Cid[]
}
/** `units` is what is payable. */
export type Verdict = { readonly ok: true; readonly units: Usage } | { readonly ok: false; readonly units: Usage; readonly reason: Reason }

export type Answer<P> =
  | { readonly is: 'proof'; readonly proof: P; readonly at: bigint }
  | { readonly is: 'refusal'; readonly reason: Reason }
  | { readonly is: 'silence' }

export type Match =
  | { readonly ok: true; readonly parts: readonly { readonly offer: Cid; readonly role: string }[] }
  | { readonly ok: false; readonly whyNot: ReadonlyMap<Cid, Reason> }

export interface Score {
  readonly subject: SubjectId
  readonly score: Ppm
  readonly reasons: readonly Reason[]
}

export interface Signed<T> {
  readonly body: T
  readonly by: DeviceId
  readonly signature: Uint8Array
}

/** What somebody vouches for and nobody can check: a verifier by committing the bundle that says so, a witness by its signature. */
export interface Attested<T> {
  readonly body: T
  readonly by: Account | DeviceId
}

/** What a provider sells, signed and expiring. */
export interface Offer<Terms> {
  readonly id: Cid
  readonly device: DeviceId
  readonly operator: string
  readonly net: NetworkId
  readonly terms: Terms
  /** Unix milliseconds. */
  readonly expires: bigint
}

export interface Lease<Terms> {
  readonly id: string
  readonly customer: string
  readonly terms: Terms
}

export interface LeaseHealth<K extends Kind> {
  readonly lease: Lease<K['Terms']>
  readonly score: Ppm
}

/** Subjects that are scored together: a data set's provider, a hex cell, a feeder. */
export interface Group<K extends Kind> {
  readonly key: GroupKey
  readonly epoch: Epoch
  readonly members: readonly Member<K>[]
}

/** One subject's epoch: its claims and the verdicts about them. */
export interface Member<K extends Kind> {
  readonly subject: SubjectId
  readonly claims: readonly JudgedClaim<K>[]
  /** Claims that did not count, and why. */
  readonly refused: readonly Reason[]
}

export interface JudgedClaim<K extends Kind> {
  readonly claim: K['Claim']
  readonly payer: Account
  /** What it is worth when met in full. */
  readonly worth: Usage
  readonly verdicts: readonly Verdict[]
}

/** Whose node this is and how it signs: keys stay behind these functions. */
export interface NodeIdentity {
  readonly net: NetworkId
  /** Signs answers and receipts: 64 bytes (P-256) or 65 (secp256k1) over a 32-byte hash. */
  readonly device: { readonly id: DeviceId; sign(hash: Uint8Array): Uint8Array }
  /** The account that owns the device; 65 bytes of its own key or of a session key. */
  readonly operator: { readonly account: Account; sign(hash: Uint8Array): Uint8Array }
}

export interface NodeRuntime extends Runtime {
  readonly identity: NodeIdentity
  /** Called once when the node can no longer do its work and must stop. */
  readonly onFatal: (error: unknown) => void
  readonly network: Network
  readonly disk: Disk
  readonly database: Database
  readonly chain: ChainView
}

export interface GatewayRuntime extends Runtime {
  readonly network: Network
  readonly disk: Disk
  readonly database: Database
  readonly chain: ChainView
  readonly http: HttpServer
}

/** An epoch as a verifier asks about it. */
export interface Asking {
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly verifier: Account
  readonly seed: Digest
  /** Opens the verifier's commitment; goes out with the challenge and not before. */
  readonly nonce: Uint8Array
}

/** What one subject said for itself: it goes into the bundle as it is, and is judged by pure functions later. */
export interface Collected {
  readonly claims: readonly Uint8Array[]
  readonly answers: readonly {
    readonly claim: number
    readonly slot: number
    readonly is: 'proof' | 'refusal' | 'silence'
    readonly blob: Digest | null
    readonly code: string
    readonly why: string
    readonly signature: Uint8Array
  }[]
  readonly blobs: ReadonlyMap<Digest, Uint8Array>
}

/** What a verifier saw when it used a subject as a customer does: for the bundle, and judged by `verify` like everything in it. */
export interface Seen {
  /** Index of the claim that it is about. */
  readonly claim: number
  /** An encoded `K['Observation']`. */
  readonly bytes: Uint8Array
  /** It may have been the verifier's own line: a verifier to which most subjects seem so keeps these to itself. */
  readonly doubtful: boolean
}

/** A way to one subject's node under an identity that nobody knows. */
export interface Visit {
  dial(protocol: ProtocolId, signal: AbortSignal): Promise<Duplex>
  close(): Promise<void>
}

export interface VerifierRuntime extends Runtime {
  readonly network: Network
  readonly chain: ChainView
  /** Where a subject's node answers. */
  peerOf(subject: SubjectId): PeerId | null
  /** Null while nobody knows where the subject's node is. */
  visit(subject: SubjectId): Promise<Visit | null>
  /**
   * What a customer lets this verifier show in its place, one ticket for each wish (both as the resource encodes them); null
   * where the customer gave none in time. So a node cannot tell a probe from its customer.
   */
  tickets(payer: Account, wishes: readonly Uint8Array[], signal: AbortSignal): Promise<readonly (Uint8Array | null)[]>
}

export interface Provider<K extends Kind> {
  capacity(): K['Terms']
  /** `meter` resolves once the payer has covered the work, so exposure is bounded. */
  serve(lease: Lease<K['Terms']>, io: Duplex, meter: (work: K['Work']) => Promise<void>, signal: AbortSignal): Promise<void>
  /** Committed before the epoch's seed exists. */
  claim(epoch: Epoch): Promise<readonly K['Claim'][]>
  prove(challenge: K['Challenge'], signal: AbortSignal): Promise<K['Proof'] | Reason>
  drain(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Where a customer's own client connects. */
export interface Door {
  readonly id: string
  readonly side: 'gateway' | 'node'
  readonly needs: readonly ('http' | 'tcp' | 'udp' | 'process')[]
  open(rt: GatewayRuntime | NodeRuntime, signal: AbortSignal): Promise<{ address: string; close(): Promise<void> }>
}

/** What the chain says about a claim's parties, as of the evidence's cut-off; the same on every machine. */
export interface ClaimFacts {
  readonly chainId: number
  readonly net: NetworkId
  readonly epoch: Epoch
  readonly epochSeconds: number
  readonly subject: SubjectId
  readonly owner: Account
  /** Whether what `key` signed for `account`, storage or its like, counts in the epoch: for a week after the key went, too. */
  sessionRedeemable(account: Account, key: Address): boolean
}

export type Admission =
  | {
      readonly ok: true
      /** Two claims of one subject with the same key are one claim; the second is refused. */
      readonly key: string
      readonly payer: Account
      /** What the claim is worth when all its challenges are met. */
      readonly units: Usage
    }
  | { readonly ok: false; readonly reason: Reason }

/** A way to cheat or break, run by conformance and simulation: it must be unpaid within `caughtWithin` epochs. */
export interface Fault<K extends Kind> {
  readonly id: string
  readonly provide: Resource<K>['provide']
  readonly caughtWithin: number
  /** `Reason.code` that the operator reads. */
  readonly reason: string
}

export interface Resource<K extends Kind> {
  readonly id: string
  /** Bumped with any change of a pure function; old versions stay importable, so that old epochs can be re-run. */
  readonly rules: number
  readonly units: readonly { readonly id: string; readonly per: 'once' | 'second'; readonly about: string }[]
  readonly subject: 'node' | 'device'
  readonly clock:
    | { readonly every: 'epoch'; readonly count: number }
    | { readonly every: 'work' }
    | { readonly every: 'seconds'; readonly n: number }
  readonly schemas: { readonly [N in keyof K]: Schema<K[N]> }

  provide(rt: NodeRuntime, terms: K['Terms']): Promise<Provider<K>>
  readonly doors: readonly Door[]
  /** Asks a subject for its claims, challenges them and takes its answers. Silence is an answer; it never throws for the subject's fault. */
  collect(rt: VerifierRuntime, asking: Asking, subject: SubjectId, signal: AbortSignal): Promise<Collected>
  /**
   * A verifier's own look at a subject that said `said`, at moments up to `until` that nobody can foresee. It is bounded, never
   * throws for the subject's fault, and sees nothing where customers give no tickets.
   */
  observe(
    rt: VerifierRuntime,
    asking: Asking,
    subject: SubjectId,
    said: Collected,
    until: UnixMs,
    signal: AbortSignal,
  ): Promise<readonly Seen[]>
  /** Repair, respawn, migrate. */
  tend?(rt: GatewayRuntime, leases: AsyncIterable<LeaseHealth<K>>, signal: AbortSignal): Promise<void>

  match(crypto: Crypto, order: K['Order'], offers: readonly Offer<K['Terms']>[], seed: Seed): Match
  meter(
    sofar: Usage,
    mine: Signed<K['Work']>,
    peer: Signed<K['Work']> | null,
  ): { readonly ok: true; readonly usage: Usage } | { readonly ok: false; readonly reason: Reason }
  price(usage: Usage, terms: K['Terms']): Credits
  /** `seed` is already the subject's own: H(epoch seed ‖ nonce ‖ subject). */
  challenge(crypto: Crypto, claim: K['Claim'], seed: Seed): readonly K['Challenge'][]
  /** Whether a claim counts at all (who signed it, that it is the subject's, that it is current), and who pays for it. */
  admit(crypto: Crypto, claim: K['Claim'], facts: ClaimFacts): Admission
  verify(crypto: Crypto, challenge: K['Challenge'], answer: Answer<K['Proof']>, seen: readonly Attested<K['Observation']>[]): Verdict
  group(subject: { readonly id: SubjectId; readonly claim: K['Claim'] }): GroupKey
  score(group: Group<K>, carry: K['Carry'] | null): { readonly scores: readonly Score[]; readonly carry: K['Carry'] }
  readonly faults: readonly Fault<K>[]
}
