/** What the AWS SDK for JavaScript must be able to do; the endpoint is a parameter as in suite.ts. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { assertBytes, type S3Endpoint } from './suite.ts'

const ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']

const connect = ({ url, region, accessKey, secretKey }: S3Endpoint): S3Client =>
  new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })

async function withBucket(endpoint: S3Endpoint, work: (client: S3Client, bucket: string) => Promise<void>): Promise<void> {
  const client = connect(endpoint)
  const Bucket = `sdk-${randomBytes(6).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket }))
  try {
    await work(client, Bucket)
    for await (const page of paginateListObjectsV2({ client }, { Bucket })) {
      const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }))
      if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    }
    await client.send(new DeleteBucketCommand({ Bucket }))
  } finally {
    client.destroy()
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

export function sdkSuite(name: string, endpoint: () => S3Endpoint): void {
  describe(`the AWS SDK for JavaScript over ${name}`, () => {
    test('objects, their metadata, ranges and conditions come back as they went', () =>
      withBucket(endpoint(), async (client, Bucket) => {
        const Body = randomBytes(300_001)
        const Key = '../a//b+c %2F ü<&>\u0001'
        const put = await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: 'text/x', Metadata: { note: 'one' } }))
        const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
        assert.deepEqual(
          [head.ContentLength, head.ContentType, head.Metadata, head.ETag],
          [Body.length, 'text/x', { note: 'one' }, put.ETag],
        )
        const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=299990-' }))
        assertBytes(await part.Body?.transformToByteArray(), Body.subarray(299_990))
        await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key, IfNoneMatch: put.ETag })))
        await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' })), { name: 'PreconditionFailed' })
        await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${encodeURIComponent(Key)}` }))
        const copy = await client.send(new GetObjectCommand({ Bucket, Key: 'copy' }))
        assertBytes(await copy.Body?.transformToByteArray(), Body)
        await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: 'none' })), { name: 'NoSuchKey' })
      }))

    test('every checksum algorithm is accepted, kept and verified by the client on reading', () =>
      withBucket(endpoint(), async (client, Bucket) => {
        for (const ChecksumAlgorithm of ALGORITHMS) {
          const Body = randomBytes(200_000)
          await client.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body, ChecksumAlgorithm }))
          const got = await client.send(new GetObjectCommand({ Bucket, Key: ChecksumAlgorithm, ChecksumMode: 'ENABLED' }))
          assertBytes(await got.Body?.transformToByteArray(), Body)
        }
      }))

    test('a stream is uploaded in chunks with a trailing checksum', () =>
      withBucket(endpoint(), async (client, Bucket) => {
        const bytes = randomBytes(500_000)
        const { Readable } = await import('node:stream')
        const Body = Readable.from(pieces(bytes), { objectMode: false })
        await client.send(new PutObjectCommand({ Bucket, Key: 'streamed', Body, ContentLength: bytes.length }))
        const got = await client.send(new GetObjectCommand({ Bucket, Key: 'streamed' }))
        assertBytes(await got.Body?.transformToByteArray(), bytes)
      }))

    test('lists of more than one page are complete', () =>
      withBucket(endpoint(), async (client, Bucket) => {
        const names = Array.from({ length: 25 }, (_, i) => `p${i % 3}/k ${i}`)
        await Promise.all(names.map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))))
        const seen: (string | undefined)[] = []
        for await (const page of paginateListObjectsV2({ client, pageSize: 4 }, { Bucket }))
          for (const one of page.Contents ?? []) seen.push(one.Key)
        assert.deepEqual(seen, [...names].sort())
        const prefixes: (string | undefined)[] = []
        for await (const page of paginateListObjectsV2({ client, pageSize: 1 }, { Bucket, Delimiter: '/' })) {
          for (const one of page.CommonPrefixes ?? []) prefixes.push(one.Prefix)
        }
        assert.deepEqual(prefixes, ['p0/', 'p1/', 'p2/'])
      }))

    test('a multipart upload is listed, completed with its checksums, or aborted', () =>
      withBucket(endpoint(), async (client, Bucket) => {
        const Key = 'parts'
        const bytes = randomBytes(5 * 1024 * 1024 + 17)
        const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32' }))
        const Parts = []
        for (const [i, Body] of [bytes.subarray(0, 5 * 1024 * 1024), bytes.subarray(5 * 1024 * 1024)].entries()) {
          const sent = await client.send(
            new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm: 'CRC32' }),
          )
          Parts.push({ PartNumber: i + 1, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 })
        }
        assert.equal((await client.send(new ListPartsCommand({ Bucket, Key, UploadId }))).Parts?.length, 2)
        assert.equal((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length, 1)
        const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
        assert.match(done.ChecksumCRC32 ?? '', /-2$/)
        const got = await client.send(new GetObjectCommand({ Bucket, Key }))
        assertBytes(await got.Body?.transformToByteArray(), bytes)
        const other = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'other' }))
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'other', UploadId: other.UploadId }))
        await assert.rejects(client.send(new ListPartsCommand({ Bucket, Key: 'other', UploadId: other.UploadId })), {
          name: 'NoSuchUpload',
        })
      }))
  })
}
