/**
 * What every S3 client must be able to do, with the programs that people use, unmodified. The endpoint is a parameter:
 * the same suite runs over a store in memory and over a whole network.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface S3Endpoint {
  /** `http://127.0.0.1:9000` */
  readonly url: string
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
}

export interface ClientSuiteOptions {
  /** Bytes of the file that forces a multipart upload. Default 20 MiB and a bit. */
  readonly bigBytes?: number
  /** Small files beside it. Default 50. */
  readonly smallFiles?: number
  /** Longest time for one command, in ms. Default 60 s. */
  readonly timeoutMs?: number
}

/** Equality of many bytes; node:assert would spend minutes on the difference of two large arrays. */
export function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert(actual !== undefined && Buffer.compare(actual, expected) === 0, `${actual?.length} bytes are not the ${expected.length} expected`)
}

/** One run of a client: a folder of its own, and its environment. */
interface Workshop {
  readonly folder: string
  readonly endpoint: S3Endpoint
  /** Runs a program and gives its standard output; rejects on a failing exit code. */
  run(program: string, ...args: string[]): Promise<string>
}

export const BIG_BYTES = 20 * 1024 * 1024 + 4321
const SMALL_FILES = 50
const TIMEOUT_MS = 60_000
const TREE: readonly (readonly [path: string, bytes: number])[] = [
  ['empty', 0],
  ['one byte', 1],
  ['a/b/c/deep.bin', 70_000],
  ['a/with space & plus+.txt', 4096],
  ['a/ümlaut-日本.txt', 4097],
  ['b/percent%2Fslash.bin', 1_000_000],
]

/** Whether the program is installed; the suites of missing programs are skipped, by name. */
export const installed = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)))

async function inWorkshop(endpoint: S3Endpoint, options: ClientSuiteOptions, work: (shop: Workshop) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-s3-'))
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    AWS_ACCESS_KEY_ID: endpoint.accessKey,
    AWS_SECRET_ACCESS_KEY: endpoint.secretKey,
    AWS_DEFAULT_REGION: endpoint.region,
    AWS_EC2_METADATA_DISABLED: 'true',
    RESTIC_PASSWORD: 'a password of tests',
    LC_ALL: 'C.UTF-8',
    // Version 2 pages its output, version 1 does not know the flag against it.
    AWS_PAGER: '',
  }
  const timeout = options.timeoutMs ?? TIMEOUT_MS
  try {
    await work({
      folder,
      endpoint,
      run: async (program, ...args) => (await run(program, args, { env, cwd: folder, timeout, maxBuffer: 16 * 1024 * 1024 })).stdout,
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** How large the tree is that a client carries. */
type Sizes = Required<Pick<ClientSuiteOptions, 'bigBytes' | 'smallFiles'>>

/** Files of many sizes and awkward names, one of them large enough for several parts. The number of files. */
async function plantTree(root: string, { bigBytes, smallFiles }: Sizes): Promise<number> {
  // Sizes on both sides of what lies in the metadata log.
  const small = Array.from({ length: smallFiles }, (_, i) => [`many/${i % 17}/${i}.dat`, (i * 61) % 9000] as const)
  const files = [...TREE, ...small, ['big.bin', bigBytes] as const]
  for (const [path, bytes] of files) {
    const file = join(root, path)
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(file, randomBytes(bytes))
  }
  return files.length
}

/** SHA-256 of every file under `root`, by relative path. */
async function fingerprint(root: string): Promise<Record<string, string>> {
  const prints: Record<string, string> = {}
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    prints[path.slice(root.length + 1)] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }
  return prints
}

const bucketName = (client: string): string => `${client}-${randomBytes(6).toString('hex')}`

async function awscli(shop: Workshop, sizes: Sizes): Promise<void> {
  const { folder, endpoint } = shop
  const cli = (...args: string[]) => shop.run('aws', '--endpoint-url', endpoint.url, ...args)
  const bucket = bucketName('awscli')
  // Version 1 presigns with signature version 2 unless it is told not to.
  await shop.run('aws', 'configure', 'set', 'default.s3.signature_version', 's3v4')
  const files = await plantTree(join(folder, 'in'), sizes)
  const before = await fingerprint(join(folder, 'in'))
  await cli('s3', 'mb', `s3://${bucket}`)
  await cli('s3', 'cp', '--recursive', '--only-show-errors', 'in', `s3://${bucket}/tree`)
  await cli('s3', 'sync', '--only-show-errors', `s3://${bucket}/tree`, 'out')
  assert.deepEqual(await fingerprint(join(folder, 'out')), before)
  // A sync of what is there already moves nothing.
  assert.equal((await cli('s3', 'sync', 'out', `s3://${bucket}/tree`, '--size-only')).trim(), '')
  await cli('s3api', 'get-object', '--bucket', bucket, '--key', 'tree/big.bin', '--range', 'bytes=5242870-5242889', 'slice')
  const whole = await readFile(join(folder, 'in', 'big.bin'))
  assertBytes(await readFile(join(folder, 'slice')), whole.subarray(5_242_870, 5_242_890))
  await cli('s3', 'cp', '--only-show-errors', `s3://${bucket}/tree/big.bin`, `s3://${bucket}/copy.bin`)
  await cli('s3', 'cp', '--only-show-errors', `s3://${bucket}/copy.bin`, 'copy.bin')
  assertBytes(await readFile(join(folder, 'copy.bin')), whole)
  const presigned = (await cli('s3', 'presign', `s3://${bucket}/tree/a/b/c/deep.bin`)).trim()
  const fetched = new Uint8Array(await (await fetch(presigned)).arrayBuffer())
  assertBytes(fetched, await readFile(join(folder, 'in', 'a/b/c/deep.bin')))
  await rm(join(folder, 'out', 'a'), { recursive: true })
  await cli('s3', 'sync', '--delete', '--only-show-errors', 'out', `s3://${bucket}/tree`)
  const left = (await cli('s3', 'ls', '--recursive', `s3://${bucket}/tree/`)).trim().split('\n')
  assert.equal(left.length, files - 3)
  await cli('s3', 'rb', '--force', `s3://${bucket}`)
  await assert.rejects(cli('s3api', 'head-bucket', '--bucket', bucket))
}

async function rclone(shop: Workshop, sizes: Sizes): Promise<void> {
  const { folder, endpoint } = shop
  const lines = [
    '[net]',
    'type = s3',
    'provider = Other',
    `endpoint = ${endpoint.url}`,
    `region = ${endpoint.region}`,
    'chunk_size = 5Mi',
    'upload_cutoff = 6Mi',
  ]
  await writeFile(
    join(folder, 'rclone.conf'),
    [...lines, `access_key_id = ${endpoint.accessKey}`, `secret_access_key = ${endpoint.secretKey}`].join('\n'),
  )
  const cli = (...args: string[]) => shop.run('rclone', '--config', join(folder, 'rclone.conf'), '--retries', '1', ...args)
  const bucket = bucketName('rclone')
  const files = await plantTree(join(folder, 'in'), sizes)
  const before = await fingerprint(join(folder, 'in'))
  await cli('mkdir', `net:${bucket}`)
  await cli('copy', 'in', `net:${bucket}/tree`)
  await cli('check', '--download', 'in', `net:${bucket}/tree`)
  await cli('check', 'in', `net:${bucket}/tree`)
  await cli('sync', `net:${bucket}/tree`, 'out')
  assert.deepEqual(await fingerprint(join(folder, 'out')), before)
  const whole = await readFile(join(folder, 'in', 'big.bin'))
  assert.equal(await cli('cat', '--offset', '100', '--count', '0', `net:${bucket}/tree/empty`), '')
  await cli('copyto', `net:${bucket}/tree/big.bin`, `net:${bucket}/server-side.bin`)
  await cli('moveto', `net:${bucket}/server-side.bin`, 'moved.bin')
  assertBytes(await readFile(join(folder, 'moved.bin')), whole)
  await rm(join(folder, 'out', 'b'), { recursive: true })
  await cli('sync', 'out', `net:${bucket}/tree`)
  assert.equal((await cli('lsf', '-R', '--files-only', `net:${bucket}`)).trim().split('\n').length, files - 1)
  await cli('purge', `net:${bucket}`)
}

async function s3cmd(shop: Workshop, sizes: Sizes): Promise<void> {
  const { folder, endpoint } = shop
  const { host, protocol } = new URL(endpoint.url)
  const common = [
    '--no-progress',
    `--host=${host}`,
    `--host-bucket=${host}`,
    `--region=${endpoint.region}`,
    protocol === 'https:' ? '--ssl' : '--no-ssl',
  ]
  const cli = (...args: string[]) =>
    shop.run('s3cmd', '--config=/dev/null', `--access_key=${endpoint.accessKey}`, `--secret_key=${endpoint.secretKey}`, ...common, ...args)
  const bucket = bucketName('s3cmd')
  const files = await plantTree(join(folder, 'in'), sizes)
  const before = await fingerprint(join(folder, 'in'))
  await cli('mb', `s3://${bucket}`)
  await cli('put', '--recursive', '--multipart-chunk-size-mb=5', 'in/', `s3://${bucket}/tree/`)
  await mkdir(join(folder, 'out'))
  await cli('sync', `s3://${bucket}/tree/`, 'out/')
  assert.deepEqual(await fingerprint(join(folder, 'out')), before)
  await cli('info', `s3://${bucket}/tree/big.bin`)
  await cli('info', `s3://${bucket}`)
  await cli('cp', `s3://${bucket}/tree/one byte`, `s3://${bucket}/copied`)
  await cli('del', `s3://${bucket}/copied`)
  await cli('del', '--recursive', '--force', `s3://${bucket}/tree/a`)
  assert.equal((await cli('ls', '--recursive', `s3://${bucket}`)).trim().split('\n').length, files - 3)
  await cli('rb', '--recursive', '--force', `s3://${bucket}`)
}

async function restic(shop: Workshop, sizes: Sizes): Promise<void> {
  const { folder, endpoint } = shop
  const bucket = bucketName('restic')
  const cli = (...args: string[]) => shop.run('restic', '--no-cache', '-r', `s3:${endpoint.url}/${bucket}/repo`, ...args)
  await plantTree(join(folder, 'in'), sizes)
  const before = await fingerprint(join(folder, 'in'))
  await cli('init')
  await cli('backup', 'in')
  await writeFile(join(folder, 'in', 'later.txt'), 'changed')
  await cli('backup', 'in')
  await cli('check', '--read-data')
  const snapshots: unknown = JSON.parse(await cli('snapshots', '--json'))
  assert(Array.isArray(snapshots) && snapshots.length === 2)
  await cli('restore', 'latest', '--target', 'out')
  const restored = await fingerprint(join(folder, 'out', 'in'))
  assert.deepEqual(restored, { ...before, 'later.txt': createHash('sha256').update('changed').digest('hex') })
  await cli('forget', '--keep-last', '1', '--prune')
  await cli('check')
}

const CLIENTS = { aws: awscli, rclone, s3cmd, restic } as const

/**
 * Tests of the installed clients against an endpoint: trees of files in and out byte for byte, multipart, ranges,
 * copies, deletion, sync, and a backup checked and restored. `endpoint` is asked when the tests run.
 */
export function clientSuite(name: string, endpoint: () => S3Endpoint, options: ClientSuiteOptions = {}): void {
  describe(`unmodified S3 clients over ${name}`, () => {
    for (const [program, script] of Object.entries(CLIENTS)) {
      const skip = installed(program) ? false : `${program} is not installed`
      test(`${program} stores, lists, reads back, copies and deletes a tree of files`, { skip }, () =>
        inWorkshop(endpoint(), options, (shop) => script(shop, { bigBytes: BIG_BYTES, smallFiles: SMALL_FILES, ...options })),
      )
    }
  })
}
