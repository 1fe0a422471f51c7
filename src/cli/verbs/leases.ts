/** `cairn market leases|settle|end`: what leases hold, and moving it. */
import { CairnError } from '../../protocol/errors.ts'
import { closeLease, settleLease, settleLeases } from '../../runtime/actions/market.ts'
import type { LeaseRow } from '../../runtime/chain.ts'
import { assert, present } from '../../std/assert.ts'
import { accountNamed, actorKey } from './actor.ts'
import { assetNamed, showAmount } from './amounts.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { seen } from './market.ts'
import { confirmed, type Exit, print, printJson, table } from './output.ts'
import { findPlace } from './place.ts'
import { type LookOptions, type Sent, type SignOptions, type Step, sendAll } from './send.ts'
import { chainNow } from './stake-state.ts'

/** A lease with what storage says of it now. */
interface Standing {
  readonly row: LeaseRow
  readonly state: 'running' | 'ended' | 'closed'
  /** What Escrow still holds for it. */
  readonly locked: bigint
  /** What settling would pay now. */
  readonly owed: bigint
}

async function standingOf(desk: ChainDesk, row: LeaseRow, now: number): Promise<Standing> {
  const [locked, owed] = await Promise.all([
    desk.contracts.number('market', 'lockedOf', row.id),
    desk.contracts.number('market', 'owedOf', row.id),
  ])
  return { row, state: row.closed ? 'closed' : now >= row.end ? 'ended' : 'running', locked, owed }
}

const describe = (desk: ChainDesk, { row, state, locked, owed }: Standing) => ({
  ...row,
  asset: assetNamed(desk.access.view.addresses, row.asset),
  state,
  locked,
  owed,
})

export async function listLeases(options: LookOptions & { readonly as: string }): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const account = await accountNamed(desk.crypto, place, options.as)
    const { view } = desk.access
    const now = await chainNow(desk)
    const rows = await Promise.all(view.leasesOf(account).map((row) => standingOf(desk, row, now)))
    if (options.json) printJson(rows.map((row) => describe(desk, row)))
    else {
      const show = ({ row }: Standing, amount: bigint): string => showAmount(view.addresses, row.asset, amount)
      const cells = rows.map((one) => [
        String(one.row.id),
        one.row.provider === account ? `to ${one.row.customer}` : `from ${one.row.provider}`,
        one.state,
        new Date(one.row.end * 1000).toISOString(),
        show(one, one.locked),
        show(one, one.row.paid),
        show(one, one.owed),
      ])
      print(table(['lease', 'other side', 'state', 'end', 'locked', 'paid', 'owed now'], cells))
    }
    return 0
  } finally {
    await desk.close()
  }
}

/** The block of the last transaction. */
const blockOf = (sent: readonly Sent[]): bigint => present(sent.at(-1), 'something was sent').block

function rowsOf(desk: ChainDesk, ids: readonly bigint[]): readonly LeaseRow[] {
  return ids.map((id) => {
    const row = desk.access.view.lease(id)
    if (row === null) throw new CairnError('NOT_FOUND', { what: 'lease', id: `${id}; see \`cairn market leases\`` })
    return row
  })
}

/** Pays what leases owe now; those that owe nothing are passed over. */
export async function settle(ids: readonly bigint[], options: SignOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const wallet = await actorKey(desk.crypto, place, options.as)
    const now = await chainNow(desk)
    const rows = await Promise.all(rowsOf(desk, ids).map((row) => standingOf(desk, row, now)))
    const due = rows.filter((one) => one.state !== 'closed')
    if (!options.json) {
      for (const one of rows)
        print(`lease ${one.row.id}: ${one.state}, ${showAmount(desk.access.view.addresses, one.row.asset, one.owed)} owed`)
    }
    if (options.dryRun || due.length === 0) {
      if (options.json) printJson({ dryRun: options.dryRun, leases: rows.map((row) => describe(desk, row)) })
      return due.length === 0 ? 1 : 0
    }
    if (!(await confirmed(`Settle ${due.length} lease(s)?`, options.yes))) return 1
    const signer = desk.signer(wallet.secret)
    const [first] = due
    assert(first !== undefined, 'something is due')
    const step: Step =
      due.length === 1
        ? { what: 'settling', call: 'market.settle', send: (o) => settleLease(signer, { id: first.row.id }, o) }
        : { what: 'settling', call: 'market.settleMany', send: (o) => settleLeases(signer, { ids: due.map((one) => one.row.id) }, o) }
    await seen(desk, blockOf(await sendAll([step], options.json)))
    const paid = rowsOf(desk, ids).map((row, i) => ({
      id: row.id,
      paid: row.paid - (rows[i]?.row.paid ?? 0n),
      until: row.settledAt,
      closed: row.closed,
    }))
    if (options.json) printJson({ settled: paid })
    else
      for (const [i, one] of paid.entries())
        print(
          `lease ${one.id}: ${showAmount(desk.access.view.addresses, rows[i]?.row.asset ?? first.row.asset, one.paid)} paid, before fees`,
        )
    return 0
  } finally {
    await desk.close()
  }
}

/** Ends a lease early, or closes one whose time is over. */
export async function endLease(ids: readonly bigint[], options: SignOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const wallet = await actorKey(desk.crypto, place, options.as)
    const { view } = desk.access
    const [before] = rowsOf(desk, ids)
    assert(before !== undefined, 'one lease was named')
    const party = wallet.account === before.customer ? 'customer' : wallet.account === before.provider ? 'provider' : null
    const now = await chainNow(desk)
    if (before.closed)
      throw new CairnError('CONFIG', { what: `lease ${before.id}`, why: 'it is closed', fix: 'there is nothing left to end' })
    if (party === null && now < before.end) {
      const fix = 'sign with the key of its customer or its provider'
      throw new CairnError('CONFIG', { what: `lease ${before.id}`, why: `${wallet.account} is no party of it`, fix })
    }
    const end = Math.min(before.end, party === 'provider' ? now + (await noticeOf(desk, before.id)) : now)
    const refund = before.rate * BigInt(Math.max(0, before.end - end))
    const said = showAmount(view.addresses, before.asset, refund)
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, id: before.id, party, end, refund })
      else print(`lease ${before.id} would end at ${new Date(end * 1000).toISOString()}; about ${said} would return to the customer`)
      return 0
    }
    if (!(await confirmed(`End lease ${before.id}, with about ${said} for the customer to have back?`, options.yes))) return 1
    const signer = desk.signer(wallet.secret)
    const step: Step = { what: 'ending the lease', call: 'market.close', send: (o) => closeLease(signer, { id: before.id }, o) }
    await seen(desk, blockOf(await sendAll([step], options.json)))
    const [after] = rowsOf(desk, ids)
    assert(after !== undefined, 'a lease stays in the view')
    const result = {
      id: after.id,
      end: after.end,
      closed: after.closed,
      paid: after.paid,
      refund: before.rate * BigInt(before.end - after.end),
    }
    if (options.json) printJson(result)
    else {
      const [back, paid] = [result.refund, result.paid].map((amount) => showAmount(view.addresses, after.asset, amount))
      print(`lease ${after.id} ends at ${new Date(after.end * 1000).toISOString()}: ${back} went back, ${paid} was paid in all`)
    }
    return 0
  } finally {
    await desk.close()
  }
}

async function noticeOf(desk: ChainDesk, id: bigint): Promise<number> {
  const lease = await desk.contracts.read('market', 'lease', id)
  const notice = typeof lease === 'object' && lease !== null && 'notice' in lease ? lease.notice : null
  assert(typeof notice === 'number', 'a lease has a notice')
  return notice
}
