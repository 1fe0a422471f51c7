/** What judges decide: demands for proofs, disputes, and devices that were proved to lie. */
import { type DeviceId, deviceId, epoch, networkId } from '../../protocol/ids.ts'
import { assert, present } from '../../std/assert.ts'
import {
  type DemandRow,
  type DisputeRow,
  type JudgesView,
  type PunishedRow,
  type PunishedSignerRow,
  type StorageHead,
  VERDICTS,
} from '../chain-judges.ts'
import { accountIn, addressIn, bigintIn, type ChainEvent, digestIn, type EventArgs, hexIn, numberIn, structIn } from './event.ts'

export interface JudgesIndex extends JudgesView {
  apply(event: ChainEvent): void
}

/**
 * Rows of closed demands, of closed disputes and of punished signers that are kept, each: they are there to be looked at, and what nobody closes
 * cannot be dropped. Each cost a bond, so a chain has few.
 */
const CLOSED_KEPT = 10_000

const headIn = (args: EventArgs): StorageHead => {
  const head = structIn(args, 'head')
  return {
    net: networkId(numberIn(head, 'net')),
    setId: digestIn(head, 'setId'),
    provider: accountIn(head, 'provider'),
    customer: accountIn(head, 'customer'),
    root: digestIn(head, 'root'),
    count: bigintIn(head, 'count'),
    totalBytes: bigintIn(head, 'totalBytes'),
    version: bigintIn(head, 'version'),
    expiresAt: numberIn(head, 'expiresAt'),
  }
}

/** Rows by id, with the oldest closed ones dropped. */
function createRows<T extends { readonly id: bigint }>() {
  const rows = new Map<bigint, T>()
  const closed: bigint[] = []
  return {
    rows,
    change(id: bigint, change: Partial<T>): void {
      const row = rows.get(id)
      if (row !== undefined) rows.set(id, { ...row, ...change })
    },
    close(id: bigint): void {
      closed.push(id)
      if (closed.length > CLOSED_KEPT) rows.delete(present(closed.shift(), 'more than none'))
    },
  }
}

export function createJudgesIndex(): JudgesIndex {
  const demands = createRows<DemandRow>()
  const disputes = createRows<DisputeRow>()
  const punished = new Map<DeviceId, PunishedRow>()
  const signers: PunishedSignerRow[] = []

  function demand({ name, args, block, timestamp }: ChainEvent): void {
    const id = bigintIn(args, 'id')
    if (name === 'Demanded') {
      const head = headIn(args)
      const { provider, setId } = head
      const net = networkId(head.net)
      const demander = accountIn(args, 'demander')
      const terms = { position: bigintIn(args, 'position'), bond: bigintIn(args, 'bond') }
      const opened = { openedAt: timestamp, openedBlock: block }
      demands.rows.set(id, { id, net, provider, setId, demander, head, ...terms, ...opened, state: 'open', slashed: 0n })
      return
    }
    if (name === 'Answered') demands.change(id, { state: 'answered' })
    else if (name === 'Superseded') demands.change(id, { state: 'superseded' })
    else if (name === 'Faulted') demands.change(id, { state: 'faulted', slashed: bigintIn(args, 'slashed') })
    else return
    demands.close(id)
  }

  function open({ name, args, block, timestamp }: ChainEvent): void {
    const id = bigintIn(args, 'id')
    const ofRoot = name === 'RootDisputed'
    const root = ofRoot ? { asset: addressIn(args, 'asset'), index: numberIn(args, 'index') } : null
    disputes.rows.set(id, {
      id,
      net: networkId(numberIn(args, 'net')),
      accused: ofRoot ? null : accountIn(args, 'accused'),
      root,
      challenger: accountIn(args, 'challenger'),
      bond: bigintIn(args, 'bond'),
      evidence: digestIn(args, ofRoot ? 'reason' : 'evidence'),
      answer: null,
      openedAt: timestamp,
      openedBlock: block,
      // The root is its own answer: the arbiter's time begins at once.
      answeredAt: ofRoot ? timestamp : null,
      state: ofRoot ? 'answered' : 'open',
      verdict: null,
      slashed: 0n,
    })
  }

  function dispute(event: ChainEvent): void {
    const { name, args, timestamp } = event
    switch (name) {
      case 'DisputeOpened':
      case 'RootDisputed':
        open(event)
        return
      case 'DisputeAnswered':
        disputes.change(bigintIn(args, 'id'), { state: 'answered', answer: digestIn(args, 'answer'), answeredAt: timestamp })
        return
      case 'DisputeResolved': {
        const verdict = VERDICTS[numberIn(args, 'verdict')]
        assert(verdict !== undefined, 'the ABI has four verdicts')
        const id = bigintIn(args, 'id')
        disputes.change(id, { state: 'closed', verdict, slashed: bigintIn(args, 'slashed') })
        disputes.close(id)
        return
      }
      case 'EquivocationProven': {
        const device = deviceId(hexIn(args, 'deviceId'))
        const net = networkId(numberIn(args, 'net'))
        const who = { accused: accountIn(args, 'accused'), reporter: accountIn(args, 'reporter') }
        punished.set(device, { device, net, ...who, slashed: bigintIn(args, 'slashed'), at: timestamp })
        return
      }
      case 'RootEquivocationProven': {
        const slot = { net: networkId(numberIn(args, 'net')), epoch: epoch(numberIn(args, 'epoch')), attempt: numberIn(args, 'attempt') }
        const who = { signer: accountIn(args, 'signer'), reporter: accountIn(args, 'reporter') }
        signers.push({ ...who, ...slot, slashed: bigintIn(args, 'slashed'), at: timestamp })
        if (signers.length > CLOSED_KEPT) signers.shift()
        return
      }
    }
  }

  return {
    apply(event) {
      if (event.contract === 'proofs') demand(event)
      if (event.contract === 'disputes') dispute(event)
    },
    demand: (id) => demands.rows.get(id) ?? null,
    demands: (net, provider) =>
      [...demands.rows.values()].filter((row) => row.net === net && (provider === null || row.provider === provider)),
    dispute: (id) => disputes.rows.get(id) ?? null,
    disputes: (net) => [...disputes.rows.values()].filter((row) => row.net === net),
    punished: (net) => [...punished.values()].filter((row) => row.net === net),
    punishedSigners: (net) => signers.filter((row) => row.net === net),
  }
}
