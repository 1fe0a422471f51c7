import type { Crypto } from '../../../protocol/crypto.ts'
import { CairnError } from '../../../protocol/errors.ts'
import { type Account, type Address, address, type Digest, digestOf } from '../../../protocol/ids.ts'
import { assert, present } from '../../../std/assert.ts'
import { bigEndian, utf8 } from '../../../std/bytes.ts'
import type { Addresses, CallOutcome, ChainCall, ChainSigner, ChainView, ContractName } from '../../chain.ts'
import { type ChainEvent, type ChainRows, createChainRows, createLiveView, type SeedHeader } from '../../chain-index/index.ts'
import type { Clock, Random } from '../../index.ts'
import { createCredits } from './credits.ts'
import { createEscrow, type EscrowModel } from './escrow.ts'
import { createMachine, type Machine, ModelRevert } from './machine.ts'
import { createRootQuorum, type QuorumModel } from './quorum.ts'
import { createRegistry, type Functions, type RegistryModel } from './registry.ts'
import { createDevices, createRewards, type RewardsModel } from './rewards.ts'
import { createTokens, type TokenModel } from './tokens.ts'

export interface FakeChainConfig {
  /** Who holds the genesis supply. */
  readonly deployer: Account
  readonly guardian: Account
  readonly supply: bigint
  readonly price: bigint
  readonly dailyMintFloor: bigint
  readonly networkBond: bigint
  readonly minimums: { readonly epochLength: number; readonly challengeWindow: number; readonly responseWindow: number }
}

export interface FakeChainOptions {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly random: Random
  readonly config: FakeChainConfig
  readonly chainId?: number
  /** Addresses of the contracts; a differential test takes those of a real deployment, since signatures cover them. */
  readonly addresses?: Addresses
  readonly confirmations?: number
  /** Seconds between blocks of virtual time; 0 leaves every block to `mine`. */
  readonly blockSeconds?: number
  /** Start of the fee books' period 0; the first block's time unless given. */
  readonly genesis?: number
}

/** Where every unit of an asset is. `cameIn` equals the sum of the rest, always. */
export interface AssetLedger {
  readonly asset: 'token' | 'credits'
  readonly cameIn: bigint
  readonly burned: bigint
  readonly wallets: bigint
  readonly escrowed: bigint
  readonly vaulted: bigint
  readonly staked: bigint
  readonly pots: bigint
  readonly bonds: bigint
}

export interface FakeChain {
  readonly view: ChainView
  readonly addresses: Addresses
  signer(account: Account): ChainSigner
  /** Makes a block at this second (now, if not given) and gives each transaction's outcome, in order. */
  mine(at?: number): void
  /** Runs one call in a block of its own at this second: for tests that compare with the contracts. */
  execute(sender: Account, call: ChainCall, at: number): { is: 'done' } | { is: 'reverted'; error: string }
  /** Takes back the newest blocks; their transactions go back to the pool, in order, or are lost if `drop`. */
  reorg(depth: number, drop?: boolean): void
  /** While away nothing is answered and no view advances; blocks go on. */
  setAway(away: boolean): void
  /** Confirmed state as of the last block before `seconds`; null while the chain has not passed that time. */
  asOf(seconds: number): ChainRows | null
  ledger(): readonly AssetLedger[]
  /** Contract storage, for comparisons. */
  readonly state: {
    readonly escrow: EscrowModel
    readonly rewards: RewardsModel
    readonly registry: RegistryModel
    readonly tokens: TokenModel
    readonly quorum: QuorumModel
  }
  close(): Promise<void>
}

interface Pending {
  readonly sender: Account
  readonly call: ChainCall
  readonly id: Digest
  outcome: { block: bigint; error: ModelRevert | null } | null
  readonly done: (outcome: CallOutcome) => void
}

interface Block {
  readonly header: SeedHeader
  readonly events: readonly ChainEvent[]
  readonly transactions: readonly Pending[]
  readonly mark: number
}

/** As deep as a real node keeps transactions to send again; nothing below is ever taken back. */
const REORG_MAX = 64
const SEND_MS = 60_000
const RETRY_MS = 500
/** Epochs that are settled, paid and audited at a time. */
const REPLAYS_KEPT = 16

function defaultAddresses(crypto: Crypto): Addresses {
  const of = (name: string): Address => address(`0x${digestOf(crypto.keccak256(utf8(`fake ${name}`))).slice(26)}`)
  return {
    token: of('token'),
    credits: of('credits'),
    escrow: of('escrow'),
    networks: of('networks'),
    devices: of('devices'),
    staking: of('staking'),
    delegations: of('delegations'),
    pointers: of('pointers'),
    evidence: of('evidence'),
    rewards: of('rewards'),
    publisher: of('publisher'),
    oracle: of('oracle'),
    quorum: of('quorum'),
    proofs: of('proofs'),
    disputes: of('disputes'),
    emissions: of('emissions'),
    weights: of('weights'),
    market: of('market'),
    passkeys: of('passkeys'),
    timelock: of('timelock'),
    governor: of('governor'),
  }
}

/** Those that the network's roles call; what people alone call is tested on a real chain. */
type Contracts = Readonly<Partial<Record<ContractName, Functions>>>

function deploy(machine: Machine, config: FakeChainConfig, genesis: number) {
  const tokens = createTokens(machine)
  const registry = createRegistry(machine, tokens, config)
  const credits = createCredits(machine, tokens, config)
  const rewards = createRewards(machine, tokens, registry, config.guardian)
  const escrow = createEscrow({ machine, tokens, registry, credits, genesis, isActiveRoot: rewards.isActiveRoot })
  const quorum = createRootQuorum(machine, registry, rewards)
  const contracts: Contracts = {
    token: tokens.functions,
    credits: credits.functions,
    escrow: escrow.functions,
    networks: registry.networks,
    devices: createDevices(machine, registry),
    staking: registry.staking,
    delegations: registry.delegations,
    pointers: registry.pointers,
    evidence: registry.evidence,
    rewards: rewards.rewards,
    publisher: rewards.publisher,
    quorum: quorum.functions,
  }
  return { tokens, registry, credits, rewards, escrow, quorum, contracts }
}

/** The contracts of stage 1 on a chain that passes only in the clock's time: no process, no socket, no key. */
export function createFakeChain(options: FakeChainOptions): FakeChain {
  const { clock, crypto, config } = options
  const chainId = options.chainId ?? 31_337
  const addresses = options.addresses ?? defaultAddresses(crypto)
  const confirmations = options.confirmations ?? 3
  const machine = createMachine({ crypto, chainId, addresses })
  const begin = Math.floor(clock.now() / 1000)
  const { tokens, registry, credits, rewards, escrow, quorum, contracts } = deploy(machine, config, options.genesis ?? begin)
  machine.run(begin, () => tokens.mint(addresses.token, config.deployer, config.supply), true)

  const first: Block = { header: nextHeader(null, begin), events: [], transactions: [], mark: machine.mark() }
  let chain: Block[] = [first]
  let pool: Pending[] = []
  /** What the rows were folded from. */
  const history: Block[] = []
  let rows: ChainRows = createChainRows({ chainId, addresses, crypto })
  const view = createLiveView(rows, clock)
  const keyed = new Map<string, Promise<CallOutcome>>()
  /** Rows as of some second, which everybody who settles an epoch asks for. */
  const replayed = new Map<number, ChainRows>()
  const closed = new AbortController()
  let away = false

  const head = (): Block => present(chain.at(-1), 'there is a first block')

  function nextHeader(parent: SeedHeader | null, timestamp: number): SeedHeader {
    const number = parent === null ? 0n : parent.number + 1n
    const before = parent === null ? new Uint8Array(32) : utf8(parent.hash)
    const hash = digestOf(crypto.keccak256(before, bigEndian(number, 32), options.random.bytes(32)))
    return { number, hash, timestamp, parentTimestamp: parent?.timestamp ?? timestamp - 1 }
  }

  function invoke(sender: Account, call: ChainCall): void {
    const work = contracts[call.contract]?.[call.function]
    assert(work !== undefined, `${call.contract}.${call.function} is modelled`)
    work({ sender }, call.args)
  }

  function mine(at: number = Math.floor(clock.now() / 1000)): void {
    const parent = head().header
    // Two blocks never share a second: that is how anvil and every real chain number time.
    const header = nextHeader(parent, Math.max(at, parent.timestamp + 1))
    const transactions = pool
    pool = []
    const events: ChainEvent[] = []
    for (const tx of transactions) {
      const result = machine.run(header.timestamp, () => invoke(tx.sender, tx.call), true)
      tx.outcome = { block: header.number, error: result instanceof ModelRevert ? result : null }
      if (result instanceof ModelRevert) continue
      for (const event of result) events.push({ ...event, block: header.number, timestamp: header.timestamp })
    }
    chain.push({ header, events, transactions, mark: machine.mark() })
    if (chain.length > 2 * REORG_MAX) {
      chain = chain.slice(-REORG_MAX)
      machine.forget(present(chain[0], 'kept').mark)
    }
    if (!away) advance()
  }

  /** Shows what is deep enough, and answers who waited for it. */
  function advance(): void {
    const depth = chain.length - 1 - confirmations
    const shown = rows.head()?.number ?? -1n
    for (const block of chain.slice(0, Math.max(depth + 1, 0))) {
      if (block.header.number > shown) {
        rows.add(block.header, block.events)
        history.push(block)
      }
      for (const tx of block.transactions) settle(tx)
    }
    view.degrade(false)
    view.show(rows, clock.now())
  }

  function settle(tx: Pending): void {
    const { block, error } = present(tx.outcome, 'a transaction in a block has an outcome')
    if (error === null) tx.done({ is: 'confirmed', hash: tx.id, block })
    else tx.done({ is: 'reverted', error: error.error, data: error.data })
  }

  function rebuild(): void {
    replayed.clear()
    rows = createChainRows({ chainId, addresses, crypto })
    for (const block of history) rows.add(block.header, block.events)
  }

  function reorg(depth: number, drop = false): void {
    assert(depth > 0 && depth < Math.min(chain.length, REORG_MAX), 'a reorg reaches blocks that are still kept')
    const lost = chain.splice(chain.length - depth)
    machine.undo(head().mark)
    const again = lost.flatMap((block) => block.transactions)
    for (const tx of again) tx.outcome = null
    pool = drop ? pool : [...again, ...pool]
    if ((rows.head()?.number ?? -1n) <= head().header.number) return
    // Deeper than confirmed: the rows are folded again from what is left.
    view.degrade(true)
    while ((history.at(-1)?.header.number ?? -1n) > head().header.number) history.pop()
    rebuild()
  }

  async function send(sender: Account, call: ChainCall, signal: AbortSignal): Promise<CallOutcome> {
    while (away) await clock.sleep(RETRY_MS, signal)
    signal.throwIfAborted()
    const refused = simulate(sender, call)
    if (refused !== null) return { is: 'reverted', error: refused.error, data: refused.data }
    const { promise, resolve } = Promise.withResolvers<CallOutcome>()
    const id = digestOf(crypto.keccak256(options.random.bytes(32)))
    pool.push({ sender, call, id, outcome: null, done: resolve })
    return promise
  }

  /** On top of everything that waits in the pool, as a node's pending block is. */
  function simulate(sender: Account, call: ChainCall): ModelRevert | null {
    const mark = machine.mark()
    const at = Math.max(Math.floor(clock.now() / 1000), head().header.timestamp + 1)
    for (const tx of pool) machine.run(at, () => invoke(tx.sender, tx.call), true)
    const result = machine.run(at, () => invoke(sender, call), false)
    machine.undo(mark)
    return result instanceof ModelRevert ? result : null
  }

  function signer(account: Account): ChainSigner {
    return {
      account,
      async send(call, deadlineMs = SEND_MS) {
        using deadline = clock.deadline(`${call.contract}.${call.function}`, deadlineMs, closed.signal)
        const key = call.key === undefined ? null : `${account} ${call.key}`
        const running = key === null ? undefined : keyed.get(key)
        // A keyed intent goes on after its caller gave up waiting; another one ends with its deadline.
        const work = running ?? send(account, call, key === null ? deadline.signal : closed.signal)
        work.catch(() => undefined)
        if (key !== null && running === undefined) {
          keyed.set(key, work)
          // A refused or failed intent changed nothing: its key is free again.
          work.then((outcome) => outcome.is === 'reverted' && keyed.delete(key)).catch(() => keyed.delete(key))
        }
        const late = new Promise<never>((_, reject) => {
          const why = () => (away ? new CairnError('CHAIN_AWAY', { rpc: 'fake', why: 'it is out' }) : deadline.signal.reason)
          deadline.signal.addEventListener('abort', () => reject(why()), { once: true })
        })
        late.catch(() => undefined)
        return await Promise.race([work, late])
      },
    }
  }

  async function run(seconds: number): Promise<void> {
    while (!closed.signal.aborted) {
      await clock.sleep(seconds * 1000, closed.signal).catch(() => undefined)
      if (!closed.signal.aborted) mine()
    }
  }
  const running = options.blockSeconds === 0 ? Promise.resolve() : run(options.blockSeconds ?? 1)

  return {
    view,
    addresses,
    signer,
    mine,
    reorg,
    state: { escrow, rewards, registry, tokens, quorum },
    execute(sender, call, at) {
      const result = machine.run(at, () => invoke(sender, call), true)
      if (result instanceof ModelRevert) return { is: 'reverted', error: result.error }
      const header = nextHeader(head().header, at)
      const events = result.map((event) => ({ ...event, block: header.number, timestamp: at }))
      chain.push({ header, events, transactions: [], mark: machine.mark() })
      rows.add(header, events)
      view.show(rows, clock.now())
      return { is: 'done' }
    },
    setAway(now) {
      away = now
      view.degrade(now)
      if (!now) advance()
    },
    asOf(seconds) {
      if ((rows.head()?.timestamp ?? 0) < seconds) return null
      const known = replayed.get(seconds)
      if (known !== undefined) return known
      const then = createChainRows({ chainId, addresses, crypto })
      for (const block of history) if (block.header.timestamp < seconds) then.add(block.header, block.events)
      if (replayed.size >= REPLAYS_KEPT) for (const oldest of replayed.keys()) if (replayed.delete(oldest)) break
      replayed.set(seconds, then)
      return then
    },
    ledger: () => ledgerOf({ addresses, tokens, registry, rewards, escrow, vaulted: credits.vault() + credits.topUpReserve() }),
    async close() {
      closed.abort()
      await running
    },
  }
}

interface Sources {
  readonly addresses: Addresses
  readonly tokens: TokenModel
  readonly registry: RegistryModel
  readonly rewards: RewardsModel
  readonly escrow: EscrowModel
  readonly vaulted: bigint
}

/** From the contracts' books and not from their token balances: money that no book knows would be missing here. */
function ledgerOf({ addresses, tokens, registry, rewards, escrow, vaulted }: Sources): readonly AssetLedger[] {
  const contracts = new Set<string>(Object.values(addresses))
  const of = (name: 'token' | 'credits'): AssetLedger => {
    const asset = addresses[name]
    let wallets = 0n
    for (const [owner, amount] of tokens.balances(asset)) if (!contracts.has(owner)) wallets += amount
    const held = escrow.holdings(asset)
    const isToken = name === 'token'
    return {
      asset: name,
      cameIn: tokens.supply(asset) + tokens.burned(asset),
      burned: tokens.burned(asset),
      wallets,
      escrowed: held.available + held.thawing + held.earned + held.earmarked + held.locked + held.fees,
      vaulted: isToken ? vaulted : 0n,
      staked: isToken ? registry.staked() : 0n,
      pots: rewards.held(asset),
      bonds: isToken ? registry.bonds() : 0n,
    }
  }
  return [of('token'), of('credits')]
}
