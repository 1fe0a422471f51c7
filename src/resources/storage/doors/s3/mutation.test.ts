import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type MemoryStore, memoryStore } from './memory-store.test-support.ts'
import { AUTHS, type Auth, type Bench, base64For, bench, type Draft, draft, KEY, NOW, type Wanted } from './sign.test-support.ts'
import { parseTarget } from './target.ts'

/** One valid request of every operation, on a bucket with an object and an upload. */
const XML_DELETE = '<Delete><Object><Key>old</Key></Object></Delete>'
const ROUTES: readonly Wanted[] = [
  { method: 'GET', target: '/' },
  { method: 'PUT', target: '/fresh-bucket', body: '' },
  { method: 'HEAD', target: '/bucket' },
  { method: 'GET', target: '/bucket?location' },
  { method: 'GET', target: '/bucket?versioning' },
  { method: 'GET', target: '/bucket?acl' },
  { method: 'GET', target: '/bucket?delimiter=%2F&prefix=o' },
  { method: 'GET', target: '/bucket?list-type=2&start-after=a&max-keys=3' },
  { method: 'GET', target: '/bucket?uploads' },
  { method: 'POST', target: '/bucket?delete', body: XML_DELETE, headers: { 'content-md5': base64For('md5', XML_DELETE) } },
  { method: 'PUT', target: '/bucket/new', body: 'some new bytes', headers: { 'x-amz-meta-note': 'one' } },
  { method: 'PUT', target: '/bucket/copied', headers: { 'x-amz-copy-source': '/bucket/old' } },
  { method: 'GET', target: '/bucket/old', headers: { range: 'bytes=1-3' } },
  { method: 'HEAD', target: '/bucket/old' },
  { method: 'DELETE', target: '/bucket/old' },
  { method: 'GET', target: '/bucket/old?tagging' },
  { method: 'POST', target: '/bucket/up?uploads' },
  { method: 'PUT', target: '/bucket/up?partNumber=2&uploadId=upload-1', body: 'part bytes' },
  { method: 'PUT', target: '/bucket/up?partNumber=3&uploadId=upload-1', headers: { 'x-amz-copy-source': 'bucket/old' } },
  {
    method: 'POST',
    target: '/bucket/up?uploadId=upload-1',
    body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>0cc175b9c0f1b6a831c399e269772661</ETag></Part></CompleteMultipartUpload>',
  },
  { method: 'GET', target: '/bucket/up?uploadId=upload-1' },
  { method: 'DELETE', target: '/bucket/up?uploadId=upload-1' },
]

async function fixture(): Promise<Bench> {
  const made = bench({ store: memoryStore(() => NOW, 16) })
  for (const wanted of [
    { method: 'PUT', target: '/bucket', body: '' },
    { method: 'PUT', target: '/bucket/old', body: 'old bytes' },
    { method: 'POST', target: '/bucket/up?uploads' },
    { method: 'PUT', target: '/bucket/up?partNumber=1&uploadId=upload-1', body: 'a' },
  ]) {
    assert.equal((await made.ask(wanted)).status, 200)
  }
  return made
}

/** Everything that a request can change, as one text. */
function stateOf(store: MemoryStore): string {
  const buckets = [...store.buckets].map(([name, b]) => [name, [...b.objects].map(([key, o]) => [key, o.info, [...o.bytes]])])
  const uploads = [...store.uploads].map(([id, u]) => [id, u.key, u.headers, [...u.parts.values()].map((p) => [p.part, [...p.bytes]])])
  return JSON.stringify([buckets, uploads])
}

const takesBody = (wanted: Wanted): boolean => wanted.body !== undefined
const suits = (wanted: Wanted, auth: Auth): boolean => takesBody(wanted) || (!auth.endsWith('chunks') && !auth.endsWith('trailer'))

type Place = { readonly part: 'method' | 'target' | 'body' } | { readonly part: 'header'; readonly name: string }

/** Everything that the signature of this request covers. */
function places(one: Draft, auth: Auth): Place[] {
  const found: Place[] = [{ part: 'method' }, { part: 'target' }]
  const signed = auth === 'presigned' ? 'host' : (/SignedHeaders=([^,]*)/.exec(one.headers.get('authorization') ?? '')?.[1] ?? '')
  for (const name of signed.split(';')) found.push({ part: 'header', name })
  if (one.headers.has('authorization')) found.push({ part: 'header', name: 'authorization' })
  // The words UNSIGNED-PAYLOAD and a presigned URL leave the body open; every other kind covers it.
  if (one.body.length > 0 && auth !== 'unsigned' && auth !== 'presigned') found.push({ part: 'body' })
  return found
}

const flipText = (text: string, bit: number): string => {
  const at = (bit >> 3) % text.length
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << (bit & 7))) + text.slice(at + 1)
}

function flip(one: Draft, place: Place, bit: number): Draft {
  const bent: Draft = { ...one, headers: new Map(one.headers), body: one.body.slice() }
  if (place.part === 'method') bent.method = flipText(one.method, bit)
  else if (place.part === 'target') bent.target = flipText(one.target, bit)
  else if (place.part === 'header') bent.headers.set(place.name, flipText(one.headers.get(place.name) ?? '', bit))
  else bent.body[(bit >> 3) % bent.body.length] = (bent.body[(bit >> 3) % bent.body.length] ?? 0) ^ (1 << (bit & 7))
  return bent
}

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1').toLowerCase()

/** Spelling alone: `%2f` for `%2F` is the same target. */
const sameTarget = (a: string, b: string): boolean => JSON.stringify(read(a)) === JSON.stringify(read(b))
const read = (target: string): unknown => {
  const parsed = parseTarget(target)
  return parsed === null ? target : [parsed.path, [...parsed.query]]
}

for (const auth of AUTHS) {
  test(`a valid ${auth} request of every operation is answered`, async () => {
    for (const wanted of ROUTES.filter((route) => suits(route, auth))) {
      const made = await fixture()
      const answer = await made.ask({ ...wanted, auth })
      assert(answer.status < 300, `${wanted.method} ${wanted.target}: ${answer.status} ${answer.text}`)
    }
  })

  test(`no bit that a ${auth} signature covers can change, whatever the operation`, async () => {
    for (const wanted of ROUTES.filter((route) => suits(route, auth))) {
      let made = await fixture()
      const before = stateOf(made.store)
      const valid = draft({ ...wanted, auth })
      const where = places(valid, auth)
      const property = fc.asyncProperty(
        fc.constantFrom(...where),
        fc.nat({ max: 1_000_000 }),
        fc.integer({ min: 1, max: 70 }),
        async (place, bit, piece) => {
          const bent = flip(valid, place, bit)
          if (place.part === 'target' && sameTarget(bent.target, valid.target)) return
          const answer = await made.send(bent, piece)
          if (place.part === 'body' && answer.status < 300 && latin(bent.body) === latin(valid.body)) {
            // Hexadecimal sizes and names of trailers have no case: the same request, which must have the same effect.
            const honest = await fixture()
            await honest.send(valid)
            assert.equal(stateOf(made.store), stateOf(honest.store))
            made = await fixture()
            return
          }
          assert(answer.status >= 400, `${JSON.stringify(place)} bit ${bit}: ${answer.status}`)
          assert.equal(stateOf(made.store), before)
        },
      )
      await fc.assert(property, { numRuns: 40 })
    }
  })
}

test('no bit of a signature can change, nor a signature be left out', async () => {
  const made = await fixture()
  for (const auth of AUTHS) {
    const valid = draft({ method: 'PUT', target: '/bucket/new', body: 'bytes', auth })
    const text = valid.headers.get('authorization') ?? valid.target
    for (let bit = 0; bit < 64 * 8; bit += 1) {
      const at = text.length - 64 + (bit >> 3)
      const bent = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << (bit & 7))) + text.slice(at + 1)
      const one = { ...valid, headers: new Map(valid.headers) }
      if (auth === 'presigned') one.target = bent
      else one.headers.set('authorization', bent)
      const answer = await made.send(one)
      assert(answer.status >= 400 && answer.status < 500, `${auth} bit ${bit}: ${answer.status}`)
    }
    const bare = { ...valid, target: '/bucket/new', headers: new Map(valid.headers) }
    bare.headers.delete('authorization')
    assert.equal((await made.send(bare)).code, 'AccessDenied')
  }
  assert(!made.store.buckets.get('bucket')?.objects.has('new'))
})

test('an x-amz header that nobody signed is refused on every operation', async () => {
  for (const auth of AUTHS) {
    for (const wanted of ROUTES.filter((route) => suits(route, auth))) {
      const made = await fixture()
      const before = stateOf(made.store)
      for (const name of ['x-amz-copy-source', 'x-amz-meta-x', 'x-amz-acl', 'x-amz-security-token', 'x-amz-unheard-of']) {
        const one = draft({ ...wanted, auth })
        if (one.headers.has(name)) continue
        one.headers.set(name, 'bucket/old')
        const answer = await made.send(one)
        assert.equal(answer.status, 403)
        if (wanted.method !== 'HEAD') assert.match(answer.text, new RegExp(`<HeadersNotSigned>${name}<`))
      }
      assert.equal(stateOf(made.store), before)
    }
  }
})

test('a request signed with the secret of another key, day, region or service is refused', async () => {
  const made = await fixture()
  const other = { ...KEY, secretKey: `${KEY.secretKey}x` }
  assert.equal((await made.ask({ method: 'GET', target: '/bucket/old', key: other })).code, 'SignatureDoesNotMatch')
  assert.equal((await made.ask({ method: 'GET', target: '/bucket/old', key: { ...KEY, accessKey: 'NOBODY' } })).code, 'InvalidAccessKeyId')
  for (const [from, to] of [
    ['us-east-1', 'eu-west-1'],
    ['/s3/', '/s4/'],
    ['20261121', '20261122'],
    ['aws4_request', 'aws4_requesT'],
  ] as const) {
    const one = draft({ method: 'GET', target: '/bucket/old' })
    one.headers.set('authorization', (one.headers.get('authorization') ?? '').replace(from, to))
    assert.equal((await made.send(one)).code, 'AuthorizationHeaderMalformed')
  }
})

test('bytes that are not UTF-8, and targets that are not paths, are refused before anything is computed', async () => {
  const made = await fixture()
  for (const target of [
    '/bucket/%ff',
    '/bucket/%zz',
    '*',
    'http://s3.test/bucket/old',
    '/bucket/a b',
    `/bucket/\u00e9`,
    '/bucket?a=1&a=2',
  ]) {
    assert.equal((await made.send({ ...draft({ method: 'GET', target: '/bucket/old' }), target })).code, 'InvalidURI')
  }
})
