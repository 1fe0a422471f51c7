import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { isCairnError } from '../../../protocol/errors.ts'
import { createJsonRpc } from './json-rpc.ts'

type Answer = (body: unknown, request: IncomingMessage, response: ServerResponse) => void

/** An endpoint on this machine that answers as `answer` says, for the length of one test. */
async function endpoint(answer: Answer, work: (url: string, bodies: unknown[]) => Promise<void>): Promise<void> {
  const bodies: unknown[] = []
  const server = createServer(async (request, response) => {
    const body: unknown = JSON.parse(await text(request))
    bodies.push(body)
    answer(body, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

interface Call {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}
// What was sent is what this test made.
const callsOf = (body: unknown): readonly Call[] => (Array.isArray(body) ? body : [body]) as readonly Call[]
const echo: Answer = (body, _, response) => {
  // In another order than asked, as the specification allows.
  const answers = callsOf(body).map(({ id, method, params }) => ({ jsonrpc: '2.0', id, result: [method, ...params] }))
  response.end(JSON.stringify(Array.isArray(body) ? answers.reverse() : answers[0]))
}
const isAway = (why: RegExp) => (error: unknown) => isCairnError(error, 'CHAIN_AWAY') && why.test(error.message)

test('requests of one turn travel as one batch, and each gets its own answer', () =>
  endpoint(echo, async (url, bodies) => {
    const rpc = createJsonRpc(url, 2_000)
    const answers = await Promise.all([rpc.ask('a', [1]), rpc.ask('b', []), rpc.ask('c', ['x'])])
    assert.deepEqual(
      answers.map((answer) => answer.is === 'result' && answer.value),
      [['a', 1], ['b'], ['c', 'x']],
    )
    assert.equal(bodies.length, 1)
    assert.deepEqual(await rpc.ask('alone', []), { is: 'result', value: ['alone'] })
    assert.equal(Array.isArray(bodies[1]), false)
  }))

test('more than a hundred requests are cut into batches', () =>
  endpoint(echo, async (url, bodies) => {
    const rpc = createJsonRpc(url, 2_000)
    await Promise.all(Array.from({ length: 250 }, (_, i) => rpc.ask('m', [i])))
    assert.deepEqual(
      bodies.map((body) => callsOf(body).length),
      [100, 100, 50],
    )
  }))

test('an error of one request is that request’s answer', () =>
  endpoint(
    (body, _, response) => {
      const answers = callsOf(body).map(({ id, method }) =>
        method === 'bad' ? { id, error: { code: 3, message: 'execution reverted', data: '0x01' } } : { id, result: true },
      )
      response.end(JSON.stringify(answers))
    },
    async (url) => {
      const rpc = createJsonRpc(url, 2_000)
      const [bad, good] = await Promise.all([rpc.ask('bad', []), rpc.ask('good', [])])
      assert.deepEqual(bad, { is: 'failure', failure: { code: 3, message: 'execution reverted', data: '0x01' } })
      assert.deepEqual(good, { is: 'result', value: true })
    },
  ))

test('a user and password in the address are sent as basic authentication', () =>
  endpoint(
    (body, request, response) => response.end(JSON.stringify({ id: callsOf(body)[0]?.id, result: request.headers.authorization })),
    async (url) => {
      const answer = await createJsonRpc(url.replace('//', '//me:p%40ss@'), 2_000).ask('m', [])
      assert.deepEqual(answer, { is: 'result', value: `Basic ${btoa('me:p@ss')}` })
    },
  ))

const BROKEN: readonly (readonly [string, Answer, RegExp])[] = [
  ['no JSON', (_, __, response) => response.writeHead(502).end('<html>bad gateway'), /502/],
  [
    'one error for a whole batch',
    (_, __, response) => response.writeHead(429).end('{"error":{"code":-32005,"message":"slow down"}}'),
    /slow down/,
  ],
  ['fewer answers than requests', (_, __, response) => response.end('[]'), /was not answered/],
  ['no answer', () => undefined, /no answer in 200 ms/],
  ['a broken connection', (_, request) => void request.socket.destroy(), /CHAIN_AWAY|socket|hang|reset/i],
]
for (const [what, answer, why] of BROKEN) {
  test(`${what} means that the chain is away`, () =>
    endpoint(answer, async (url) => {
      const rpc = createJsonRpc(url, 200)
      const outcomes = await Promise.allSettled([rpc.ask('a', []), rpc.ask('b', [])])
      for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && isAway(why)(outcome.reason), JSON.stringify(outcome))
    }))
}

test('an address that is none is refused at once', () => {
  assert.throws(
    () => createJsonRpc('ws://127.0.0.1:1', 200),
    (error) => isCairnError(error, 'CONFIG'),
  )
  assert.throws(
    () => createJsonRpc('nonsense', 200),
    (error) => isCairnError(error, 'CONFIG'),
  )
})
