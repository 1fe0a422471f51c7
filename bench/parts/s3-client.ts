/**
 * The lightest S3 client that measures honestly: requests are signed before the clock runs, then written to keep-alive
 * sockets as they are; of an answer it reads the status, the length and so many bytes. It shares the machine with what
 * it measures, so every microsecond of its own would be missing there.
 */
import { createHash, createHmac } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface Endpoint {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
}

/** A request as it goes over the wire. */
export interface Signed {
  readonly head: Buffer
  readonly body: Buffer | null
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Signs with SigV4 and an unsigned payload; `path` has nothing to escape. */
export function signer({ endpoint, accessKey, secretKey, region }: Endpoint) {
  const { host } = new URL(endpoint)
  const timestamp = `${new Date().toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '')}`
  const date = timestamp.slice(0, 8)
  const key = hmac(hmac(hmac(hmac(`AWS4${secretKey}`, date), region), 's3'), 'aws4_request')
  const scope = `${date}/${region}/s3/aws4_request`
  const names = 'host;x-amz-content-sha256;x-amz-date'
  return (method: 'PUT' | 'GET', path: string, body: Buffer | null): Signed => {
    const headers = `host:${host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:${timestamp}\n`
    const canonical = `${method}\n${path}\n\n${headers}\n${names}\nUNSIGNED-PAYLOAD`
    const signature = hmac(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`).toString('hex')
    const lines = [
      `${method} ${path} HTTP/1.1`,
      `host: ${host}`,
      'x-amz-content-sha256: UNSIGNED-PAYLOAD',
      `x-amz-date: ${timestamp}`,
      `authorization: AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
      ...(method === 'PUT' ? [`content-length: ${body?.length ?? 0}`] : []),
    ]
    return { head: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body }
  }
}

/** What an answer's body is given to, piece by piece. */
export type Take = (piece: Buffer) => void

interface Pending {
  readonly take: Take | null
  resolve(): void
  reject(error: Error): void
}

/** One keep-alive connection; one request at a time. */
export class Connection {
  readonly #socket: Socket
  #pending: Pending | null = null
  #head: Buffer | null = null
  /** Bytes of the body still to come; −1 while the head is. */
  #left = -1
  #refused: string | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the gateway closed the connection')))
  }

  static open(endpoint: string): Promise<Connection> {
    const { hostname, port } = new URL(endpoint)
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Connection(socket))
      })
    })
  }

  /** Resolves at the end of a 200; rejects with what any other answer says. */
  ask(request: Signed, take: Take | null = null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending = { take, resolve, reject }
      if (request.body === null) this.#socket.write(request.head)
      else {
        this.#socket.cork()
        this.#socket.write(request.head)
        this.#socket.write(request.body)
        this.#socket.uncork()
      }
    })
  }

  close(): void {
    this.#pending = null
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    const pending = this.#pending
    this.#pending = null
    pending?.reject(error)
  }

  #read(bytes: Buffer): void {
    let rest = bytes
    if (this.#left < 0) {
      const all = this.#head === null ? bytes : Buffer.concat([this.#head, bytes])
      const end = all.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#head = all
        return
      }
      this.#head = null
      const head = all.toString('latin1', 0, end)
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)
      if (length === null) {
        this.#fail(new Error(`an answer without a length: ${head}`))
        return
      }
      this.#left = Number(length[1])
      this.#refused = head.startsWith('HTTP/1.1 200') ? null : head.slice(0, head.indexOf('\r\n'))
      rest = all.subarray(end + 4)
    }
    this.#left -= rest.length
    if (this.#refused !== null) this.#refused += rest.toString('utf8').slice(0, 500)
    else if (rest.length > 0) this.#pending?.take?.(rest)
    if (this.#left > 0) return
    this.#left = -1
    const pending = this.#pending
    this.#pending = null
    if (this.#refused === null) pending?.resolve()
    else pending?.reject(new Error(this.#refused))
  }
}
