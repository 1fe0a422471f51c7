/** `cairn market quote|quotes|cancel|lease`: signing quotes, and opening a lease by the cheapest that fits. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { approveCollector, cancelQuote, openLease, SETTLE_GRACE_SECONDS } from '../../runtime/actions/market.ts'
import { present } from '../../std/assert.ts'
import { fromBigEndian } from '../../std/bytes.ts'
import { accountNamed, actorKey } from './actor.ts'
import { assetNamed, assetOf, parseAmount, showAmount } from './amounts.ts'
import { type ChainDesk, openChainDesk } from './desk.ts'
import { writeJsonFile } from './json-file.ts'
import { confirmed, type Exit, parseDuration, print, printJson, table } from './output.ts'
import { findPlace } from './place.ts'
import { byPrice, type FoundQuote, findQuotes, misfit, type QuoteFile, quotesFolder, signQuote, stateOf } from './quotes.ts'
import { type LookOptions, type SignOptions, sendAll } from './send.ts'
import { chainNow } from './stake-state.ts'

/** A public chain's confirmed block is a minute old; the local one's three seconds. */
const SEEN_MS = 120_000
/** How prices are compared on screen, whatever they were given for. */
const MONTH_SECONDS = 30 * 86_400
/** Market.MAX_TERM. */
const TERM_SECONDS_MAX = 366 * 86_400

/** Seconds of a time such as `7d`. Throws CONFIG for one that is none, and beyond the longest lease. */
export function duration(what: string, text: string): number {
  const seconds = parseDuration(text)
  if (seconds !== null && seconds > 0 && seconds <= TERM_SECONDS_MAX) return seconds
  throw new CairnError('CONFIG', { what, why: `${text} is no time of up to 366 days`, fix: 'write it as 90s, 30m, 12h, 7d or 2w' })
}

/** Waits until the confirmed view shows a block that a transaction of ours is in. */
export async function seen(desk: ChainDesk, block: bigint): Promise<void> {
  const end = desk.clock.monotonic() + SEEN_MS
  while ((desk.access.view.head()?.number ?? -1n) < block) {
    if (desk.clock.monotonic() > end) throw new CairnError('DEADLINE', { what: `the view of block ${block}`, ms: SEEN_MS })
    await desk.access.view.advanced(1_000)
  }
}

export interface QuoteOptions extends LookOptions {
  readonly as: string
  readonly price: string
  readonly per: string
  readonly asset: string
  readonly term: string
  readonly notice: string
  readonly valid: string
  readonly terms: string
  readonly out?: string
  readonly dryRun: boolean
}

/** Signs a quote and writes it to a file. Nothing reaches the chain until the customer takes it. */
export async function quote(customer: string, options: QuoteOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const { view } = desk.access
    const wallet = await actorKey(desk.crypto, place, options.as)
    const asset = assetOf(view.addresses, options.asset)
    const per = duration('--per', options.per)
    const [term, notice] = [duration('--term', options.term), duration('--notice', options.notice)]
    if (notice > term) throw new CairnError('CONFIG', { what: '--notice', why: 'it is longer than --term', fix: 'give a shorter one' })
    // Rounded down: a quote is never dearer than what was typed.
    const rate = parseAmount(view.addresses, asset, options.price) / BigInt(per)
    if (rate === 0n) throw new CairnError('CONFIG', { what: '--price', why: 'it is below one base unit per second', fix: 'ask for more' })
    const offer = {
      provider: wallet.account,
      customer: await accountNamed(desk.crypto, place, customer),
      net: desk.network.id,
      asset,
      rate,
      term,
      notice,
      expiry: (await chainNow(desk)) + duration('--valid', options.valid),
      // Drawn, so that quotes need no counter; 64 bits, so that people can read them out.
      nonce: fromBigEndian(desk.random.bytes(8)),
    }
    const file = signQuote(
      desk.crypto,
      { chainId: view.chainId, market: view.addresses.market, secret: wallet.secret },
      offer,
      options.terms,
    )
    const path = options.out ?? join(quotesFolder(place.folder), `${offer.customer.slice(2, 10)}-${offer.nonce}.json`)
    if (!options.dryRun) {
      if (options.out === undefined) await mkdir(quotesFolder(place.folder), { recursive: true })
      await writeJsonFile(path, file)
    }
    if (options.json) printJson({ ...(options.dryRun ? { dryRun: true } : { path }), ...file })
    else {
      print(
        `${options.dryRun ? 'would offer' : 'offered'} ${offer.customer}: ${priceOf(desk, file)}, for ${options.term} at most, until ${at(offer.expiry)}`,
      )
      if (!options.dryRun) print(path)
    }
    return 0
  } finally {
    await desk.close()
  }
}

const at = (seconds: number): string => new Date(seconds * 1000).toISOString()

const priceOf = (desk: ChainDesk, { quote: { asset, rate } }: QuoteFile): string =>
  `${showAmount(desk.access.view.addresses, asset, rate * BigInt(MONTH_SECONDS))} for 30 days`

export async function listQuotes(files: readonly string[], options: LookOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const now = await chainNow(desk)
    const found = [...(await findQuotes(place.folder, files))].sort(byPrice)
    const rows = await Promise.all(found.map(async ({ path, file }) => ({ path, state: await stateOf(desk, file, now), file })))
    if (options.json) printJson(rows.map(({ path, state, file }) => ({ path, state, terms: file.terms, ...file.quote })))
    else {
      const cells = rows.map(({ path, state, file }) => [
        file.quote.provider,
        priceOf(desk, file),
        `${Math.floor(file.quote.term / 3600)} h`,
        at(file.quote.expiry),
        state,
        file.terms,
        path,
      ])
      print(table(['provider', 'price', 'term', 'until', 'state', 'terms', 'file'], cells))
    }
    return 0
  } finally {
    await desk.close()
  }
}

/** Takes back every quote of one nonce. */
export async function cancel(path: string, options: SignOptions): Promise<Exit> {
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const wallet = await actorKey(desk.crypto, place, options.as)
    const { file } = present((await findQuotes(place.folder, [path]))[0], 'one file was named')
    const { provider, nonce } = file.quote
    if (provider !== wallet.account) {
      throw new CairnError('CONFIG', {
        what: path,
        why: `it is a quote of ${provider}`,
        fix: `sign with its key; --as ${options.as} is ${wallet.account}`,
      })
    }
    const question = `Make quote ${nonce} of ${provider} worthless for good?`
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, provider, nonce })
      else print(question)
      return 0
    }
    if (!(await confirmed(question, options.yes))) return 1
    const signer = desk.signer(wallet.secret)
    await sendAll([{ what: 'cancelling', call: 'market.cancelQuote', send: (o) => cancelQuote(signer, { nonce }, o) }], options.json)
    if (options.json) printJson({ provider, nonce, cancelled: true })
    else print('cancelled')
    return 0
  } finally {
    await desk.close()
  }
}

export interface LeaseOptions extends SignOptions {
  readonly for: string
  readonly asset: string
  readonly terms?: string
  readonly most?: string
}

interface Considered extends FoundQuote {
  readonly total: bigint
  /** Null for one that fits. */
  readonly why: string | null
}

/** Opens a lease by the cheapest quote that can be taken and does what is wanted. Ends with 1 when none does. */
export async function openCheapest(files: readonly string[], options: LeaseOptions): Promise<Exit> {
  const seconds = duration('--for', options.for)
  const place = await findPlace(options.data)
  const desk = await openChainDesk(place)
  try {
    const { addresses } = desk.access.view
    const wallet = await actorKey(desk.crypto, place, options.as)
    const asset = assetOf(addresses, options.asset)
    const most = options.most === undefined ? null : parseAmount(addresses, asset, options.most)
    const wanted = { customer: wallet.account, net: desk.network.id, asset, seconds, terms: options.terms ?? null, most }
    const now = await chainNow(desk)
    const considered = await Promise.all(
      [...(await findQuotes(place.folder, files))].sort(byPrice).map(async (found): Promise<Considered> => {
        const state = await stateOf(desk, found.file, now)
        const why = state === 'open' ? misfit(found.file, wanted) : state
        return { ...found, total: found.file.quote.rate * BigInt(seconds), why }
      }),
    )
    const fitting = considered.filter(({ why }) => why === null)
    const chosen = fitting[0]
    if (!options.json) printConsidered(desk, considered, options.for)
    const summary = considered.map(({ path, file, total, why }) => ({
      path,
      provider: file.quote.provider,
      total,
      fits: why === null,
      why,
    }))
    if (chosen === undefined) {
      if (options.json) printJson({ opened: false, considered: summary })
      else print(considered.length === 0 ? 'there are no quotes: providers make them with `cairn market quote`' : 'no quote fits')
      return 1
    }
    const facts = {
      provider: chosen.file.quote.provider,
      asset: assetNamed(addresses, asset),
      rate: chosen.file.quote.rate,
      seconds,
      total: chosen.total,
    }
    if (options.dryRun) {
      if (options.json) printJson({ dryRun: true, ...facts, considered: summary })
      return 0
    }
    const question = `Lock ${showAmount(addresses, asset, chosen.total)} for ${options.for} from ${facts.provider}?`
    if (!(await confirmed(question, options.yes))) return 1
    const id = await open(desk, wallet.secret, chosen, seconds, options.json)
    if (options.json) printJson({ opened: true, id, ...facts, considered: summary })
    else print(`lease ${id} is open`)
    return 0
  } finally {
    await desk.close()
  }
}

function printConsidered(desk: ChainDesk, considered: readonly Considered[], time: string): void {
  if (considered.length === 0) return
  const { addresses } = desk.access.view
  const fitting = considered.filter(({ why }) => why === null)
  const cells = considered.map(({ file, total, why }) => [
    file.quote.provider,
    showAmount(addresses, file.quote.asset, total),
    why ?? (file === fitting[0]?.file ? 'cheapest that fits' : 'fits'),
  ])
  print(table(['provider', `for ${time}`, ''], cells))
}

/** Allows Market exactly what this lease locks, and opens it. Its number. */
async function open(desk: ChainDesk, secret: Uint8Array, { file, total }: Considered, seconds: number, quiet: boolean): Promise<bigint> {
  const { view } = desk.access
  const { quote: terms, signature } = file
  const signer = desk.signer(secret)
  const before = new Set(view.leasesOf(signer.account).map((row) => row.id))
  const lock = { collector: view.addresses.market, asset: terms.asset, allowance: total, maxLockSeconds: seconds + SETTLE_GRACE_SECONDS }
  const sent = await sendAll(
    [
      { what: 'allowing Market to lock the price', call: 'escrow.approveCollector', send: (o) => approveCollector(signer, lock, o) },
      {
        what: 'opening the lease',
        call: 'market.openLease',
        send: (o) => openLease(signer, { quote: terms, signature, prepay: total }, o),
      },
    ],
    quiet,
  )
  await seen(desk, present(sent.at(-1), 'two were sent').block)
  const mine = view
    .leasesOf(signer.account)
    .filter((row) => !before.has(row.id) && row.provider === terms.provider && row.spec === terms.spec)
  return present(mine.find((row) => row.rate === terms.rate)?.id, 'a confirmed lease is in the view')
}
