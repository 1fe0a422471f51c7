import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareBytes, utf8 } from '../../../../std/bytes.ts'
import { type Bench, bench } from './sign.test-support.ts'
import { encodePath, encodeUri } from './target.ts'

interface Page {
  readonly keys: readonly string[]
  readonly prefixes: readonly string[]
  readonly next: string | null
}

const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => decodeURIComponent(match[1] ?? ''))

async function page(made: Bench, query: string, nextElement: string): Promise<Page> {
  const answer = await made.ask({ method: 'GET', target: `/bucket?encoding-type=url${query}` })
  assert.equal(answer.status, 200, answer.text)
  const next = new RegExp(`<${nextElement}>(.*?)</${nextElement}>`).exec(answer.text)?.[1] ?? null
  const truncated = answer.text.includes('<IsTruncated>true</IsTruncated>')
  assert.equal(next !== null, truncated)
  const keys = all(answer.text, /<Contents><Key>(.*?)<\/Key>/g)
  const prefixes = all(answer.text, /<CommonPrefixes><Prefix>(.*?)<\/Prefix>/g)
  const count = /<KeyCount>(\d+)</.exec(answer.text)?.[1]
  if (count !== undefined) assert.equal(Number(count), keys.length + prefixes.length)
  return { keys, prefixes, next }
}

/** Every page of a list, as a client would walk it. */
async function walk(
  made: Bench,
  version: 1 | 2,
  query: string,
  limit: number,
): Promise<{ keys: string[]; prefixes: string[]; pages: number }> {
  const keys: string[] = []
  const prefixes: string[] = []
  let token: string | null = null
  for (let pages = 1; ; pages += 1) {
    assert(pages < 200, 'a list must end')
    const at: string =
      token === null ? '' : version === 1 ? `&marker=${encodeUri(decodeURIComponent(token))}` : `&continuation-token=${encodeUri(token)}`
    const kind = version === 1 ? '' : '&list-type=2'
    const got: Page = await page(made, `${kind}${query}&max-keys=${limit}${at}`, version === 1 ? 'NextMarker' : 'NextContinuationToken')
    assert(got.keys.length + got.prefixes.length <= limit)
    keys.push(...got.keys)
    prefixes.push(...got.prefixes)
    token = got.next
    if (token === null) return { keys, prefixes, pages }
  }
}

const byteOrder = (a: string, b: string): number => compareBytes(utf8(a), utf8(b))

/** What S3 says a list is, without pages. */
function expected(stored: readonly string[], prefix: string, delimiter: string): { keys: string[]; prefixes: string[] } {
  const keys: string[] = []
  const prefixes = new Set<string>()
  for (const key of [...stored].sort(byteOrder)) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (cut < 0) keys.push(key)
    else prefixes.add(key.slice(0, cut + delimiter.length))
  }
  return { keys, prefixes: [...prefixes] }
}

test('both lists give every key and prefix once and in byte order, whatever the page, prefix and delimiter', async () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '+', '%', '&', ' ', 'é', '😀', '\ufffd', '-'), minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 14 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 2 }),
      fc.constantFrom('', '/', 'a', '/a'),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(1 as const, 2 as const),
      async (keys, prefix, delimiter, limit, version) => {
        const made = bench()
        await made.ask({ method: 'PUT', target: '/bucket', body: '' })
        for (const name of keys)
          assert.equal((await made.ask({ method: 'PUT', target: `/bucket/${encodePath(name)}`, body: '' })).status, 200)
        const got = await walk(made, version, `&prefix=${encodeUri(prefix)}&delimiter=${encodeUri(delimiter)}`, limit)
        const want = expected(keys, prefix, delimiter)
        assert.deepEqual({ keys: got.keys, prefixes: got.prefixes }, want)
        const size = want.keys.length + want.prefixes.length
        assert.equal(got.pages, Math.max(1, Math.ceil(size / limit)))
      },
    ),
    { numRuns: 120 },
  )
})

async function withKeys(keys: readonly string[]): Promise<Bench> {
  const made = bench()
  await made.ask({ method: 'PUT', target: '/bucket', body: '' })
  for (const key of keys) await made.ask({ method: 'PUT', target: `/bucket/${encodePath(key)}`, body: 'x' })
  return made
}

test('max-keys 0 is an empty page that is not truncated; more than 1000 is 1000; nonsense is refused', async () => {
  const made = await withKeys(['a', 'b'])
  const none = await made.ask({ method: 'GET', target: '/bucket?list-type=2&max-keys=0' })
  assert(
    none.text.includes('<KeyCount>0</KeyCount>') && none.text.includes('<IsTruncated>false</IsTruncated>') && !none.text.includes('<Key>'),
  )
  assert((await made.ask({ method: 'GET', target: '/bucket?max-keys=5000' })).text.includes('<MaxKeys>1000</MaxKeys>'))
  for (const bad of ['-1', 'x', '1.5', '99999999999'])
    assert.equal((await made.ask({ method: 'GET', target: `/bucket?max-keys=${bad}` })).code, 'InvalidArgument')
  assert.equal((await made.ask({ method: 'GET', target: '/nowhere?max-keys=0' })).code, 'NoSuchBucket')
})

test('start-after, fetch-owner and an unusable continuation token do what S3 says', async () => {
  const made = await withKeys(['a', 'b', 'c'])
  const after = await made.ask({ method: 'GET', target: '/bucket?list-type=2&start-after=a' })
  assert.deepEqual(all(after.text, /<Key>(.*?)<\/Key>/g), ['b', 'c'])
  assert(!after.text.includes('<Owner>'))
  assert((await made.ask({ method: 'GET', target: '/bucket?list-type=2&fetch-owner=true' })).text.includes('<Owner>'))
  for (const token of ['', '!!!', '_w==']) {
    assert.equal((await made.ask({ method: 'GET', target: `/bucket?list-type=2&continuation-token=${token}` })).code, 'InvalidArgument')
  }
})

test('a key that XML cannot hold raw is escaped, so that a list is never broken by a name', async () => {
  const made = await withKeys(['<Key>&"\'', 'a\rb'])
  const { text } = await made.ask({ method: 'GET', target: '/bucket' })
  assert(text.includes('<Key>&lt;Key&gt;&amp;&quot;&apos;</Key>') && text.includes('<Key>a&#xD;b</Key>'))
})
