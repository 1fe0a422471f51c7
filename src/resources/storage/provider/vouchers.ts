/** Vouchers: the highest cumulative promise of each channel counts, and is durable before it is acknowledged. */
import type { Account } from '../../../protocol/ids.ts'
import { domainSeparator, escrowDomain, typedDataHash, VOUCHER } from '../../../protocol/typed-data.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import { CHANNEL_ID } from '../../rates.ts'
import type { StorageReply } from '../messages.ts'
import { type ProviderContext, refuse } from './context.ts'
import type { HeldVoucher } from './ledger.ts'
import type { OrderDesk } from './orders.ts'

export interface VoucherDesk {
  take(held: HeldVoucher): StorageReply
  /** The highest one of the payer. */
  last(payer: Account): StorageReply
}

export function createVoucherDesk(at: ProviderContext, orders: OrderDesk, taken: () => void): VoucherDesk {
  const { options, ledger } = at
  const { crypto } = options.runtime
  const { chain, operator, asset, net } = options
  const separator = domainSeparator(crypto, escrowDomain(chain.chainId, chain.addresses.escrow))

  return {
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
