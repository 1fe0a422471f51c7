/** Vouchers: the highest cumulative promise of each channel counts, and is durable before it is acknowledged. */
import type { Account } from '../../../protocol/ids.ts'
import { channelKey } from '../../../protocol/rewards.ts'
import { domainSeparator, escrowDomain, RATE, typedDataHash, VOUCHER } from '../../../protocol/typed-data.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import type { StorageReply, Voucher } from '../messages.ts'
import { type ProviderContext, refuse } from './context.ts'
import type { HeldRate } from './ledger.ts'
import type { OrderDesk } from './orders.ts'

/** Gateways pay each operator through one channel. */
export const CHANNEL_ID = 0n

export interface VoucherDesk {
  take(voucher: Voucher, signature: Uint8Array): StorageReply
  /** Keeps what the payer signed that a proved unit of its channel costs. */
  takeRate(payer: Account, rate: HeldRate): StorageReply
  /** The highest one of the payer, over all its channels. */
  last(payer: Account): StorageReply
}

export function createVoucherDesk(at: ProviderContext, orders: OrderDesk, taken: () => void): VoucherDesk {
  const { options, ledger } = at
  const { crypto } = options.runtime
  const { chain, operator, asset, net } = options
  const separator = domainSeparator(crypto, escrowDomain(chain.chainId, chain.addresses.escrow))

  return {
    takeRate(payer, rate) {
      const { channel, unit, numerator, denominator, signature } = rate
      if (channel !== channelKey(crypto, payer, operator.account, asset, net, CHANNEL_ID))
        return refuse('invalid', 'the rate is of another channel')
      if (denominator === 0n) return refuse('invalid', 'a rate has a denominator')
      const hash = typedDataHash(crypto, separator, RATE, { channel, unit, numerator, denominator })
      if (!orders.signedBy(payer, SCOPE.voucher, hash, signature)) {
        return refuse('unauthorized', 'the rate is not signed by an active voucher key of its payer')
      }
      ledger.keepRate(payer, { channel, unit, numerator, denominator, signature })
      return { is: 'taken', cumulative: 0n }
    },
    take(voucher, signature) {
      if (voucher.payee !== operator.account) return refuse('invalid', 'the voucher pays another operator')
      if (voucher.asset !== asset || voucher.net !== net) return refuse('invalid', 'the voucher is of another asset or network')
      const hash = typedDataHash(crypto, separator, VOUCHER, voucher)
      if (!orders.signedBy(voucher.payer, SCOPE.voucher, hash, signature)) {
        return refuse('unauthorized', 'the voucher is not signed by an active voucher key of its payer')
      }
      const known = ledger.voucher(voucher.payer, voucher.channelId)
      if (known !== null && known.voucher.cumulative >= voucher.cumulative) {
        return { is: 'taken', cumulative: known.voucher.cumulative }
      }
      ledger.keepVoucher({ voucher, signature })
      taken()
      return { is: 'taken', cumulative: voucher.cumulative }
    },
    last(payer) {
      let best: ReturnType<typeof ledger.vouchers>[number] | null = null
      for (const held of ledger.vouchers(payer)) if (best === null || held.voucher.cumulative > best.voucher.cumulative) best = held
      return { is: 'voucher', voucher: best?.voucher ?? null, signature: best?.signature ?? new Uint8Array(0) }
    },
  }
}
