/** Vouchers: the highest cumulative promise of each channel counts, and is durable before it is acknowledged. */
import type { Account } from '../../../protocol/ids.ts'
import { channelKey, unitId } from '../../../protocol/rewards.ts'
import { domainSeparator, escrowDomain, RATE, typedDataHash, VOUCHER } from '../../../protocol/typed-data.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import type { StorageReply } from '../messages.ts'
import { BYTE_SECOND, BYTE_SERVED } from '../terms.ts'
import { type ProviderContext, refuse } from './context.ts'
import type { HeldRate, HeldVoucher } from './ledger.ts'
import type { OrderDesk } from './orders.ts'

/** Gateways pay each operator through one channel. */
export const CHANNEL_ID = 0n

export interface VoucherDesk {
  take(held: HeldVoucher): StorageReply
  /** Keeps what the payer signed that a proved unit of its channel costs. */
  takeRate(payer: Account, rate: HeldRate): StorageReply
  /** The highest one of the payer. */
  last(payer: Account): StorageReply
}

export function createVoucherDesk(at: ProviderContext, orders: OrderDesk, taken: () => void): VoucherDesk {
  const { options, ledger } = at
  const { crypto } = options.runtime
  const { chain, operator, asset, net } = options
  const units: ReadonlySet<string> = new Set([BYTE_SECOND, BYTE_SERVED].map((unit) => unitId(crypto, `storage.${unit}`)))
  const separator = domainSeparator(crypto, escrowDomain(chain.chainId, chain.addresses.escrow))

  return {
    takeRate(payer, rate) {
      const { channel, unit, numerator, denominator, signature } = rate
      if (channel !== channelKey(crypto, payer, operator.account, asset, net, CHANNEL_ID))
        return refuse('invalid', 'the rate is of another channel')
      if (denominator === 0n) return refuse('invalid', 'a rate has a denominator')
      if (!units.has(unit)) return refuse('invalid', 'the rate is of a unit that nobody counts here')
      const known = ledger.rates().find((one) => one.channel === channel && one.unit === unit)
      // It prices all that the channel ever proves: whoever could lower it could take back what was earned.
      if (known !== undefined && numerator * known.denominator < known.numerator * denominator)
        return refuse('invalid', 'the rate is below the one that was signed before')
      const hash = typedDataHash(crypto, separator, RATE, { channel, unit, numerator, denominator })
      if (!orders.signedBy(payer, SCOPE.voucher, hash, signature)) {
        return refuse('unauthorized', 'the rate is not signed by an active voucher key of its payer')
      }
      ledger.keepRate(payer, { channel, unit, numerator, denominator, signature })
      return { is: 'taken', cumulative: 0n }
    },
    take(held) {
      const { voucher, signature } = held
      if (voucher.payee !== operator.account) return refuse('invalid', 'the voucher pays another operator')
      if (voucher.asset !== asset || voucher.net !== net) return refuse('invalid', 'the voucher is of another asset or network')
      const hash = typedDataHash(crypto, separator, VOUCHER, voucher)
      if (!orders.signedBy(voucher.payer, SCOPE.voucher, hash, signature)) {
        return refuse('unauthorized', 'the voucher is not signed by an active voucher key of its payer')
      }
      if (voucher.channelId !== CHANNEL_ID) return refuse('invalid', `vouchers here are of channel ${CHANNEL_ID}`)
      // Else anybody could fill the table with promises that are worth nothing.
      const { payer } = voucher
      const { available, thawing } = chain.escrow(payer, asset)
      if (chain.channel(payer, operator.account, asset, net, CHANNEL_ID) === null && available + thawing === 0n)
        return refuse('unpaid', 'the payer has neither a channel to this operator nor funds')
      const known = ledger.voucher(voucher.payer, voucher.channelId)
      if (known !== null && known.voucher.cumulative >= voucher.cumulative) {
        return { is: 'taken', cumulative: known.voucher.cumulative }
      }
      ledger.keepVoucher(held)
      taken()
      return { is: 'taken', cumulative: voucher.cumulative }
    },
    last(payer) {
      const empty = new Uint8Array(0)
      return { is: 'voucher', ...(ledger.voucher(payer, CHANNEL_ID) ?? { voucher: null, signature: empty, note: empty }) }
    },
  }
}
