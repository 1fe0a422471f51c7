/** The S3 door on a real socket over a store in memory: what the client suites run against without a network. */

import { account } from '../../src/protocol/ids.ts'
import { createS3Door } from '../../src/resources/storage/doors/s3/index.ts'
import { type MemoryStore, memoryStore } from '../../src/resources/storage/doors/s3/memory-store.test-support.ts'
import type { AccessKey } from '../../src/resources/storage/object-store.ts'
import { createHttpServer, HTTP_LIMITS, type HttpLimits } from '../../src/runtime/real/http.ts'
import { createClock, createCrypto, createLog, createMetrics, createRandom } from '../../src/runtime/real/index.ts'

export const KEY: AccessKey = {
  accessKey: 'CAIRNTESTKEY0000001',
  secretKey: 'a-secret-of-tests/with+signs',
  account: account(`0x${'a1'.repeat(20)}`),
  buckets: null,
  prefix: '',
  permissions: ['read', 'write', 'delete', 'list'],
  expires: null,
}

export interface MemoryEndpoint {
  readonly url: string
  readonly store: MemoryStore
  close(): Promise<void>
}

export async function memoryEndpoint(limits: HttpLimits = HTTP_LIMITS): Promise<MemoryEndpoint> {
  const clock = createClock()
  const log = createLog(clock, 'warn')
  const store = memoryStore(() => clock.now())
  const keys = { find: (accessKey: string) => (accessKey === KEY.accessKey ? KEY : null) }
  const crypto = createCrypto()
  const door = createS3Door({
    store,
    keys,
    crypto,
    clock,
    random: createRandom(),
    log,
    metrics: createMetrics(),
    region: 'us-east-1',
    domain: 's3.localhost',
  })
  const server = await createHttpServer(log, limits).listen({ host: '127.0.0.1', port: 0 }, door)
  return { url: `http://127.0.0.1:${server.port}`, store, close: () => server.close() }
}
