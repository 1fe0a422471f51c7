/** `cairn doctor`: whether this machine can do what its folder is for. */
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdir, open, rm, statfs } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { CairnError } from '../../protocol/errors.ts'
import { createRpc } from '../../runtime/real/chain/index.ts'
import { nodeConfig, readConfig } from '../config.ts'
import { runningDaemon } from './daemons.ts'
import { bytes, type Exit, print, printJson, table } from './output.ts'
import { dataFolder, findPlace, type Place } from './place.ts'

type Outcome = 'ok' | 'warning' | 'bad'
interface Check {
  readonly check: string
  readonly is: Outcome
  readonly says: string
}

/** Orders are refused beyond 30 s of difference between two clocks; a block may be a few seconds old. */
const SKEW_SECONDS = 20
/** A PUT waits for one fsync of each provider: above this it is felt. */
const FSYNC_MS = 25
const FSYNCS = 9
const LEAST_FREE = 2 * 1024 ** 3
const CONNECT_MS = 3_000
/** EIP-7951 (RIP-7212 before): P256VERIFY. */
const P256 = `0x${'100'.padStart(40, '0')}` as const

/** Ends with 1 when something is bad. */
export async function doctor(options: { data?: string; json: boolean }): Promise<Exit> {
  const folder = dataFolder(options.data)
  const place = await findPlace(options.data).catch((error: unknown) => {
    if (error instanceof CairnError && error.code === 'CONFIG') return null
    throw error
  })
  const checks = [
    { check: 'runtime', ...runtime() },
    ...(await disk(folder)),
    ...(place === null
      ? [{ check: 'folder', is: 'warning', says: `nothing is in ${folder} yet; run \`cairn up\` or \`cairn node join\`` } as const]
      : [...(await chain(place)), ...(await ports(place)), ...(await peers(place))]),
  ]
  if (options.json) printJson(checks)
  else
    print(
      table(
        ['check', '', ''],
        checks.map((one) => [one.check, one.is, one.says]),
      ),
    )
  return checks.some((one) => one.is === 'bad') ? 1 : 0
}

function runtime(): Omit<Check, 'check'> {
  const major = Number(process.versions.node.split('.')[0])
  return major >= 24
    ? { is: 'ok', says: `Node ${process.versions.node}` }
    : { is: 'bad', says: `Node ${process.versions.node}; 24 or newer is needed` }
}

async function disk(folder: string): Promise<readonly Check[]> {
  await mkdir(folder, { recursive: true })
  const stats = await statfs(folder)
  const free = stats.bavail * stats.bsize
  const path = join(folder, `.doctor-${randomBytes(4).toString('hex')}`)
  const times: number[] = []
  const file = await open(path, 'wx')
  try {
    for (let i = 0; i < FSYNCS; i += 1) {
      await file.write(randomBytes(4096))
      const began = performance.now()
      await file.sync()
      times.push(performance.now() - began)
    }
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
  const median = times.sort((a, b) => a - b)[Math.floor(FSYNCS / 2)] ?? 0
  return [
    { check: 'disk space', is: free < LEAST_FREE ? 'bad' : 'ok', says: `${bytes(free)} free under ${folder}` },
    {
      check: 'disk fsync',
      is: median > FSYNC_MS ? 'warning' : 'ok',
      says: `${median.toFixed(1)} ms in the median; every stored piece waits for one`,
    },
  ]
}

async function chain(place: Place): Promise<readonly Check[]> {
  const rpc = createRpc(place.rpc)
  try {
    const began = performance.now()
    const head = await rpc.header('latest')
    const ms = performance.now() - began
    const skew = head === null ? 0 : Math.round(Date.now() / 1000) - head.timestamp
    return [
      {
        check: 'chain',
        is: head === null ? 'bad' : 'ok',
        says: `${place.rpc} is at block ${head?.number ?? 'none'}, ${ms.toFixed(0)} ms away`,
      },
      {
        check: 'clock',
        is: Math.abs(skew) > SKEW_SECONDS ? 'bad' : 'ok',
        says: `${skew} s ahead of the chain${Math.abs(skew) > SKEW_SECONDS ? '; set it by NTP, or the chain stands still' : ''}`,
      },
      await p256(place),
    ]
  } catch (error) {
    return [{ check: 'chain', is: 'bad', says: error instanceof Error ? error.message : String(error) }]
  }
}

/** Asks the chain to verify a signature that was made just now, and one that is wrong. */
async function p256(place: Place): Promise<Check> {
  const rpc = createRpc(place.rpc)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const hash = randomBytes(32)
  const point = createPublicKey(privateKey).export({ format: 'jwk' })
  // The precompile takes the digest itself; WebCrypto and Node sign messages, so the message's digest is sent.
  const signature = sign('sha256', hash, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const parts = [
    createHash('sha256').update(hash).digest(),
    signature,
    Buffer.from(point.x ?? '', 'base64url'),
    Buffer.from(point.y ?? '', 'base64url'),
  ]
  const input = Buffer.concat(parts)
  const ask = async (data: Buffer): Promise<boolean> => {
    const answer = await rpc.call(P256, P256, `0x${data.toString('hex')}`, 'latest')
    return typeof answer === 'string' && answer !== '0x' && BigInt(answer) === 1n
  }
  const wrong = Buffer.from(input)
  wrong[0] = (wrong[0] ?? 0) ^ 1
  const works = (await ask(input)) && !(await ask(wrong))
  return {
    check: 'P-256 precompile',
    is: works ? 'ok' : 'warning',
    says: works ? 'the chain verifies P-256' : 'missing: devices with P-256 keys cost much more gas here; secp256k1 ones do not',
  }
}

async function ports(place: Place): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const [i, folder] of place.nodes.entries()) {
    const { host, port } = await readConfig(folder, nodeConfig)
    const running = (await runningDaemon(folder)) !== null
    const open = running ? await reaches(host, port) : await isFree(host, port)
    const says = running
      ? `${host}:${port} ${open ? 'answers' : 'does not answer, although the node runs'}`
      : `${host}:${port} ${open ? 'is free' : 'is taken by another program'}`
    checks.push({ check: place.nodes.length > 1 ? `port of node ${i + 1}` : 'port', is: open ? 'ok' : 'bad', says })
  }
  return checks
}

async function peers(place: Place): Promise<readonly Check[]> {
  return Promise.all(
    place.verifiers.map(async ({ address }): Promise<Check> => {
      const parts = /^\/ip4\/([\d.]+)\/tcp\/(\d+)$/.exec(address)
      const there = parts !== null && (await reaches(parts[1] ?? '', Number(parts[2])))
      return {
        check: 'verifier',
        is: there ? 'ok' : 'warning',
        says: `${address} ${there ? 'answers' : 'does not answer: rewards cannot be claimed now'}`,
      }
    }),
  )
}

const reaches = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS })
    const end = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })

const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
