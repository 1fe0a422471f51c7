/** `cairn epoch list|show`: what became of each epoch, and who got what for it. */
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { type Digest, type Epoch, epoch as epochOf, networkId } from '../../protocol/ids.ts'
import type { Settlement } from '../../resources/evidence.ts'
import { type EpochRow, epochTimes, openBook } from '../../roles/verifier/index.ts'
import type { RootRow } from '../../runtime/chain.ts'
import { openDatabase, openDisk } from '../../runtime/real/index.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { openEvidence } from './evidence.ts'
import { cairn, type Exit, print, printJson, table } from './output.ts'
import { exists, findPlace, type Place } from './place.ts'

export interface EpochLine {
  readonly epoch: Epoch
  /** The root on chain; null while there is none. */
  readonly root: Digest | null
  /**
   * Of the root once there is one (pending, active, vetoed, challenged, rejected); before that what the verifier of this
   * folder, or the chain, knows: running, committed, collected, settled, published, superseded, void, missed.
   */
  readonly state: string
}

/** What this folder's verifier wrote down, by epoch; empty when there is none. */
export async function bookRows(place: Place, limit: number): Promise<ReadonlyMap<Epoch, EpochRow>> {
  const path = place.verifier === null ? null : join(place.verifier, 'state.db')
  if (place.verifier === null || path === null || !(await exists(path))) return new Map()
  const database = openDatabase(path)
  try {
    return new Map(
      openBook(database, await openDisk(place.verifier))
        .epochs(limit)
        .map((row) => [row.epoch, row]),
    )
  } finally {
    database.close()
  }
}

/** Newest last; epochs that have not begun are left out. */
export function epochLines(desk: ChainDesk, book: ReadonlyMap<Epoch, EpochRow>, limit: number): readonly EpochLine[] {
  const { view } = desk.access
  const { id, epochSeconds } = desk.network
  const now = Math.max(view.head()?.timestamp ?? 0, Math.floor(desk.clock.now() / 1000))
  const current = Math.floor(now / epochSeconds)
  const roots = new Map(view.roots(id).map((root) => [root.epoch, root]))
  const known = [...book.keys(), ...roots.keys()].filter((epoch) => epoch <= current)
  const oldest = Math.max(Math.min(current, ...known), current - limit + 1)
  return Array.from({ length: current - oldest + 1 }, (_, i) => {
    const epoch = epochOf(oldest + i)
    return { epoch, root: roots.get(epoch)?.root ?? null, state: stateOf(desk, epoch, roots.get(epoch), book.get(epoch), now) }
  })
}

function stateOf(desk: ChainDesk, epoch: Epoch, root: RootRow | undefined, row: EpochRow | undefined, now: number): string {
  if (root !== undefined) return root.state
  const { view } = desk.access
  const { id, epochSeconds } = desk.network
  if (row !== undefined && row.state !== 'committed') return row.state
  if (view.epochSeed(id, epoch).is === 'void') return 'void'
  if (view.evidence(id, epoch).length > 0) return 'collected'
  if (now >= epochTimes(epochSeconds, epoch).cutoff) return 'missed'
  return row === undefined ? 'running' : 'committed'
}

export async function epochList(options: { data?: string; json: boolean; limit: number }): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const lines = epochLines(desk, await bookRows(place, options.limit + 8), options.limit)
    if (options.json) printJson(lines)
    else
      print(
        table(
          ['epoch', 'state', 'root'],
          lines.map((line) => [String(line.epoch), line.state, line.root ?? '–']),
        ),
      )
    return 0
  } finally {
    await desk.close()
  }
}

/** The settlement of an epoch: behind its root, or, before there is one, in this folder's verifier's book. */
async function settlementOf(
  desk: ChainDesk,
  place: Place,
  epoch: Epoch,
  files: ReturnType<typeof openEvidence>,
): Promise<Settlement | null> {
  const root = desk.access.view.roots(desk.network.id).find((row) => row.epoch === epoch)
  const name = root?.dataHash ?? (await bookRows(place, 100_000)).get(epoch)?.settlement ?? null
  return name === null ? null : files.settlement(name)
}

export async function epochShow(epoch: number, options: { data?: string; json: boolean }): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  const files = openEvidence(desk, place, { remote: false })
  try {
    const settlement = await settlementOf(desk, place, epochOf(epoch), files)
    const root = desk.access.view.roots(networkId(place.net)).find((row) => row.epoch === epoch) ?? null
    if (settlement === null) throw new CairnError('NOT_FOUND', { what: 'settlement of epoch', id: `${epoch}; see \`cairn epoch list\`` })
    const before = settlement.previous === null ? null : await files.settlement(settlement.previous)
    const shown = describe(settlement, before, root)
    if (options.json) printJson(shown)
    else printEpoch(shown)
    return 0
  } finally {
    await files.close()
    await desk.close()
  }
}

function describe(settlement: Settlement, before: Settlement | null, root: RootRow | null) {
  const { epoch, bundles, budget, total, scores } = settlement
  const payouts = settlement.owners.map(({ account, cumulative }) => {
    const earlier = before?.owners.find((row) => row.account === account)?.cumulative ?? 0n
    return { account, cumulative, gained: cumulative - earlier }
  })
  return {
    epoch,
    root: root?.root ?? null,
    state: root?.state ?? 'settled',
    bundles,
    budget,
    total,
    scores: scores.map((row) => ({ ...row, units: Object.fromEntries(row.units) })),
    payouts,
  }
}

const inWords = (reason: Settlement['scores'][number]['reasons'][number]): string => {
  const data = Object.entries(reason.data).map(([name, value]) => `${name}=${value}`)
  return [reason.code, ...data].join(' ')
}

function printEpoch(shown: ReturnType<typeof describe>): void {
  print(`epoch ${shown.epoch}: ${shown.state}, root ${shown.root ?? 'none'}`)
  print(`reward budget ${cairn(shown.budget)} CAIRN, from ${shown.bundles.length} bundle(s) of evidence`)
  print()
  const rows = shown.scores.map((row) => [
    `${row.subject.slice(0, 10)}…`,
    row.owner,
    (row.score / 1_000_000).toFixed(4),
    Object.entries(row.units)
      .map(([unit, amount]) => `${amount} ${unit}`)
      .join(', '),
    row.reasons.length === 0 ? 'nothing deducted' : row.reasons.map(inWords).join('; '),
  ])
  print(table(['device', 'operator', 'score', 'proved', 'why'], rows))
  print()
  const paid = shown.payouts.map((row) => [row.account, cairn(row.gained), cairn(row.cumulative)])
  print(table(['operator', 'CAIRN of this epoch', 'CAIRN in all'], paid))
}
