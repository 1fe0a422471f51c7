import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CairnError } from '../../../../protocol/errors.ts'
import type { UnixMs } from '../../../../protocol/units.ts'
import { toHex } from '../../../../std/bytes.ts'
import { memoryStore } from './memory-store.test-support.ts'
import { AUTHS, type Auth, base64For, bench, type Draft, draft, KEY, NOW } from './sign.test-support.ts'
import { encodePath, encodeUri } from './target.ts'

async function withBucket(options: Parameters<typeof bench>[0] = {}) {
  const made = bench(options)
  assert.equal((await made.ask({ method: 'PUT', target: '/bucket', body: '' })).status, 200)
  return made
}

const replace = (one: Draft, body: Uint8Array): void => {
  one.body = body
}
const put = (key: string, body: string, headers: Record<string, string> = {}) => ({
  method: 'PUT',
  target: `/bucket/${encodePath(key)}`,
  body,
  headers,
})
const get = (key: string, headers: Record<string, string> = {}) => ({ method: 'GET', target: `/bucket/${encodePath(key)}`, headers })

test('any key of Unicode text keeps its bytes through PUT, GET, a list and a deletion of many', async () => {
  const made = await withBucket()
  const odd = [
    '../../etc/passwd',
    '//',
    '/',
    '.',
    '..',
    './a',
    'a//b',
    'a/',
    '/a',
    'a+b c%2F%252F',
    '\u0001\u0000\r\n\t',
    '<&>"\'',
    '日本/ü',
    '😀',
    'a?b#c',
    ' x ',
  ]
  const key = fc.oneof(
    fc.constantFrom(...odd),
    fc.string({ minLength: 1, maxLength: 40, unit: 'binary' }),
    fc.string({ minLength: 1, unit: 'grapheme' }),
  )
  await fc.assert(
    fc.asyncProperty(key, async (name) => {
      assert.equal((await made.ask(put(name, name))).status, 200)
      assert.deepEqual([...(made.store.buckets.get('bucket')?.objects.keys() ?? [])], [name])
      assert.equal((await made.ask(get(name))).text, name)
      const listed = await made.ask({ method: 'GET', target: '/bucket?list-type=2&encoding-type=url' })
      assert(listed.text.includes(`<Key>${encodePath(name)}</Key>`), listed.text)
      const escaped = Array.from(name, (c) => `&#x${(c.codePointAt(0) ?? 0).toString(16)};`).join('')
      const xml = `<Delete><Object><Key>${escaped}</Key></Object></Delete>`
      const deleted = await made.ask({
        method: 'POST',
        target: '/bucket?delete',
        body: xml,
        headers: { 'content-md5': base64For('md5', xml) },
      })
      assert.equal(deleted.status, 200)
      assert.equal(made.store.buckets.get('bucket')?.objects.size, 0)
    }),
    { numRuns: 150 },
  )
})

test('a key longer than 1024 bytes of UTF-8 is refused, one of exactly 1024 is not', async () => {
  const made = await withBucket()
  assert.equal((await made.ask(put('ü'.repeat(512), 'x'))).status, 200)
  assert.equal((await made.ask(put(`${'ü'.repeat(512)}a`, 'x'))).code, 'KeyTooLongError')
})

test('a body arrives whole under every kind of signature, however the socket cuts it', async () => {
  const made = await withBucket()
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31) % 251)
  for (const auth of AUTHS) {
    for (const piece of [100_000, 4096, 333]) {
      const answer = await made.send(draft({ method: 'PUT', target: '/bucket/k', body: bytes, auth }), piece)
      assert.equal(answer.status, 200, answer.text)
      const stored = made.store.buckets.get('bucket')?.objects.get('k')
      assert.deepEqual(stored?.bytes, bytes)
      assert.equal(stored?.info.headers['content-encoding'], undefined)
      made.store.buckets.get('bucket')?.objects.clear()
    }
  }
})

test('every checksum that a client sends is verified, kept and given back on request', async () => {
  const made = await withBucket()
  for (const kind of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const) {
    const name = `x-amz-checksum-${kind}`
    const good = await made.ask(put('k', 'content', { [name]: base64For(kind, 'content') }))
    assert.equal(good.headers[name], base64For(kind, 'content'))
    assert.equal((await made.ask(put('k', 'content', { [name]: base64For(kind, 'other') }))).code, 'BadDigest')
    assert.equal((await made.ask(put('k', 'content', { [name]: 'AAAA' }))).code, 'InvalidRequest')
    const back = await made.ask(get('k', { 'x-amz-checksum-mode': 'ENABLED' }))
    assert.equal(back.headers[name], base64For(kind, 'content'))
    assert.equal((await made.ask(get('k'))).headers[name], undefined)
  }
})

test('a body that is not what its headers say leaves nothing behind', async () => {
  const made = await withBucket()
  const wrong: [string, ReturnType<typeof draft>][] = []
  const bend = (code: string, one: ReturnType<typeof draft>, change: (d: ReturnType<typeof draft>) => void): void => {
    change(one)
    wrong.push([code, one])
  }
  bend('IncompleteBody', draft(put('k', 'content')), (d) => replace(d, d.body.slice(1)))
  bend('IncompleteBody', draft({ ...put('k', 'content'), auth: 'unsigned' }), (d) => replace(d, new Uint8Array(9)))
  bend('XAmzContentSHA256Mismatch', draft(put('k', 'content')), (d) =>
    replace(
      d,
      d.body.map((b) => b ^ 1),
    ),
  )
  bend('BadDigest', draft({ ...put('k', 'content', { 'content-md5': base64For('md5', 'x') }), auth: 'unsigned' }), () => {})
  bend('InvalidDigest', draft(put('k', 'content', { 'content-md5': 'nonsense' })), () => {})
  bend('MissingContentLength', draft(put('k', 'content')), (d) => void d.headers.delete('content-length'))
  bend('EntityTooLarge', draft(put('k', 'content')), (d) => void d.headers.set('content-length', String(5 * 1024 ** 3 + 1)))
  bend('BadDigest', draft({ ...put('k', 'content'), auth: 'unsigned-trailer' }), (d) => {
    const at = Buffer.from(d.body).indexOf('content')
    d.body[at] = 68
  })
  for (const [code, one] of wrong) assert.equal((await made.send(one)).code, code)
  assert.equal(made.store.buckets.get('bucket')?.objects.size, 0)
})

test('requests from too long ago, from the future and past their expiry are refused', async () => {
  const made = await withBucket()
  const at = (ms: number): UnixMs => (NOW + ms) as UnixMs
  const edge = 15 * 60_000
  for (const [ms, code] of [
    [edge, ''],
    [-edge, ''],
    [edge + 1000, 'RequestTimeTooSkewed'],
    [-edge - 1000, 'RequestTimeTooSkewed'],
  ] as const) {
    assert.equal((await made.ask({ method: 'GET', target: '/bucket', at: at(ms) })).code, code)
  }
  const presigned = (ms: number, expires: number) =>
    made.ask({ method: 'GET', target: '/bucket', auth: 'presigned' as Auth, at: at(ms), expires })
  assert.equal((await presigned(-60_000, 60)).code, '')
  assert.equal((await presigned(-61_000, 60)).code, 'AccessDenied')
  assert.equal((await presigned(edge + 1000, 60)).code, 'AccessDenied')
  assert.equal((await presigned(0, 604_801)).code, 'AuthorizationQueryParametersError')
})

test('signature version 2, two signatures at once and anonymous requests are refused', async () => {
  const made = await withBucket()
  const v2 = draft({ method: 'GET', target: '/bucket' })
  v2.headers.set('authorization', 'AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=')
  assert.equal((await made.send(v2)).code, 'InvalidRequest')
  const query = { ...draft({ method: 'GET', target: '/bucket' }), target: '/bucket?AWSAccessKeyId=A&Signature=x&Expires=1' }
  query.headers.delete('authorization')
  assert.equal((await made.send(query)).code, 'InvalidRequest')
  const both = draft({ method: 'GET', target: '/bucket', auth: 'presigned' })
  both.headers.set('authorization', draft({ method: 'GET', target: '/bucket' }).headers.get('authorization') ?? '')
  assert.equal((await made.send(both)).code, 'InvalidArgument')
  const none = { method: 'GET', target: '/bucket/k', headers: new Map([['host', 's3.test']]), body: new Uint8Array(0) }
  assert.equal((await made.send(none)).status, 403)
  assert.equal((await made.send(none)).code, 'AccessDenied')
})

test('a credential reaches its buckets, its prefix and its permissions, until it expires, and nothing else', async () => {
  const scoped = { ...KEY, accessKey: 'SCOPED', buckets: ['bucket'], prefix: 'mine/', permissions: ['read', 'list'] as const }
  const writer = { ...KEY, accessKey: 'WRITER', buckets: ['bucket'], prefix: 'mine/', permissions: ['write', 'delete'] as const }
  const expired = { ...KEY, accessKey: 'EXPIRED', expires: NOW }
  const made = await withBucket({ keys: [KEY, scoped, writer, expired] })
  for (const key of ['mine/a', 'yours/a']) await made.ask(put(key, 'x'))
  await made.ask({ method: 'PUT', target: '/other', body: '' })
  const code = async (key: typeof KEY, method: string, target: string, headers: Record<string, string> = {}, body?: string) =>
    (await made.ask({ method, target, headers, key, ...(body === undefined ? {} : { body }) })).code
  assert.equal(await code(scoped, 'GET', '/bucket/mine/a'), '')
  assert.equal(await code(scoped, 'GET', '/bucket?prefix=mine%2F'), '')
  assert.equal(await code(writer, 'PUT', '/bucket/mine/b', {}, 'x'), '')
  for (const [key, method, target] of [
    [scoped, 'GET', '/bucket/yours/a'],
    [scoped, 'GET', '/bucket'],
    [scoped, 'GET', '/bucket?prefix=mine'],
    [scoped, 'GET', '/other?prefix=mine%2F'],
    [scoped, 'DELETE', '/bucket/mine/a'],
    [scoped, 'GET', '/bucket/yours/a?acl'],
    [writer, 'GET', '/bucket/mine/a'],
    [writer, 'POST', '/bucket/yours/a?uploads'],
    [writer, 'DELETE', '/bucket/yours/a'],
    [writer, 'DELETE', '/bucket'],
    [expired, 'GET', '/bucket/mine/a'],
  ] as const) {
    assert.equal(await code(key, method, target), 'AccessDenied', `${key.accessKey} ${method} ${target}`)
  }
  assert.equal(await code(writer, 'PUT', '/bucket/mine/c', { 'x-amz-copy-source': 'bucket/mine/a' }), 'AccessDenied')
  const xml = '<Delete><Object><Key>mine/b</Key></Object><Object><Key>yours/a</Key></Object></Delete>'
  const many = await made.ask({
    method: 'POST',
    target: '/bucket?delete',
    body: xml,
    key: writer,
    headers: { 'content-md5': base64For('md5', xml) },
  })
  assert.match(many.text, /<Deleted><Key>mine\/b<\/Key><\/Deleted><Error><Key>yours\/a<\/Key><Code>AccessDenied</)
  assert.deepEqual([...(made.store.buckets.get('bucket')?.objects.keys() ?? [])], ['mine/a', 'yours/a'])
  const buckets = await made.ask({ method: 'GET', target: '/', key: scoped })
  assert(buckets.text.includes('<Name>bucket</Name>') && !buckets.text.includes('<Name>other</Name>'))
})

test('ranges are answered as RFC 9110 says', async () => {
  const made = await withBucket()
  await made.ask(put('k', '0123456789'))
  for (const [range, status, text, contentRange] of [
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=2-', 206, '23456789', 'bytes 2-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-30', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=3-2', 200, '0123456789', undefined],
    ['bytes=1-2,4-5', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ] as const) {
    const answer = await made.ask(get('k', { range }))
    assert.deepEqual([answer.status, answer.text, answer.headers['content-range']], [status, text, contentRange], range)
    assert.equal(answer.headers['content-length'], String(text.length))
  }
  for (const range of ['bytes=10-', 'bytes=-0', 'bytes=99-100']) assert.equal((await made.ask(get('k', { range }))).status, 416)
  assert.equal((await made.ask(get('k', { range: 'bytes=0-1', 'if-range': '"other"' }))).status, 200)
  assert.equal((await made.ask(get('k', { range: 'bytes=0-1', 'if-range': `"${toHex(md5('0123456789'))}"` }))).status, 206)
})

const md5 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(base64For('md5', text), 'base64'))

test('preconditions hold for reads, writes and copies', async () => {
  const made = await withBucket()
  await made.ask(put('k', 'content'))
  const etag = `"${toHex(md5('content'))}"`
  const before = 'Fri, 20 Nov 2026 12:00:00 GMT'
  const same = 'Sat, 21 Nov 2026 12:00:00 GMT'
  for (const [headers, status] of [
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': '*' }, 200],
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': '"x", "y"' }, 200],
    [{ 'if-modified-since': same }, 304],
    [{ 'if-modified-since': before }, 200],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': same }, 200],
    [{ 'if-match': etag, 'if-unmodified-since': before }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': same }, 200],
  ] as const) {
    const sent: Record<string, string> = headers
    for (const method of ['GET', 'HEAD']) assert.equal((await made.ask({ ...get('k', sent), method })).status, status, JSON.stringify(sent))
    const source = Object.fromEntries(Object.entries(sent).map(([name, value]) => [`x-amz-copy-source-${name}`, value]))
    const copied = await made.ask({ method: 'PUT', target: '/bucket/c', headers: { ...source, 'x-amz-copy-source': 'bucket/k' } })
    assert.equal(copied.status, status === 304 ? 412 : status)
  }
  assert.equal((await made.ask(put('k', 'new', { 'if-none-match': '*' }))).code, 'PreconditionFailed')
  assert.equal((await made.ask(put('k', 'new', { 'if-match': '"x"' }))).code, 'PreconditionFailed')
  assert.equal((await made.ask(put('k', 'new', { 'if-match': etag }))).status, 200)
})

test('headers and metadata come back as they were, and signed overrides replace them', async () => {
  const made = await withBucket()
  const headers = {
    'content-type': 'text/x',
    'cache-control': 'no-cache',
    'content-encoding': 'gzip,aws-chunked',
    'x-amz-meta-name': 'grün',
  }
  await made.ask(put('k', 'content', headers))
  const answer = await made.ask({ method: 'HEAD', target: '/bucket/k' })
  assert.equal(answer.headers['content-encoding'], 'gzip')
  assert.equal(answer.headers['x-amz-meta-name'], 'grün')
  assert.equal(answer.headers['content-length'], '7')
  const other = await made.ask({ method: 'GET', target: `/bucket/k?response-content-type=${encodeUri('text/y; charset=z')}` })
  assert.equal(other.headers['content-type'], 'text/y; charset=z')
  assert.equal((await made.ask({ method: 'GET', target: '/bucket/k?response-expires=a%0d%0aset-cookie:x' })).code, 'InvalidArgument')
  assert.equal((await made.ask(put('k', '', { 'x-amz-meta-a': 'x'.repeat(2048) }))).code, 'MetadataTooLarge')
})

test('a write that asks for what is not offered is refused instead of being taken for less', async () => {
  const made = await withBucket()
  for (const [name, value, code] of [
    ['x-amz-acl', 'public-read', 'NotImplemented'],
    ['x-amz-acl', 'private', ''],
    ['x-amz-storage-class', 'GLACIER', 'InvalidStorageClass'],
    ['x-amz-server-side-encryption', 'aws:kms', 'NotImplemented'],
    ['x-amz-server-side-encryption', 'AES256', ''],
    ['x-amz-server-side-encryption-customer-key', 'x', 'NotImplemented'],
    ['x-amz-object-lock-mode', 'GOVERNANCE', 'NotImplemented'],
    ['x-amz-tagging', 'a=b', 'NotImplemented'],
    ['x-amz-expected-bucket-owner', KEY.account, ''],
    ['x-amz-expected-bucket-owner', '123456789012', 'AccessDenied'],
  ] as const) {
    assert.equal((await made.ask(put('k', 'x', { [name]: value }))).code, code, `${name}: ${value}`)
  }
})

test('failures of the network are S3 errors that name their cause, and bugs say nothing', async () => {
  const store = memoryStore(() => NOW)
  let failure: unknown
  const made = await withBucket({ store: { ...store, get: async () => Promise.reject(failure) } })
  const lost = { object: 'bucket/k', segment: 3, need: 4, have: 2, missing: 'p1, p2' }
  for (const [error, status, code, words] of [
    [new CairnError('SEGMENT_LOST', lost), 503, 'ServiceUnavailable', 'segment 3 of bucket/k'],
    [new CairnError('NO_PROVIDERS', { need: 8, have: 1, why: 'w' }), 503, 'ServiceUnavailable', '8 providers'],
    [new CairnError('NOT_DURABLE', { what: 'k', need: 6, have: 5, why: 'w' }), 503, 'ServiceUnavailable', '5 of 6'],
    [new CairnError('FULL', { path: '/x', freeBytes: 0, needBytes: 1 }), 507, 'InsufficientStorage', 'no room'],
    [new TypeError('secret detail'), 500, 'InternalError', 'internal error'],
  ] as const) {
    failure = error
    const answer = await made.ask(get('k'))
    assert.deepEqual([answer.status, answer.code], [status, code])
    assert(answer.text.includes(words) && !answer.text.includes('secret'), answer.text)
    assert.match(answer.text, new RegExp(`<RequestId>${answer.headers['x-amz-request-id']}</RequestId>`))
  }
  assert(made.log.lines.some((line) => line.includes('secret detail')))
})

test('what clients probe is answered, and what is not offered is 501', async () => {
  const made = await withBucket()
  await made.ask(put('k', 'x'))
  for (const [method, target, status, words] of [
    ['GET', '/bucket?versioning', 200, '<VersioningConfiguration'],
    ['GET', '/bucket?location', 200, '<LocationConstraint'],
    ['GET', '/bucket?acl', 200, 'FULL_CONTROL'],
    ['GET', '/bucket/k?acl', 200, 'FULL_CONTROL'],
    ['GET', '/bucket/k?tagging', 200, '<TagSet/>'],
    ['GET', '/bucket?policy', 404, 'NoSuchBucketPolicy'],
    ['GET', '/bucket?cors', 404, 'NoSuchCORSConfiguration'],
    ['GET', '/bucket?lifecycle', 404, 'NoSuchLifecycleConfiguration'],
    ['GET', '/bucket?tagging', 404, 'NoSuchTagSet'],
    ['GET', '/bucket?object-lock', 404, 'ObjectLockConfigurationNotFoundError'],
    ['GET', '/nowhere?versioning', 404, 'NoSuchBucket'],
    ['GET', '/bucket/none?acl', 404, 'NoSuchKey'],
    ['GET', '/bucket?versions', 501, 'NotImplemented'],
    ['PUT', '/bucket?versioning', 501, 'NotImplemented'],
    ['DELETE', '/bucket?policy', 501, 'NotImplemented'],
    ['POST', '/bucket/k?restore', 501, 'NotImplemented'],
    ['POST', '/', 405, 'MethodNotAllowed'],
    ['PATCH', '/bucket/k', 405, 'MethodNotAllowed'],
    ['GET', '/Bad_Bucket', 400, 'InvalidBucketName'],
    ['PUT', '/192.168.0.1', 400, 'InvalidBucketName'],
    ['DELETE', '/bucket', 409, 'BucketNotEmpty'],
    ['PUT', '/bucket', 409, 'BucketAlreadyOwnedByYou'],
  ] as const) {
    const answer = await made.ask({ method, target })
    assert.equal(answer.status, status, `${method} ${target} ${answer.text}`)
    assert(answer.text.includes(words), answer.text)
  }
})

test('with a domain, a bucket may stand in the host', async () => {
  const made = await withBucket()
  const host = { host: 'bucket.s3.amazonaws.com:443' }
  assert.equal((await made.ask({ method: 'PUT', target: '/dir/k', body: 'x', headers: host })).status, 200)
  assert.equal((await made.ask(get('dir/k'))).text, 'x')
  assert.match((await made.ask({ method: 'GET', target: '/', headers: host })).text, /<Key>dir\/k<\/Key>/)
})

test('documents that are not the expected XML are refused: entities, depth, size and missing checksums', async () => {
  const made = await withBucket()
  const post = (xml: string) =>
    made.ask({ method: 'POST', target: '/bucket?delete', body: xml, headers: { 'content-md5': base64For('md5', xml) } })
  const one = '<Object><Key>k</Key></Object>'
  for (const xml of [
    '<!DOCTYPE d [<!ENTITY e "k">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    '<Delete><Object><Key>&e;</Key></Object></Delete>',
    '<Delete><Object><Key><a><b><c><d><e><f></f></e></d></c></b></a></Key></Object></Delete>',
    '<Delete><Object><Key>a</Key></Object>',
    `<Delete>${one.repeat(1001)}</Delete>`,
    '<Delete></Delete>',
    '<Other><Object><Key>a</Key></Object></Other>',
    'no xml',
  ]) {
    assert.equal((await post(xml)).code, 'MalformedXML', xml.slice(0, 80))
  }
  assert.equal((await post(`<Delete>${' '.repeat(1024 * 1024)}</Delete>`)).code, 'EntityTooLarge')
  assert.equal((await made.ask({ method: 'POST', target: '/bucket?delete', body: `<Delete>${one}</Delete>` })).code, 'InvalidRequest')
  const quiet = await post(
    `<?xml version="1.0"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n <Quiet>true</Quiet>\n ${one}</Delete>`,
  )
  assert.equal(quiet.status, 200)
  assert(!quiet.text.includes('<Deleted>'))
})

test('a request without a body may not carry one, and its literal payload hash must be that of nothing', async () => {
  const made = await withBucket()
  assert.equal((await made.ask({ method: 'GET', target: '/bucket', body: 'x' })).code, 'InvalidRequest')
  const one = draft({ method: 'GET', target: '/bucket', headers: {}, body: 'x' })
  one.headers.delete('content-length')
  assert.equal((await made.send(one)).code, 'XAmzContentSHA256Mismatch')
})
