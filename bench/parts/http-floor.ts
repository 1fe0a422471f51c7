/** What a request costs a program on node:http that does nothing but answer: the floor under every small GET and PUT. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { Connection, signer } from './s3-client.ts'

const REQUESTS = 20_000
const WARM = 4_000
const PARALLEL = 64
const BYTES = 1024

/** Requests per second, and processor microseconds for each at the server and at the client. */
export interface HttpFloor {
  readonly perSecond: number
  readonly serverUs: number
  readonly clientUs: number
}

export async function httpFloor(method: 'GET' | 'PUT'): Promise<HttpFloor> {
  const child = spawn(process.execPath, [import.meta.filename, 'serve'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<number> => Number((await lines.next()).value)
  try {
    const endpoint = `http://127.0.0.1:${await next()}`
    const request = signer({ endpoint, accessKey: 'AKIA', secretKey: 'secret', region: 'nowhere-1' })(
      method,
      '/bucket/key',
      method === 'PUT' ? Buffer.alloc(BYTES, 7) : null,
    )
    const connections = await Promise.all(Array.from({ length: PARALLEL }, () => Connection.open(endpoint)))
    const run = async (count: number): Promise<void> => {
      let left = count
      await Promise.all(
        connections.map(async (connection) => {
          while (left-- > 0) await connection.ask(request)
        }),
      )
    }
    const usage = async (): Promise<number> => {
      child.stdin.write('cpu\n')
      return next()
    }
    await run(WARM)
    const served = await usage()
    const before = process.cpuUsage()
    const start = performance.now()
    await run(REQUESTS)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(before)
    const serverUs = ((await usage()) - served) / REQUESTS
    for (const connection of connections) connection.close()
    return { perSecond: REQUESTS / seconds, serverUs, clientUs: (user + system) / REQUESTS }
  } finally {
    child.kill()
  }
}

function serve(): void {
  const body = Buffer.alloc(BYTES, 7)
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      response.writeHead(200, { 'content-length': String(BYTES) })
      response.end(body)
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const at = server.address()
    console.log(at !== null && typeof at === 'object' ? at.port : 0)
  })
  createInterface({ input: process.stdin }).on('line', () => {
    const { user, system } = process.cpuUsage()
    console.log(user + system)
  })
  // The parent's end of the pipe closes when it exits, however it does.
  process.stdin.on('close', () => process.exit(0))
}

if (import.meta.main) serve()
