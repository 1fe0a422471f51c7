import { after, before } from 'node:test'
import { KEY, type MemoryEndpoint, memoryEndpoint } from './memory-endpoint.ts'
import { sdkSuite } from './sdk-suite.ts'
import { clientSuite, type S3Endpoint } from './suite.ts'

let server: MemoryEndpoint | null = null

before(async () => {
  server = await memoryEndpoint()
})
after(() => server?.close())

const endpoint = (): S3Endpoint => ({ url: server?.url ?? '', accessKey: KEY.accessKey, secretKey: KEY.secretKey, region: 'us-east-1' })

clientSuite('a store in memory', endpoint)
sdkSuite('a store in memory', endpoint)
