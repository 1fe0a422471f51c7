/** What a customer has signed that its proved byte-seconds cost: without it nothing of the customer's is signed for. */
import { type Account, address } from '../../../protocol/ids.ts'
import type { Rate } from '../../../protocol/units.ts'
import { SCOPE } from '../../../runtime/chain.ts'
import { toHex } from '../../../std/bytes.ts'
import { isAtLeast, rateTerms, type SignedRate } from '../../rates.ts'
import { BYTE_SECOND } from '../terms.ts'
import { type ProviderContext, type Refused, refuse } from './context.ts'
import type { OrderDesk } from './orders.ts'

type Offered = Rate & { readonly signature: Uint8Array }

export interface RateDesk {
  /** Null when the rate is signed by a key of the payer, and no less than this provider's. */
  check(payer: Account, rate: Offered): Refused | null
  /** Keeps a rate that was checked, unless one that still counts was kept before, and is higher or has a key that lasts longer. */
  keep(payer: Account, rate: Offered): void
}

/** µcredits for a byte-second: with 2^95 of these, a zettabyte for a thousand years, a channel's value stays in the contracts' 128 bits. */
const RATE_MAX: Rate = { numerator: 2n ** 32n, denominator: 1n }

export function createRateDesk({ options, ledger }: ProviderContext, orders: OrderDesk): RateDesk {
  const { chain, operator, asset, net } = options
  const { clock, crypto } = options.runtime

  function termsOf(payer: Account, { numerator, denominator }: Rate): ReturnType<typeof rateTerms> {
    const unit = { payer, payee: operator.account, asset, net, resource: 'storage', unit: BYTE_SECOND }
    return rateTerms(crypto, { chainId: chain.chainId, escrow: chain.addresses.escrow }, unit, { numerator, denominator })
  }

  /** Unix seconds until which the key that signed lives; the payer itself does for ever. 0 when what it signed counts no more. */
  function endOf(payer: Account, rate: Offered): number {
    const signer = crypto.secp256k1.recover(termsOf(payer, rate).hash, rate.signature)
    if (signer === null) return 0
    const key = address(toHex(signer))
    if (key === (payer as string)) return Number.POSITIVE_INFINITY
    const row = chain.session(payer, key)
    if (row === null || !chain.sessionRedeemable(payer, key, SCOPE.voucher, clock.now())) return 0
    return row.revokedAt > 0 ? row.revokedAt : row.until
  }

  function isBetter(payer: Account, rate: Offered, known: SignedRate): boolean {
    const end = endOf(payer, known)
    return end === 0 || (isAtLeast(rate, known) && endOf(payer, rate) >= end)
  }

  return {
    check(payer, rate) {
      if (rate.denominator === 0n || !isAtLeast(RATE_MAX, rate)) return refuse('invalid', 'that is no price')
      const { kept } = options.rates
      if (!isAtLeast(rate, kept))
        return refuse(
          'unpaid',
          `a byte-second costs ${kept.numerator}/${kept.denominator} µcredits here, not ${rate.numerator}/${rate.denominator}`,
        )
      if (!orders.signedBy(payer, SCOPE.voucher, termsOf(payer, rate).hash, rate.signature))
        return refuse('unauthorized', 'the rate is not signed by an active voucher key of its payer')
      return null
    },
    keep(payer, rate) {
      const { terms } = termsOf(payer, rate)
      const known = ledger.rate(terms.channel, terms.unit)
      // It prices all that the channel ever proves: whoever could lower it could take back what was earned.
      if (known === null || isBetter(payer, rate, known)) ledger.keepRate(payer, { ...terms, signature: rate.signature })
    },
  }
}
