/** What a customer has signed that its proved byte-seconds cost: without it nothing of the customer's is signed for. */
import type { Account } from '../../../protocol/ids.ts'
import type { Rate } from '../../../protocol/units.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import { isAtLeast, rateTerms } from '../../rates.ts'
import { BYTE_SECOND } from '../terms.ts'
import { type ProviderContext, type Refused, refuse } from './context.ts'
import type { OrderDesk } from './orders.ts'

export interface RateDesk {
  /** Keeps a rate that is signed, not below this provider's nor below one that was kept before. Null: it is kept. */
  take(payer: Account, rate: Rate & { readonly signature: Uint8Array }): Refused | null
}

export function createRateDesk({ options, ledger }: ProviderContext, orders: OrderDesk): RateDesk {
  const { chain, operator, asset, net } = options
  const { crypto } = options.runtime
  return {
    take(payer, { signature, ...rate }) {
      if (rate.denominator === 0n) return refuse('invalid', 'a rate has a denominator')
      const { kept } = options.rates
      if (!isAtLeast(rate, kept))
        return refuse(
          'unpaid',
          `a byte-second costs ${kept.numerator}/${kept.denominator} µcredits here, not ${rate.numerator}/${rate.denominator}`,
        )
      const unit = { payer, payee: operator.account, asset, net, resource: 'storage', unit: BYTE_SECOND }
      const { terms, hash } = rateTerms(crypto, { chainId: chain.chainId, escrow: chain.addresses.escrow }, unit, rate)
      const known = ledger.rate(terms.channel, terms.unit)
      // It prices all that the channel ever proves: whoever could lower it could take back what was earned.
      if (known !== null && !isAtLeast(rate, known)) return refuse('invalid', 'the rate is below the one that was signed before')
      if (!orders.signedBy(payer, SCOPE.voucher, hash, signature))
        return refuse('unauthorized', 'the rate is not signed by an active voucher key of its payer')
      ledger.keepRate(payer, { ...terms, signature })
      return null
    },
  }
}
