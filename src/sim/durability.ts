/** Whether what customers were promised is there: during faults as far as enough pieces live, after them as a whole. */

import type { Store } from '../resources/storage/gateway.ts'
import type { Prng } from '../std/prng.ts'
import type { Customer, Named } from './customers.ts'
import type { FaultLog } from './faults.ts'
import type { SimNetwork } from './network.ts'
import type { Role } from './rewards.ts'
import type { Violations } from './violations.ts'
import type { World } from './world.ts'

export interface DurabilityChecks {
  /** Reads `count` keys of each customer, and the lists. */
  check(count: number): Promise<void>
  /** Whether everything is as it was before the first fault; what is not. */
  unhealthy(): Promise<readonly string[]>
}

export interface DurabilityOptions {
  readonly world: World
  readonly network: SimNetwork
  readonly faults: FaultLog
  readonly violations: Violations
  readonly roles: readonly Role[]
  readonly prng: Prng
  readonly repairBelow: number
}

export function createDurabilityChecks(options: DurabilityOptions): DurabilityChecks {
  const { world, network, faults, violations, roles, prng } = options
  const indexOf = new Map(world.nodes.map((node) => [node.device.id, node.index]))

  /** Whether a piece on this node is beyond doubt: up, reachable, honest to customers, on a sound disk, in its right time. */
  function serves(index: number | undefined): boolean {
    if (index === undefined) return false
    const node = network.nodes[index]
    const lies = roles[index]?.is === 'corrupts'
    // A node that is still opening its files is up and serves nobody yet.
    const ready = node?.up === true && (node.provider !== null || roles[index]?.is === 'cheat')
    return ready && !lies && !faults.rotted.has(index) && !faults.lost.has(index) && faults.connected(index) && node.machine.skewMs === 0
  }

  function live(store: Store, at: Named): boolean {
    const record = store.metadata.object(at.bucket, at.key)
    if (record === null || record.inline !== null) return true
    const segments = record.parts.flatMap((part) => part.segments).map(({ id }) => store.metadata.segments.get(id))
    return segments.every((segment) => {
      if (segment === null) return false
      return segment.pieces.filter((piece) => serves(indexOf.get(piece.device))).length >= segment.k
    })
  }

  const isReadable = (at: Named): boolean => {
    const store = network.gateway.backend?.store
    return store !== undefined && network.gateway.machine.skewMs === 0 && live(store, at)
  }

  async function checkOne(customer: Customer, at: Named): Promise<void> {
    const before = isReadable(at)
    // Judged on both sides of the read: a fault in the middle of it excuses it.
    const wrong = await customer.check(at, (key) => before && isReadable(key))
    if (wrong !== null) violations.add(wrong.startsWith('WRONG') ? 2 : 1, wrong)
  }

  async function segmentsInNeed(store: Store): Promise<readonly string[]> {
    const needs: string[] = []
    for (let after = ''; ; ) {
      const page = store.metadata.segments.scan(after, 100)
      for (const segment of page) {
        after = segment.id
        const repairable = segment.pieces.filter((piece) => !faults.lost.has(indexOf.get(piece.device) ?? -1)).length
        // Rotted pieces that nobody has read yet are found by their provider's scrub, in its own time.
        if (repairable < options.repairBelow)
          needs.push(`segment ${segment.id.slice(0, 10)} has fewer than ${options.repairBelow} of ${segment.n} pieces`)
      }
      if (page.length < 100) return needs
    }
  }

  return {
    async check(count) {
      for (const customer of network.customers) {
        for (const at of prng.shuffle(customer.keys()).slice(0, count)) await checkOne(customer, at)
        const wrong = await customer.checkLists()
        if (wrong !== null) violations.add(1, wrong)
      }
    },
    async unhealthy() {
      const store = network.gateway.backend?.store
      if (store === undefined) return ['the gateway is down']
      const troubles = [...(await segmentsInNeed(store))]
      const behind = store.metadata.lastSeq() - store.log.position().last
      if (behind > 0) troubles.push('the log is behind')
      for (const node of network.nodes) {
        if (faults.lost.has(node.keys.index)) continue
        if (!node.up) troubles.push(`node ${node.keys.index} is down`)
        // Whoever cannot show what it keeps is not paid, and is right to take no more.
        const role = roles[node.keys.index]?.is
        if (faults.rotted.has(node.keys.index) || role === 'loses' || role === 'cheat') continue
        const status = await node.provider?.status()
        for (const account of status?.accounts ?? []) {
          if (!account.mayPut) troubles.push(`node ${node.keys.index} takes no pieces: vouchers are missing`)
        }
      }
      return troubles
    },
  }
}
