/**
 * Customers with a memory: each works on keys of its own, one call after the other, and knows what must be there. A call
 * that failed or was cut off by a crash may have happened or not; the next read says which, and from then on it is certain.
 */
import type { Account } from '../protocol/ids.ts'
import type { BodySource, ObjectStore, Tenant } from '../resources/storage/gateway.ts'
import type { Clock } from '../runtime/index.ts'
import { concat, equalBytes, toHex } from '../std/bytes.ts'
import type { Prng } from '../std/prng.ts'

/** What a key may hold; null: nothing. One entry: it is certain. */
type Possible = readonly (Uint8Array | null)[]

/** What a key was acknowledged to hold, oldest first, with the gateway's newest change at that time; `base`: before these. */
interface History {
  readonly base: Possible
  readonly list: readonly { readonly seq: number; readonly value: Uint8Array | null }[]
}

export const BUCKETS = ['amber', 'basalt'] as const

export interface Customer {
  /** One random call, if the gateway is there. */
  act(): Promise<void>
  /** Reads one key and compares; what is wrong, or null. `must`: whether the read has to succeed. */
  check(key: Named, must: (key: Named) => boolean): Promise<string | null>
  /** Pages through both buckets and compares their keys. */
  checkLists(): Promise<string | null>
  keys(): readonly Named[]
  /** The gateway lost what came after change `kept` of its log: whatever was acknowledged later may be undone. */
  doubt(kept: number): void
  /** Calls made, by kind and outcome, for the report. */
  readonly counts: ReadonlyMap<string, number>
}

export interface Named {
  readonly bucket: string
  readonly key: string
}

export interface CustomerOptions {
  readonly name: string
  readonly account: Account
  readonly prng: Prng
  readonly clock: Clock
  readonly keys: number
  /** The gateway's store, or null while it is down. */
  store(): ObjectStore | null
  /** Resolves when the gateway that is up now is gone. */
  gone(): Promise<void>
  /** The gateway's newest change; 0 while it is down. */
  seq(): number
  trace(line: string): void
}

/** Whoever waits longer for a call gives up; the store's own waits end before. */
const PATIENCE_MS = 60_000
/** Every third key is written once and then only read, as most of what people store is: it must outlive all faults. */
const KEEP_EVERY = 3
/** The draw that reads. */
const READING = 8
/** Values of a key that are remembered for the case that the newest are undone. */
const REMEMBERED = 16
const GONE = Symbol('the gateway crashed')

const bodyOf = (bytes: Uint8Array): BodySource => {
  let at = 0
  return {
    length: bytes.length,
    digests: [],
    async read(target) {
      const part = bytes.subarray(at, at + target.length)
      target.set(part)
      at += part.length
      return part.length
    },
    check: () => ({ ok: true }),
  }
}

const hint = (bytes: Uint8Array | null): string => (bytes === null ? 'nothing' : `${bytes.length}:${toHex(bytes.subarray(0, 4))}`)
const same = (a: Uint8Array | null, b: Uint8Array | null): boolean => (a === null || b === null ? a === b : equalBytes(a, b))

/** Sizes on both sides of each border: inline, one stripe, several stripes. */
function drawSize(prng: Prng): number {
  const kind = prng.below(100)
  if (kind < 2) return 0
  if (kind < 30) return 1 + prng.below(4096)
  if (kind < 97) return 4097 + prng.below(16_000)
  return 262_000 + prng.below(10_000)
}

export function createCustomer(options: CustomerOptions): Customer {
  const { prng, clock, name } = options
  const tenant: Tenant = { account: options.account, accessKey: name }
  const model = new Map<string, Possible>()
  const history = new Map<string, History>()
  const counts = new Map<string, number>()
  const all: Named[] = BUCKETS.flatMap((bucket) =>
    Array.from({ length: options.keys }, (_, i) => ({ bucket, key: `${name}/${i % 3}/${i}` })),
  )
  const keepsakes = new Set(all.filter((_, i) => i % KEEP_EVERY === 0))
  const isKeepsake = (at: Named): boolean => keepsakes.has(at)
  const idOf = ({ bucket, key }: Named): string => `${bucket}/${key}`
  const possible = (at: Named): Possible => model.get(idOf(at)) ?? [null]

  function count(what: string): void {
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }

  /** The call's result, or why there is none. */
  async function call<T>(
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<{ ok: true; value: T } | { ok: false; why: string }> {
    using deadline = clock.deadline(what, PATIENCE_MS)
    try {
      const value = await Promise.race([work(deadline.signal), options.gone().then(() => GONE)])
      if (value === GONE) return { ok: false, why: 'the gateway crashed' }
      return { ok: true, value: value as T }
    } catch (error) {
      return { ok: false, why: error instanceof Error ? error.message : String(error) }
    }
  }

  function acknowledged(id: string, value: Uint8Array | null): void {
    const { base, list } = history.get(id) ?? { base: [null], list: [] }
    const longer = [...list, { seq: options.seq(), value }]
    const [first] = longer
    if (first === undefined || longer.length <= REMEMBERED) history.set(id, { base, list: longer })
    else history.set(id, { base: [first.value], list: longer.slice(1) })
  }

  function doubt(kept: number): void {
    for (const [id, { base, list }] of history) {
      const last = list.findLastIndex(({ seq }) => seq <= kept)
      const later = list.slice(last + 1).map(({ value }) => value)
      if (later.length === 0) continue
      const before: Possible = last < 0 ? base : [list[last]?.value ?? null]
      const candidates = [...before, ...later]
      model.set(id, [...candidates, ...(model.get(id) ?? [])])
      history.set(id, { base: candidates, list: [] })
    }
  }

  function note(at: Named, what: string, outcome: string): void {
    count(`${what} ${outcome === 'ok' ? 'ok' : 'failed'}`)
    options.trace(`${name} ${what} ${idOf(at)} ${outcome}`)
  }

  async function write(at: Named, what: string, value: Uint8Array | null, work: (signal: AbortSignal) => Promise<string>): Promise<void> {
    const before = possible(at)
    // Until it is known, both may be seen, also by a check that runs meanwhile.
    model.set(idOf(at), [...before, value])
    const outcome = await call(what, work)
    if (outcome.ok && outcome.value === 'ok') {
      model.set(idOf(at), [value])
      acknowledged(idOf(at), value)
    } else if (outcome.ok) model.set(idOf(at), before)
    note(at, what, outcome.ok ? outcome.value : outcome.why)
  }

  const put = (store: ObjectStore, at: Named): Promise<void> => {
    const bytes = prng.bytes(drawSize(prng))
    return write(at, 'put', bytes, async (signal) => {
      const request = { tenant, ...at, headers: {}, body: bodyOf(bytes), checksum: null, conditions: {}, signal }
      const done = await store.put(request)
      return done.is === 'stored' ? 'ok' : done.is
    })
  }

  const remove = (store: ObjectStore, at: Named): Promise<void> =>
    write(at, 'delete', null, async () => {
      const done = await store.delete(tenant, at.bucket, [at.key])
      return done.is === 'deleted' ? 'ok' : done.is
    })

  async function copy(store: ObjectStore, to: Named): Promise<void> {
    const from = prng.pick(all)
    const known = possible(from)
    const source = known[0] ?? null
    // A copy of something uncertain would make its target depend on it.
    if (known.length !== 1 || source === null || idOf(from) === idOf(to)) return put(store, to)
    return write(to, 'copy', source, async () => {
      const done = await store.copy({ tenant, from, to, headers: null, admit: () => true })
      return done.is === 'stored' ? 'ok' : done.is
    })
  }

  /** One part, since all but the last of several would have to be 5 MiB; uploaded twice or given up now and then. */
  const multipart = (store: ObjectStore, at: Named): Promise<void> => {
    const bytes = prng.bytes(1 + prng.below(20_000))
    const [again, abandon] = [prng.below(4) === 0, prng.below(5) === 0]
    return write(at, 'multipart', bytes, async (signal) => {
      const upload = await store.createUpload({ tenant, ...at, headers: {}, checksum: null, checksumType: null })
      if (upload.is !== 'created') return upload.is
      const { uploadId } = upload
      const part = (body: Uint8Array) => store.putPart({ tenant, ...at, uploadId, part: 1, body: bodyOf(body), checksum: null, signal })
      if (again) await part(bytes.subarray(0, Math.ceil(bytes.length / 2)))
      const stored = await part(bytes)
      if (stored.is !== 'stored') return stored.is
      if (abandon) {
        await store.abortUpload(tenant, at.bucket, at.key, uploadId)
        return 'abandoned'
      }
      const parts = [{ number: 1, etag: stored.part.etag, checksums: {} }]
      const request = { tenant, ...at, uploadId, parts, checksum: null, size: null, conditions: {} }
      const done = await store.completeUpload(request)
      return done.is === 'stored' ? 'ok' : done.is
    })
  }

  async function read(store: ObjectStore, at: Named, signal: AbortSignal): Promise<Uint8Array | null> {
    const range = prng.below(3) === 0 ? { from: prng.below(5000), to: null } : null
    const opened = await store.get({ tenant, ...at, range: null, admit: () => true, signal })
    if (opened.is === 'no-key' || opened.is === 'no-bucket') return null
    if (opened.is !== 'open') throw new Error(`a get ended with ${opened.is}`)
    const whole = await sink(opened)
    if (range === null || range.from >= whole.length) return whole
    // A range of the same object must be the same bytes.
    const part = await store.get({ tenant, ...at, range, admit: () => true, signal })
    if (part.is === 'open' && !equalBytes(await sink(part), whole.subarray(range.from))) throw new Error('WRONG BYTES in a range')
    return whole
  }

  return {
    counts,
    keys: () => all,
    doubt,
    async act() {
      const store = options.store()
      if (store === null) return
      const at = prng.pick(all)
      const drawn = prng.below(10)
      const kind = isKeepsake(at) && possible(at).every((value) => value !== null) ? READING : drawn
      if (kind < 4) await put(store, at)
      else if (kind < 5) await remove(store, at)
      else if (kind < 6) await copy(store, at)
      else if (kind < 7) await multipart(store, at)
      else if (kind < 9) await readOne(at, () => false)
      else await checkLists()
    },
    check: readOne,
    checkLists,
  }

  async function readOne(at: Named, must: (key: Named) => boolean): Promise<string | null> {
    const store = options.store()
    if (store === null) return null
    const known = possible(at)
    const outcome = await call('a read', (signal) => read(store, at, signal))
    note(at, 'get', outcome.ok ? 'ok' : outcome.why)
    if (!outcome.ok) {
      if (outcome.why.startsWith('WRONG')) return `${idOf(at)}: ${outcome.why}`
      return must(at) ? `${idOf(at)} cannot be read: ${outcome.why}` : null
    }
    const found = outcome.value
    if (!known.some((value) => same(value, found))) {
      return `WRONG BYTES: ${idOf(at)} holds ${hint(found)}, expected ${known.map(hint).join(' or ')}`
    }
    model.set(idOf(at), [found])
    return null
  }

  async function checkLists(): Promise<string | null> {
    const store = options.store()
    if (store === null) return null
    for (const bucket of BUCKETS) {
      const outcome = await call('a list', () => listAll(store, bucket))
      if (!outcome.ok) return null
      const found = new Set(outcome.value)
      for (const at of all.filter((one) => one.bucket === bucket)) {
        const values = possible(at)
        const mayBeThere = values.some((value) => value !== null)
        const mustBeThere = values.every((value) => value !== null)
        if (found.has(at.key) ? !mayBeThere : mustBeThere) return `the list of ${bucket} is wrong about ${at.key}`
      }
    }
    return null
  }

  async function listAll(store: ObjectStore, bucket: string): Promise<readonly string[]> {
    const keys: string[] = []
    for (let after = ''; ; ) {
      const page = await store.list({ tenant, bucket, prefix: `${name}/`, delimiter: '', after, limit: 7 })
      if (page.is !== 'page') return keys
      keys.push(...page.objects.map((info) => info.key))
      after = page.last
      if (!page.truncated) return keys
    }
  }
}

async function sink(opened: { send(sink: { write(bytes: Uint8Array): Promise<void> }): Promise<void> }): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  await opened.send({
    async write(bytes) {
      parts.push(bytes.slice())
    },
  })
  return concat(parts)
}

/** Makes the buckets; retried until the store has providers to keep its log. */
export async function createBuckets(store: ObjectStore, account: Account): Promise<void> {
  for (const bucket of BUCKETS) await store.createBucket({ account, accessKey: 'setup' }, bucket)
}
