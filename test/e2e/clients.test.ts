/**
 * The clients that people use, unmodified, over a network of real processes. `CAIRN_E2E=long` runs the full sizes:
 * thousands of small files and multipart uploads of 200 MB with each client; it needs longer than one test of the whole
 * suite may take, so it is run by itself: `CAIRN_E2E=long node --test test/e2e/clients.test.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sdkSuite } from '../clients/sdk-suite.ts'
import { clientSuite, type S3Endpoint } from '../clients/suite.ts'
import { startNetwork, type TestNetwork } from './network.ts'
import { createCustomer } from './objects.ts'

const LONG = process.env.CAIRN_E2E === 'long'
const BIG_BYTES = LONG ? 200 * 1024 * 1024 + 4321 : 30 * 1024 * 1024 + 4321
const SMALL_FILES = LONG ? 5000 : 300
const TIMEOUT_MS = LONG ? 1_800_000 : 240_000
const LANES = 8

let network: TestNetwork | null = null
before(async () => {
  network = await startNetwork()
})
after(() => network?.close())

const endpoint = (): S3Endpoint => {
  assert(network !== null)
  return network.s3
}

clientSuite('a network of processes', endpoint, { bigBytes: BIG_BYTES, smallFiles: LONG ? 2500 : 50, timeoutMs: TIMEOUT_MS })
sdkSuite('a network of processes', endpoint)

test(`${SMALL_FILES} small objects come back byte for byte`, async () => {
  const customer = await createCustomer(endpoint, 'small')
  let next = 0
  const lane = async (): Promise<void> => {
    // Sizes on both sides of what lies in the metadata log.
    for (let i = next++; i < SMALL_FILES; i = next++) await customer.store(`${i % 7}/${i}`, (i * 61) % 9000)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await customer.verify()
  customer.close()
})
