/** What every published root must say: nobody's total shrinks, the honest are paid, cheaters are caught, an audit agrees. */
import { type DeviceId, type Digest, epoch as epochOf } from '../protocol/ids.ts'
import { PPM } from '../protocol/units.ts'
import { epochTimes } from '../resources/epoch-facts.ts'
import { type Settlement, settlementSchema } from '../resources/evidence.ts'
import { epochsToCatch, isOdd, SLOTS_PER_SET } from '../resources/storage/index.ts'
import { audit } from '../roles/auditor/index.ts'
import type { RootRow } from '../runtime/chain.ts'
import { present } from '../std/assert.ts'
import type { FaultLog } from './faults.ts'
import { type SimNetwork, storageKind } from './network.ts'
import type { Violations } from './violations.ts'
import type { NodeKeys, World } from './world.ts'

/** How a node behaves; cheaters may be unpaid, honest nodes may not. */
export type Role =
  | { readonly is: 'honest' }
  | { readonly is: 'cheat'; readonly id: string; readonly caughtWithin: number }
  /** Its losses follow a formula that many epochs are compared with. */
  | { readonly is: 'loses'; readonly ppm: number }
  /** Cheats customers and not verifiers. */
  | { readonly is: 'corrupts' }

export interface Tally {
  /** Epochs in which a node that lost a share of its bytes was judged, and in which it was caught. */
  trials: number
  caught: number
}

export interface RewardChecks {
  check(): Promise<void>
  /** Whether a root was published that pays for `epoch`. */
  paid(epoch: number): boolean
  /** Scores of the newest settlement, by node. */
  lastScores(): ReadonlyMap<number, number>
  readonly settled: number
  readonly tally: Tally
}

export interface RewardOptions {
  readonly world: World
  readonly network: SimNetwork
  readonly faults: FaultLog
  readonly violations: Violations
  readonly roles: readonly Role[]
  /** Epochs before this one are the network's first and pay nobody. */
  readonly firstEpoch: number
}

/** Sets smaller than this have so few leaves that even an old proof may be right. */
const LEAST_BYTES = 24_000n
/** Of few pieces half may be none; where it is a third at least, it is found within so many epochs. */
const HALF = 'deletes-half'
const THIRD_WITHIN = epochsToCatch({ numerator: 1n, denominator: 3n }, SLOTS_PER_SET)
/** In an epoch whose reads are all wrong the set is unpaid. Not every epoch has enough: a clock that is off takes orders for expired. */
const READ_WITHIN = 8
/** Blocks until a step shows on the chain. */
const LAG_MS = 15_000
/** Epochs of the book that may have been settled since the last look. */
const LOOK_BACK = 12
/** Characters of a difference that are told. */
const LONGEST = 600

export function createRewardChecks(options: RewardOptions): RewardChecks {
  const { world, network, faults, violations, roles } = options
  const { chain, net } = world
  const { book } = present(network.verifiers[0], 'the first verifier publishes')
  const audited: RootRow[] = []
  const totals = new Map<string, bigint>()
  const seen = new Map<number, Settlement>()
  const streaks = new Map<number, number>()
  const tally: Tally = { trials: 0, caught: 0 }
  const seconds = world.options.epochSeconds
  let judgedTo = options.firstEpoch

  function grew(id: string, amount: bigint): void {
    const before = totals.get(id) ?? 0n
    if (amount < before) violations.add(4, `${id} fell from ${before} to ${amount}`)
    totals.set(id, amount)
  }

  function checkTotals({ owners }: Settlement): void {
    for (const owner of owners) {
      grew(owner.account, owner.cumulative)
      for (const line of owner.channels) grew(`${owner.account} ${line.channel} ${line.unit}`, line.cumulative)
    }
    const named = new Set(owners.map((owner): string => owner.account))
    for (const id of totals.keys()) {
      const account = id.split(' ')[0] ?? ''
      if (!named.has(account)) violations.add(4, `${account} is gone from the totals`)
    }
  }

  /** What the gateway's newest set says is what was claimed a moment ago; while the gateway is down nobody knows. */
  function lacksAThird(device: DeviceId): boolean {
    const entries = network.gateway.backend?.store.metadata.segments.manifest(device) ?? []
    const sum = (of: typeof entries): number => of.reduce((bytes, { size }) => bytes + size, 0)
    return 3 * sum(entries.filter(({ pieceId }) => isOdd(pieceId))) >= sum(entries) && entries.length > 0
  }

  const times = (epoch: number) => {
    const { begins, ends, cutoff } = epochTimes(seconds, epochOf(epoch))
    return { begins: begins * 1000, ends: ends * 1000, cutoff: cutoff * 1000 }
  }

  /** Whether chain or verifiers were kept from their work on this epoch. */
  function disturbed(epoch: number): boolean {
    const { begins, cutoff } = times(epoch)
    const from = begins - seconds * 1000
    return faults.disturbed('chain', from, cutoff + LAG_MS) || faults.disturbed('verifier', from, cutoff + LAG_MS)
  }

  async function checkAudit(root: RootRow): Promise<void> {
    if (chain.asOf(epochTimes(seconds, root.epoch).cutoff) === null) return
    const outcome = await audit({
      crypto: world.crypto,
      resource: storageKind,
      net,
      root,
      roots: [...audited, root],
      stateOf: (epoch) => chain.asOf(epochTimes(seconds, epoch).cutoff),
      async read(name) {
        for (const verifier of network.verifiers) {
          const bytes = await verifier.book.readFile(name)
          if (bytes !== null) return bytes
        }
        return null
      },
    })
    if (outcome.equal) return
    const { differs, where, published, recomputed } = outcome
    violations.add(
      8,
      `epoch ${root.epoch}: ${differs} ${where} is ${published.slice(0, LONGEST)}, recomputed ${recomputed.slice(0, LONGEST)}`,
    )
  }

  function checkScore(epoch: number, node: NodeKeys, settlement: Settlement): void {
    const role = roles[node.index] ?? { is: 'honest' }
    const line = settlement.scores.find((score) => score.subject === node.device.id)
    const score = line?.score ?? 0
    const codes = (line?.reasons ?? []).map((reason) => reason.code)
    const idle = codes.length === 1 && codes[0] === 'nothing-claimed'
    const { begins, ends } = times(epoch)
    const sound = !disturbed(epoch) && !faults.lost.has(node.index) && !faults.disturbed(`node ${node.index}`, begins - LAG_MS, ends)
    const bytes = BigInt(line?.units.find(([unit]) => unit === 'byte-second')?.[1] ?? 0n) / BigInt(seconds)
    switch (role.is) {
      case 'honest':
        if (sound && score < PPM && !idle) violations.add(6, `node ${node.index} scores ${score} in epoch ${epoch}: ${codes.join(', ')}`)
        return
      case 'cheat': {
        const counts = score === PPM && bytes >= LEAST_BYTES && (role.id !== HALF || lacksAThird(node.device.id))
        const streak = counts ? (streaks.get(node.index) ?? 0) + 1 : 0
        streaks.set(node.index, streak)
        if (streak >= Math.max(role.caughtWithin, role.id === HALF ? THIRD_WITHIN : 1))
          violations.add(7, `node ${node.index}, which ${role.id}, is paid for the ${streak}. epoch in a row`)
        return
      }
      case 'corrupts': {
        // Proofs tell nothing of it, reads do: in epochs in which the gateway could lend its orders for them.
        const read = sound && !idle && line !== undefined && !faults.disturbed('gateway', begins - LAG_MS, ends)
        const streak = read && score > 0 ? (streaks.get(node.index) ?? 0) + 1 : 0
        if (read) streaks.set(node.index, streak)
        if (streak >= READ_WITHIN)
          violations.add(7, `node ${node.index}, which serves wrong bytes, is paid for the ${streak}. epoch in a row`)
        return
      }
      case 'loses':
        if (!sound || idle || line === undefined) return
        tally.trials += 1
        if (score < PPM) tally.caught += 1
    }
  }

  /**
   * The root on chain; of a settlement that a later root covered, what its root would have been. Numbered as they are
   * audited here, so that what was audited once is not recomputed as the history of all that follows.
   */
  function rootOf(epoch: number, name: Digest, { root, total }: Settlement): RootRow {
    const published = chain.view.roots(net).find((row) => row.epoch === epoch)
    const index = audited.length
    if (published !== undefined) return { ...published, index }
    const asset = chain.addresses.token
    return { net, asset, epoch: epochOf(epoch), index, root, total, dataHash: name, activeAt: 0, state: 'pending' }
  }

  async function take(epoch: number, name: Digest): Promise<void> {
    const bytes = await book.readFile(name)
    if (bytes === null) {
      violations.add(8, `the settlement of epoch ${epoch} is not to be had`)
      return
    }
    const settlement = settlementSchema.decode(bytes)
    seen.set(epoch, settlement)
    checkTotals(settlement)
    const root = rootOf(epoch, name, settlement)
    if (!disturbed(epoch)) await checkAudit(root)
    audited.push(root)
    for (const node of world.nodes) checkScore(epoch, node, settlement)
  }

  function checkStakes(): void {
    for (const { operator, index } of world.nodes) {
      const stake = chain.view.stakeOf(operator.account, net)
      const least = chain.view.network(net)?.minStake ?? 0n
      if (roles[index]?.is === 'honest' && stake < least) violations.add(6, `node ${index} was slashed to ${stake}`)
    }
  }

  const isPaid = (epoch: number): boolean => seen.has(epoch) && chain.view.roots(net).some((root) => root.epoch >= epoch)

  return {
    tally,
    get settled() {
      return seen.size
    },
    paid: isPaid,
    lastScores() {
      const last = [...seen.values()].at(-1)
      const byDevice = new Map<string, number>((last?.scores ?? []).map((line) => [line.subject, line.score]))
      return new Map(world.nodes.map((node) => [node.index, byDevice.get(node.device.id) ?? 0]))
    },
    async check() {
      for (const row of [...book.epochs(LOOK_BACK)].sort((a, b) => a.epoch - b.epoch)) {
        if (row.settlement !== null && !seen.has(row.epoch)) await take(row.epoch, row.settlement)
      }
      checkStakes()
      // An epoch is paid by the end of the third after it, by its own root or a later one, unless chain or verifiers were away.
      for (const last = world.epoch() - 4; judgedTo <= last; judgedTo += 1) {
        const around = [0, 1, 2, 3].some((after) => disturbed(judgedTo + after))
        if (!around && !isPaid(judgedTo)) violations.add(6, `epoch ${judgedTo} was never paid`)
      }
    },
  }
}
