/** One run: a network, its customers, its faults and its cheaters, for a number of epochs, all of it from one seed. */
import type { Account } from '../protocol/ids.ts'
import type { Payees } from '../resources/payees.ts'
import { LOCAL_REDUNDANCY, type Redundancy, SLOTS_PER_SET, storage } from '../resources/storage/index.ts'
import { assert } from '../std/assert.ts'
import type { Prng } from '../std/prng.ts'
import { CHEATS, cheatBend, corruptsReads, losesShare } from './cheaters.ts'
import { createDurabilityChecks, type DurabilityChecks } from './durability.ts'
import { createFaults, type FaultRates, type Faults } from './faults.ts'
import { createMoneyChecks, type MoneyChecks } from './money.ts'
import { bendsOf, MUTANTS, type Mutant } from './mutants.ts'
import { type OddVerifier, type SimNetwork, startNetwork } from './network.ts'
import type { NodeBend } from './node.ts'
import { createRewardChecks, type RewardChecks, type Role } from './rewards.ts'
import { createViolations, type Violation, type Violations } from './violations.ts'
import { createWorld, type World } from './world.ts'

export interface SimulationOptions {
  readonly seed: bigint
  readonly nodes: number
  readonly epochs: number
  readonly rates: FaultRates
  /** Share of the nodes that cheat, in ppm. */
  readonly cheaters: number
  /** What the first nodes are, instead of what is drawn. */
  readonly cast?: readonly Role[]
  readonly mutant?: Mutant | null
  /** Four verifiers whose quorum signs roots, of which one is odd; else there are two, of which one signs. */
  readonly odd?: OddVerifier
  /** A gateway that hands no voucher out, from the first epoch on. */
  readonly miser?: boolean
  /** Draws from the real world, for the mutant that lets them in. */
  readonly leak?: () => number
  readonly progress?: (epoch: number) => void
}

export interface Report {
  readonly seed: bigint
  readonly violations: readonly Violation[]
  /** Hash of everything that happened. */
  readonly trace: string
  readonly settled: number
  /** Calls of customers by kind and outcome. */
  readonly calls: ReadonlyMap<string, number>
  readonly tally: { readonly trials: number; readonly caught: number; readonly lostPpm: number; readonly slots: number }
  /** The newest lines of the trace, for whoever asks why. */
  readonly lines: readonly string[]
}

/** The chain is three blocks behind itself, and evidence counts for a quarter of an epoch: shorter ones leave no room. */
const EPOCH_SECONDS = 32
/** Long enough for two rounds of lost contact, repair, signatures and vouchers. */
const HEAL_EPOCHS = 7
/** Of those, epochs in which customers rest: what they just stored may have fewer pieces than it will get. */
const QUIET_EPOCHS = 4
const CUSTOMERS = 2
const KEYS = 10
const ACTS = 6
/** Keys that each customer reads at the end of an epoch; all of them at the end of the run. */
const READS = 2
/** The share of its bytes that one cheater has lost, so that formula and count can be compared. */
const LOST_PPM = 100_000
/** Fewer than this could be lost by faults alone. */
const HONEST_MIN = 8

interface Run {
  readonly options: SimulationOptions
  readonly world: World
  readonly network: SimNetwork
  readonly faults: Faults
  readonly violations: Violations
  readonly durability: DurabilityChecks
  readonly rewards: RewardChecks
  readonly money: MoneyChecks
}

/** Who cheats, and how: every kind once, then again, as far as the share goes. */
function drawRoles(prng: Prng, nodes: number, share: number): Role[] {
  const kinds: Role[] = [
    { is: 'loses', ppm: LOST_PPM },
    { is: 'corrupts' },
    ...CHEATS.map((id): Role => ({ is: 'cheat', id, caughtWithin: caughtWithin(id) })),
  ]
  const count = Math.min(Math.floor((nodes * share) / 1_000_000), Math.max(0, nodes - HONEST_MIN))
  const shuffled = [kinds[0] as Role, ...prng.shuffle(kinds.slice(1))]
  const chosen = prng.shuffle(Array.from({ length: nodes }, (_, i) => i)).slice(0, count)
  const roles = Array.from({ length: nodes }, (): Role => ({ is: 'honest' }))
  for (const [i, node] of chosen.entries()) roles[node] = shuffled[i % shuffled.length] as Role
  return roles
}

const caughtWithin = (id: string): number => storage.faults.find((fault) => fault.id === id)?.caughtWithin ?? 1

function bendOf(world: World, role: Role, disk: NodeBend['disk']): NodeBend {
  const own = ((): NodeBend => {
    switch (role.is) {
      case 'honest':
        return {}
      case 'corrupts':
        return corruptsReads()
      case 'loses':
        return losesShare(world.crypto, role.ppm)
      case 'cheat':
        return cheatBend(role.id)
    }
  })()
  return disk === undefined ? own : { ...own, disk }
}

/** Pieces are placed on eight of at least as many operators; with fewer nodes the code is narrower. */
function redundancyFor(nodes: number): Redundancy {
  assert(nodes >= LOCAL_REDUNDANCY.n, `a simulation has at least ${LOCAL_REDUNDANCY.n} nodes`)
  return LOCAL_REDUNDANCY
}

async function open(options: SimulationOptions): Promise<Run> {
  const { seed, nodes } = options
  const world = await createWorld({ seed, nodes, verifiers: options.odd === undefined ? 2 : 4, epochSeconds: EPOCH_SECONDS })
  const first = world.epoch()
  const violations = createViolations(() => world.epoch() - first)
  const bends = bendsOf(options.mutant ?? null)
  const roles = drawRoles(world.prng.fork('roles'), nodes, options.cheaters).map((role, i) => options.cast?.[i] ?? role)
  for (const [i, role] of roles.entries()) if (role.is !== 'honest') world.trace.add(`node ${i} ${JSON.stringify(role)}`)
  const served = new Map<Account, bigint>()
  const counting = (payees: Payees): Payees => ({
    ...payees,
    ...(options.miser === true ? { deliver: async () => undefined } : {}),
    served() {
      const rows = payees.served()
      for (const row of rows) served.set(row.operator, (served.get(row.operator) ?? 0n) + row.amount)
      return rows
    },
  })
  const redundancy = redundancyFor(nodes)
  const network = await startNetwork({
    world,
    redundancy,
    customers: CUSTOMERS,
    keysPerCustomer: KEYS,
    odd: options.odd ?? null,
    bends: { ...bends, gateway: { ...bends.gateway, payees: (payees) => bends.gateway.payees?.(counting(payees)) ?? counting(payees) } },
    bendOf: (node) => bendOf(world, roles[node] ?? { is: 'honest' }, options.mutant === 'ack-before-sync' ? bends.disk : undefined),
  })
  const faults = createFaults(world, network, world.prng.fork('faults'))
  const shared = { world, network, faults, violations, roles }
  return {
    options,
    world,
    network,
    faults,
    violations,
    durability: createDurabilityChecks({ ...shared, prng: world.prng.fork('reads'), repairBelow: redundancy.repairBelow }),
    // Heads signed in the first epoch are claimed in the second.
    rewards: createRewardChecks({ ...shared, firstEpoch: first + 2 }),
    money: createMoneyChecks({
      world,
      network,
      violations,
      prng: world.prng.fork('money'),
      served: (operator) => served.get(operator) ?? 0n,
      onClaimed: bends.onClaimed(world),
    }),
  }
}

/** Customers work through four fifths of the epoch; then it is looked at what came of it, while faults go on. */
async function live({ world, network, money, durability, rewards, options }: Run, acts: number): Promise<void> {
  const { clock } = world
  const ms = EPOCH_SECONDS * 1000
  const ends = (world.epoch() + 1) * ms
  const pause = Math.floor((ends - clock.now()) / (ACTS + 2))
  for (let i = 0; i < acts && clock.now() < ends - pause; i += 1) {
    await Promise.all(network.customers.map((customer) => customer.act()))
    await clock.sleep(options.mutant === 'real-randomness' ? Math.floor(pause * (options.leak?.() ?? 1)) : pause)
  }
  money.pester()
  if (clock.now() < ends) await clock.sleep(ends - clock.now())
  await durability.check(READS)
  await rewards.check()
  await money.check()
}

/** A broken run is not worth going on with; a planted bug may first show itself elsewhere. */
const isOver = ({ violations, options: { mutant } }: Run): boolean =>
  violations.list.some(({ invariant }) => mutant === undefined || mutant === null || invariant === MUTANTS[mutant])

/** Without faults, everything must come back, within a bounded number of epochs. */
async function heal(run: Run): Promise<void> {
  const { world, network, faults, rewards, durability, violations, options } = run
  faults.heal()
  for (let i = 0; i < HEAL_EPOCHS && !isOver(run); i += 1) {
    await network.gateway.prepare()
    await world.clock.run(() => live(run, i < HEAL_EPOCHS - QUIET_EPOCHS ? ACTS : 0))
    options.progress?.(options.epochs + i)
  }
  await world.clock.run(async () => {
    const before = new Set(await durability.unhealthy())
    await world.clock.sleep(1.5 * EPOCH_SECONDS * 1000)
    // What was stored a moment ago, a snapshot for one, may have fewer pieces than it will get; old troubles count.
    for (const trouble of await durability.unhealthy()) if (before.has(trouble)) violations.add(9, trouble)
    await durability.check(KEYS * 2)
  })
  if (!rewards.paid(world.epoch() - 4)) violations.add(9, `epoch ${world.epoch() - 4} was not paid`)
}

/** Runs one simulation to its end. Throws only for bugs of the simulator itself; what it found is in the report. */
export async function simulate(options: SimulationOptions): Promise<Report> {
  const run = await open(options)
  const { world, network, faults, violations, rewards } = run
  for (let epoch = 0; epoch < options.epochs && !isOver(run); epoch += 1) {
    await network.gateway.prepare()
    faults.plan(options.rates)
    await world.clock.run(() => live(run, ACTS))
    options.progress?.(epoch)
  }
  if (!isOver(run)) await heal(run)
  for (const violation of violations.list) world.trace.add(JSON.stringify(violation))
  await world.chain.close()
  const calls = new Map<string, number>()
  for (const customer of network.customers) for (const [what, n] of customer.counts) calls.set(what, (calls.get(what) ?? 0) + n)
  return {
    seed: options.seed,
    violations: violations.list,
    trace: world.trace.digest(),
    settled: rewards.settled,
    calls,
    tally: { ...rewards.tally, lostPpm: LOST_PPM, slots: SLOTS_PER_SET },
    lines: world.trace.tail(4000),
  }
}
