/** How storage providers are handed vouchers, and what the gateway counted of the bytes they served. */
import { CairnError } from '../../protocol/errors.ts'
import type { Account, DeviceId } from '../../protocol/ids.ts'
import type { Payees, SignedVoucher } from '../payees.ts'
import type { StorageReply, StorageRequest } from './messages.ts'
import { manageOrder, receiveReply, sendRequest } from './store/exchange.ts'
import type { StoreParts } from './store/parts.ts'

const whyNot = ([first]: readonly PromiseSettledResult<unknown>[]): string =>
  first?.status === 'rejected' ? String(first.reason) : 'it has no device'

export function storagePayees(parts: StoreParts): Payees {
  const { at, providers, orders } = parts
  const devicesOf = (operator: Account): readonly DeviceId[] =>
    at.chain
      .devices(at.net)
      .filter((row) => row.owner === operator && row.status === 'active')
      .map((row) => row.id)

  /** One request with its one reply; an exchange that fails is cut, or its connection would stay taken. */
  const ask = async <Is extends StorageReply['is']>(device: DeviceId, request: StorageRequest, is: Is) => {
    const io = await providers.open(device)
    try {
      await sendRequest(io, request)
      const reply = await receiveReply(at.clock, io, is)
      await io.end()
      return reply
    } catch (error) {
      io.abort(error)
      throw error
    }
  }

  const give = async (device: DeviceId, signed: SignedVoucher): Promise<void> => {
    await ask(device, { op: 'voucher', voucher: { ...signed.voucher }, signature: signed.signature, note: signed.note }, 'taken')
  }

  return {
    rates: at.rates,
    async deliver(operator, voucher) {
      const devices = devicesOf(operator)
      const given = await Promise.allSettled(devices.map((device) => give(device, voucher)))
      if (given.some((one) => one.status === 'fulfilled')) return
      throw new CairnError('UNREACHABLE', { peer: operator, why: whyNot(given) })
    },
    served() {
      const out: { operator: Account; unit: string; amount: bigint }[] = []
      for (const [device, bytes] of at.served.take()) {
        const operator = providers.operator(device)
        if (operator !== null) out.push({ operator, unit: 'byte-served', amount: BigInt(bytes) })
      }
      return out
    },
    async held(operator) {
      const devices = devicesOf(operator)
      const request = (device: DeviceId): StorageRequest => ({ op: 'last-voucher', order: manageOrder(orders, device) })
      const asked = await Promise.allSettled(devices.map((device) => ask(device, request(device), 'voucher')))
      const replies = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      // Each voucher went to all of an operator's devices, so that one which answers knows as much as the others.
      if (replies.length === 0 && devices.length > 0) throw new CairnError('UNREACHABLE', { peer: operator, why: whyNot(asked) })
      let best: SignedVoucher | null = null
      for (const { voucher, signature, note } of replies) {
        if (voucher !== null && (best === null || voucher.cumulative > best.voucher.cumulative)) best = { voucher, signature, note }
      }
      return best
    },
  }
}
