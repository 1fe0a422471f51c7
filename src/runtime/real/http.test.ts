import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { createCapturingLog } from '../fake/log.ts'
import type { HttpRequest, HttpResponse } from '../index.ts'
import { createClock } from './clock.ts'
import { createHttpServer, HTTP_LIMITS, type HttpLimits } from './http.ts'

type Handle = (request: HttpRequest) => Promise<HttpResponse>

async function served(
  handle: Handle,
  work: (open: () => Promise<Socket>) => Promise<void>,
  limits: Partial<HttpLimits> = {},
): Promise<void> {
  const server = createHttpServer(createCapturingLog(createClock()).log, { ...HTTP_LIMITS, closeMs: 200, ...limits })
  const at = await server.listen({ host: '127.0.0.1', port: 0 }, handle)
  const sockets: Socket[] = []
  try {
    await work(async () => {
      const socket = connect(at.port, '127.0.0.1')
      socket.on('error', () => {})
      sockets.push(socket)
      await once(socket, 'connect')
      return socket
    })
  } finally {
    for (const socket of sockets) socket.destroy()
    await at.close()
  }
}

/** Everything that arrives until `end` is in it or the connection closes. */
async function until(socket: Socket, end: string | null): Promise<string> {
  let text = ''
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
    text += Buffer.from(bytes).toString('latin1')
    if (end !== null && text.includes(end)) break
  }
  return text
}

const ok = (body: string): HttpResponse => ({ status: 200, headers: { 'content-length': String(body.length) }, body: Buffer.from(body) })

async function readAll(request: HttpRequest): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const bytes of request.body) parts.push(bytes)
  return Buffer.concat(parts).toString()
}

test('requests follow each other on one connection, with targets and headers as they were sent', async () => {
  const seen: unknown[] = []
  const handle: Handle = async (request) => {
    seen.push([request.method, request.target, request.headers.get('x-a'), request.headers.get('x-u')])
    return ok(await readAll(request))
  }
  await served(handle, async (open) => {
    const socket = await open()
    socket.write(
      'PUT /a/../b//%2F?x=%20 HTTP/1.1\r\nhost: h\r\nX-A: 1\r\nx-a: 2\r\nx-u: \u00c3\u00bc\r\ncontent-length: 3\r\n\r\none',
      'latin1',
    )
    assert.match(await until(socket, 'one'), /^HTTP\/1\.1 200 /)
    socket.write('PUT /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\ntwo')
    assert.match(await until(socket, 'two'), /^HTTP\/1\.1 200 /)
  })
  assert.deepEqual(seen, [
    ['PUT', '/a/../b//%2F?x=%20', '1,2', 'ü'],
    ['PUT', '/2', undefined, undefined],
  ])
})

test('100 Continue is sent when the body is first read, and not when the request is refused', async () => {
  const handle: Handle = async (request) => (request.target === '/read' ? ok(await readAll(request)) : ok('no'))
  await served(handle, async (open) => {
    const reader = await open()
    reader.write('PUT /read HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n')
    assert.match(await until(reader, '\r\n\r\n'), /^HTTP\/1\.1 100 /)
    reader.write('body')
    assert.match(await until(reader, 'body'), /^HTTP\/1\.1 200 /)
    const refused = await open()
    refused.write('PUT /refuse HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n')
    const text = await until(refused, 'no')
    assert(text.startsWith('HTTP/1.1 200 ') && /connection: close/i.test(text))
  })
})

test('clients that send headers or a body too slowly are cut', async () => {
  const handle: Handle = async (request) => ok(await readAll(request))
  await served(
    handle,
    async (open) => {
      const headers = await open()
      headers.write('GET / HTTP/1.1\r\nhost: h\r\n')
      const drip = await open()
      drip.write('PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n')
      const timer = setInterval(() => drip.write('x'), 20)
      await Promise.all([once(headers.resume(), 'close'), once(drip.resume(), 'close')])
      clearInterval(timer)
    },
    { headersMs: 200, stallMs: 200 },
  )
})

test('a client that goes away fires the signal and ends the body with an error', async () => {
  let told: (what: string) => void = () => {}
  const outcome = new Promise<string>((resolve) => {
    told = resolve
  })
  const handle: Handle = async (request) => {
    const { signal } = request
    const error = await readAll(request).then(
      () => 'whole',
      () => 'error',
    )
    if (!signal.aborted) await once(signal, 'abort')
    told(error)
    return ok('')
  }
  await served(handle, async (open) => {
    const socket = await open()
    socket.write('PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart')
    setTimeout(() => socket.destroy(), 50)
    assert.equal(await outcome, 'error')
  })
})

test('a body that fails half way, or is not as long as announced, cuts the connection', async () => {
  const handle: Handle = async ({ target }) => ({
    status: 200,
    headers: { 'content-length': '10' },
    body: async (sink) => {
      await sink.write(Buffer.from('half'))
      if (target === '/throw') throw new Error('lost')
    },
  })
  await served(handle, async (open) => {
    for (const target of ['/throw', '/short']) {
      const socket = await open()
      socket.write(`GET ${target} HTTP/1.1\r\nhost: h\r\n\r\n`)
      const text = await until(socket, null)
      assert(!text.includes('0\r\n\r\n') && text.length < 400)
    }
  })
})

test('a large body is held back by a slow reader and arrives whole', async () => {
  const piece = Buffer.alloc(256 * 1024, 7)
  let written = 0
  const handle: Handle = async () => ({
    status: 200,
    headers: { 'content-length': String(piece.length * 64) },
    body: async (sink) => {
      for (let i = 0; i < 64; i += 1) {
        await sink.write(piece)
        written += 1
      }
    },
  })
  await served(handle, async (open) => {
    const socket = await open()
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n')
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert(written < 64, 'the writer must wait for the reader')
    let bytes = 0
    for await (const chunk of socket) bytes += Buffer.from(chunk).length
    assert(bytes >= piece.length * 64)
  })
})

test('a refused upload is answered while it still flows, and the connection serves the next request', async () => {
  const handle: Handle = async ({ target }) => ok(target === '/next' ? 'next' : 'refused')
  await served(handle, async (open) => {
    const socket = await open()
    socket.write('PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 600000\r\n\r\n')
    assert.match(await until(socket, 'refused'), /^HTTP\/1\.1 200 /)
    socket.write(Buffer.alloc(600_000))
    socket.write('GET /next HTTP/1.1\r\nhost: h\r\n\r\n')
    assert.match(await until(socket, 'next'), /^HTTP\/1\.1 200 /)
  })
})

test('headers over the limit are 431, and connections over the limit are closed', async () => {
  await served(
    async () => ok('ok'),
    async (open) => {
      const big = await open()
      big.write(`GET / HTTP/1.1\r\nhost: h\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)
      assert.match(await until(big, null), /^HTTP\/1\.1 431 /)
      await open()
      await open()
      const third = await open()
      await once(third.resume(), 'close')
    },
    { connections: 2 },
  )
})
