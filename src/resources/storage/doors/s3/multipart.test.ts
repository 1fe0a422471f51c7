import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, base64For, bench } from './sign.test-support.ts'

async function started(headers: Record<string, string> = {}): Promise<{ made: Bench; id: string }> {
  const made = bench()
  await made.ask({ method: 'PUT', target: '/bucket', body: '' })
  const answer = await made.ask({ method: 'POST', target: '/bucket/k?uploads', headers })
  assert.equal(answer.status, 200, answer.text)
  return { made, id: /<UploadId>(.*?)</.exec(answer.text)?.[1] ?? '' }
}

const FIRST = 'sixteen bytes ok'
const part = (made: Bench, id: string, n: number, body: string, headers: Record<string, string> = {}) =>
  made.ask({ method: 'PUT', target: `/bucket/k?partNumber=${n}&uploadId=${id}`, body, headers })
const list = (parts: readonly (readonly [number, string, string?])[]): string =>
  `<CompleteMultipartUpload>${parts.map(([n, etag, more = '']) => `<Part><PartNumber>${n}</PartNumber><ETag>${etag}</ETag>${more}</Part>`).join('')}</CompleteMultipartUpload>`
const complete = (made: Bench, id: string, body: string, headers: Record<string, string> = {}) =>
  made.ask({ method: 'POST', target: `/bucket/k?uploadId=${id}`, body, headers })

test('parts in any order become one object, with the ETag that S3 gives', async () => {
  const { made, id } = await started({ 'content-type': 'text/x', 'x-amz-meta-a': 'b' })
  const second = await part(made, id, 7, 'end')
  const first = await part(made, id, 2, FIRST)
  const listed = await made.ask({ method: 'GET', target: `/bucket/k?uploadId=${id}&max-parts=1` })
  assert(listed.text.includes('<PartNumber>2</PartNumber>') && listed.text.includes('<NextPartNumberMarker>2</NextPartNumberMarker>'))
  assert(listed.text.includes('<IsTruncated>true</IsTruncated>'))
  const done = await complete(
    made,
    id,
    list([
      [2, first.headers.etag ?? ''],
      [7, second.headers.etag ?? ''],
    ]),
  )
  assert.equal(done.status, 200, done.text)
  assert.match(done.text, /<ETag>&quot;[0-9a-f]{32}-2&quot;<\/ETag>/)
  const back = await made.ask({ method: 'GET', target: '/bucket/k' })
  assert.equal(back.text, `${FIRST}end`)
  assert.equal(back.headers['content-type'], 'text/x')
  assert.equal(made.store.uploads.size, 0)
})

test('a completion is refused when parts are missing, out of order, too small, changed or not listed at all', async () => {
  const { made, id } = await started()
  const one = (await part(made, id, 1, FIRST)).headers.etag ?? ''
  const two = (await part(made, id, 2, 'small')).headers.etag ?? ''
  const three = (await part(made, id, 3, 'end')).headers.etag ?? ''
  for (const [body, code] of [
    [list([]), 'MalformedXML'],
    ['', 'MalformedXML'],
    [
      list([
        [1, one],
        [4, three],
      ]),
      'InvalidPart',
    ],
    [list([[1, two]]), 'InvalidPart'],
    [
      list([
        [3, three],
        [1, one],
      ]),
      'InvalidPartOrder',
    ],
    [
      list([
        [1, one],
        [1, one],
      ]),
      'InvalidPartOrder',
    ],
    [
      list([
        [2, two],
        [3, three],
      ]),
      'EntityTooSmall',
    ],
    [list([[0, one]]), 'InvalidArgument'],
    [list([[1, one, `<ChecksumCRC32>${base64For('crc32', 'x')}</ChecksumCRC32>`]]), ''],
  ] as const) {
    assert.equal((await complete(made, id, body)).code, code, body)
  }
  assert.equal((await complete(made, id, list([[1, one]]))).code, 'NoSuchUpload')
})

test('part numbers outside of 1 to 10000 and unknown uploads are refused', async () => {
  const { made, id } = await started()
  for (const n of [0, 10_001, -1]) assert.equal((await part(made, id, n, 'x')).code, 'InvalidArgument')
  assert.equal((await part(made, 'nothing', 1, 'x')).code, 'NoSuchUpload')
  assert.equal((await made.ask({ method: 'GET', target: '/bucket/k?uploadId=nothing' })).code, 'NoSuchUpload')
  assert.equal((await made.ask({ method: 'DELETE', target: `/bucket/k?uploadId=${id}` })).status, 204)
  assert.equal((await made.ask({ method: 'DELETE', target: `/bucket/k?uploadId=${id}` })).code, 'NoSuchUpload')
})

test('composite and full-object checksums are verified and echoed', async () => {
  for (const [kind, type] of [
    ['sha256', 'COMPOSITE'],
    ['crc32c', 'COMPOSITE'],
    ['crc64nvme', 'FULL_OBJECT'],
    ['crc32', 'FULL_OBJECT'],
  ] as const) {
    const { made, id } = await started({ 'x-amz-checksum-algorithm': kind.toUpperCase(), 'x-amz-checksum-type': type })
    const name = `x-amz-checksum-${kind}`
    const element = `Checksum${kind.toUpperCase()}`
    const sums = [base64For(kind, FIRST), base64For(kind, 'end')]
    const one = await part(made, id, 1, FIRST, { [name]: sums[0] ?? '' })
    const two = await part(made, id, 2, 'end', { [name]: sums[1] ?? '' })
    assert.equal(one.headers[name], sums[0])
    const lie = list([[1, one.headers.etag ?? '', `<${element}>${sums[1]}</${element}>`]])
    assert.equal((await complete(made, id, lie)).code, 'InvalidPart')
    const parts = list([
      [1, one.headers.etag ?? '', `<${element}>${sums[0]}</${element}>`],
      [2, two.headers.etag ?? ''],
    ])
    if (type === 'FULL_OBJECT') assert.equal((await complete(made, id, parts, { [name]: sums[0] ?? '' })).code, 'BadDigest')
    assert.equal((await complete(made, id, parts, { 'x-amz-mp-object-size': '5' })).code, 'InvalidRequest')
    const whole = type === 'FULL_OBJECT' ? { [name]: base64For(kind, `${FIRST}end`) } : {}
    const done = await complete(made, id, parts, { ...whole, 'x-amz-mp-object-size': '19' })
    assert(done.text.includes(`<ChecksumType>${type}</ChecksumType>`), done.text)
    const head = await made.ask({ method: 'HEAD', target: '/bucket/k', headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    assert.equal(head.headers['x-amz-checksum-type'], type)
    assert.equal(head.headers[name]?.endsWith('-2'), type === 'COMPOSITE')
  }
  const made = bench()
  await made.ask({ method: 'PUT', target: '/bucket', body: '' })
  for (const [algorithm, type] of [
    ['SHA256', 'FULL_OBJECT'],
    ['CRC64NVME', 'COMPOSITE'],
    ['MD5', 'COMPOSITE'],
    ['CRC32', 'HALF'],
  ] as const) {
    const headers = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }
    assert.equal((await made.ask({ method: 'POST', target: '/bucket/k?uploads', headers })).code, 'InvalidRequest')
  }
})

test('a part is copied from a range of an object, and from nothing outside of it', async () => {
  const { made, id } = await started()
  const bytes = Uint8Array.from({ length: 600_000 }, (_, i) => (i * 7) % 253)
  await made.ask({ method: 'PUT', target: '/bucket/source%20x', body: bytes })
  const copy = (n: number, headers: Record<string, string>) =>
    made.ask({
      method: 'PUT',
      target: `/bucket/k?partNumber=${n}&uploadId=${id}`,
      headers: { 'x-amz-copy-source': '/bucket/source%20x', ...headers },
    })
  const one = await copy(1, { 'x-amz-copy-source-range': 'bytes=100-599999' })
  const etag = /<ETag>&quot;(.*?)&quot;/.exec(one.text)?.[1] ?? ''
  const two = await copy(2, {})
  assert.equal(two.status, 200)
  for (const [range, code] of [
    ['bytes=600000-600001', 'InvalidRange'],
    ['bytes=0-600000', 'InvalidArgument'],
    ['bytes=-5', 'InvalidArgument'],
    ['0-5', 'InvalidArgument'],
  ] as const) {
    assert.equal((await copy(3, { 'x-amz-copy-source-range': range })).code, code)
  }
  assert.equal((await copy(3, { 'x-amz-copy-source': 'bucket/none' })).code, 'NoSuchKey')
  assert.equal((await copy(3, { 'x-amz-copy-source-if-match': '"x"' })).code, 'PreconditionFailed')
  const unknown = await made.ask({
    method: 'PUT',
    target: '/bucket/k?partNumber=1&uploadId=none',
    headers: { 'x-amz-copy-source': '/bucket/source%20x' },
  })
  assert.equal(unknown.code, 'NoSuchUpload')
  await complete(made, id, list([[1, etag]]))
  assert.deepEqual((await made.ask({ method: 'GET', target: '/bucket/k' })).bytes, bytes.subarray(100))
})

test('uploads are listed page by page', async () => {
  const { made } = await started()
  for (const key of ['a', 'b', 'b', 'c']) await made.ask({ method: 'POST', target: `/bucket/${key}?uploads` })
  const seen: string[] = []
  let at = ''
  for (let pages = 0; pages < 5; pages += 1) {
    const { text } = await made.ask({ method: 'GET', target: `/bucket?uploads&max-uploads=2${at}` })
    seen.push(...[...text.matchAll(/<Upload><Key>(.*?)<\/Key><UploadId>(.*?)</g)].map((m) => `${m[1]} ${m[2]}`))
    const next = /<NextKeyMarker>(.*?)<.*<NextUploadIdMarker>(.*?)</.exec(text)
    if (next === null) break
    at = `&key-marker=${next[1]}&upload-id-marker=${next[2]}`
  }
  assert.deepEqual(seen, ['a upload-2', 'b upload-3', 'b upload-4', 'c upload-5', 'k upload-1'])
})

test('a copy keeps the source’s metadata or takes new ones, and refuses to change nothing', async () => {
  const { made } = await started()
  await made.ask({ method: 'PUT', target: '/bucket/a', body: 'x', headers: { 'x-amz-meta-v': '1' } })
  const copy = (to: string, headers: Record<string, string>) =>
    made.ask({ method: 'PUT', target: `/bucket/${to}`, headers: { 'x-amz-copy-source': 'bucket/a', ...headers } })
  const meta = async (key: string) => (await made.ask({ method: 'HEAD', target: `/bucket/${key}` })).headers['x-amz-meta-v']
  assert.match((await copy('b', { 'x-amz-meta-v': '2' })).text, /<CopyObjectResult.*<ETag>/)
  assert.equal(await meta('b'), '1')
  await copy('c', { 'x-amz-meta-v': '2', 'x-amz-metadata-directive': 'REPLACE' })
  assert.equal(await meta('c'), '2')
  assert.equal((await copy('a', {})).code, 'InvalidRequest')
  assert.equal((await copy('a', { 'x-amz-meta-v': '3', 'x-amz-metadata-directive': 'REPLACE' })).status, 200)
  assert.equal(await meta('a'), '3')
  for (const source of ['a', '/a', '', 'bucket/', '%ff/a', 'BAD/a'])
    assert.equal((await copy('d', { 'x-amz-copy-source': source })).code, 'InvalidArgument')
})
