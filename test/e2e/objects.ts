/** Objects as a customer knows them: what was acknowledged must come back byte for byte; what was not may be either. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3Endpoint } from '../clients/suite.ts'
import { until } from './network.ts'

/** A gateway that is being started again answers within this, on a machine that does much else. */
const BACK_MS = 120_000
const REQUEST_MS = 30_000

export interface Customer {
  readonly client: S3Client
  /** Objects whose PUT was acknowledged. */
  readonly acknowledged: number
  /** Stores random bytes; true when it was acknowledged. */
  put(key: string, bytes: number): Promise<boolean>
  /** Stores random bytes; tries again until they are acknowledged. */
  store(key: string, bytes: number): Promise<void>
  /** Reads one object whole. Rejects as the SDK does. */
  get(key: string): Promise<Uint8Array>
  /** Reads every object that was ever sent; fails on any that is missing or is not what was sent. */
  verify(): Promise<void>
  close(): void
}

interface Known {
  acknowledged: string | null
  /** Sent, but not known to have been taken. */
  readonly maybe: Set<string>
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export async function createCustomer(endpoint: () => S3Endpoint, bucket: string): Promise<Customer> {
  const { url, region, accessKey, secretKey } = endpoint()
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestHandler: { requestTimeout: REQUEST_MS, connectionTimeout: 5_000 },
  })
  const known = new Map<string, Known>()
  await until('a bucket', () => client.send(new CreateBucketCommand({ Bucket: bucket })), BACK_MS)
  const get = async (Key: string): Promise<Uint8Array> => {
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
    return (await got.Body?.transformToByteArray()) ?? new Uint8Array()
  }
  async function verifyOne(key: string, one: Known): Promise<void> {
    const found = await until(
      `reading ${key}`,
      async () => {
        try {
          return hashOf(await get(key))
        } catch (error) {
          // Only this answer says that it is not there; everything else may get better.
          if (error instanceof Error && error.name === 'NoSuchKey') return 'absent'
          throw error
        }
      },
      BACK_MS,
    )
    const possible = [one.acknowledged ?? 'absent', ...one.maybe]
    assert(possible.includes(found), `${key} is ${found}, and not ${possible.join(' or ')}`)
  }
  let refusal: unknown = null
  const customer: Customer = {
    client,
    get acknowledged() {
      return [...known.values()].filter((one) => one.acknowledged !== null).length
    },
    async put(Key, bytes) {
      const Body = randomBytes(bytes)
      const hash = hashOf(Body)
      const one = known.get(Key) ?? { acknowledged: null, maybe: new Set() }
      known.set(Key, one)
      one.maybe.add(hash)
      try {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
        one.acknowledged = hash
        one.maybe.delete(hash)
        return true
      } catch (error) {
        refusal = error
        return false
      }
    },
    async store(key, bytes) {
      const stored = async (): Promise<true> => {
        if (await customer.put(key, bytes)) return true
        throw refusal
      }
      await until(`storing ${key}`, stored, BACK_MS)
    },
    get,
    async verify() {
      const all = [...known]
      const lane = async (): Promise<void> => {
        for (let next = all.pop(); next !== undefined; next = all.pop()) await verifyOne(...next)
      }
      await Promise.all(Array.from({ length: 4 }, lane))
    },
    close: () => client.destroy(),
  }
  return customer
}
