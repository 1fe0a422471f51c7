import { DEFAULT_RATES } from '../resources/storage/index.ts'

/**
 * What simulated providers charge. A simulated network keeps kilobytes for minutes, which at list prices is less than a
 * µcredit: bytes kept cost so much more here that every epoch's voucher has digits to be wrong in.
 */
export const RATES = { ...DEFAULT_RATES, 'byte-second': { numerator: 1n, denominator: 997n } }
