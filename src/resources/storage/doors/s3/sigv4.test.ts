import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromUtf8, utf8 } from '../../../../std/bytes.ts'
import { authenticator } from './authenticate.ts'
import { openBody } from './body.ts'
import { parseAmzDate } from './dates.ts'
import { digestOf } from './memory-store.test-support.ts'
import { crypto, type Draft, frame, KEY, toRequest } from './sign.test-support.ts'
import { equalSignatures, signingKeys } from './sigv4.ts'
import { parseTarget } from './target.ts'

/**
 * The worked examples of the S3 API reference: "Signature Calculations for the Authorization Header" (single and multiple
 * chunks, with trailing headers) and "Authenticating Requests: Using Query Parameters".
 */
const AT = parseAmzDate('20130524T000000Z')
assert(AT !== null)
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const authenticate = authenticator(crypto, { find: (name) => (name === KEY.accessKey ? KEY : null) }, 'us-east-1')

function example(
  method: string,
  target: string,
  signature: string,
  headers: Record<string, string>,
  host = 'examplebucket.s3.amazonaws.com',
): Draft {
  const all = new Map(Object.entries({ host, 'x-amz-date': '20130524T000000Z', ...headers }))
  const names = [...all.keys()].sort().join(';')
  all.set(
    'authorization',
    `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${names},Signature=${signature}`,
  )
  return { method, target, headers: all, body: new Uint8Array(0) }
}

function check(draft: Draft) {
  const target = parseTarget(draft.target)
  assert(target !== null && AT !== null)
  return authenticate(toRequest(draft), target, AT)
}

const EXAMPLES: readonly [name: string, draft: Draft][] = [
  [
    'GET Object with a range',
    example('GET', '/test.txt', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41', {
      range: 'bytes=0-9',
      'x-amz-content-sha256': EMPTY,
    }),
  ],
  [
    'PUT Object',
    example('PUT', '/test%24file.text', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd', {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    }),
  ],
  [
    'GET Bucket Lifecycle',
    example('GET', '/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543', { 'x-amz-content-sha256': EMPTY }),
  ],
  [
    'List Objects',
    example('GET', '/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7', {
      'x-amz-content-sha256': EMPTY,
    }),
  ],
]

for (const [name, draft] of EXAMPLES) {
  test(`the published example "${name}" is authentic, and is not with another last digit`, () => {
    assert.equal(check(draft).is, 'authenticated')
    const authorization = draft.headers.get('authorization') ?? ''
    const other = authorization.endsWith('1') ? '2' : '1'
    const bent = { ...draft, headers: new Map(draft.headers).set('authorization', authorization.slice(0, -1) + other) }
    const result = check(bent)
    assert(result.is === 'refusal')
    assert.equal(result.code, 'SignatureDoesNotMatch')
  })
}

const PRESIGNED =
  '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
  '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
  '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'

test('the published presigned URL is authentic until it expires', () => {
  const headers = new Map([['host', 'examplebucket.s3.amazonaws.com']])
  const request = toRequest({ method: 'GET', target: PRESIGNED, headers, body: new Uint8Array(0) })
  const target = parseTarget(PRESIGNED)
  assert(target !== null && AT !== null)
  assert.equal(authenticate(request, target, AT).is, 'authenticated')
  const late = parseAmzDate('20130525T000001Z')
  assert(late !== null)
  const result = authenticate(request, target, late)
  assert(result.is === 'refusal')
  assert.equal(result.message, 'Request has expired')
})

const CHUNKED = {
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '66560',
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
}
const BODY = new Uint8Array(66_560).fill(97)

function chunk(size: number, signature: string): string {
  return `${size.toString(16)};chunk-signature=${signature}\r\n${'a'.repeat(size)}\r\n`
}

const SIGNED_CHUNKS =
  chunk(65_536, 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648') +
  chunk(1024, '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497') +
  chunk(0, 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9')

const SIGNED_TRAILER =
  chunk(65_536, 'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2') +
  chunk(1024, '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7') +
  '0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n' +
  'x-amz-checksum-crc32c:sOO8/Q==\r\n' +
  'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n'

const chunkExample = (wire: string): Draft => ({
  ...example(
    'PUT',
    '/examplebucket/chunkObject.txt',
    '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    { ...CHUNKED, 'content-length': '66824', 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
    's3.amazonaws.com',
  ),
  body: utf8(wire),
})

const trailerExample = (wire: string): Draft => ({
  ...example(
    'PUT',
    '/examplebucket/chunkObject.txt',
    '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    { ...CHUNKED, 'x-amz-trailer': 'x-amz-checksum-crc32c', 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' },
    's3.amazonaws.com',
  ),
  body: utf8(wire),
})

/** The decoded body, or the code that it was refused with. `piece` is how the socket cuts it. */
async function decode(draft: Draft, piece: number): Promise<Uint8Array | string> {
  const auth = check(draft)
  if (auth.is === 'refusal') return auth.code
  const opened = openBody(draft.headers, toRequest(draft, piece).body, auth, crypto)
  if (opened.is === 'refusal') return opened.code
  const out = new Uint8Array(opened.source.length)
  let at = 0
  try {
    for (;;) {
      const target = new Uint8Array(10_000)
      const count = await opened.source.read(target)
      if (count === 0) break
      out.set(target.subarray(0, count), at)
      at += count
    }
  } catch (error) {
    assert(error instanceof Error && 'code' in error)
    return String(error.code)
  }
  const verdict = opened.source.check(new Map(opened.source.digests.map((kind) => [kind, digestOf(kind, out)])))
  return verdict.ok ? out.subarray(0, at) : verdict.code
}

for (const [name, draft, wire] of [
  ['chunks', chunkExample, SIGNED_CHUNKS],
  ['chunks and a trailer', trailerExample, SIGNED_TRAILER],
] as const) {
  test(`the published example of signed ${name} decodes however the socket cuts it`, async () => {
    for (const piece of [1_000_000, 65_536, 4096, 77]) assert.deepEqual(await decode(draft(wire), piece), BODY, `pieces of ${piece}`)
  })

  test(`no byte of the published example of signed ${name} can change`, async () => {
    const bytes = utf8(wire)
    for (let at = 0; at < bytes.length; at += at < 90 || at > 65_500 ? 13 : 9973) {
      for (const bit of [0, 5, 6]) {
        const bent = bytes.slice()
        bent[at] = (bent[at] ?? 0) ^ (1 << bit)
        const result = await decode({ ...draft(wire), body: bent }, 8192)
        assert(typeof result === 'string', `byte ${at}, bit ${bit} was taken: ${fromUtf8(bytes.subarray(Math.max(0, at - 5), at + 5))}`)
      }
    }
  })

  test(`the published example of signed ${name} is refused when cut short or lengthened`, async () => {
    for (const cut of [wire.slice(0, 40), wire.slice(0, 1000), wire.slice(0, 65_700), wire.slice(0, -70), `${wire}x`, `${wire}\r\n`]) {
      assert.equal(typeof (await decode(draft(cut), 8192)), 'string')
    }
  })
}

test('the test signer frames as the published example does', () => {
  const scope = { accessKey: KEY.accessKey, date: '20130524', region: 'us-east-1' }
  const key = signingKeys(crypto)(KEY.secretKey, scope)
  const signer = { key, scope, timestamp: '20130524T000000Z' }
  const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'
  assert.equal(fromUtf8(frame(BODY, 65_536, signer, seed, null)), SIGNED_CHUNKS)
})

test('signing keys are cached by day and dropped when the secret changes', () => {
  let derived = 0
  const counting = {
    ...crypto,
    hmacSha256: (key: Uint8Array, data: Uint8Array) => crypto.hmacSha256(key, data).slice(0, 32 + 0 * derived++),
  }
  const keyOf = signingKeys(counting)
  const scope = { accessKey: 'A', date: '20130524', region: 'us-east-1' }
  const first = keyOf('secret', scope)
  assert.equal(keyOf('secret', scope), first)
  assert.equal(derived, 4)
  assert.notDeepEqual(keyOf('other', scope), first)
  assert.notDeepEqual(keyOf('secret', { ...scope, date: '20130525' }), first)
  assert.equal(derived, 12)
})

test('signatures are equal only in every character', () => {
  assert(equalSignatures('abc', 'abc'))
  for (const other of ['abd', 'Abc', 'ab', 'abcd', '']) assert(!equalSignatures('abc', other))
})
