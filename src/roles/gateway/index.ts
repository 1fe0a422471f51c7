/** What a gateway does beside its resources' own work: it pays. */
export type { PayBook } from './pay.ts'
export { adoptVouchers, type PayParts, payLoop } from './pay-loop.ts'
