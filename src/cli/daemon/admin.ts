/**
 * What a daemon tells its owner, on 127.0.0.1 only: whether it lives and serves, its metrics, and its status. Where to
 * ask is in DIR/admin.json. Errors are problem documents (RFC 9457).
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { HttpResponse, HttpServer, Metrics } from '../../runtime/index.ts'
import { utf8 } from '../../std/bytes.ts'
import { writeWhole } from '../whole-file.ts'

const HOST = '127.0.0.1'
const NAME = 'admin.json'

/** Where a running daemon is asked. */
export const adminFile = z.object({ url: z.url(), pid: z.number().int().positive(), role: z.enum(['node', 'gateway', 'verifier']) })
export type AdminFile = z.output<typeof adminFile>

export interface AdminOptions {
  readonly folder: string
  readonly role: AdminFile['role']
  readonly http: HttpServer
  /** 0 takes a free one. */
  readonly port: number
  readonly metrics: Metrics
  /** Why it does not serve as it should; empty when it does. */
  ready(): readonly string[]
  status(): Promise<Readonly<Record<string, unknown>>>
}

export const adminPath = (folder: string): string => join(folder, NAME)

export async function startAdmin(options: AdminOptions): Promise<{ close(): Promise<void> }> {
  const { folder, role } = options
  const server = await options.http.listen({ host: HOST, port: options.port }, (request) => answer(options, request.method, request.target))
  const facts: AdminFile = { url: `http://${HOST}:${server.port}`, pid: process.pid, role }
  // In one step: verbs read it while a daemon starts.
  await writeWhole(adminPath(folder), `${JSON.stringify(facts)}\n`)
  return {
    async close() {
      await rm(adminPath(folder), { force: true })
      await server.close()
    },
  }
}

async function answer(options: AdminOptions, method: string, target: string): Promise<HttpResponse> {
  if (method !== 'GET' && method !== 'HEAD') return problem(405, 'Method Not Allowed', 'everything here is read with GET')
  const path = target.split('?', 1)[0]
  switch (path) {
    case '/healthz':
      return text(200, 'ok\n')
    case '/readyz': {
      const reasons = options.ready()
      return reasons.length === 0 ? text(200, 'ready\n') : problem(503, 'Not Ready', reasons.join('; '))
    }
    case '/metrics':
      return {
        status: 200,
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        body: utf8(await options.metrics.text()),
      }
    case '/status':
      try {
        return json(200, 'application/json', {
          role: options.role,
          pid: process.pid,
          ready: options.ready().length === 0,
          reasons: options.ready(),
          ...(await options.status()),
        })
      } catch (error) {
        return problem(500, 'Internal Server Error', error instanceof Error ? error.message : String(error))
      }
    default:
      return problem(404, 'Not Found', 'there are /healthz, /readyz, /metrics and /status')
  }
}

const text = (status: number, body: string): HttpResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: utf8(body),
})

const json = (status: number, type: string, value: unknown): HttpResponse => ({
  status,
  headers: { 'content-type': type },
  body: utf8(`${JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}\n`),
})

const problem = (status: number, title: string, detail: string): HttpResponse =>
  json(status, 'application/problem+json', { type: 'about:blank', status, title, detail })
