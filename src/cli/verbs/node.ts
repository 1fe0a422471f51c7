/** `cairn node status|earnings`: what a node holds, what it got for it, and why not more. */

import { deviceIdOf } from '../../protocol/device-signature.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, account as accountOf, networkId } from '../../protocol/ids.ts'
import type { Settlement } from '../../resources/evidence.ts'
import { toHex } from '../../std/bytes.ts'
import { type NodeConfig, nodeConfig, readConfig } from '../config.ts'
import { askStatus, type NodeStatus } from './daemons.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { openEvidence } from './evidence.ts'
import { bytes, cairn, dollars, type Exit, print, printJson, table } from './output.ts'
import { findPlace, type Place } from './place.ts'

export interface NodeOptions {
  readonly data?: string
  readonly json: boolean
  /** Which of a local network's nodes, from 1; all without it. */
  readonly node?: number
}

/** Folders of the nodes that are meant. */
export function nodesOf(place: Place, node: number | undefined): readonly string[] {
  const folders = node === undefined ? place.nodes : place.nodes.slice(node - 1, node)
  if (folders.length > 0) return folders
  const why = node === undefined ? 'there is no node in it' : `it has ${place.nodes.length} nodes, and no number ${node}`
  throw new CairnError('CONFIG', { what: place.folder, why, fix: 'name a node’s folder with --data, or another --node' })
}

/** Ends with 1 when a node does not run. */
export async function nodeStatus(options: NodeOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const asked = await Promise.all(nodesOf(place, options.node).map(async (folder) => ({ folder, status: await askStatus(folder) })))
  const nodes = asked.map(({ folder, status }) => ({ folder, status: status?.role === 'node' ? status : null }))
  if (options.json) printJson(nodes)
  else for (const { folder, status } of nodes) printNode(folder, status)
  return nodes.every(({ status }) => status !== null) ? 0 : 1
}

function printNode(folder: string, status: NodeStatus | null): void {
  if (status === null) {
    print(`${folder}: not running; start it with \`cairn run node --data ${folder}\``)
    return
  }
  print(`${folder}: ${status.state}, process ${status.pid}`)
  print(`  device    ${status.device}`)
  print(`  operator  ${status.operator}   at ${status.address}`)
  print(`  disk      ${bytes(status.usedBytes)} of pieces, ${bytes(status.diskBytes)} on disk, ${bytes(status.freeBytes)} free`)
  print(`  holds     ${status.pieces} pieces in ${status.sets} data set(s)`)
  print(`  owed      ${dollars(status.owed)}, covered by vouchers ${dollars(status.earned)}`)
  for (const reason of status.reasons) print(`  note      ${reason}`)
}

/** Everything that a node earned, with the reasons for every deduction. */
export async function nodeEarnings(options: NodeOptions & { readonly epochs: number }): Promise<Exit> {
  const place = await findPlace(options.data)
  const folders = nodesOf(place, options.node)
  const desk = await openChainDesk(place)
  const files = openEvidence(desk, place, { remote: false })
  try {
    const roots = desk.access.view.roots(networkId(place.net)).slice(-options.epochs)
    const settlements: Settlement[] = []
    for (const root of roots) {
      const settlement = await files.settlement(root.dataHash)
      if (settlement !== null) settlements.push(settlement)
    }
    const paid = roots.findLast((root) => root.state === 'active')
    const claimable = settlements.find((settlement) => settlement.epoch === paid?.epoch) ?? null
    const out = []
    for (const folder of folders) out.push(await earningsOf(desk, folder, await readConfig(folder, nodeConfig), settlements, claimable))
    if (options.json) printJson(out)
    else for (const one of out) printEarnings(one)
    return 0
  } finally {
    await files.close()
    await desk.close()
  }
}

async function earningsOf(
  desk: ChainDesk,
  folder: string,
  config: NodeConfig,
  settlements: readonly Settlement[],
  active: Settlement | null,
) {
  const { crypto } = desk
  const { view } = desk.access
  const { token, credits } = view.addresses
  const device = deviceIdOf(crypto, `0x${toHex(crypto.secp256k1.address(config.deviceKey))}`)
  const operator = accountOf(toHex(crypto.secp256k1.address(config.operatorKey)))
  const status = await askStatus(folder)
  const held = status?.role === 'node' ? status.vouchers : []
  const claimed = view.claimed(desk.network.id, token, operator)
  const due = active?.owners.find((owner) => owner.account === operator)?.cumulative ?? 0n
  return {
    folder,
    device,
    operator,
    running: status !== null,
    rewards: { claimed, claimable: due > claimed ? due - claimed : 0n },
    escrow: view.escrow(operator, credits),
    vouchers: held.map(({ payer, cumulative }) => {
      const channel = view.channel(accountOf(payer), operator, credits, desk.network.id, 0n)
      return { payer, held: cumulative, redeemed: channel?.redeemed ?? 0n, earmark: channel?.earmark ?? 0n }
    }),
    epochs: settlements.map((settlement, i) => epochOf(settlement, settlements[i - 1] ?? null, device, operator)),
  }
}

function epochOf(settlement: Settlement, before: Settlement | null, device: string, operator: Account) {
  const line = settlement.scores.find((row) => row.subject === device)
  const total = (of: Settlement | null): bigint => of?.owners.find((row) => row.account === operator)?.cumulative ?? 0n
  return {
    epoch: settlement.epoch,
    score: line?.score ?? 0,
    units: Object.fromEntries(line?.units ?? []),
    reasons: line?.reasons ?? [{ code: 'not-asked', data: {}, evidence: [] }],
    /** Null for the oldest shown: what was before it is not looked up. */
    gained: before === null ? null : total(settlement) - total(before),
  }
}

function printEarnings(of: Awaited<ReturnType<typeof earningsOf>>): void {
  print(`${of.folder}: device ${of.device.slice(0, 10)}… of ${of.operator}`)
  print(`  rewards   ${cairn(of.rewards.claimed)} CAIRN claimed, ${cairn(of.rewards.claimable)} to be claimed`)
  print(`  credits   ${dollars(of.escrow.earned)} earned and not yet turned into CAIRN`)
  if (!of.running) print('  vouchers  the node does not run; they are in its folder')
  for (const { payer, held, redeemed } of of.vouchers)
    print(`  vouchers  ${dollars(held)} from ${payer}, ${dollars(redeemed)} of it redeemed`)
  const rows = of.epochs.map((row) => [
    String(row.epoch),
    (row.score / 1_000_000).toFixed(4),
    row.gained === null ? '' : cairn(row.gained),
    row.reasons.length === 0
      ? 'nothing deducted'
      : row.reasons
          .map((reason) => [reason.code, ...Object.entries(reason.data).map(([name, value]) => `${name}=${value}`)].join(' '))
          .join('; '),
  ])
  if (rows.length > 0)
    print(
      table(
        ['  epoch', 'score', 'CAIRN', 'why'],
        rows.map(([first, ...rest]) => [`  ${first}`, ...rest]),
      ),
    )
}
