import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from './fake/clock.ts'
import { createCapturingLog } from './fake/log.ts'

describe('a log', () => {
  test('writes one line of JSON for each record, with the fields of its parents', () => {
    const { log, lines } = createCapturingLog(createFakeClock())
    log.child({ node: 'n1', level: 'mine' }).info('piece stored', { bytes: 2n ** 70n, absent: undefined, ok: true })
    assert.deepEqual(JSON.parse(lines[0] ?? ''), {
      node: 'n1',
      bytes: '1180591620717411303424',
      ok: true,
      time: '2026-01-01T00:00:00.000Z',
      level: 'info',
      message: 'piece stored',
    })
  })

  test('shows its level and those before it', () => {
    const { log, lines } = createCapturingLog(createFakeClock(), 'warn')
    for (const level of ['error', 'warn', 'info', 'debug'] as const) log[level](level)
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).level),
      ['error', 'warn'],
    )
  })

  test('never writes a secret, whatever names or carries it', () => {
    const { log, lines } = createCapturingLog(createFakeClock())
    const secret = 'correct-horse'
    for (const name of [
      'secret',
      'secretKey',
      'password',
      'mnemonic',
      'seed',
      'authorization',
      'sessionKey',
      'private_key',
      'accessToken',
    ]) {
      log.child({ [name]: secret }).error('failed', { [name]: secret })
    }
    log.error(`no answer from https://user:${secret}@rpc.example/v1`, { rpc: `https://${secret}@rpc.example` })
    assert.equal(lines.length, 10)
    for (const line of lines) assert.ok(!line.includes(secret), line)
  })

  test('keeps what looks like a secret and is none', () => {
    const { log, lines } = createCapturingLog(createFakeClock())
    log.info('put', { key: 'photos/cat.jpg', publicKey: 'ab', tokens: 5 })
    const { key, publicKey, tokens } = JSON.parse(lines[0] ?? '')
    assert.deepEqual([key, publicKey, tokens], ['photos/cat.jpg', 'ab', 5])
  })

  test('cuts what a peer made long, and cannot be broken into two lines', () => {
    const { log, lines } = createCapturingLog(createFakeClock())
    log.warn('a\nb', { why: 'x'.repeat(100_000) })
    assert.ok((lines[0] ?? '').length < 5000 && !lines[0]?.includes('\n'))
  })
})
