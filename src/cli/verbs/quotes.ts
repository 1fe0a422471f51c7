/** Quotes as files: what a provider signs for one customer, and how far one can be taken now. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Crypto } from '../../protocol/crypto.ts'
import { CairnError } from '../../protocol/errors.ts'
import { type Account, type Address, address, bytesOf, type Digest, digestOf, type Hex, networkId } from '../../protocol/ids.ts'
import { domainSeparator, marketDomain, QUOTE, typedDataHash } from '../../protocol/typed-data.ts'
import type { Quote } from '../../runtime/actions/market.ts'
import { toHex, utf8 } from '../../std/bytes.ts'
import type { ChainDesk } from './desk.ts'
import { field, readJsonFile } from './json-file.ts'

/** What is leased, in words of the two; its Keccak-256 is the quote's `spec`. */
const TERMS_MAX = 8_192
/** An ERC-1271 wallet's signature may hold those of several people. */
const SIGNATURE_BYTES_MAX = 16_384
/** Quotes that one command looks through. */
const QUOTES_MAX = 1_000

const quoteFields = z.strictObject({
  provider: field.account,
  customer: field.account,
  net: field.net.transform(networkId),
  asset: field.address,
  rate: field.uint(96),
  term: field.seconds,
  notice: field.seconds,
  spec: field.digest,
  expiry: field.seconds,
  nonce: field.uint(256),
})

const quoteFile = z.strictObject({
  format: z.literal('cairn-quote/1'),
  chainId: z.number().int().positive(),
  market: field.address,
  quote: quoteFields,
  terms: z.string().max(TERMS_MAX),
  signature: field.hex(SIGNATURE_BYTES_MAX),
})
export type QuoteFile = z.output<typeof quoteFile>

export interface FoundQuote {
  readonly path: string
  readonly file: QuoteFile
}

/** Why a quote opens nothing, or `open`. */
export type QuoteState = 'open' | 'expired' | 'used' | 'cancelled' | 'not eligible' | 'bad signature' | 'other market' | 'other terms'

/** ERC-1271's answer for yes. */
const IS_VALID = '0x1626ba7e'

export const specOf = (crypto: Crypto, terms: string): Digest => digestOf(crypto.keccak256(utf8(terms)))

/** What a provider signs: IMarket.Quote in Market's domain. */
export function quoteHash(crypto: Crypto, chainId: number, market: Address, quote: Quote): Uint8Array {
  return typedDataHash(crypto, domainSeparator(crypto, marketDomain(chainId, market)), QUOTE, { ...quote })
}

export function signQuote(
  crypto: Crypto,
  on: { chainId: number; market: Address; secret: Uint8Array },
  quote: Omit<Quote, 'spec'>,
  terms: string,
): QuoteFile {
  const whole = { ...quote, spec: specOf(crypto, terms) }
  const hash = quoteHash(crypto, on.chainId, on.market, whole)
  const signature: Hex = `0x${toHex(crypto.secp256k1.sign(on.secret, hash))}`
  return { format: 'cairn-quote/1', chainId: on.chainId, market: on.market, quote: whole, terms, signature }
}

/** Where quotes of a network's folder lie, unless files are named. */
export const quotesFolder = (folder: string): string => join(folder, 'quotes')

/** Reads the named files, or all of the folder's. Throws CONFIG for a file that holds no quote. */
export async function findQuotes(folder: string, files: readonly string[]): Promise<readonly FoundQuote[]> {
  const names = await readdir(quotesFolder(folder)).catch(() => [])
  const paths = files.length > 0 ? files : names.filter((name) => name.endsWith('.json')).map((name) => join(quotesFolder(folder), name))
  if (paths.length > QUOTES_MAX) throw new CairnError('LIMIT', { what: `${paths.length} quotes at once`, limit: QUOTES_MAX })
  return Promise.all(paths.map(async (path) => ({ path, file: await readJsonFile(path, 'a quote of `cairn market quote`', quoteFile) })))
}

async function isSigned(desk: ChainDesk, provider: Account, hash: Uint8Array, signature: Hex): Promise<boolean> {
  const bytes = bytesOf(signature)
  const by = bytes.length === 65 ? desk.crypto.secp256k1.recover(hash, bytes) : null
  if (by !== null && `0x${toHex(by)}` === provider) return true
  if ((await desk.rpc.code(provider)) === '0x') return false
  const answer = await desk.contracts
    .readAt(address(provider), 'passkeyAccount', 'isValidSignature', digestOf(hash), signature)
    .catch(() => null)
  return answer === IS_VALID
}

/** Asks the chain what a quote is worth at `now` (its seconds). The signature is checked first: nothing else in a file is to be believed. */
export async function stateOf(desk: ChainDesk, { quote, terms, signature, chainId, market }: QuoteFile, now: number): Promise<QuoteState> {
  const { view } = desk.access
  if (chainId !== view.chainId || market !== view.addresses.market) return 'other market'
  if (specOf(desk.crypto, terms) !== quote.spec) return 'other terms'
  if (!(await isSigned(desk, quote.provider, quoteHash(desk.crypto, chainId, market, quote), signature))) return 'bad signature'
  if (view.quoteCancelled(quote.provider, quote.nonce)) return 'cancelled'
  if ((await desk.contracts.read('market', 'isUsed', quote.provider, quote.nonce)) === true) return 'used'
  if (now > quote.expiry) return 'expired'
  return (await desk.contracts.read('staking', 'isEligible', quote.provider, quote.net)) === true ? 'open' : 'not eligible'
}

export interface Wanted {
  readonly customer: Account
  readonly net: number
  readonly asset: Address
  readonly seconds: number
  /** Text that the quote's terms must be; null takes any. */
  readonly terms: string | null
  /** Most for the whole time, in base units; null for no bound. */
  readonly most: bigint | null
}

/** Why a quote, taken as it is written, does not serve `wanted`; null when it does. */
export function misfit({ quote, terms }: QuoteFile, wanted: Wanted): string | null {
  if (quote.customer !== wanted.customer) return 'it is for another customer'
  if (quote.net !== wanted.net) return `it is of network ${quote.net}`
  if (quote.asset !== wanted.asset) return 'it asks for another asset'
  if (wanted.terms !== null && terms !== wanted.terms) return 'its terms are others'
  if (quote.term < wanted.seconds) return 'its term is shorter'
  if (quote.notice > wanted.seconds) return 'its notice must be prepaid and is longer'
  if (wanted.most !== null && quote.rate * BigInt(wanted.seconds) > wanted.most) return 'it is dearer than allowed'
  return null
}

/** Cheapest first; the same price goes by provider and nonce, so that everybody chooses alike. */
export function byPrice(a: FoundQuote, b: FoundQuote): number {
  const [x, y] = [a.file.quote, b.file.quote]
  if (x.rate !== y.rate) return x.rate < y.rate ? -1 : 1
  if (x.provider !== y.provider) return x.provider < y.provider ? -1 : 1
  return x.nonce < y.nonce ? -1 : 1
}
