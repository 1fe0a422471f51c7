/**
 * What a customer is promised: two commands and a mnemonic rebuild a gateway whose data folder was deleted. Real processes;
 * the gateway is killed in the middle of its life, and every object that was acknowledged comes back byte for byte.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { startNetwork, type TestNetwork, until } from './network.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const EPOCH_SECONDS = 15
const VERB_MS = 120_000
/** Objects that are not inline are covered by the metadata log within a second (DESIGN §6), on a machine that does much else. */
const COVERED_MS = 4_000
const MIB = 1024 * 1024
/** Two segments of 64 MiB, in parts that do not end where a segment does. */
const PART_SIZES = [40 * MIB, 40 * MIB + 12_345]
const SIZES = [0, 1, 4096, 4097, 262_128, 1_000_000, 5 * MIB + 1]
const SMALL_OBJECTS = 200

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

let network: TestNetwork
let client: S3Client
/** SHA-256 of what was acknowledged under each key. */
const stored = new Map<string, string>()

const clientOf = (accessKeyId: string, secretAccessKey: string): S3Client =>
  new S3Client({
    endpoint: network.s3.url,
    region: network.s3.region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    requestHandler: { requestTimeout: 60_000, connectionTimeout: 5_000 },
  })

async function put(Key: string, bytes: number): Promise<void> {
  const Body = randomBytes(bytes)
  await client.send(new PutObjectCommand({ Bucket: 'photos', Key, Body }))
  stored.set(Key, hashOf(Body))
}

async function putInParts(Key: string, sizes: readonly number[]): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'photos', Key }))
  const hash = createHash('sha256')
  const Parts: { PartNumber: number; ETag: string | undefined }[] = []
  for (const [i, size] of sizes.entries()) {
    const Body = randomBytes(size)
    hash.update(Body)
    const { ETag } = await client.send(new UploadPartCommand({ Bucket: 'photos', Key, UploadId, PartNumber: i + 1, Body }))
    Parts.push({ PartNumber: i + 1, ETag })
  }
  await client.send(new CompleteMultipartUploadCommand({ Bucket: 'photos', Key, UploadId, MultipartUpload: { Parts } }))
  stored.set(Key, hash.digest('hex'))
}

async function verify(through: S3Client): Promise<void> {
  const { Contents = [] } = await through.send(new ListObjectsV2Command({ Bucket: 'photos' }))
  assert.deepEqual(Contents.map((one) => one.Key).sort(), [...stored.keys()].sort())
  const all = [...stored]
  const lane = async (): Promise<void> => {
    for (let next = all.pop(); next !== undefined; next = all.pop()) {
      const [Key, hash] = next
      const { Body } = await through.send(new GetObjectCommand({ Bucket: 'photos', Key }))
      const found = createHash('sha256')
      for await (const chunk of Body as AsyncIterable<Uint8Array>) found.update(chunk)
      assert.equal(found.digest('hex'), hash, `${Key} is what was stored`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, lane))
}

/** A gateway that was away owes for the epochs since: providers serve it when it has paid, which it does first of all. */
const paidAgain = (work: () => Promise<void>): Promise<true> =>
  until('the gateway has paid and is served', () => work().then(() => true as const), VERB_MS)

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A command as a person types it. `started`: what is done with it while it runs. */
function cairn(args: readonly string[], started: (child: ChildProcess) => void = () => undefined): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args, '--data', network.folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: VERB_MS,
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
    child.once('close', (code) => resolve({ code, out, err }))
    started(child)
  })
}

const gatewayFolder = (): string => join(network.folder, 'gateway')

before(async () => {
  network = await startNetwork({ epochSeconds: EPOCH_SECONDS })
  client = clientOf(network.s3.accessKey, network.s3.secretKey)
  await client.send(new CreateBucketCommand({ Bucket: 'photos' }))
  for (const size of SIZES) await put(`before/${size}`, size)
  await putInParts('before/parts', PART_SIZES)
})

after(async () => {
  client?.destroy()
  await network?.close()
})

describe('a gateway whose data folder was deleted', { timeout: 280_000 }, () => {
  let words: string
  let oldKey: { readonly accessKey: string; readonly secretKey: string }

  test('is stored into, snapshot after snapshot, until it is killed and its folder deleted', async () => {
    const shown = await cairn(['account', 'show', '--mnemonic'])
    assert.equal(shown.code, 0, shown.err)
    words = join(network.folder, 'words.txt')
    await writeFile(words, shown.out)
    const made = await cairn(['key', 'create', '--json'])
    assert.equal(made.code, 0, made.err)
    oldKey = JSON.parse(made.out) as typeof oldKey
    const isSnapshot = (line: Record<string, unknown>): boolean => String(line['message']).includes('took a snapshot')
    await until('a snapshot is on chain', () => network.log('gateway', 'info').some(isSnapshot), VERB_MS)
    for (let from = 0; from < SMALL_OBJECTS; from += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => put(`small/${from + i}`, 1 + (((from + i) * 37) % 4096))))
    }
    for (const size of SIZES) await put(`after/${size}`, size)
    await sleep(COVERED_MS)
    assert.equal(await network.kill('gateway'), true)
    await rm(gatewayFolder(), { recursive: true, force: true })
  })

  test('is not rebuilt with the words of another account, and the refusal says so', async () => {
    const other = `${'abandon '.repeat(23)}art`
    const ran = await cairn(['storage', 'recover', '--mnemonic', other])
    assert.equal(ran.code, 2)
    assert.match(ran.err, /no pointer of this account; is it the right mnemonic\?/)
  })

  test('is not rebuilt while too few providers answer', async () => {
    const asleep = [1, 2, 3, 4, 5, 6].map((node) => `node ${node}` as const)
    for (const node of asleep) network.pause(node)
    let begun = false
    const ran = await cairn(['storage', 'recover', '--mnemonic-file', words], (child) => {
      // A minute of patience is longer than a test has; whoever waits in vain ends it.
      child.stderr?.on('data', () => {
        if (begun) return
        begun = true
        setTimeout(() => child.kill('SIGKILL'), 6_000)
      })
    })
    for (const node of asleep) network.resumePaused(node)
    assert.notEqual(ran.code, 0)
    assert.equal(existsSync(join(gatewayFolder(), 'state.db')), false, 'nothing was rebuilt')
  })

  test('comes back with every object by the two commands of its help, through the keys it had and new ones', async () => {
    const help = await cairn(['storage', 'recover', '--help'])
    assert.match(help.out, /cairn storage recover --mnemonic-file words\.txt\n\s+cairn up\n/)
    const ran = await cairn(['storage', 'recover', '--mnemonic-file', words])
    assert.equal(ran.code, 0, `${ran.out}${ran.err}`)
    assert.match(ran.err, /going on with the recovery that was cut off/)
    assert.match(ran.out, new RegExp(`recovered ${stored.size} object\\(s\\) in 1 bucket\\(s\\)`))
    // The second command runs already here: its supervisor starts the gateway again once the folder is there.
    assert.match(ran.out, /`cairn up` is running and starts it within seconds/)
    await paidAgain(() => verify(client))
    const made = await cairn(['key', 'create', '--json'])
    assert.equal(made.code, 0, made.err)
    const fresh = JSON.parse(made.out) as typeof oldKey
    const renewed = clientOf(fresh.accessKey, fresh.secretKey)
    await verify(renewed)
    renewed.destroy()
    const gone = clientOf(oldKey.accessKey, oldKey.secretKey)
    await assert.rejects(gone.send(new ListObjectsV2Command({ Bucket: 'photos' })), { name: 'InvalidAccessKeyId' })
    gone.destroy()
    await paidAgain(() => put('later', 700_000))
    await verify(client)
  })
})
